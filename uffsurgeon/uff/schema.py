"""The UFF file format: its messages, reading and writing them, and access to the fields of a node.

A .uff file is one `MetaGraph` in protocol buffer encoding. A node names its inputs. Small values are in its `fields`; weights
and dimension orders are in `referenced_data`, and a field refers to them by name:

    >>> meta = read("box3d.uff")
    >>> nodes = {node.id: node for node in meta.graphs[0].nodes}
    >>> node = nodes["block1_conv1/convolution"]
    >>> field(node, "strides"), field(node, "implicit_padding")
    ([1, 1], 'same')
    >>> orders(node, meta)      # the meaning of each axis of input 0 (NHWC) and of input 1 (HWCK); see ORDERS
    [[0, 2, 2147483647, 1], [2, 2147483647, 1, 0]]
    >>> array(nodes["block1_conv1/kernel"], meta).shape
    (3, 3, 3, 4)
"""
import functools
import itertools
import operator
import os

import numpy as np
from google.protobuf import text_format

from uffsurgeon import dtypes, files, kinds, protobuf
from uffsurgeon.names import short

# Package uff of NVIDIA's uff 0.6.3, reconstructed from its files. The numbers are the format.
UFF = """
enum DataType {
  DT_INVALID = 0; DT_INT8 = 65544; DT_INT16 = 65552; DT_INT32 = 65568; DT_INT64 = 65600;
  DT_FLOAT16 = 131088; DT_FLOAT32 = 131104;
}
enum OrderEnum {
  OE_ZERO = 0; OE_SPECIAL = -1; OE_INCREMENT = 2147483647; OE_DECREMENT = -2147483648;
}
message ListString { repeated string val = 1; }
message ListBool { repeated bool val = 1; }
message ListINT64 { repeated int64 val = 1; }
message ListDouble { repeated double val = 1; }
message ListDataType { repeated DataType val = 1; }
message DimensionOrders { map<int32, ListINT64> orders = 1; }
message ListDimensionOrders { repeated DimensionOrders val = 1; }
message Data {
  oneof data_oneof {
    string s = 1; ListString s_list = 2; double d = 3; ListDouble d_list = 4; bool b = 5;
    ListBool b_list = 6; int64 i = 7; ListINT64 i_list = 8; bytes blob = 9; string ref = 100;
    DataType dtype = 101; ListDataType dtype_list = 102; DimensionOrders dim_orders = 103;
    ListDimensionOrders dim_orders_list = 104;
  }
}
message Descriptor { string id = 1; uint32 version = 2; bool optional = 3; }
message Node {
  string id = 1; repeated string inputs = 2; string operation = 3;
  map<string, Data> fields = 4; map<string, Data> extra_fields = 100;
}
message Graph { string id = 1; repeated Node nodes = 2; map<string, Data> extra_fields = 100; }
message MetaGraph {
  uint32 version = 1; uint32 descriptor_core_version = 2; repeated Descriptor descriptors = 3;
  repeated Graph graphs = 4; map<string, Data> referenced_data = 5; map<string, Data> extra_fields = 100;
}
"""
MetaGraph = protobuf.build(UFF, "uff")["MetaGraph"]

NUMPY = dtypes.NUMPY_OF_UFF  # DataType number -> NumPy dtype, little-endian as the blobs are
# The meaning of the axes of an input, by the names in NVIDIA's references: N batch, C input channels, K output channels,
# + all spatial axes. In the lists 0 is N or K, 1 is C, and "2, MAX" stands for the spatial axes, which count from 2 on.
MAX = 2147483647
ORDERS = {
    "N+C": [0, 2, MAX, 1], "NC+": [0, 1, 2, MAX], "+CK": [2, MAX, 1, 0], "+KC": [2, MAX, 0, 1],
    "NC": [0, 1], "CN": [1, 0], "CK": [1, 0], "KC": [0, 1],
}
# Operation, number of inputs (+: one or more), fields and their types (?: may be missing).
OPERATIONS = """
Input 0 dtype:dtype shape:i_list
Const 0 dtype:dtype shape:i_list values:blob
Identity 1
Shape 1
Flatten 1
Reshape 2
Activation 1 func:s
Unary 1 func:s
Binary 2 func:s
Softmax 1 axis:i inputs_orders:orders
ExpandDims 1 axis:i
ArgMax 1 axis:i
ArgMin 1 axis:i
Transpose 1 permutation:i_list
Reduce 1 func:s keepdims:b axes:i_list?
Squeeze 1 axes:i_list?
Stack + axis:i
Concat + axis:i
Pad 2
StridedSlice 4 begin_mask:i end_mask:i shrink_axis_mask:i
Gather 2 indices_dtype:dtype params_dtype:dtype validate_indices:b
GatherV2 2 axis:i indices_dtype:dtype params_dtype:dtype
Pool 1 func:s kernel:i_list inputs_orders:orders strides:i_list? padding:i_list? implicit_padding:s?
LRN 1 window_size:i alpha:d beta:d k:d inputs_orders:orders
BatchNorm 5 epsilon:d inputs_orders:orders
FullyConnected 2 inputs_orders:orders
Conv 2 inputs_orders:orders strides:i_list? dilation:i_list? padding:i_list? implicit_padding:s? number_groups:i?
ConvTranspose 3 inputs_orders:orders strides:i_list? dilation:i_list? padding:i_list? implicit_padding:s?
MarkOutput +
"""
_RULES = {words[0]: (words[1], dict(word.split(":") for word in words[2:]))
          for words in map(str.split, OPERATIONS.split("\n")) if words}
