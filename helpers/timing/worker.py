"""One column in a process of its own: `python -m helpers.timing.worker KIND`, spoken to in lines of JSON.

Requests come on stdin, answers go to what stdout was at the start; whatever a framework prints goes to stderr.
"""
import contextlib
import importlib
import json
import os
import sys
import tempfile
import traceback

import numpy as np

from .sampling import sample


class TensorFlow:
    """A frozen .pb in a TensorFlow session, on the GPU if it can use one, with memory only as it needs it.

    options: "outputs"; "optimize": whether TensorFlow rewrites the graph before its first run. By default it may where
    there is a GPU, for which it changes the layout; on a CPU the rewriting takes 5 s and gained nothing.
    """

    needs = "helpers.network"

    def __init__(self, model, options):
        from .. import freeze, machine, network

        v1 = network.tf.compat.v1
        graph_def = freeze.load(model)
        with network.tf.Graph().as_default() as graph:
            network.tf.import_graph_def(graph_def, name="")
        outputs = options.get("outputs", network.OUTPUTS)
        self.names = list(outputs)
        self.fetches = [graph.get_tensor_by_name(name + ":0") for name in outputs]
        self.feed = next(node.name for node in graph_def.node if node.op == "Placeholder") + ":0"
        config = network.session_config()
        optimize = options.get("optimize", machine.gpu() is not None or machine.jetson() is not None)
        config.graph_options.rewrite_options.disable_meta_optimizer = not optimize
        self.session = v1.Session(graph=graph, config=config)
        self.where = "GPU" if any(device.device_type == "GPU" for device in self.session.list_devices()) else "CPU"
        self.events, self.versions = None, {"tensorflow": network.tf.__version__}

    def load(self, images):
        self.images = images

    def step(self, before=None, after=None):
        self.results = self._run(self.images)

    def _run(self, images):
        return self.session.run(self.fetches, {self.feed: images})

    def heads(self, images):
        parts = [self._run(images[i:i + 8]) for i in range(0, len(images), 8)]
        return dict(zip([name.split("/")[0] for name in self.names], map(np.concatenate, zip(*parts))))


class OnnxRuntime(TensorFlow):
    """An .onnx in ONNX Runtime, on the CPU unless `providers` says otherwise."""

    needs = "onnxruntime"

    def __init__(self, model, options):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.get("threads", 0)
        self.session = onnxruntime.InferenceSession(
            model, settings, providers=options.get("providers", ["CPUExecutionProvider"]))
        self.where = "CPU" if self.session.get_providers()[0] == "CPUExecutionProvider" else "GPU"
        self.feed = self.session.get_inputs()[0].name
        self.names = [output.name for output in self.session.get_outputs()]
        self.events, self.versions = None, {"onnxruntime": onnxruntime.__version__}

    def _run(self, images):
        return self.session.run(None, {self.feed: images})

    def layers(self, model, runs):
        """[(node, median ms, operation)] by ONNX Runtime's own profile, in a session that does nothing else."""
        import onnxruntime

        settings, times = onnxruntime.SessionOptions(), {}
        settings.enable_profiling = True
        with tempfile.TemporaryDirectory() as folder:
            settings.profile_file_prefix = os.path.join(folder, "profile")
            session = onnxruntime.InferenceSession(model, settings, providers=self.session.get_providers())
            for _ in range(runs + 1):
                session.run(None, {self.feed: self.images})
            with open(session.end_profiling()) as stream:
                events = json.load(stream)
        for event in events:
            if event["name"].endswith("_kernel_time"):
                key = event["name"][:-len("_kernel_time")], event["args"]["op_name"]
                times.setdefault(key, []).append(event["dur"] / 1e3)
        return [(name, float(np.median(ms[1:])), operation) for (name, operation), ms in times.items()]


