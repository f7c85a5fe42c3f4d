"""Protocol buffer messages: classes for GraphDef and UFF, large files read without a second copy, tensors as NumPy arrays.

Generated `*_pb2.py` modules work only with the protobuf releases of their own years: those of 2018 do not import today,
today's do not import on JetPack 4. So UFF (`uffsurgeon/uff/schema.py`) and, where TensorFlow is not installed, GraphDef (below)
are kept as proto3 text, which protobuf 3.6 to 7 turns into classes at run time, in a descriptor pool of their own.

    >>> graph_def = read(graph_def_class(), "box3d.pb")
    >>> kernel = [node for node in graph_def.node if node.name == "block1_conv1/kernel"][0]
    >>> array(kernel.attr["value"].tensor).shape
    (3, 3, 3, 4)
"""
import functools
import importlib
import importlib.util
import operator
import re
import sys
import threading
import types
import warnings

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from uffsurgeon.dtypes import NUMPY_OF_TENSORFLOW

# tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,types,versions}.proto.
# What is not named here (function libraries, resource handles) travels along as unknown fields.
GRAPH_DEF = """
enum DataType {
  DT_INVALID = 0; DT_FLOAT = 1; DT_DOUBLE = 2; DT_INT32 = 3; DT_UINT8 = 4; DT_INT16 = 5;
  DT_INT8 = 6; DT_STRING = 7; DT_COMPLEX64 = 8; DT_INT64 = 9; DT_BOOL = 10; DT_QINT8 = 11;
  DT_QUINT8 = 12; DT_QINT32 = 13; DT_BFLOAT16 = 14; DT_QINT16 = 15; DT_QUINT16 = 16;
  DT_UINT16 = 17; DT_COMPLEX128 = 18; DT_HALF = 19; DT_RESOURCE = 20; DT_VARIANT = 21;
  DT_UINT32 = 22; DT_UINT64 = 23;
}
message VersionDef {
  int32 producer = 1; int32 min_consumer = 2; repeated int32 bad_consumers = 3;
}
message TensorShapeProto {
  message Dim { int64 size = 1; string name = 2; }
  repeated TensorShapeProto.Dim dim = 2; bool unknown_rank = 3;
}
message TensorProto {
  DataType dtype = 1; TensorShapeProto tensor_shape = 2; int32 version_number = 3;
  bytes tensor_content = 4; repeated int32 half_val = 13; repeated float float_val = 5;
  repeated double double_val = 6; repeated int32 int_val = 7; repeated bytes string_val = 8;
  repeated float scomplex_val = 9; repeated int64 int64_val = 10; repeated bool bool_val = 11;
  repeated double dcomplex_val = 12; repeated uint32 uint32_val = 16;
  repeated uint64 uint64_val = 17;
}
message NameAttrList { string name = 1; map<string, AttrValue> attr = 2; }
message AttrValue {
  message ListValue {
    repeated bytes s = 2; repeated int64 i = 3; repeated float f = 4; repeated bool b = 5;
    repeated DataType type = 6; repeated TensorShapeProto shape = 7;
    repeated TensorProto tensor = 8; repeated NameAttrList func = 9;
  }
  oneof value {
    bytes s = 2; int64 i = 3; float f = 4; bool b = 5; DataType type = 6;
    TensorShapeProto shape = 7; TensorProto tensor = 8; AttrValue.ListValue list = 1;
    NameAttrList func = 10; string placeholder = 9;
  }
}
message NodeDef {
  string name = 1; string op = 2; repeated string input = 3; string device = 4;
  map<string, AttrValue> attr = 5;
}
message GraphDef { repeated NodeDef node = 1; int32 version = 3; VersionDef versions = 4; }
"""
NUMPY = NUMPY_OF_TENSORFLOW  # TensorFlow's DataType number -> NumPy dtype
# DataType number -> the field of a TensorProto that holds its values, where that is not int_val.
_VALUES = {1: "float_val", 2: "double_val", 9: "int64_val", 10: "bool_val", 19: "half_val", 22: "uint32_val", 23: "uint64_val"}

MOST_AXES = 32  # of NumPy 1
MOST_REPEATED = 40 << 20  # bytes that a short list of values is made of, as a few bytes in a file may ask for any number

