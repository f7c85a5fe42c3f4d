"""NodeDefs: made, changed, read; and the names by which they read one another."""
import numpy as np

from uffsurgeon import protobuf


def create_node(name, op=None, trt_plugin=False, **kwargs):
    """A NodeDef. kwargs become attributes; `inputs`, `shape` and `dtype` are what they say.

    op: defaults to `name`. Values: float, int, bool, str, a list of numbers, a NumPy array, a
    TensorFlow dtype; `inputs` a list of NodeDefs or names, `shape` a list of int (None: unknown).
    Raises TypeError for any other value.
    """
    if not trt_plugin:
        print("WARNING: To create TensorRT plugin nodes, please use the `create_plugin_node` "
              "function instead.")
    node = protobuf.graph_def_class()().node.add()
    return update_node(node, name, op or name, trt_plugin, **kwargs)


def create_plugin_node(name, op=None, **kwargs):
    """A NodeDef that the UFF converter turns into a TensorRT plugin: as create_node, with typed names.

    `negSlope=0.1` becomes the attribute `negSlope_u_float` (float32: 0.10000000149011612), which
    TensorRT hands to the creator of plugin `op` as field `negSlope`; int and bool get `_u_int`, str
    `_u_str`, lists `_u_flist` and `_u_ilist`.
    """
    return create_node(name, op, trt_plugin=True, **kwargs)


def update_node(node, name=None, op=None, trt_plugin=False, **kwargs):
    """Change a NodeDef in place and return it; arguments as create_node.

    Single values are replaced; lists, `shape` and `inputs` are appended to. A call that raises
    TypeError has changed nothing.
    """
    new = type(node)()
    new.CopyFrom(node)
    new.name = name or node.name
    new.op = op or node.op or new.name
    for key, value in kwargs.items():
        if key == "inputs":
            value = [value] if isinstance(value, str) else value
            new.input.extend(_input_name(each) for each in value)
        else:
            _set_attr(new, key, value, trt_plugin)
    node.CopyFrom(new)
    return node


def _input_name(node):
    if isinstance(node, str):
        return node
    if not hasattr(node, "input"):
        raise TypeError("Input type unrecognized. Must be a tensorflow.NodeDef or a string.")
    return node.name


def _set_attr(node, key, value, plugin):
    def typed(kind):
        return node.attr[key + "_u_" + kind if plugin else key]

    if key == "shape":
        shape = node.attr[key].shape
        for size in value:
            shape.dim.add(size=0 if size is None else int(size))
    elif hasattr(value, "as_datatype_enum"):
        node.attr[key].type = value.as_datatype_enum
    elif isinstance(value, np.ndarray):
        _set_tensor(node.attr[key].tensor, value)
    elif isinstance(value, (bool, int, np.integer, np.bool_)):
        typed("int").i = int(value)
    elif isinstance(value, (float, np.floating)):
        typed("float").f = float(value)
    elif isinstance(value, str):
        typed("str").s = value.encode("utf-8")
    elif isinstance(value, list):
        if not all(isinstance(each, (bool, int, float, np.number)) for each in value):
            raise TypeError("Only lists of floats or ints are currently supported. ('%s' of node "
                            "'%s' is %r.)" % (key, node.name, value))
        if any(isinstance(each, (float, np.floating)) for each in value):
            typed("flist").list.f.extend(float(each) for each in value)
        else:
            typed("ilist").list.i.extend(int(each) for each in value)
            typed("ilist").list.SetInParent()  # an empty list is a value too
    else:
        raise TypeError("Type: %s unrecognized. ('%s' of node '%s'.)" % (
            type(value), key, node.name))


def _set_tensor(tensor, value):
    numbers = [n for n, dtype in protobuf.NUMPY.items() if dtype == value.dtype.newbyteorder("<")]
    if not numbers:
        raise TypeError("a node cannot hold an array of %s" % value.dtype)
    tensor.dtype = numbers[0]
    for size in value.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = np.ascontiguousarray(value, protobuf.NUMPY[numbers[0]]).tobytes()


def shape(node):
    """A node's `shape` attribute as a tuple of int, unknown sizes as they are stored; () without one."""
    return tuple(dim.size for dim in node.attr["shape"].shape.dim) if "shape" in node.attr else ()


def extract_numpy_array(node):
    """The values of a Const node as a flat NumPy array [n]. Raises ValueError if it holds none."""
    if "value" not in node.attr:
        raise ValueError("node '%s' (%s) holds no constant" % (node.name, node.op))
    return protobuf.array(node.attr["value"].tensor, node.attr["dtype"].type).reshape(-1)
