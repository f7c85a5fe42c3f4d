"""The rules: what a UffParser refuses or gets wrong, and what helps.

RULES maps a rule to its Rule. Each has a case of a real parser in tests/fixtures/parser, and each recipe that changes the graph
has one of a network that parses and agrees with TensorFlow.
"""
import collections

PARSERS = ("5.1.5", "6.0.1", "7.1.3", "7.2.1", "8.0.1", "8.2.3", "8.6.1")

Rule = collections.namedtuple("Rule", "level text recipe")
Rule.__doc__ = """level: "error" (refused, or wrong values), "warning" (it depends on the values, or on your plugin), "note".
text: what happens; "" where the parser's own words say it. recipe: what to do."""

FRONT = "count the axis from the front, the batch as 0"
BATCH = "keep the batch as the first axis"
SAME = "put a Reshape to the same sizes before it"
OWN = "let all readers of the tensor read one Reshape of it, and a convolution or Transpose a second one of its own"
OUTSIDE = "compute it outside of the network"
ENDS = "parse ends the process"
WRONG = "wrong values: "
ANCHOR = ("graph.append(gs.create_node('anchor_input', op='Const', value=np.ones(2, 'f4'))), and node.input.insert(0, "
          "'anchor_input')")

RULES = {name: Rule(*fields) for name, fields in {
    # refused, or without a use
    "unsupported": ("error", "", "write it with operations that UFF has, or give it a plugin"),
    "own-plugin": ("warning", "", "load your library with this plugin before parse"),
    "plugin": ("note", "needs a standard plugin", "call init_libnvinfer_plugins before parse"),
    "plugin-name": ("error", ENDS + ": a plugin has this operation's name", "write it with other operations"),
    "plugin-inputs": ("error", ENDS + ", as a plugin has no inputs", "give it a constant: " + ANCHOR),
    "anchor-axis": ("error", "", "let a constant be the first input of GridAnchor_TRT: " + ANCHOR),
    "dtype": ("error", "", "feed float32"),
    "constant-dtype": ("error", "", "store it as float32 or int32"),
    "empty-constant": ("error", "", "remove it"),
    "constant-computed": ("error", "", "fold the constants when the graph is frozen"),
    "reduce-batch": ("error", "", "reduce over other axes than the batch"),
    "reduce-nothing": ("error", "", "name the axes"),
    "reduce-order": ("error", "", SAME + ", from which the parser knows the axes"),
    "argument-axis": ("error", "", FRONT),
    "binary-constant": ("error", "", "write max(x, c) as relu(x - c) + c, min(x, c) as -relu(-x + c) + c, "
                                     "c - x as -x + c, c / x as x ** -1 * c"),
    "binary-function": ("error", "", "write x ** y as exp(y * log(x))"),
    "scale-weights": ("error", "", "let a convolution read the image first, or give the constant all sizes of the tensor"),
    "scale-rank": ("error", "", "put a Reshape before it, which gives three sizes"),
    "stack": ("error", "", "use ConcatV2 of tensors that were reshaped to have the axis"),
    "slice-shrink": ("error", "", "keep the axis, x[:, :, :, 0:1], and remove it with a Reshape"),
    "slice-rank": ("error", "", "name all axes: x[:, 1:3, :, :]"),
    "slice-range": ("error", "", "write begin and end counted from the front, and no step"),
    "reshape-volume": ("error", "", BATCH),
    "transpose-batch": ("error", "", BATCH),
    "order-size": ("error", "", "reshape to four axes before it"),
    "shape-output": ("error", "", OUTSIDE),
    "shape-value": ("error", ENDS, OUTSIDE),
    "gather-axis": ("error", "", FRONT + ", and do not name the batch"),
    "concat-axis": ("error", "", FRONT + ", and do not name the batch"),
    "kernel-size": ("error", "", "register the input in the graph's order; " + OWN),
    "matmul-constant": ("error", ENDS, "one operand must be a constant"),
    "matmul-rank": ("error", "", "put a Reshape before it, which gives three sizes"),
    "expand-negative": ("error", "parse may end the process", FRONT),
    "pad-rank": ("error", ENDS, "reshape to four axes, pad, and reshape back"),
    "pad-batch": ("error", ENDS, "pad no batch"),
    "no-dimensions": ("error", "the sizes do not fit, the tensor has none",
                      "give the inputs as many axes, and sizes that fit; " + OWN),
    "no-output": ("error", "parse returns True and leaves no output", "mark a node that computes something"),
    "int-values": ("error", "indices have no such layer", "mark the indices as the output"),
    # parse returns True, and the values are wrong
    "pad-lost": ("error", WRONG + "the padding of this axis is lost",
                 "let the convolution pad itself (SAME), pad evenly before a VALID one, or pad behind the first convolution"),
    "concat-wrong": ("error", WRONG + "another axis is joined", FRONT + ", and do not name the batch"),
    "concat-axes": ("error", WRONG + "another axis is joined", SAME + ", which brings the axes into TensorFlow's places"),
    "softmax-axis": ("error", WRONG + "another axis is normalised", "reshape to [batch, n] before it, or " + OUTSIDE),
    "gather-wrong": ("error", WRONG + "another axis is gathered", OUTSIDE),
    "slice-wrong": ("error", WRONG + "another axis is cut", SAME),
    "argument-wrong": ("error", WRONG + "another axis is searched", SAME),
    "reduce-wrong": ("error", WRONG + "another axis is reduced", SAME + ", which brings the axes into TensorFlow's places"),
    "constant-axis": ("error", WRONG + "the constant is applied along another axis", "give it all sizes of the tensor"),
    "constant-order": ("error", WRONG + "the constant is applied to other elements", SAME),
    "broadcast-wrong": ("error", WRONG + "elements of different places meet", OWN),
    "layout": ("error", WRONG + "height, width and channels are mixed up", "register the input in the graph's order; " + OWN),
    "flatten-order": ("error", WRONG + "Flatten leaves the order of its values unclear",
                      "use a Reshape, whose name has no scope flatten"),
    "transpose-shared": ("error", WRONG + "another reader's Transpose is applied here, too", OWN),
    "output-order": ("error", WRONG + "the values are in another order than TensorFlow's",
                     OWN + "; AvgPool for a mean over height and width"),
    "lrn": ("warning", "TensorFlow sums over 2 depth_radius + 1 channels, TensorRT over depth_radius rows", OUTSIDE),
    "pool-padding": ("error", WRONG + "TensorFlow counts the zeros of the Pad before it, TensorRT does not",
                     "pad before a convolution"),
    "pool-zeros": ("warning", "the Pad before it adds zeros, TensorRT ignores the border: they differ where all of a window is "
                              "negative", "put a Relu before it"),
}.items()}

# name: the first parser whose libnvinfer_plugin registers it
STANDARD_PLUGINS = {name: since for since, names in {
    "5.1.5": "BatchedNMS_TRT Clip_TRT GridAnchor_TRT LReLU_TRT NMS_TRT Normalize_TRT PriorBox_TRT RPROI_TRT Region_TRT"
             " Reorg_TRT",
    "6.0.1": "FlattenConcat_TRT SingleStepLSTMPlugin",
    "7.1.3": "CropAndResize DetectionLayer_TRT GroupNormalizationPlugin InstanceNormalization_TRT Proposal ProposalLayer_TRT"
             " PyramidROIAlign_TRT ResizeNearest_TRT SpecialSlice_TRT Split",
    "7.2.1": "BatchedNMSDynamic_TRT",
    "8.0.1": "EfficientNMS_TRT EfficientNMS_ONNX_TRT GridAnchorRect_TRT ScatterND",
    "8.2.3": "EfficientNMS_TFTRT_TRT",
}.items() for name in names.split()}