_FIELD = descriptor_pb2.FieldDescriptorProto
_BLOCK = 4 << 20  # bytes of small fields merged at once
_own = {}  # classes of GRAPH_DEF


class _Parser(object):
    """Recursive descent over the part of proto3 that the two schemas use."""

    def __init__(self, text, package):
        self.tokens = re.findall(r"-?\w[\w.]*|[{}=;<>,]", text)[::-1]
        self.enums = set(re.findall(r"enum (\w+)", text))
        self.package = package

    def take(self, count=1):
        taken = [self.tokens.pop() for _ in range(count)]
        return taken if count > 1 else taken[0]

    def file(self, file):
        while self.tokens:
            if self.take() == "enum":
                self.enum(file.enum_type.add(name=self.take()))
            else:
                self.message(file.message_type.add(name=self.take()), self.package)

    def enum(self, enum):
        self.take()
        while self.tokens[-1] != "}":
            name, _, number, _ = self.take(4)
            enum.value.add(name=name, number=int(number))
        self.take()

    def message(self, into, scope, oneof=None):
        scope = scope if oneof is not None else scope + "." + into.name
        self.take()
        while self.tokens[-1] != "}":
            if self.tokens[-1] == "message":
                self.take()
                self.message(into.nested_type.add(name=self.take()), scope)
            elif self.tokens[-1] == "oneof":
                self.take()
                into.oneof_decl.add(name=self.take())
                self.message(into, scope, oneof=len(into.oneof_decl) - 1)
            else:
                self.field(into, scope, oneof)
        self.take()

    def field(self, into, scope, oneof):
        label, kind = _FIELD.LABEL_OPTIONAL, self.take()
        if kind in ("repeated", "map"):
            label = _FIELD.LABEL_REPEATED
            kind = self.take() if kind == "repeated" else self.take(5)[1:4:2]
        name, _, number, _ = self.take(4)
        if isinstance(kind, list):
            kind = self.map_entry(into, scope, name, kind)
        field = into.field.add(name=name, number=int(number), label=label)
        if oneof is not None:
            field.oneof_index = oneof
        self.type(field, kind)

    def map_entry(self, into, scope, name, kinds):
        """map<K, V> name is, on the wire, repeated NameEntry { K key = 1; V value = 2; }."""
        name = "".join(word.capitalize() for word in name.split("_")) + "Entry"
        entry = into.nested_type.add(name=name)
        entry.options.map_entry = True
        for number, (key, kind) in enumerate(zip(("key", "value"), kinds), 1):
            field = entry.field.add(name=key, number=number, label=_FIELD.LABEL_OPTIONAL)
            self.type(field, kind)
        return scope[len(self.package) + 1 :] + "." + name

    def type(self, field, kind):
        scalar = getattr(_FIELD, "TYPE_" + kind.upper(), None)
        if scalar is not None:
            field.type = scalar
        else:
            field.type = _FIELD.TYPE_ENUM if kind in self.enums else _FIELD.TYPE_MESSAGE
            field.type_name = ".%s.%s" % (self.package, kind)


def build(text, package):
    """Message classes for a proto3 text.

    text: top-level enums and messages; of proto3 what the two schemas use. package: its name.
    Returns {name of a top-level message: class}. Every call makes a descriptor pool, and classes, of its own.

        >>> Point = build("message Point { int64 x = 1; repeated string tags = 2; }", "example")["Point"]
        >>> Point(x=3, tags=["a"]).SerializeToString()
        b'\\x08\\x03\\x12\\x01a'
    """
    file = descriptor_pb2.FileDescriptorProto(name="uffsurgeon/%s.proto" % package, package=package, syntax="proto3")
    _Parser(text, package).file(file)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    names = [message_type.name for message_type in file.message_type]
    descriptors = [pool.FindMessageTypeByName("%s.%s" % (package, name)) for name in names]
    if hasattr(message_factory, "GetMessageClass"):
        return dict(zip(names, map(message_factory.GetMessageClass, descriptors)))
    factory = message_factory.MessageFactory(pool)
    return dict(zip(names, map(factory.GetPrototype, descriptors)))


