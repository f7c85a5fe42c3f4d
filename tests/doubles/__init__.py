"""TensorRT and CUDA as they look from Python, for tests on a machine without a GPU.

`tensorrt("8.5")` is a module with exactly the names that TensorRT 8.5's bindings have (from the lists in
`tests/fixtures/tensorrt_api`): any other name raises AttributeError, in reading and in writing, as it does there. What
those names do is written once, in `behaviour.py`, for all versions.
"""
import json
import types
from pathlib import Path

from . import behaviour

LISTS = Path(__file__).resolve().parent.parent / "fixtures" / "tensorrt_api"
FILES = {("rtx-" + name if path.stem.startswith("tensorrt_rtx") else name): path
         for name, path in ((path.stem.split("-", 1)[1].replace("-documented", ""), path)
                            for path in LISTS.glob("*.json"))}
VERSIONS = sorted(FILES, key=lambda name: [int(part) for part in name.replace("rtx-", "90.").split(".")])

# The lists name what a class body declares. These stand beside it in every release's documentation and samples.
ENUM_BASES = {"name", "value"}
ALWAYS = {"Logger": ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"],
          "ILogger": ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"]}
# Python classes to derive from; what is derived has attributes of its own.
OPEN = {"ILogger", "IProfiler", "IProgressMonitor", "IInt8EntropyCalibrator2"}
# Enumerations whose members the 5.0.6 and 7.1.3 lists, made from documentation, leave out.
ACTIVATIONS = ["RELU", "SIGMOID", "TANH"]
DOCUMENTED_ENUMS = {"5.0.6": {"ActivationType": ACTIVATIONS},
                    "7.1.3": {"ActivationType": ACTIVATIONS, "DeviceType": ["GPU", "DLA"]}}


def tensorrt(version):
    """A strict double of the module `tensorrt` (or `tensorrt_rtx`, for "rtx-1.7") of that version."""
    names = json.loads(FILES[version].read_text())
    names.update(DOCUMENTED_ENUMS.get(version, {}))
    module = types.ModuleType("tensorrt_rtx" if version.startswith("rtx") else "tensorrt")
    module.__version__ = version.replace("rtx-", "")
    module.events = []  # what was done, in order, for tests to look at
    for name, members in names.items():
        members = set(members) | set(ALWAYS.get(name, []))
        written = getattr(behaviour, name, None)
        if written is None and _is_enum(name, members):
            setattr(module, name, _enum(name, members))
        else:
            setattr(module, name, _strict(name, members, written or object, module, name in OPEN))
    for name in ("Logger", "ILogger"):
        for level, severity in enumerate(ALWAYS[name]):
            if hasattr(module, name):
                type.__setattr__(getattr(module, name), severity, behaviour.Member(severity, level))
    for name, kind in (("float32", "FLOAT"), ("float16", "HALF"), ("int8", "INT8"), ("int32", "INT32")):
        setattr(module, name, behaviour.Member(kind, 0, "DataType"))
    module.init_libnvinfer_plugins = lambda logger, namespace: module.events.append("init_plugins") or True
    registry = behaviour.IPluginRegistry()
    module.get_plugin_registry = lambda: registry
    if "load_library" in names.get("IPluginRegistry", []):
        registry.load_library = lambda path: _load_library(module, path)
    return module


def _load_library(module, path):
    """Any file is a plugin library; one that is there already is refused, as the real registry does."""
    if "load " + path in module.events:
        return None
    module.events.append("load " + path)
    return object()


def _is_enum(name, members):
    return bool(members) and all(member.upper() == member or member in ENUM_BASES | {"itemsize"}
                                 for member in members)


# Numbers that TensorRT's headers give; the rest only has to differ.
NUMBERS = {"EXPLICIT_BATCH": 0}


def _enum(name, members):
    members = sorted(members - ENUM_BASES - {"itemsize"})
    values = {member: behaviour.Member(member, NUMBERS.get(member, i), name) for i, member in enumerate(members)}
    return type(name, (), values)


class _Unwritten:
    """A name that the version has and that `behaviour` says nothing of: it can be set and read back."""

    def __init__(self, name):
        self.name = name

    def __get__(self, instance, owner):
        if instance is None:
            return self
        try:
            return instance.__dict__[self.name]
        except KeyError:
            raise NotImplementedError("the double has no behaviour for %s.%s" % (owner.__name__, self.name))

    def __set__(self, instance, value):
        instance.__dict__[self.name] = value


def _strict(name, members, written, module, is_open):
    """A class with the behaviour `written`, of which only `members` can be seen."""

    def allowed(attribute):
        return attribute.startswith("_") or attribute in members

    def refuse(attribute):
        raise AttributeError("'%s.%s' object has no attribute '%s'" % (module.__name__, name, attribute))

    class Meta(type):
        def __getattribute__(cls, attribute):
            if not allowed(attribute) and cls.__name__ == name and attribute != "mro":
                raise AttributeError("type object '%s.%s' has no attribute '%s'" % (module.__name__, name, attribute))
            return super().__getattribute__(attribute)

    def __getattribute__(self, attribute):
        if not allowed(attribute) and type(self).__name__ == name:
            refuse(attribute)
        return object.__getattribute__(self, attribute)

    def __setattr__(self, attribute, value):
        if not allowed(attribute) and type(self).__name__ == name:
            refuse(attribute)
        object.__setattr__(self, attribute, value)

    space = {member: _Unwritten(member) for member in members if not hasattr(written, member)}
    space["_trt"] = module
    if not is_open:
        space.update(__getattribute__=__getattribute__, __setattr__=__setattr__)
    return Meta(name, (written,), space)
