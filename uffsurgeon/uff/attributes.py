"""The attributes of a NodeDef: read by type, and as the fields of a custom node."""
from uffsurgeon.dtypes import UFF_OF_TENSORFLOW
from uffsurgeon.names import producer
from uffsurgeon.protobuf import NUMPY

from .schema import UffException

_REQUIRED = object()


def attr(node, key, kind, default=_REQUIRED):
    """The value of an attribute of a NodeDef.

    kind: the field of AttrValue that it must be in, or "ints" for a list of int; "s" is returned as str.
    Raises UffException if it is in another, or is missing and there is no default.
    """
    if key not in node.attr and default is not _REQUIRED:
        return default
    value = node.attr[key] if key in node.attr else None
    found = value and value.WhichOneof("value")
    if found != {"ints": "list"}.get(kind, kind):
        raise UffException("node '%s' (%s) has no attribute '%s'%s" % (
            node.name, node.op, key, "" if value is None else " of type %s, but one of type %s" % (kind, found or "none")))
    if kind == "ints":
        return list(value.list.i)
    return value.s.decode("utf-8", "replace") if kind == "s" else getattr(value, kind)


def shape_of(const):
    """The shape of a Const NodeDef's values, a list of int."""
    return [dim.size for dim in attr(const, "value", "tensor").tensor_shape.dim]


def dtype(number, node, what="values"):
    """The uff.DataType number for a TensorFlow DataType number. what: the thing of that dtype, for the UffException."""
    if number not in UFF_OF_TENSORFLOW:
        names = {7: "strings", 14: "bfloat16"}
        name = NUMPY[number].name if number in NUMPY else names.get(
            number, "TensorFlow's DataType number %d" % number)
        raise UffException("node '%s' (%s) has %s of %s, which UFF cannot express: it has int8, int16, int32, int64, float16, "
                           "float32. Build the model in float32, or cut this node off with other outputs"
                           % (node.name, node.op, what, name))
    return UFF_OF_TENSORFLOW[number]


def cast_inputs(nodes):
    """Names of the inputs of a type that UFF does not have, such as uint8 images, all of whose readers cast it to float32."""
    wanted = {name for name, node in nodes.items() if node.op == "Placeholder"
              and attr(node, "dtype", "type", 1) in set(NUMPY) - set(UFF_OF_TENSORFLOW)}
    read, others = set(), set()
    for node in nodes.values() if wanted else ():
        for text in node.input:
            if producer(text) in wanted:
                fits = node.op == "Cast" and attr(node, "DstT", "type", 0) == 1
                (read if fits else others).add(producer(text))
    return read - others


def custom_fields(node):
    """The attributes of a NodeDef as fields of a custom node: {name: (type in uff.Data, value)}.

    A dtype that UFF does not have is given by its name, "bool". Raises UffException for an attribute that UFF cannot express,
    unless it is a note of TensorFlow's (`_output_shapes`): these are left out.
    """
    fields = {}
    for key in sorted(node.attr):
        try:
            field = _custom_field(node, key)
        except UffException:
            if not key.startswith("_"):
                raise
            continue
        if field is not None:
            fields[key] = field
    return fields


def _custom_field(node, key):
    kind = node.attr[key].WhichOneof("value")
    value = getattr(node.attr[key], kind) if kind else None
    if kind == "list":
        found = value.ListFields()
        if not found:
            return None  # UFF has no list without an element type
        kind, value = found[0][0].name, list(found[0][1])
        plain = {"i": "i_list", "f": "d_list", "b": "b_list"}
        if kind == "s":
            return "s_list", [_text(node, key, data) for data in value]
        if kind == "type":
            return "dtype_list", [dtype(number, node, "attribute '%s'" % key) for number in value]
        kind = "list of " + kind if kind not in plain else kind
    else:
        plain = {"i": "i", "f": "d", "b": "b"}
        if kind == "s":
            return "s", _text(node, key, value)
        if kind == "type" and value in UFF_OF_TENSORFLOW:
            return "dtype", UFF_OF_TENSORFLOW[value]
        if kind == "type":
            return "s", NUMPY[value].name if value in NUMPY else "string" if value == 7 else "TensorFlow's number %d" % value
        if kind == "shape":
            return "i_list", [dim.size for dim in value.dim]
    if kind not in plain:
        raise UffException("Unsupported field type:%s ('%s' of node '%s', %s)" % (kind, key, node.name, node.op))
    return plain[kind], value


def _text(node, key, value):
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise UffException("attribute '%s' of node '%s' (%s) holds bytes that are not UTF-8: %r" % (
            key, node.name, node.op, value)) from None