def graph_def_class():
    """The GraphDef class: TensorFlow's where TensorFlow is installed, loaded or not; else one of the text above.

    TensorFlow itself is not imported: that would cost seconds and half a gigabyte. Its message classes are ten small
    generated modules that need protobuf only. With them a graph read before TensorFlow is imported consists of TensorFlow's
    own messages afterwards.

        >>> graph_def_class().DESCRIPTOR.full_name
        'tensorflow.GraphDef'
    """
    with _importing:
        if not _own and _MESSAGES not in sys.modules:
            _import_messages()
        kind = getattr(sys.modules.get(_MESSAGES), "GraphDef", None)
        if kind is None and not _own:
            _own.update(build(GRAPH_DEF, "tensorflow"))
    return kind or _own["GraphDef"]


_importing = threading.Lock()  # two threads that ask at once get the same class
_MESSAGES = "tensorflow.core.framework.graph_pb2"


def _import_messages():
    """Import `_MESSAGES`, and nothing else of TensorFlow, if that is possible.

    For the time of the import, an empty package stands for tensorflow. The modules below it stay in sys.modules: imported a
    second time, protobuf 3 would make a second set of classes of them. Their packages tensorflow.core and
    tensorflow.core.framework, which are empty, stay as well, because the modules are their attributes.
    """
    before, alone = set(sys.modules), "tensorflow" not in sys.modules
    try:
        if alone:
            package = types.ModuleType("tensorflow")
            specs = map(importlib.util.find_spec, ("tensorflow", "tensorflow_core"))  # 1.15 and 2.0 lie in the second
            package.__path__ = [folder for spec in specs for folder in getattr(spec, "submodule_search_locations", None) or ()]
            sys.modules["tensorflow"] = package
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keep = hasattr(importlib.import_module(_MESSAGES), "GraphDef")
    except Exception:  # not installed, made for another protobuf, or another package of that name
        keep = False
    if not alone:  # TensorFlow is loaded, or being loaded by another thread: what it has imported is its own
        return
    for name in set(sys.modules) - before:
        if name == "tensorflow" or name.startswith("tensorflow.") and not keep:
            del sys.modules[name]


def copy(source, into):
    """Replace the content of message `into` by that of `source`; returns `into`.

    The two are of the same schema, but not necessarily of the same class: CopyFrom raises TypeError for a NodeDef of
    another descriptor pool, and this does not.

        >>> node = graph_def_class()().node.add(name="x", op="Placeholder")
        >>> copy(node, type(node)()) == node
        True
    """
    if type(source) is type(into):
        into.CopyFrom(source)
    else:
        into.ParseFromString(source.SerializeToString())
    return into


def delete(repeated, drop):
    """Delete the messages of a repeated field for which `drop` is true, which is asked once for each, in order.

        >>> graph_def = graph_def_class()()
        >>> _ = [graph_def.node.add(name=name) for name in "abc"]
        >>> delete(graph_def.node, lambda node: node.name == "b")
        >>> [str(node.name) for node in graph_def.node]
        ['a', 'c']
    """
    dropped = [bool(drop(each)) for each in repeated]
    if sum(dropped) < 32:
        for index in reversed([index for index, gone in enumerate(dropped) if gone]):
            del repeated[index]
    else:  # one by one, each deletion would move all that follow
        order = iter(dropped)
        repeated.sort(key=lambda each: next(order))
        del repeated[len(dropped) - sum(dropped):]


