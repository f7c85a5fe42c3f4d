"""`import graphsurgeon` and `import uff`, as scripts of 2019 begin: NVIDIA's packages where they are installed, else these.

    from uffsurgeon import nvidia_names
    nvidia_names.install()
    import graphsurgeon as gs, uff      # gs.__name__ says whose it is: "graphsurgeon" or "uffsurgeon.graphsurgeon"

This file stands alone, so that a launcher can put a copy of it into an environment's site-packages.
"""
import importlib
import importlib.abc
import importlib.util
import sys

NAMES = ("graphsurgeon", "uff")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder to be asked: whatever else Python can find under these names comes first."""

    def find_spec(self, name, path=None, target=None):
        if name in NAMES and importlib.util.find_spec("uffsurgeon") is not None:
            return importlib.util.spec_from_loader(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        own = importlib.import_module("uffsurgeon." + module.__name__)
        # Python takes what stands in sys.modules afterwards. The submodules go along, or `import uff.converter` would
        # load a second copy of each.
        for name in [name for name in sys.modules if (name + ".").startswith(own.__name__ + ".")]:
            sys.modules[name[len("uffsurgeon."):]] = sys.modules[name]


def install():
    """Let Python find `graphsurgeon` and `uff` here when nothing else has them. A second call changes nothing."""
    if not any(type(finder).__name__ == _Finder.__name__ and finder.__module__.endswith("nvidia_names")
               for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
