"""NodeDefs: making, changing and reading them."""
import numpy as np

from uffsurgeon import protobuf


def create_node(name, op=None, trt_plugin=False, **kwargs):
    """Make a NodeDef.

    name: the node's name. op: its operation; default: `name`.
    trt_plugin: give attributes the typed names that TensorRT's plugins read, as create_plugin_node does.
    kwargs: attributes. A value is a float, int, bool, str, list of numbers, NumPy array or TensorFlow dtype. Three names
        are special: `inputs`, a list of NodeDefs or names; `shape`, a list of int (None: unknown); `dtype`, a TensorFlow dtype.
    Returns the NodeDef. Raises TypeError for a value of another type.

        >>> node = create_node("Input", op="Placeholder", trt_plugin=True, shape=[None, 3, 300, 300])
        >>> node.op, shape(node)
        ('Placeholder', (0, 3, 300, 300))
    """
    if not trt_plugin:
        print("WARNING: To create TensorRT plugin nodes, please use the `create_plugin_node` function instead.")
    node = protobuf.graph_def_class()().node.add()
    return update_node(node, name, op or name, trt_plugin, **kwargs)


def create_plugin_node(name, op=None, **kwargs):
    """Make a NodeDef that the UFF converter turns into a TensorRT plugin; arguments and errors as create_node.

    A suffix states the type of each attribute: `negSlope=0.1` becomes `negSlope_u_float` (a float32), which TensorRT gives to
    the creator of plugin `op` as its field `negSlope`. int and bool get `_u_int`, str `_u_str`, lists `_u_flist` or `_u_ilist`.

        >>> node = create_plugin_node("leaky", op="LReLU_TRT", negSlope=0.1, inputs=["dense_1/BiasAdd"])
        >>> node.attr["negSlope_u_float"].f
        0.10000000149011612
    """
    return create_node(name, op, trt_plugin=True, **kwargs)


def update_node(node, name=None, op=None, trt_plugin=False, **kwargs):
    """Change a NodeDef in place; arguments as create_node.

    Single values are replaced; lists, `shape` and `inputs` are appended to. Returns the node. Raises TypeError as
    create_node does; the node is then unchanged.

        >>> node = create_plugin_node("pool", op="Pool_TRT", size=2)
        >>> update_node(node, trt_plugin=True, size=3).attr["size_u_int"].i
        3
    """
    new = type(node)()
    new.CopyFrom(node)
    new.name = name or node.name
    new.op = op or node.op or new.name
    for key, value in kwargs.items():
        if key == "inputs":
            value = [value] if isinstance(value, str) else value
            new.input.extend(_input_name(source) for source in value)
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
        if not all(isinstance(number, (bool, int, float, np.number)) for number in value):
            raise TypeError("Only lists of floats or ints are currently supported. ('%s' of node '%s' is %r.)" % (
                key, node.name, value))
        if any(isinstance(number, (float, np.floating)) for number in value):
            typed("flist").list.f.extend(map(float, value))
        else:
            typed("ilist").list.i.extend(map(int, value))
            typed("ilist").list.SetInParent()  # an empty list is a value too
    else:
        raise TypeError("Type: %s unrecognized. ('%s' of node '%s'.)" % (type(value), key, node.name))


def _set_tensor(tensor, value):
    numbers = [n for n, dtype in protobuf.NUMPY.items() if dtype == value.dtype.newbyteorder("<")]
    if not numbers:
        raise TypeError("a node cannot hold an array of %s" % value.dtype)
    tensor.dtype = numbers[0]
    for size in value.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = np.ascontiguousarray(value, protobuf.NUMPY[numbers[0]]).tobytes()


def shape(node):
    """The `shape` attribute of a NodeDef, a tuple of int: unknown sizes as they are stored (-1 or 0), () without one.

        >>> shape(create_plugin_node("x", shape=[1, 4]))
        (1, 4)
    """
    return tuple(dim.size for dim in node.attr["shape"].shape.dim) if "shape" in node.attr else ()


def extract_numpy_array(node):
    """The values of a Const node as a flat, read-only NumPy array [number of elements] of its dtype.

    Raises ValueError for a node without values, or with values that are not numbers.

        >>> extract_numpy_array(create_node("k", "Const", trt_plugin=True, value=np.array([[1, 2], [3, 4]]))).tolist()
        [1, 2, 3, 4]
    """
    if "value" not in node.attr:
        raise ValueError("node '%s' (%s) holds no constant" % (node.name, node.op))
    return protobuf.array(node.attr["value"].tensor, node.attr["dtype"].type).reshape(-1)
