"""The nodes of a .uff as the operations read them, and the table of these operations.

`read` decodes a .uff once. From there on an operation gets a `Node`, which is plain Python, and asks it for fields by type:
`node.integer("axis")`. Errors name the field; the converter puts the node's name in front of them.
"""
import ast
import collections
import copy
import functools
import re

import numpy as np

from uffsurgeon.dtypes import DTYPES, NUMPY_OF_UFF
from uffsurgeon.graphs import inputs_first
from uffsurgeon.names import did_you_mean
from uffsurgeon.uff import layouts, schema
from uffsurgeon.uff.schema import UffException

# UFF operation -> (function(graph, node, *values) -> Value, number of values, None for any number)
OPERATIONS = {}
NUMPY_OF_NAME = {row.name: row.numpy for row in DTYPES}
NHWC, HWCK, HWKC = [schema.ORDERS[key] for key in ("N+C", "+CK", "+KC")]
_TYPES = {"i": "an integer", "d": "a number", "b": "a bool", "s": "a string", "i_list": "a list of integers",
          "d_list": "a list of numbers",
          "dtype": "a dtype", "dim_orders_list": "dimension orders"}
_REQUIRED = object()


def operation(names, inputs):
    """Register the function that converts some UFF operations: function(graph, node, *values) -> Value.

    names: UFF's names, separated by spaces; those of custom nodes begin with "_".
    inputs: number of values that the function takes; None for any number.

        @operation("_Erf _Round", inputs=1)
        def floating(graph, node, x):
            return graph.emit(node, node.operation[1:], [graph.tensor(x)], x.shape, x.dtype, x.layout)
    """
    def register(function):
        OPERATIONS.update((name, (function, inputs)) for name in names.split())
        return function
    return register


Network = collections.namedtuple("Network", "name names outputs nodes channels_first")
Network.__doc__ = """What `read` gives: the graph's name, the names of all its nodes, those of the outputs, the Nodes that these
outputs need, each after those that it reads, and the names of the inputs that are declared [N, C, H, W] and read as
[N, H, W, C]."""


def read(uff, outputs=None):
    """The Network in a .uff: a path, bytes or a MetaGraph.

    outputs: a name or names of nodes; by default the outputs that the UFF marks.
    Raises FileNotFoundError, ValueError for a cycle, and UffException for what is not sound UFF.
    """
    meta = uff if isinstance(uff, schema.MetaGraph) else schema.read(uff)
    if not meta.graphs:
        raise UffException("this MetaGraph holds no graph")
    if meta is uff:
        schema.check(meta)
    messages, marked = {}, []
    for message in meta.graphs[0].nodes:
        if message.operation == "MarkOutput":
            marked.extend(message.inputs)
        elif message.id in messages:
            raise UffException("two nodes of this UFF are called '%s'" % message.id)
        else:
            messages[message.id] = message
    outputs = marked if outputs is None else [outputs] if isinstance(outputs, str) else outputs
    if not outputs:
        raise UffException("this UFF marks no outputs: name them (outputs=...)")
    outputs = list(dict.fromkeys(outputs))
    for name in outputs:
        if name not in messages:
            raise UffException("no node '%s' in this UFF%s" % (name, did_you_mean(name, messages)))
    needed = [messages[name] for name in inputs_first(outputs, lambda name: _inputs(messages, name))]
    first = {name for name, wanted in layouts.channels(needed, meta).items()
             if layouts.is_channels_first(schema.field(messages[name], "shape")[1:], wanted)}
    return Network(meta.graphs[0].id, list(messages), outputs, [Node(message, meta) for message in needed], first)


def _inputs(messages, name):
    for source in messages[name].inputs:
        if source not in messages:
            raise UffException("node '%s' reads '%s', which has no result" % (name, source))
    return messages[name].inputs