def tensor_bytes(tensor, dtype=0, made=None):
    """The values of a TensorProto as little-endian bytes in C order.

    dtype: TensorFlow's DataType number, used where the tensor itself has none. made: a list to which the number of bytes is
        appended that repeat one value, if there are any.
    Raises ValueError for a dtype that has no NumPy dtype (strings, resources), for values that do not fill the shape, for more
    than 32 axes, and for one value that is repeated over more than 40 MiB.
    """
    dtype = tensor.dtype or dtype
    if dtype not in NUMPY:
        raise ValueError("a tensor of TensorFlow's DataType number %d has no numbers as values" % dtype)
    itemsize, shape = NUMPY[dtype].itemsize, [dim.size for dim in tensor.tensor_shape.dim[:MOST_AXES + 1]]
    if len(shape) > MOST_AXES:
        raise ValueError("a tensor has %d axes; NumPy holds at most %d" % (len(tensor.tensor_shape.dim), MOST_AXES))
    size = functools.reduce(operator.mul, shape, itemsize)
    content = tensor.tensor_content
    if not content and size > 0 and min(shape, default=1) > 0:
        if size > MOST_REPEATED and size > itemsize * len(getattr(tensor, _VALUES.get(dtype, "int_val"))):
            raise ValueError("a %s tensor of shape %s repeats one value over %d MB; at most %d MB are made of so little: store "
                             "all its values" % (NUMPY[dtype].name, shape, size // 1000000, MOST_REPEATED // 1000000))
        # TensorFlow's rule: the last value of a short list is repeated, an empty list means zeros.
        values = np.array(getattr(tensor, _VALUES.get(dtype, "int_val")))
        store = NUMPY[dtype] if dtype != 19 else "<u2"  # halves are stored as bit patterns
        content = values.astype(store).tobytes() or bytes(itemsize)
        if made is not None and size > len(content):
            made.append(size - len(content))
        content += content[-itemsize:] * ((size - len(content)) // itemsize)
    if len(content) != size or min(shape, default=0) < 0:
        raise ValueError("a %s tensor of shape %s needs %d bytes of values and has %d" % (
            NUMPY[dtype].name, shape, size, len(content)))
    return content


def array(tensor, dtype=0):
    """The values of a TensorProto as a read-only NumPy array of its shape and dtype; arguments and errors as tensor_bytes.

        >>> node = graph_def_class()().node.add()
        >>> node.attr["value"].tensor.float_val.append(0.5)
        >>> array(node.attr["value"].tensor, dtype=1)
        array(0.5, dtype=float32)
    """
    content = tensor_bytes(tensor, dtype)
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    return np.frombuffer(content, NUMPY[tensor.dtype or dtype]).reshape(shape)


def read(kind, source):
    """A message of class `kind` from a file.

    source: its path, or bytes. A file is merged field by field, so that at most one weight is in memory twice.
    Raises OSError (FileNotFoundError, IsADirectoryError) as the file system does, and ValueError with the position of the
    fault for a file that is cut off or holds something else.
    """
    into = kind()
    if isinstance(source, (bytes, bytearray, memoryview)):
        _merge(into, bytes(source), "these bytes", 0)
        return into
    with open(str(source), "rb") as stream:
        size = stream.seek(0, 2)
        start = end = stream.seek(0)
        while end < size:
            field = _field_size(stream, size, source, kind)
            if end > start and end + field - start > _BLOCK:
                start = _merge_part(into, stream, start, end, source)
            end += field
            stream.seek(end)
        _merge_part(into, stream, start, end, source)
    return into


def _field_size(stream, size, source, kind):
    """Number of bytes of the top-level field at the stream's position, its tag included."""
    start = stream.tell()
    head = stream.read(20)
    try:
        tag, at = _varint(head, 0)
        wire = tag & 7
        if tag >> 3 == 0 or wire in (3, 4, 6, 7):
            raise ValueError("%s is not a %s: no field starts at byte %d" % (source, kind.DESCRIPTOR.name, start))
        number, after = _varint(head, at) if wire in (0, 2) else (0, at + (8 if wire == 1 else 4))
        length = after + number if wire == 2 else after
    except IndexError:
        length = size - start + 1
    if start + length > size:
        raise ValueError("%s is cut off, or is not a %s: the field at byte %d is longer than the %d bytes that are left" % (
            source, kind.DESCRIPTOR.name, start, size - start))
    return length


def _varint(data, at):
    """(value, next position) of a number in protobuf's encoding; IndexError past the end."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80 or shift > 63:
            return value, at


def _merge_part(into, stream, start, end, source):
    stream.seek(start)
    _merge(into, stream.read(end - start), source, start)
    return end


def _merge(into, data, source, start):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            into.MergeFromString(data)
            error = caught[0].message if caught else None  # protobuf 3 only warns of an invalid tag
        except (message.DecodeError, RuntimeError) as raised:
            error = raised
    if error is not None:
        raise ValueError("%s is not a %s: the bytes from %d on cannot be read (%s)" % (
            source, type(into).DESCRIPTOR.name, start, error))
