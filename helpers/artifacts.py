"""The files on the way from weights to plan: where they lie, how they are written, when they are stale.

Every file made by the workbook is written atomically (a reader never sees half of it) and has a small
JSON beside it, `<file>.json`, that says from which inputs and versions it was made.
"""
import hashlib
import json
import os
from pathlib import Path

from uffsurgeon import files
from uffsurgeon.files import atomic  # noqa: F401 (one name for the workbook's writers)

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
BUILD = Path(os.environ.get("WORKBOOK_BUILD", str(ROOT / "build")))


def write(path, data, **made_from):
    """Write bytes or text to `path` atomically, and `made_from` (JSON values) to its sidecar."""
    files.write(path, data)
    if made_from:
        write_sidecar(path, **made_from)
    return Path(path)


def sidecar_path(path):
    """`box3d.pb` -> `box3d.pb.json`."""
    return Path(str(path) + ".json")


def write_sidecar(path, **made_from):
    """Record from what `path` was made; its own hash is added, so that a swapped file shows."""
    record = dict(made_from, sha256=digest(path))
    with atomic(sidecar_path(path)) as temporary:
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def read_sidecar(path):
    """The record beside `path`, or {} when there is none or it cannot be read."""
    try:
        record = json.loads(sidecar_path(path).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def fresh(path, **made_from):
    """True when `path` exists, is the file its sidecar describes, and was made from just this."""
    if not Path(path).is_file():
        return False
    record = read_sidecar(path)
    wanted = json.loads(json.dumps(made_from))
    return {k: v for k, v in record.items() if k != "sha256"} == wanted and (
        record.get("sha256") == digest(path)
    )


def digest(path):
    """SHA-256 of a file's bytes, as hex."""
    total = hashlib.sha256()
    with open(str(path), "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()
