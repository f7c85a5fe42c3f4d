"""The data types of tensors: their numbers in TensorFlow's GraphDef, in UFF and in ONNX, and their NumPy dtypes.

    >>> NUMPY_OF_UFF[0x20010]
    dtype('float16')
    >>> ONNX_OF_NUMPY[NUMPY_OF_TENSORFLOW[9]]
    7
"""
import collections

import numpy as np

DType = collections.namedtuple("DType", "name numpy tensorflow uff onnx")
DType.__doc__ = """One data type: its name, its NumPy dtype (little-endian, as files store it), and its number in
tensorflow.DataType, uff.DataType (None: UFF does not have it) and onnx.TensorProto.DataType."""

DTYPES = tuple(DType(name, np.dtype(code), *numbers) for name, code, *numbers in (
    ("float32", "<f4", 1, 0x20020, 1),
    ("float16", "<f2", 19, 0x20010, 10),
    ("int8", "|i1", 6, 0x10008, 3),
    ("int16", "<i2", 5, 0x10010, 5),
    ("int32", "<i4", 3, 0x10020, 6),
    ("int64", "<i8", 9, 0x10040, 7),
    ("float64", "<f8", 2, None, 11),
    ("uint8", "|u1", 4, None, 2),
    ("uint16", "<u2", 17, None, 4),
    ("uint32", "<u4", 22, None, 12),
    ("uint64", "<u8", 23, None, 13),
    ("bool", "|b1", 10, None, 9),
))
NUMPY_OF_TENSORFLOW = {row.tensorflow: row.numpy for row in DTYPES}
NUMPY_OF_UFF = {row.uff: row.numpy for row in DTYPES if row.uff}
UFF_OF_TENSORFLOW = {row.tensorflow: row.uff for row in DTYPES if row.uff}
ONNX_OF_NUMPY = {row.numpy: row.onnx for row in DTYPES}
