"""NVIDIA's own UffParser of TensorRT 5.1.5 or 6.0.1, without a GPU: what it says about a .uff, and the network that it makes.

    import uffparser
    parsed = uffparser.parse("box3d.uff")        # after `python3 workbook.py parser`
    print(parsed.ok, parsed.log)
    print(uffparser.table(parsed, "flatten"))
    model = uffparser.to_onnx(parsed)            # the parser's network, not the file's, for ONNX Runtime
"""
from .building import VERSIONS, Installation, find, l2norm, require, setup
from .network import Layer, Parsed, Tensor, layouts, table, tensors
from .onnx_network import to_onnx
from .parsing import parse
from .records import recorded

__all__ = ["VERSIONS", "Installation", "Layer", "Parsed", "Tensor", "find", "l2norm", "layouts", "parse", "recorded", "require",
           "setup", "table", "tensors", "to_onnx"]
