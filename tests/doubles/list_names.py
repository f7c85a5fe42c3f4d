"""The names that a TensorRT's Python API has, as JSON for `tests/fixtures/tensorrt_api`.

    python tests/doubles/list_names.py tensorrt > tests/fixtures/tensorrt_api/tensorrt-10.6.json

Importing the module needs its libraries, but no GPU.
"""
import importlib
import inspect
import json
import sys


def names_of(module):
    """{class: sorted names of its members}, inherited ones included, those with a leading underscore left out."""
    classes = {name: value for name, value in vars(module).items() if inspect.isclass(value) and not name.startswith("_")}
    return {name: sorted(member for member in dir(value) if not member.startswith("_"))
            for name, value in sorted(classes.items())}


if __name__ == "__main__":
    print(json.dumps(names_of(importlib.import_module(sys.argv[1])), indent=0))
