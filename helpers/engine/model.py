"""An .onnx or .uff file that is read and parsed once, however much is asked about it."""
import hashlib
from pathlib import Path

import numpy as np

from uffsurgeon import kinds
from uffsurgeon.values import not_finite

from . import external, onnx_files


class Model:
    """A model in a file. Bytes and graph are read at the first question, and given back by `release`.

    path: of the .onnx or .uff. content: a ModelProto that was just written to `path`, if it is at hand. sha256: of its bytes.
    """

    def __init__(self, path, content=None, sha256=None):
        self.path = Path(str(path))
        if not self.path.is_file():
            raise FileNotFoundError("no model at %s" % path)
        self.is_uff = self.path.suffix == ".uff"
        self._data, self._sha256, self._content, self._released = None, sha256, content, False

    @property
    def sha256(self):
        """SHA-256 of the file's bytes, as hex."""
        if self._sha256 is None:
            data = self.path.read_bytes()
            self._sha256 = hashlib.sha256(data).hexdigest()
            if self._content is None and not self._released:
                self._data = data  # to be parsed
        return self._sha256

    @property
    def content(self):
        """A ModelProto, or of a .uff uffsurgeon's MetaGraph. ValueError when the file holds no such thing."""
        if self._content is None:
            data, self._data = self.path.read_bytes() if self._data is None else self._data, None
            self._content = _parsed_uff(data, self.path) if self.is_uff else _parsed_onnx(data, self.path)
        return self._content

    def release(self):
        """Give the memory back: the graph of a large network takes as much as its weights."""
        self._data, self._content, self._released = None, None, True


def _parsed_uff(data, path):
    from uffsurgeon.uff import schema

    try:
        return schema.read(data)
    except schema.UffException as error:
        raise ValueError(str(error).replace("the data", str(path), 1) if str(error).startswith("the data") else
                         "%s: %s" % (path, error)) from None


def _parsed_onnx(data, path):
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, of which there are several classes
        raise ValueError(kinds.mistake(data, "onnx").replace("the data", str(path), 1) or
                         "%s is not an ONNX file: %s" % (path, error)) from None
    if not model.graph.node and not model.graph.output:  # almost any bytes are some message
        raise ValueError(kinds.mistake(data, "onnx").replace("the data", str(path), 1) or
                         "%s is not an ONNX file: it holds no graph" % path)
    external.load(model, path)
    onnx_files.check(model, path)
    return model


def load(source):
    """`source`, if it is a `Model`, else the `Model` at that path."""
    return source if isinstance(source, Model) else Model(source)


def hollow(model):
    """A copy of a ModelProto that keeps type and dims of its large weights, but not their values: enough to infer shapes.

    Weights of fewer than 1,024 elements are kept; one may be the shape that a Reshape reads.
    """
    import onnx

    copy = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    if hasattr(model, "functions"):
        copy.functions.extend(model.functions)
    copy.graph.name = model.graph.name
    for field in ("node", "input", "output", "value_info"):
        getattr(copy.graph, field).extend(getattr(model.graph, field))
    for tensor in model.graph.initializer:
        if np.prod(tensor.dims) < 1024:
            copy.graph.initializer.extend([tensor])
        else:
            copy.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    return copy


def check_weights(model):
    """ValueError for NaN or infinity among the weights of an ONNX `Model`, which no TensorRT reports."""
    for name, array in onnx_files.arrays(model.content, model.path):
        found = not_finite(array) if array.dtype.kind == "f" else ""
        if found:
            raise ValueError("weight %r in %s holds NaN or infinity: %s" % (name, model.path, found))
