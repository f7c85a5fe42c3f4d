"""A .uff, ours or NVIDIA's, as ONNX: `convert`, and `python -m uffsurgeon.to_onnx`."""
from .converter import OPSETS, convert
from .plugins import CAN_WRITE_FUNCTIONS, DOMAIN

__all__ = ["CAN_WRITE_FUNCTIONS", "DOMAIN", "OPSETS", "convert"]