LONGEST = 1 << 16  # characters of a node's name, of which others are made
SKIP_ABOVE = 32  # longest blob, in bytes, that the text form shows


class UffException(ValueError):
    """A graph that UFF cannot express, or a file that is not valid UFF. The name is NVIDIA's."""


def read(source):
    """The MetaGraph in a .uff file.

    source: its path, or bytes. Raises OSError as the file system does, and UffException for a folder and a file that holds
    something else, with what it is, or is cut off, and for all that `check` finds.

        >>> len(read("box3d.uff").graphs[0].nodes)
        119
    """
    name = "these bytes" if isinstance(source, (bytes, bytearray, memoryview)) else str(source)
    mistake = kinds.mistake(source, "uff")
    if mistake:
        raise UffException(mistake)
    try:
        meta = protobuf.read(MetaGraph, source)
    except ValueError as error:
        raise UffException("%s. A .uff file was expected." % error) from None
    if not meta.version or not meta.graphs:
        raise UffException("%s is not UFF: it has no %s" % (name, "graph" if meta.version else "format version"))
    check(meta)
    return meta


def check(meta):
    """Raise UffException unless `validate` passes, references lead to data, and the values of each Const fit its shape.

    Also for data that is referred to so often that it would take more than ten times its size plus 40 MiB.

        >>> check(meta)
    """
    validate(meta)
    sizes, total = {}, 0
    for graph in meta.graphs:
        for node in graph.nodes:
            for key in node.fields:
                data = resolve(node, key, meta)
                reference = node.fields[key].ref if node.fields[key].WhichOneof("data_oneof") == "ref" else ""
                if reference and reference not in sizes:  # a list takes more memory than its bytes
                    sizes[reference] = len(data.blob) if data.WhichOneof("data_oneof") == "blob" else 10 * data.ByteSize()
                total += sizes.get(reference, 0)
            if node.operation == "Const":
                _constant_size(node, meta, sizes)
    if total > 10 * sum(sizes.values()) + protobuf.MOST_REPEATED:
        raise UffException("the nodes refer to %d MB of data, over ten times what it holds: share a Const" % (total >> 20))


def validate(meta):
    """Raise UffException unless every input is a node and every node has the inputs and fields of its operation.

    Custom operations ("_" and a name) may have any.

        >>> validate(meta)
    """
    for graph in meta.graphs:
        ids = {node.id for node in graph.nodes}
        for node in graph.nodes:
            label = "node '%s' (%s)" % (short(node.id), short(node.operation))
            if len(node.id) > LONGEST:
                raise UffException("%s: a name has at most %d characters" % (label, LONGEST))
            for name in node.inputs:
                if name not in ids:
                    raise UffException("%s reads '%s', and this UFF has no such node" % (label, short(name)))
            if len(node.operation) > 1 and node.operation[0] == "_":
                continue
            if node.operation not in _RULES:
                raise UffException("%s: no such operation in UFF" % label)
            count, fields = _RULES[node.operation]
            if not node.inputs if count == "+" else len(node.inputs) != int(count):
                raise UffException("%s has %d inputs, expected: %s" % (
                    label, len(node.inputs), "one or more" if count == "+" else count))
            for key, kind in fields.items():
                _check_field(node, key, kind, label)
            unknown = set(node.fields) - set(fields) - {"outputs_orders"}
            if unknown:
                raise UffException("%s: field %s unknown" % (label, sorted(unknown)[0]))


