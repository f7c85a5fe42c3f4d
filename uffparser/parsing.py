"""`parse`: NVIDIA's UffParser reads a .uff in a process of its own, and what it made comes back."""
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from uffsurgeon.uff import schema

from . import building, network

OPEN = 6  # UFF leaves sizes open that the parser must be told; what is in the file decides nothing else about them


def parse(source, inputs=None, outputs=None, tensorrt=None, order="NHWC", plugins=True, libraries=(), seconds=120):
    """Let UffParser read a .uff -> `Parsed`.

    Args:
        source: path of the .uff, or its bytes.
        inputs: {name: shape without the batch, in the order of `order`}; by default the Input nodes of the file, whose shapes
            are TensorFlow's (images H, W, C). An open size becomes 6.
        outputs: names; by default those that the file marks.
        tensorrt: "5.1.5" or "6.0.1"; by default the first of these that is built.
        order: the UffInputOrder with which inputs of three sizes are registered, "NHWC" or "NCHW". With "NCHW", the shapes of
            the file are turned to C, H, W, and the network takes images in that order.
        plugins: whether to call init_libnvinfer_plugins first, as an application should.
        libraries: paths of plugin libraries to load before, such as `l2norm` gives.
        seconds: the longest that the parser may take.
    Returns:
        A `Parsed`. A refused file raises nothing: look at `ok` and `log`, and whether there are outputs.
    Raises:
        FileNotFoundError: no parser is built, or there is no such file.
        ValueError: the source is not UFF, another order or version.
        RuntimeError: the parser did not start; a plugin library did not load.
    """
    installation = building.require(tensorrt)
    if order not in ("NHWC", "NCHW"):
        raise ValueError("order is %r; UffParser knows NHWC and NCHW for images" % (order,))
    if inputs is None or outputs is None:
        found = interface(schema.read(source), order)
        inputs, outputs = found[0] if inputs is None else inputs, found[1] if outputs is None else outputs
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(source, (bytes, bytearray, memoryview)):
            path = Path(folder, "network.uff")
            path.write_bytes(source)
        else:
            path = Path(source)
            if not path.is_file():
                raise FileNotFoundError("there is no .uff at %s" % path)
        command = [str(installation.folder / "harness"), str(path.resolve()), folder] + ["--plugins"] * bool(plugins)
        for library in libraries:
            command += ["--library", str(Path(library).resolve())]
        for name, shape in inputs.items():
            command += ["--input", name, order if len(shape) == 3 else "NC" if len(shape) == 1 else "NCHW"]
            command += [str(size) for size in shape]
        for name in outputs:
            command += ["--output", name]
        aborted = _run(command, building.environment(installation), seconds)
        lines = _lines(Path(folder, "network"))
        data = np.fromfile(str(Path(folder, "weights")), np.uint8) if Path(folder, "weights").is_file() else np.zeros(0, "u1")
    return network.Parsed(version=installation.version, aborted=aborted, source="TensorRT %s's UffParser, run here"
                          % installation.version, **network.read(lines, network.blob_reader(data)))


def interface(meta, order="NHWC"):
    """({input: shape without the batch}, [output]) of a MetaGraph, an open size as 6; images in `order`."""
    inputs, outputs = {}, []
    for node in meta.graphs[0].nodes:
        if node.operation == "Input":
            shape = [size if size > 0 else OPEN for size in schema.field(node, "shape")[1:]]
            inputs[node.id] = shape[-1:] + shape[:-1] if len(shape) == 3 and order == "NCHW" else shape
        elif node.operation == "MarkOutput":
            outputs += list(node.inputs)
    return inputs, outputs


def _run(command, environment, seconds):
    """None when the harness came to its end, else what ended it."""
    nowhere = subprocess.DEVNULL
    child = subprocess.Popen(command, env=environment, stdin=nowhere, stdout=nowhere, stderr=subprocess.PIPE)
    try:
        text = child.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        return "no end after %g s" % seconds
    finally:
        child.kill()
        child.wait()
        child.stderr.close()
    text = text.decode("utf-8", "replace").strip()
    if child.returncode > 0:
        raise RuntimeError("the parser did not start: %s" % (text or child.returncode))
    if child.returncode:
        last = text.splitlines()[-1].strip().replace("harness: ", "", 1) if text else ""  # what failed
        return signal.Signals(-child.returncode).name + (": " + last if last else "")
    return None


def _lines(path):
    """The lines of the harness; the last may be cut off."""
    found = []
    for line in (path.read_bytes() if os.path.exists(str(path)) else b"").decode("utf-8", "replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found
