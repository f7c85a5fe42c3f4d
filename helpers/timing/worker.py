"""One column in its own process, `python -m helpers.timing.worker FOLDER`, controlled by `measuring.Worker` through `messages`.

Requests come on stdin, answers go to what stdout was at the start; whatever a framework prints goes to stderr.
"""
import json
import os
import sys
import tempfile
import traceback

import numpy as np

from . import messages
from .sampling import sample


class Runner:
    """A model in a runtime. `where`: "CPU" or "GPU"; `versions`: {package: version}; `events`: two `cuda.Event`s, or None.

    A subclass has `compute(images)` -> {output name: array}, and may have `layers(runs)` -> [(name, median ms, kind)].
    """

    events = None

    def load(self, images):
        """Take the images [batch, ...] of the runs to come."""
        self.images = images

    def step(self, before=None, after=None):
        """One run, to its end. before, after: events to record around the GPU's work."""
        self.compute(self.images)

    def outputs(self, images):
        """{output name: array} for any number of images."""
        parts = [self.compute(images[i:i + 8]) for i in range(0, len(images), 8)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class TensorFlow(Runner):
    """A frozen .pb in a TensorFlow session, on the GPU where TensorFlow has one, with memory as it is needed.

    options: "outputs", names of nodes, by default those of the box network.
    """

    def __init__(self, model, options):
        from .. import freeze, machine, network, process

        process.prepare_tensorflow(gpu=True)
        tf = process.tensorflow()
        graph_def = freeze.load(model)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_def, name="")
        self.fetches = {name: graph.get_tensor_by_name(name + ":0") for name in options.get("outputs", network.OUTPUTS)}
        self.feed = next(node.name for node in graph_def.node if node.op == "Placeholder") + ":0"
        config = process.session_config(gpu=True)
        # Before its first run TensorFlow rewrites the graph: for a GPU it changes the layout, on a CPU that takes 5 s
        # and gained nothing.
        config.graph_options.rewrite_options.disable_meta_optimizer = machine.gpu() is None
        self.session = tf.compat.v1.Session(graph=graph, config=config)
        self.where = "GPU" if any(device.device_type == "GPU" for device in self.session.list_devices()) else "CPU"
        self.versions = {"tensorflow": tf.__version__}

    def compute(self, images):
        return self.session.run(self.fetches, {self.feed: images})


class OnnxRuntime(Runner):
    """An .onnx in ONNX Runtime, on the CPU. No options."""

    where = "CPU"

    def __init__(self, model, options):
        from .. import process
        from ..engine import external

        onnxruntime = process.onnxruntime()
        external.check_file(model)
        self.model = model
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self.feed = self.session.get_inputs()[0].name
        self.names = [output.name for output in self.session.get_outputs()]
        self.versions = {"onnxruntime": onnxruntime.__version__}

    def compute(self, images):
        return dict(zip(self.names, self.session.run(None, {self.feed: images})))

    def layers(self, runs):
        """By ONNX Runtime's own profile, in a session that does nothing else; kind is the operation."""
        from .. import process

        onnxruntime = process.onnxruntime()
        settings, times = onnxruntime.SessionOptions(), {}
        settings.enable_profiling = True
        with tempfile.TemporaryDirectory() as folder:
            settings.profile_file_prefix = os.path.join(folder, "profile")
            session = onnxruntime.InferenceSession(self.model, settings, providers=["CPUExecutionProvider"])
            for _ in range(runs + 1):
                session.run(None, {self.feed: self.images})
            with open(session.end_profiling()) as stream:
                events = json.load(stream)
        for event in events:
            if event["name"].endswith("_kernel_time"):
                key = event["name"][:-len("_kernel_time")], event["args"]["op_name"]
                times.setdefault(key, []).append(event["dur"] / 1e3)
        return [(name, float(np.median(ms[1:])), operation) for (name, operation), ms in times.items()]


class TensorRT(Runner):
    """A plan, with its copies to and from the GPU; the events enclose the GPU's work alone.

    options: "plugins", paths; "graph": True to hand the launches in as one CUDA graph.
    """

    where = "GPU"

    def __init__(self, model, options):
        from .. import cuda, engine

        self.engine, self.graph = engine.Engine(model, plugins=options.get("plugins", ())), options.get("graph", False)
        self.events = cuda.Event(), cuda.Event()
        self.versions = {self.engine.trt.__name__: self.engine.trt.__version__, "cuda library": cuda.library()}

    def load(self, images):
        if len(images) > self.engine.batch:
            raise ValueError("%s takes %d images at once, not %d" % (self.engine.path, self.engine.batch, len(images)))
        self.images = images
        if self.graph:
            self.engine.step(images)
            self.engine.record()

    def step(self, before=None, after=None):
        self.engine.step(self.images, before, after)

    def outputs(self, images):
        return self.engine.run(images)

    def layers(self, runs):
        """By TensorRT's IProfiler; kind is ""."""
        return [(name, ms, "") for name, ms in self.engine.layer_times(self.images, runs)]


KINDS = {"tensorflow": TensorFlow, "onnxruntime": OnnxRuntime, "tensorrt": TensorRT}


class Server:
    """What a worker process answers: each public method is a request."""

    def __init__(self):
        self.runner = self.model = None

    def prepare(self, kind, model, options, images, warm_up):
        """Load the model, unless it is the one that is loaded, and warm up -> {"first", "versions", "where"}."""
        if model != self.model:
            self.runner = self.model = None  # gives back its memory before the next takes some
            self.runner, self.model = KINDS[kind](model, options), model
        self.runner.load(images)
        return {"first": self._sample(0, warm_up).first, "versions": self.runner.versions, "where": self.runner.where}

    def run(self, seconds):
        """Times in ms on the host's clock and between the events -> ([ms], [ms])."""
        self._sample(0, 0)  # after the turns of others caches are cold, threads sleep, clocks are down: one run for that
        found = self._sample(seconds, 0)
        return found.host, found.gpu

    def layers(self, runs):
        """([(name, median ms, kind)], median ms of the whole run)."""
        found = self._sample(0, 1e-9, runs)
        return self.runner.layers(runs), float(np.median(found.gpu or found.host))

    def outputs(self, images):
        return self.runner.outputs(images)

    def _sample(self, seconds, warm_up, least=1):
        return sample(self.runner.step, seconds, warm_up, least, self.runner.events)


def main():
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # TensorFlow and TensorRT write to stdout
    os.chdir(sys.argv[1])  # paths are relative to the caller's folder
    server = Server()
    while True:
        try:
            name, arguments = messages.read(requests)
        except EOFError:
            return
        try:
            error, answer = None, getattr(server, name)(*arguments)
        except Exception as raised:
            traceback.print_exc()
            error, answer = "%s: %s" % (type(raised).__name__, raised), None
        messages.write(answers, (error, answer))


if __name__ == "__main__":
    main()