def _check_field(node, key, kind, label):
    if key not in node.fields:
        if not kind.endswith("?"):
            raise UffException("%s has no field '%s'" % (label, key))
        return
    kind = kind.rstrip("?")
    wanted = "ref" if kind in ("blob", "orders") else kind
    found = node.fields[key].WhichOneof("data_oneof")
    if found != wanted:
        raise UffException("%s: field '%s' holds %s and not %s" % (label, key, found or "nothing", wanted))


def write(meta, path):
    """Write a MetaGraph to `path`, atomically; weights are encoded one at a time. Returns the absolute path. Raises OSError.

        >>> os.path.basename(write(meta, "copy.uff"))
        'copy.uff'
    """
    with files.atomic(path) as temporary, open(str(temporary), "wb") as stream:
        for part in parts(meta):
            stream.write(part)
    return os.path.abspath(str(path))


def parts(meta, blobs=()):
    """Generate the encoded `meta` in pieces, with more referenced data.

    blobs: an iterable of (name, bytes); of a generator, only one blob is in memory at a time. The pieces joined are one
        MetaGraph.

        >>> MetaGraph.FromString(b"".join(parts(meta))) == meta
        True
    """
    shell, names = _without_blobs(meta)
    yield shell.SerializeToString(deterministic=True)
    for name in names:
        yield from _entry(name, meta.referenced_data[name].blob)
    for name, blob in blobs:
        yield from _entry(name, blob)


def _entry(name, blob):
    """referenced_data[name] = Data(blob=blob) on the wire, without a copy of the blob."""
    key = name.encode("utf-8")
    key = b"\x0a" + varint(len(key)) + key  # map entry: field 1, the key
    data = b"\x4a" + varint(len(blob))  # Data: field 9, blob
    value = b"\x12" + varint(len(data) + len(blob)) + data  # map entry: field 2, the value
    # MetaGraph: field 5, referenced_data
    yield b"\x2a" + varint(len(key) + len(value) + len(blob)) + key + value
    yield blob


def varint(number):
    """A number in protobuf's encoding.

        >>> varint(300)
        b'\\xac\\x02'
    """
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytearray([number]))


def _without_blobs(meta):
    """(a copy of `meta` without the blobs in its referenced data, the sorted names of these)."""
    shell = MetaGraph(version=meta.version, descriptor_core_version=meta.descriptor_core_version)
    shell.descriptors.extend(meta.descriptors)
    shell.graphs.extend(meta.graphs)
    for name in meta.extra_fields:
        shell.extra_fields[name].CopyFrom(meta.extra_fields[name])
    names = []
    for name in sorted(meta.referenced_data):
        if meta.referenced_data[name].WhichOneof("data_oneof") == "blob":
            names.append(name)
        else:
            shell.referenced_data[name].CopyFrom(meta.referenced_data[name])
    return shell, names


def text(meta, blobs=()):
    """The readable form (.pbtxt) as NVIDIA's converter writes it, without blobs of more than 32 bytes; arguments as parts.

        >>> print(text(meta)[:23])
        version: 1
        descriptor_c
    """
    shell, names = _without_blobs(meta)
    own = ((name, meta.referenced_data[name].blob) for name in names)
    for name, blob in itertools.chain(own, blobs):
        mark = b"(...%d bytes skipped...)" % len(blob)
        shell.referenced_data[name].blob = blob if len(blob) <= SKIP_ABOVE else mark
    return text_format.MessageToString(shell)


def resolve(node, key, meta):
    """The Data message of a field; of a reference, the Data that it refers to in `meta.referenced_data`.

    Raises UffException if the node does not have the field, or the MetaGraph does not have the data.

        >>> resolve(nodes["confidence/Softmax"], "inputs_orders", meta).WhichOneof("data_oneof")
        'dim_orders_list'
    """
    if key not in node.fields:
        raise UffException("node '%s' (%s) has no field '%s', only %s" % (
            node.id, node.operation, key, sorted(node.fields)))
    data = node.fields[key]
    if data.WhichOneof("data_oneof") != "ref":
        return data
    if meta is None:
        raise UffException("field '%s' of node '%s' is a reference: pass the MetaGraph as `meta`" % (key, node.id))
    if data.ref not in meta.referenced_data:
        raise UffException("field '%s' of node '%s' refers to '%s', which this UFF does not hold" % (key, node.id, data.ref))
    return meta.referenced_data[data.ref]


