"""UFF networks as ONNX models: `convert`, and `python -m uffsurgeon.to_onnx`.

    from uffsurgeon import to_onnx
    model = to_onnx.convert("box3d.uff", "box3d.onnx")

OPSETS: the ONNX opsets that it writes. DOMAIN: the domain of custom nodes. CAN_WRITE_FUNCTIONS: whether the installed onnx
knows model-local functions.
"""
from .converter import OPSETS, convert
from .plugins import CAN_WRITE_FUNCTIONS, DOMAIN

__all__ = ["CAN_WRITE_FUNCTIONS", "DOMAIN", "OPSETS", "convert"]
