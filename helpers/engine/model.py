"""An .onnx or .uff file that is read and parsed once, however much is asked about it."""
import hashlib
from pathlib import Path

import numpy as np

from uffsurgeon.values import not_finite

from . import external


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
            self._content = _parsed_uff(data) if self.is_uff else _parsed_onnx(data, self.path)
        return self._content

    def release(self):
        """Give the memory back: the graph of a large network takes as much as its weights."""
        self._data, self._content, self._released = None, None, True


def _parsed_uff(data):
    from uffsurgeon.uff import schema

    return schema.read(data)


def _parsed_onnx(data, path):
    import onnx
    from onnx.external_data_helper import load_external_data_for_model

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, of which there are several classes
        raise ValueError("%s is not an ONNX file: %s" % (path, error))
    external.check(model, path)
    load_external_data_for_model(model, str(path.parent))
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
    from onnx import TensorProto, numpy_helper

    for tensor in model.content.graph.initializer:
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
            found = not_finite(np.asarray(numpy_helper.to_array(tensor)))
            if found:
                raise ValueError("weight %r in %s holds NaN or infinity: %s" % (tensor.name, model.path, found))