_MISSING = object()


def field(node, key, meta=None, default=_MISSING):
    """The value of a node's field.

    key: the field's name. meta: the MetaGraph, needed for a field that is a reference. default: for a missing field.
    Returns an int, float, bool or str; a list of these; for a dtype its number (see `NUMPY`); for a blob bytes; for the
    `values` of a Const node what `array` returns; for dimension orders a list of {axis: list of int}, one per input; None
    for an empty field. Raises UffException for a missing field without default, and as `resolve`.

        >>> field(nodes["confidence/Softmax"], "axis"), field(nodes["confidence/Softmax"], "axes", default=[])
        (0, [])
    """
    if key not in node.fields and default is not _MISSING:
        return default
    data = resolve(node, key, meta)
    if key == "values" and node.operation == "Const":
        return array(node, meta)
    kind = data.WhichOneof("data_oneof")
    if kind is None:
        return None
    value = getattr(data, kind)
    if kind == "dim_orders":
        return _orders(value)
    if kind == "dim_orders_list":
        return list(map(_orders, value.val))
    return list(value.val) if kind.endswith("_list") else value


def fields(node, meta=None):
    """All fields of a node as {name: value}; arguments and errors as `field`.

        >>> fields(nodes["confidence/Softmax"], meta)
        {'axis': 0, 'inputs_orders': [{-1: [0, 2, 2147483647, 1]}]}
    """
    return {key: field(node, key, meta) for key in sorted(node.fields)}


def orders(node, meta, key="inputs_orders"):
    """The meaning of the axes of each input, a list of lists of int as in `ORDERS`: [0, 2, MAX, 1] for NHWC.

    Raises UffException as `field`.

        >>> orders(nodes["confidence/Softmax"], meta)
        [[0, 2, 2147483647, 1]]
    """
    return [axes[-1] for axes in field(node, key, meta)]


def array(node, meta):
    """The values of a Const node as a read-only NumPy array of its shape and dtype, in the layout of the file.

    Raises UffException for another node, a dtype number that UFF does not have, and values that do not fill the shape.

        >>> array(nodes["dense_3/bias"], meta).dtype
        dtype('float32')
    """
    if node.operation != "Const":
        raise UffException("node '%s' is a %s, not a Const: it has no values" % (node.id, node.operation))
    blob = resolve(node, "values", meta).blob
    shape, number = _constant_size(node, meta, {node.fields["values"].ref: len(blob)})
    if number not in NUMPY:
        raise UffException("Const '%s' has dtype %r, which UFF does not have; NVIDIA's converter writes 7 for a dtype that it "
                           "cannot express" % (node.id, number))
    return np.frombuffer(blob, NUMPY[number]).reshape(shape)


def _constant_size(node, meta, sizes):
    """(shape, DataType number) of a Const; UffException unless its blob, whose length may be known in `sizes` {reference:
    bytes}, fills the shape."""
    for key in ("dtype", "shape", "values"):
        _check_field(node, key, _RULES["Const"][1][key], "Const '%s'" % node.id)
    shape, number = field(node, "shape", meta), field(node, "dtype", meta)
    if len(shape) > protobuf.MOST_AXES:
        raise UffException("Const '%s' has %d axes, and a tensor at most %d" % (node.id, len(shape), protobuf.MOST_AXES))
    data = resolve(node, "values", meta)
    if data.WhichOneof("data_oneof") != "blob":
        raise UffException("the values of Const '%s' are %s and not a blob" % (node.id, data.WhichOneof("data_oneof")))
    have = sizes.get(node.fields["values"].ref)
    have = len(data.blob) if have is None else have
    if min(shape, default=0) < 0:
        raise UffException("Const '%s' has the shape %s" % (node.id, shape))
    if number in NUMPY:
        size = functools.reduce(operator.mul, shape, NUMPY[number].itemsize)
        if have != size:
            raise UffException("Const '%s' is %s %s and needs %d bytes of values, the UFF holds %d" % (
                node.id, NUMPY[number].name, shape, size, have))
    return shape, number


def _orders(dimension_orders):
    return {axis: list(dimension_orders.orders[axis].val) for axis in dimension_orders.orders}
