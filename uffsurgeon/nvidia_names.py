"""`import graphsurgeon` and `import uff`, as scripts of 2019 begin: NVIDIA's packages where installed, uffsurgeon's elsewhere.

    >>> from uffsurgeon import nvidia_names
    >>> nvidia_names.install()
    >>> import graphsurgeon as gs, uff
    >>> gs.__name__ in ("graphsurgeon", "uffsurgeon.graphsurgeon")      # whose it is
    True

This file imports nothing of uffsurgeon, so that a copy of it can lie in an environment's site-packages and be called by a
.pth file there.
"""
import importlib
import importlib.abc
import importlib.util
import sys

NAMES = ("graphsurgeon", "uff")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the two names where no other finder has a package for them.

    It is asked first, and asks the others: behind them, a mere folder "uff" in the current directory would win, which
    Python takes for a namespace package (a spec without loader).
    """

    def find_spec(self, name, path=None, target=None):
        if name not in NAMES or importlib.util.find_spec("uffsurgeon") is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self or not hasattr(finder, "find_spec") else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                return spec
        return importlib.util.spec_from_loader(name, self, is_package=True)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        own = importlib.import_module("uffsurgeon." + module.__name__)
        # Python returns what lies in sys.modules afterwards. The submodules get the short name, too: `import uff.converter`
        # must not load a second copy.
        for name in [name for name in sys.modules if (name + ".").startswith(own.__name__ + ".")]:
            sys.modules[name[len("uffsurgeon."):]] = sys.modules[name]


def install():
    """Let Python find `graphsurgeon` and `uff` in uffsurgeon where no other package has these names.

    sys.meta_path gets one more finder, unless it has it; nothing is imported.
    """
    if not any(type(finder).__name__ == _Finder.__name__ and type(finder).__module__.endswith("nvidia_names")
               for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
