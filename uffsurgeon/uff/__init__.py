"""NVIDIA's UFF, written and read without NVIDIA's package.

    >>> from uffsurgeon import uff
    >>> data = uff.from_tensorflow_frozen_model("box3d.pb", ["dimension/LeakyRelu"],
    ...                                         output_filename="box3d.uff")

`converter` says where the files differ from NVIDIA's, and why; `tensorflow_ops` what each op becomes;
`schema` reads, writes and looks into a .uff. On the command line: `python -m uffsurgeon.uff --help`.
"""
from .converter import __version__, from_tensorflow, from_tensorflow_frozen_model
from .schema import UffException

__all__ = ["UffException", "__version__", "from_tensorflow", "from_tensorflow_frozen_model"]