class Node:
    """One UFF node, decoded.

    name: its id.
    operation: such as "Conv", or "_LReLU_TRT" of a custom node.
    inputs: names of the nodes that it reads.
    fields: {key: (type, value)}, the type as schema.Data calls it ("i", "i_list", ...); a dtype is a NumPy dtype, or UFF's
        number where it is none that UFF defines.
    array: of a Const a function that reads its values from the file (weights are large, so nobody keeps them); else None.

    Its methods return a field's value, or `default` where the node does not have the field.
    They raise UffException for a field that is missing and has no default, and for one of another type.
    """

    def __init__(self, message, meta):
        self.name, self.operation, self.inputs = message.id, message.operation, list(message.inputs)
        self.array, keys = None, sorted(message.fields)
        if self.operation == "Const":
            self.array = functools.partial(schema.array, message, meta)
            keys.remove("values")
        self.fields = {key: _decode(message, key, meta) for key in keys}
        for key, data in message.extra_fields.items():  # the converter writes there what UFF's own operations do not say
            kind = data.WhichOneof("data_oneof")
            if kind == "dtype":
                self.fields.setdefault(key, ("dtype", NUMPY_OF_UFF.get(data.dtype, data.dtype)))
            elif kind == "s":
                self.fields.setdefault(key, ("s", data.s))

    def renamed(self, name):
        """A copy of that name."""
        other = copy.copy(self)
        other.name = name
        return other

    def integer(self, key, default=_REQUIRED):
        return self._field(key, ("i",), default)

    def number(self, key, default=_REQUIRED):
        return float(self._field(key, ("d", "i"), default))

    def numbers(self, key):
        """A list of float."""
        return list(map(float, self._field(key, ("d_list", "i_list"), _REQUIRED)))

    def boolean(self, key, default=_REQUIRED):
        return self._field(key, ("b",), default)

    def string(self, key, default=_REQUIRED):
        return plain(self._field(key, ("s",), default))

    def integers(self, key, count=None, default=_REQUIRED):
        """A list of int, of `count` elements if that is given."""
        values = self._field(key, ("i_list",), default)
        if count not in (None, len(values)):
            raise UffException("field '%s' holds %s, expected %d integers" % (key, values, count))
        return list(values)

    def dtype(self, key):
        """A NumPy dtype. A custom node has those that UFF does not know by name."""
        dtype = self._field(key, ("dtype", "s"), _REQUIRED)
        dtype = NUMPY_OF_NAME.get(dtype, dtype) if isinstance(dtype, str) else dtype
        if isinstance(dtype, str):
            raise UffException("field '%s' is the dtype %s, which ONNX does not have" % (key, dtype))
        if not isinstance(dtype, np.dtype):
            raise UffException("field '%s' holds dtype %d, which UFF does not define; NVIDIA's converter writes 7 for bool, "
                               "uint8, float64 and strings, which UFF cannot express" % (key, dtype))
        return dtype

    def choice(self, key, table):
        """The entry of `table` that a string field names."""
        name = self.string(key)
        if name not in table:
            raise UffException("field '%s' holds '%s', expected one of %s%s" % (
                key, name, ", ".join(sorted(table)), did_you_mean(name, table)))
        return table[name]

    def order(self, index, default):
        """What the axes of input `index` mean, as in schema.ORDERS: 0 is N or K, 1 is C, "2, MAX" are height and width."""
        orders = self._field("inputs_orders", ("dim_orders_list",), None)
        if orders is None:
            return default
        axes = orders[index].get(-1, []) if index < len(orders) else []
        if sorted(axes)[:2] != [0, 1]:
            raise UffException("field 'inputs_orders' holds %s, which says nothing of input %d" % (orders, index))
        return axes

    @property
    def is_tensorflow_s(self):
        """True of a custom node that is an operation of TensorFlow's, and not a plugin that graphsurgeon made.

        TensorFlow's say the types of their inputs and outputs ("T", "Tidx", "SrcT"); a plugin's fields have "_u_" in their
        names, or it is called after TensorRT.
        """
        if self.operation[:1] != "_" or self.operation.endswith("_TRT") or any("_u_" in key for key in self.fields):
            return False
        return any(key in ("SrcT", "DstT", "Tout") or re.match("T([a-z]*|[0-9])$", key) and kind in ("dtype", "s")
                   for key, (kind, _) in self.fields.items())

    @property
    def data_format(self):
        """"NHWC" or "NCHW": the layout of the images that the node reads and writes."""
        return "NHWC" if self.order(0, NHWC)[-1] == 1 else "NCHW"

    def _field(self, key, types, default):
        if key not in self.fields:
            if default is _REQUIRED:
                raise UffException("no field '%s', only %s" % (key, sorted(self.fields)))
            return default
        found, value = self.fields[key]
        if found not in types:
            raise UffException("field '%s' holds %r, expected %s" % (key, value, _TYPES[types[0]]))
        return value


def plain(value):
    """The string that is meant by one of NVIDIA's, which has "b'abc'" for abc; anything else as it is."""
    if isinstance(value, str) and re.match(r"b(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")$", value, re.DOTALL):
        try:
            return ast.literal_eval(value).decode("utf-8")
        except (ValueError, SyntaxError):  # it looks like one, and is none
            return value
    return value


def _decode(message, key, meta):
    """(type, value) of a field, with a reference followed."""
    found = schema.resolve(message, key, meta).WhichOneof("data_oneof")
    value = schema.field(message, key, meta)
    if found == "dtype":
        value = NUMPY_OF_UFF.get(value, value)
    elif found == "dtype_list":
        value = [NUMPY_OF_UFF.get(number, number) for number in value]
    return found, value
