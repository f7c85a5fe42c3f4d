"""A graph of the structure of ssd_mobilenet_v2_coco, small and with random weights, and what its recipes do with it.

The names, and how the parts hang together, are those of TensorFlow's object detection API (1.5 to 1.15): a loop that resizes
each image, a MobileNet, box predictors, the anchors' grid, a postprocessor.
"""
import numpy as np
import tensorflow

tf = tensorflow.compat.v1
SIZE, CLASSES, ANCHORS = 32, 5, 3
HEADS = ["concat", "concat_1"]


def graph_def(concat="Concatenate", to_float="ToFloat", seed=0):
    """The frozen GraphDef, outputs detection_boxes, detection_scores and detection_classes.

    concat: the scope that joins the anchors, which differs between versions of the API, and so does to_float, the first cast.
    """
    random = np.random.RandomState(seed)

    def weights(*shape):
        return tf.constant(random.normal(0, 0.3, shape).astype("f4"), name="weights")

    with tf.Graph().as_default() as graph:
        if hasattr(tensorflow.compat.v1, "disable_control_flow_v2"):
            tf.disable_control_flow_v2()
        images = tf.cast(tf.placeholder(tf.uint8, [None, None, None, 3], "image_tensor"), tf.float32, name=to_float)
        with tf.name_scope("Preprocessor"):
            x = tf.map_fn(lambda image: tf.image.resize_bilinear(image[None], [SIZE, SIZE])[0], images, name="map")
            x = tf.subtract(x * (2 / 255.0), 1.0, name="sub")
        x.set_shape([None, SIZE, SIZE, 3])
        features = []
        for index, channels in enumerate((8, 8, 12)):
            with tf.name_scope("FeatureExtractor/MobilenetV2/Conv_%d/" % index):
                x = tf.nn.conv2d(x, weights(3, 3, int(x.shape[-1]), channels), [1, 2, 2, 1], "SAME")
                scale, zero = tf.constant(np.ones(channels, "f4")), tf.constant(np.zeros(channels, "f4"))
                x = tf.nn.relu6(tf.nn.fused_batch_norm(x, scale, zero, zero, scale, is_training=False, name="BatchNorm")[0])
            features.append(x)
        boxes, scores, anchors = [], [], []
        for index, x in enumerate(features[1:]):
            for kind, found, width, tail in (("BoxEncodingPredictor", boxes, 4, [1, 4]),
                                             ("ClassPredictor", scores, CLASSES, [CLASSES])):
                with tf.name_scope("BoxPredictor_%d/%s/" % (index, kind)):
                    y = tf.nn.conv2d(x, weights(1, 1, int(x.shape[-1]), ANCHORS * width), [1, 1, 1, 1], "SAME")
                    y = tf.nn.bias_add(y, weights(ANCHORS * width))
                found.append(tf.reshape(y, tf.stack([tf.shape(x)[0], -1] + tail), name="BoxPredictor_%d/Reshape" % index))
            with tf.name_scope("MultipleGridAnchorGenerator/"):
                count = tf.shape(x)[1] * tf.shape(x)[2] * ANCHORS
                anchors.append(tf.cast(tf.fill(tf.stack([count, 4]), count), tf.float32))
        with tf.name_scope(concat + "/"):
            grid = tf.concat(anchors, 0, name="concat")
        boxes = tf.squeeze(tf.concat(boxes, 1, name="concat"), [2], name="Squeeze")
        scores = tf.concat(scores, 1, name="concat_1")
        with tf.name_scope("Postprocessor"):
            ratio = tf.cast(tf.shape(images)[1], tf.float32) / float(SIZE)
            tf.identity((boxes + tf.expand_dims(grid, 0)) * ratio, name="boxes")
            tf.sigmoid(scores, name="scores")
            tf.cast(tf.argmax(scores, 2), tf.float32, name="classes")
        boxes, scores, classes = [
            graph.get_tensor_by_name("Postprocessor/%s:0" % name) for name in ("boxes", "scores", "classes")]
        outputs = [tf.identity(boxes, "detection_boxes"), tf.identity(scores, "detection_scores"),
                   tf.identity(tf.add(classes, 1.0, name="add"), "detection_classes")]
        found = tf.graph_util.extract_sub_graph(graph.as_graph_def(), [output.op.name for output in outputs])
    cast = next(node for node in found.node if node.name == to_float)
    cast.input[:] = ["image_tensor:0"]  # as TransformGraph leaves it
    return found


# As public config files do it, with what TensorRT 5's plugins want.
CONFIG = '''
import graphsurgeon as gs
import tensorflow as tf

Input = gs.create_plugin_node(name="Input", op="Placeholder", {dtype}shape=[1, 3, 32, 32])
PriorBox = gs.create_plugin_node(name="GridAnchor", op="GridAnchor_TRT", minSize=0.2, maxSize=0.95,
    aspectRatios=[1.0, 2.0, 0.5], variance=[0.1, 0.1, 0.2, 0.2], featureMapShapes=[8, 4], numLayers=2)
NMS = gs.create_plugin_node(name="NMS", op="NMS_TRT", shareLocation=1, varianceEncodedInTarget=0, backgroundLabelId=0,
    confidenceThreshold=1e-8, nmsThreshold=0.6, topK=100, keepTopK=100, numClasses=5, inputOrder=[1, 0, 2], confSigmoid=1,
    isNormalized=1)
concat_priorbox = gs.create_node(name="concat_priorbox", op="ConcatV2", dtype=tf.float32, axis=2)
concat_box_loc = gs.create_plugin_node("concat_box_loc", op="FlattenConcat_TRT", dtype=tf.float32, axis=1, ignoreBatch=0)
concat_box_conf = gs.create_plugin_node("concat_box_conf", op="FlattenConcat_TRT", dtype=tf.float32, axis=1, ignoreBatch=0)

namespace_plugin_map = {{
    "MultipleGridAnchorGenerator": PriorBox,
    "Postprocessor": NMS,
    "Preprocessor": Input,
    "ToFloat": Input,
    "Cast": Input,
    "image_tensor": Input,
    "MultipleGridAnchorGenerator/Concatenate": concat_priorbox,
    "MultipleGridAnchorGenerator/Identity": concat_priorbox,
    "Concatenate": concat_priorbox,
    "concat": concat_box_loc,
    "concat_1": concat_box_conf,
    "Squeeze": concat_box_loc,
}}


def preprocess(dynamic_graph):
    dynamic_graph.forward_inputs(dynamic_graph.find_nodes_by_op("Identity"))
    dynamic_graph.collapse_namespaces(namespace_plugin_map)
    dynamic_graph.remove(dynamic_graph.graph_outputs, remove_exclusive_dependencies=False)
    dynamic_graph.find_nodes_by_op("NMS_TRT")[0].input.remove("Input")
    {more}
'''

# What may be done to GridAnchor_TRT in such a config. In a graph of the newest API it reads nothing.
GRID_ANCHOR = {
    "reads feature maps": "",
    "reads feature maps, axis 1": 'dynamic_graph["concat_priorbox"].attr["axis"].i = 1',
    "reads nothing": 'del dynamic_graph["GridAnchor"].input[:]',
    "reads a constant": """import numpy
    dynamic_graph.append(gs.create_node("anchor_input", op="Const", value=numpy.ones(2, "f4")))
    dynamic_graph["GridAnchor"].input.insert(0, "anchor_input")""",
}
