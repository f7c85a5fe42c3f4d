"""The rules: what a UffParser does wrong or refuses, and what helps.

RULES has (level, recipe) for each rule. Each has a case of a real parser in tests/fixtures/parser.
"""
PARSERS = ("5.1.5", "6.0.1", "7.1.3", "7.2.1", "8.0.1", "8.2.3", "8.6.1")
RESHAPE = "put a Reshape to the same sizes there: it makes TensorFlow's order"
RULES = {
    # refused
    "unsupported": ("error", "replace it by operations that UFF has, or by a plugin of that name"),
    "plugin": ("warning", "call init_libnvinfer_plugins before parse"),
    "plugin-name": ("error", "TensorFlow's operation has the name of a plugin: write it as StridedSlices"),
    "own-plugin": ("error", "load the library with that plugin before parse"),
    "dtype": ("error", "feed float32 or int32"),
    "constant-dtype": ("error", "store the constant as float32 or int32"),
    "empty-constant": ("error", "remove it"),
    "reduce-batch": ("error", "reduce each entry of the batch by itself"),
    "reduce-nothing": ("error", "name the axes"),
    "reduce-order": ("error", "put a Reshape before it: the parser then knows the order of the axes"),
    "argument-axis": ("error", "write the axis counted from the front"),
    "binary-constant": ("error", "swap the operands, or write it with other operations: max(x, c) is relu(x - c) + c, "
                                 "c - x is -x + c, c / x is c * exp(-log(x))"),
    "binary-function": ("error", "write x ** y as exp(y * log(x))"),
    "scale-weights": ("error", "read the image with a convolution first, behind which the channels are in front, or give the "
                               "constant all sizes of the tensor"),
    "scale-rank": ("error", "put a Reshape before it, which gives three dimensions"),
    "stack": ("error", "use ConcatV2 of tensors with an axis of size 1"),
    "slice-shrink": ("error", "keep the axis (x[:, 0:1]) and remove it with a Reshape"),
    "slice-rank": ("error", "name all axes in begin and end"),
    "slice-range": ("error", "write begin and end counted from the front, and a step of 1"),
    "reshape-volume": ("error", "keep the batch as the first axis"),
    "transpose-batch": ("error", "keep the batch as the first axis"),
    "order-size": ("error", "make it four axes with a Reshape"),
    "shape-value": ("error", "compute it outside of the network"),
    "transpose-shared": ("error", "give the Transpose a tensor of its own"),
    "shape-output": ("error", "compute it outside of the network"),
    "gather-axis": ("error", "write the axis counted from the front"),
    "concat-axis": ("error", "write the axis counted from the front"),
    "kernel-size": ("error", "register the input as it is in the graph, and read a tensor before a convolution elsewhere"),
    "matmul-constant": ("error", "one operand must be a constant"),
    "matmul-rank": ("error", "put a Reshape before it, which gives three dimensions"),
    "expand-negative": ("error", "write the axis counted from the front"),
    "pad-rank": ("error", "make it four axes with a Reshape, pad, and go back"),
    "pad-batch": ("error", "pad no batch"),
    "no-dimensions": ("error", "give the tensors the same number of axes, and sizes that are equal or 1"),
    "no-output": ("error", "mark the node before it, or one that computes something, as the output"),
    "int-values": ("error", "keep indices out of what follows"),
    # wrong values
    "pad-lost": ("error", "pad after the first convolution, or let a VALID convolution read the Pad"),
    "concat-wrong": ("error", "write the axis counted from the front"),
    "concat-axes": ("error", "put a Reshape before it, which makes the axes those of TensorFlow"),
    "softmax-axis": ("error", "put a Reshape to [batch, n] before it, so that the axis is the first one, or compute it outside"),
    "gather-wrong": ("error", "gather outside of the network, or put a Reshape to the same sizes before it"),
    "slice-wrong": ("error", "put a Reshape to the same sizes before it"),
    "argument-wrong": ("error", "write axis 1 for the channels behind a convolution, or put a Reshape before it"),
    "reduce-wrong": ("error", "put a Reshape before it, which makes the axes those of TensorFlow"),
    "constant-axis": ("error", "give the constant all sizes of the tensor, or read the image with a convolution first"),
    "constant-order": ("error", "put a Reshape to the same sizes before it: behind a convolution the values lie as CHW"),
    "broadcast-wrong": ("error", "let both operands come from convolutions, or put a Reshape before each"),
    "layout": ("error", "register the input in the order of the graph"),
    "flatten-order": ("error", "use Reshape in place of Flatten"),
    "output-order": ("error", "put a Reshape before it, or give each reader a tensor of its own"),
    "lrn": ("error", "TensorFlow's depth_radius r is a window of 2 r + 1 channels in front, and alpha is divided by it"),
    "pool-padding": ("error", "pad in an own node, before an operation that is not a pool"),
}

# name: (the first parser whose libnvinfer_plugin has it, the first that has it no more or None)
STANDARD_PLUGINS = {}
for _since, _names in {
        "5.1.5": "BatchedNMS_TRT Clip_TRT GridAnchor_TRT LReLU_TRT NMS_TRT Normalize_TRT PriorBox_TRT RPROI_TRT Region_TRT "
                 "Reorg_TRT",
        "6.0.1": "FlattenConcat_TRT SingleStepLSTMPlugin",
        "7.1.3": "CropAndResize DetectionLayer_TRT GroupNormalizationPlugin InstanceNormalization_TRT Proposal ProposalLayer_TRT "
                 "PyramidROIAlign_TRT ResizeNearest_TRT SpecialSlice_TRT Split",
        "7.2.1": "BatchedNMSDynamic_TRT",
        "8.0.1": "EfficientNMS_TRT EfficientNMS_ONNX_TRT GridAnchorRect_TRT ScatterND",
        "8.2.3": "EfficientNMS_TFTRT_TRT"}.items():
    STANDARD_PLUGINS.update({_name: (_since, None) for _name in _names.split()})
