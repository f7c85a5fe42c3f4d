"""UFF files, written and read without NVIDIA's uff package.

    >>> from uffsurgeon import uff
    >>> data = uff.from_tensorflow_frozen_model("box3d.pb", ["dimension/LeakyRelu"], output_filename="dimension.uff")
    NOTE: UFF has been tested with TensorFlow 1.12.0...
    UFF Output written to dimension.uff

`converter` converts, `tensorflow_ops` has one function per TensorFlow operation, `schema` reads, writes and examines a .uff.
On the command line: convert-to-uff, or python -m uffsurgeon.uff.
"""
from .converter import __version__, from_tensorflow, from_tensorflow_frozen_model
from .schema import UffException

__all__ = ["UffException", "__version__", "from_tensorflow", "from_tensorflow_frozen_model"]