class TensorRT:
    """A plan, with its copies to and from the GPU; events stand around the GPU's work alone."""

    needs, where = "helpers.engine", "GPU"

    def __init__(self, model, options):
        from .. import cuda, engine

        self.engine = engine.Engine(model, plugins=options.get("plugins", ()))
        self.events = cuda.Event(), cuda.Event()
        self.versions = {self.engine.trt.__name__: self.engine.trt.__version__, "cuda library": cuda.library()}

    def load(self, images):
        if len(images) > self.engine.batch:
            raise ValueError("%s takes %d images at once, not %d" % (self.engine.path, self.engine.batch, len(images)))
        self.images = images

    def step(self, before=None, after=None):
        self.engine.step(self.images, before, after)

    def layers(self, model, runs):
        return [(name, ms, "") for name, ms in self.engine.layer_times(self.images, runs)]

    def heads(self, images):
        return self.engine.run(images)


class Launch:
    """Any GPU work that a function enqueues: `model` is "module:function", called with a `cuda.Stream` once, giving
    `launch()`, which puts the work on that stream and returns."""

    needs, where = "helpers.cuda", "GPU"

    def __init__(self, model, options):
        from .. import cuda

        module, function = model.split(":")
        self.stream, self.events = cuda.Stream(), (cuda.Event(), cuda.Event())
        self.launch = getattr(importlib.import_module(module), function)(self.stream, **options)
        self.versions = {"cuda library": cuda.library()}

    def load(self, images):
        pass

    def step(self, before=None, after=None):
        before.record(self.stream)
        self.launch()
        after.record(self.stream)
        self.stream.synchronize()

    def heads(self, images):
        return {}


KINDS = {"tensorflow": TensorFlow, "onnxruntime": OnnxRuntime, "tensorrt": TensorRT, "launch": Launch}


def serve(requests, answer):
    """Answer requests until they end.

    {"do": "prepare", "kind", "model", "options", "images", "warm_up"}, then {"do": "run", "seconds"} as often as is
    wanted, {"do": "layers", "runs"}, and {"do": "heads", "images", "heads"}; images and heads are paths of .npy and .npz.
    An error is an answer.
    """
    runner, model = None, None
    for line in requests:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                if model != request["model"]:
                    runner = model = None  # gives back its memory before the next takes some
                    runner, model = KINDS[request["kind"]](request["model"], request["options"]), request["model"]
                runner.load(np.load(request["images"]))
                warm = sample(runner.step, 0, warm_up=request["warm_up"], events=runner.events)
                answer({"first_ms": warm.first, "versions": runner.versions, "where": runner.where})
            elif request["do"] == "run":
                # Another process has had its turn: caches are cold, threads sleep, clocks are down. One run for that.
                sample(runner.step, 0, warm_up=0, events=runner.events)
                found = sample(runner.step, request["seconds"], warm_up=0, events=runner.events)
                answer({"host": found.host, "gpu": found.gpu, "uncounted": 1})
            elif request["do"] == "layers":
                found = sample(runner.step, 0, warm_up=1e-9, least=request["runs"], events=runner.events)
                answer({"layers": runner.layers(model, request["runs"]), "whole_ms": float(np.median(found.gpu or found.host))})
            else:
                np.savez(request["heads"], **runner.heads(np.load(request["images"])))
                answer({"heads": request["heads"]})
        except Exception as error:
            traceback.print_exc()
            answer({"error": "%s: %s" % (type(error).__name__, error)})


def main(kind):
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)  # TensorFlow and TensorRT write to stdout

        def answer(record):
            out.write(json.dumps(record) + "\n")
            out.flush()

        os.environ["WORKBOOK_TENSORFLOW"] = "gpu"  # helpers.network keeps it on the CPU elsewhere
        if kind in KINDS:  # while the others get ready
            with contextlib.suppress(Exception):  # the first request will say it
                importlib.import_module(KINDS[kind].needs)
        serve(sys.stdin, answer)


if __name__ == "__main__":
    main(sys.argv[1])
