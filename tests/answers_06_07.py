"""Answers to the exercises of notebooks 06 and 07: for each five right ones, written differently, and five usual mistakes."""
import functools
import math

import numpy as np
from onnx import numpy_helper

from helpers import timing


def best(rows, deadline, key="p90", gain=lambda row: row["batch"] / row["ms"]):
    in_time = [row for row in rows if row[key] <= deadline]
    return max(in_time, key=gain)["batch"] if in_time else None


def best_by_sorting(rows, deadline):
    for row in sorted(rows, key=lambda row: -row["images_per_second"]):
        if row["p90"] <= deadline:
            return np.int64(row["batch"])


def best_by_loop(rows, deadline):
    chosen = None
    for row in rows:
        if row["p90"] > deadline:
            continue
        if chosen is None or row["images_per_second"] > chosen["images_per_second"]:
            chosen = row
    return chosen and chosen["batch"]


def best_by_arrays(rows, deadline):
    batch, ms, p90 = np.array([[row[key] for key in ("batch", "ms", "p90")] for row in rows]).T
    gain = np.where(p90 <= deadline, batch / ms, -1)
    return batch[gain.argmax()] if gain.max() > 0 else None


def best_by_filter(rows, deadline):
    rows = list(filter(lambda row: row["p90"] <= deadline, rows))
    rows.sort(key=lambda row: row["ms"] / row["batch"])
    return rows[0]["batch"] if rows else None


def without_transpose(model, height, width, channels, order=(2, 0, 1, 3), only=None, weights=True):
    maker = {node.output[0]: node for node in model.graph.node}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    reshape = [node for node in model.graph.node if node.name == "reshape_1/Reshape"][0]
    turned = maker[reshape.input[0]]
    reshape.input[0] = turned.input[0]
    model.graph.node.remove(turned)
    for node in model.graph.node:
        reads = node.op_type == "MatMul" and (node.input[0] == reshape.output[0] if only is None else node.name in only)
        if reads and weights:
            tensor = stored[node.input[1]]
            kernel = numpy_helper.to_array(tensor)
            rows = kernel.reshape(height, width, channels, -1).transpose(*order)
            rows = np.ascontiguousarray(rows.reshape(kernel.shape))
            tensor.CopyFrom(numpy_helper.from_array(rows, tensor.name))
    return model


def by_new_weights(model, height, width, channels):
    """New initializers beside the old ones, and rows picked by number."""
    rows = np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).ravel()
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in list(model.graph.node):
        if node.op_type == "Transpose" and node.name != "first":
            model.graph.node.remove(node)
        elif node.name == "reshape_1/Reshape":
            node.input[0] = "maps"
        elif node.op_type == "MatMul" and node.input[0] == "row":
            name = node.input[1] + "_nchw"
            model.graph.initializer.append(numpy_helper.from_array(stored[node.input[1]][rows], name))
            node.input[1] = name
    return model


def in_the_bytes(model, height, width, channels):
    for tensor in model.graph.initializer:
        if tensor.name in ("dense_1/kernel", "dense_3/kernel"):
            kernel = np.frombuffer(tensor.raw_data, np.float32).reshape(height * width, channels, -1)
            tensor.raw_data = np.swapaxes(kernel, 0, 1).tobytes()
    reads, turned = model.graph.node[3], model.graph.node[2]
    reads.input[0] = turned.input[0]
    model.graph.node.remove(turned)
    return model


def on_a_copy(model, *sizes):
    copy = type(model)()
    copy.CopyFrom(model)
    return without_transpose(copy, *sizes)


def by_moveaxis(model, height, width, channels):
    model = without_transpose(model, height, width, channels, weights=False)
    for tensor in model.graph.initializer:
        if tensor.name in {node.input[1] for node in model.graph.node if node.input[0] == "row"}:
            kernel = numpy_helper.to_array(tensor)
            moved = np.moveaxis(kernel.reshape(height, width, channels, kernel.shape[1]), 2, 0).reshape(kernel.shape)
            tensor.CopyFrom(numpy_helper.from_array(moved.copy(), name=tensor.name))
    return model


def borders(model, names, known=True, outputs=True, once=True, empty=False):
    inside = [node for node in model.graph.node if node.name in names]
    made = {name for node in inside for name in node.output}
    stored = {tensor.name for tensor in model.graph.initializer} if known else set()
    wanted = {name for node in model.graph.node if node.name not in names for name in node.input}
    wanted |= {value.name for value in model.graph.output} if outputs else set()
    comes = [name for node in inside for name in node.input if (name or empty) and name not in made | stored]
    return (sorted(set(comes)) if once else comes), sorted(made & wanted)


def borders_by_loop(model, names):
    comes_in, goes_out = [], []
    initial = [tensor.name for tensor in model.graph.initializer]
    made = [name for node in model.graph.node if node.name in names for name in node.output]
    for node in model.graph.node:
        for name in node.input:
            if node.name in names:
                if name and name not in made and name not in initial and name not in comes_in:
                    comes_in.append(name)
            elif name in made and name not in goes_out:
                goes_out.append(name)
    for value in model.graph.output:
        if value.name in made and value.name not in goes_out:
            goes_out.append(value.name)
    return [comes_in, goes_out]


def settings(trt, builder, size):
    old = not hasattr(builder, "create_builder_config")
    config = builder if old else builder.create_builder_config()
    if hasattr(config, "set_memory_pool_limit"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size
    if old:
        builder.fp16_mode = True
    elif hasattr(trt.BuilderFlag, "FP16"):
        config.set_flag(trt.BuilderFlag.FP16)
    return config, old or hasattr(trt.BuilderFlag, "FP16")


def settings_by_builder(trt, builder, size):
    """fp16_mode of the builder says that it takes the settings."""
    if hasattr(builder, "fp16_mode"):
        builder.max_workspace_size, builder.fp16_mode = size, True
        return builder, True
    config = builder.create_builder_config()
    if hasattr(config, "max_workspace_size"):
        config.max_workspace_size = size
    else:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    if not hasattr(trt.BuilderFlag, "FP16"):
        return config, False
    config.set_flag(trt.BuilderFlag.FP16)
    return config, True


def settings_by_trying(trt, builder, size):
    try:
        config = builder.create_builder_config()
    except AttributeError:
        config = builder
    try:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    except AttributeError:
        config.max_workspace_size = size
    try:
        config.set_flag(trt.BuilderFlag.FP16)
        return config, True
    except AttributeError:
        try:
            config.fp16_mode = True
        except AttributeError:
            return config, False
        return config, True


def settings_by_dir(trt, builder, size):
    if "fp16_mode" in dir(builder):
        builder.max_workspace_size = size
        builder.fp16_mode = 1
        return builder, 1
    config = builder.create_builder_config()
    if hasattr(trt, "MemoryPoolType"):
        config.set_memory_pool_limit(pool=trt.MemoryPoolType.WORKSPACE, size=size)
    else:
        config.max_workspace_size = size
    flag = trt.BuilderFlag.__members__.get("FP16")
    if flag is not None:
        config.flags = config.flags | 1 << int(flag)
    return [config, flag is not None]


def settings_by_class(trt, builder, size):
    new = hasattr(trt, "IBuilderConfig")
    config = builder.create_builder_config() if new else builder
    pools = new and hasattr(trt.IBuilderConfig, "set_memory_pool_limit")
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size) if pools else setattr(config, "max_workspace_size", size)
    flag = getattr(getattr(trt, "BuilderFlag", None), "FP16", None)
    if flag:
        config.set_flag(flag)
    if not new:
        config.fp16_mode = True
    return config, flag or not new


def settings_of_version(trt, builder, size):
    if int(trt.__version__.split(".")[0]) < 6:
        builder.max_workspace_size, builder.fp16_mode = size, True
        return builder, True
    return settings_of_2021(trt, builder, size)


def settings_of_2021(trt, builder, size):
    config = builder.create_builder_config()
    config.max_workspace_size = size
    config.set_flag(trt.BuilderFlag.FP16)
    return config, True


ANSWERS = {
    "06.1": ([
        lambda samples: timing.summary(samples)["p90"], lambda samples: sorted(samples)[-(-9 * len(samples) // 10) - 1],
        lambda samples: sorted(samples)[::-1][len(samples) // 10], lambda samples: np.sort(samples)[-1 - len(samples) // 10],
        lambda samples: min(ms for ms in samples if sum(other <= ms for other in samples) >= 0.9 * len(samples)),
        lambda samples: np.float32(sorted(samples)[math.ceil(0.9 * len(samples)) - 1])],
        [(lambda samples: float(np.percentile(samples, 90)), "a value between"), (max, "the sample before it is enough"),
         (lambda samples: sorted(samples)[len(samples) // 2], "are not larger"),
         (lambda samples: samples[int(0.9 * len(samples))], "samples"),
         (lambda samples: samples.sort() or timing.summary(samples)["p90"], "changes the list"),
         (lambda samples: sorted(samples)[9 * len(samples) // 10 - 1], "are not larger"),
         (lambda samples: sorted(samples)[:9], "it returns a list; it should be a time in ms")]),
    "06.2": (["A", "a", " A ", "a ", np.str_("A")],
             [("B", "it had no warm-up"), ("C", "nothing disturbed it"), ("D", "are called A, B and C"),
              ("", "are called A, B and C"),
              (1, "yours is an int"), (["A"], "yours is a list")]),
    "06.3": ([
        best, best_by_sorting, best_by_loop, best_by_arrays, best_by_filter],
        [(functools.partial(best, key="ms"), "right is 2"),
         (functools.partial(best, gain=lambda row: -row["ms"]), "right is 32"),
         (lambda rows, deadline: best(rows, deadline) or 1, "none is in time"),
         (lambda rows, deadline: best([row for row in rows if row["p90"] < deadline], 1e9), "a p90 of exactly 14 ms"),
         (lambda rows, deadline: max([row for row in rows if row["p90"] <= deadline], key=lambda row: row["batch"]),
          "the answer is its batch"),
         (lambda rows, deadline: max(row["batch"] for row in rows if row["p90"] <= deadline), "right is 2")]),
    "07.1": ([
        without_transpose, by_new_weights, in_the_bytes, on_a_copy, by_moveaxis],
        [(functools.partial(without_transpose, weights=False), "the crooked model again"),
         (functools.partial(without_transpose, only=["dense_1/MatMul"]), "dense_3 reads the row too"),
         (functools.partial(without_transpose, only=["dense_1/MatMul", "dense_2/MatMul", "dense_3/MatMul"]),
          "the kernel of dense_2 was changed"),
         (functools.partial(without_transpose, order=(2, 1, 0, 3)), "Split the rows"),
         (lambda model, h, w, c: model, "is still there"),
         (lambda model, h, w, c: type(model)(), "has no nodes"),
         (lambda model, h, w, c: without_transpose(model, h, w, c).graph, "yours returns a GraphProto")]),
    "07.2": ([
        borders, borders_by_loop, lambda model, names: tuple(map(set, borders(model, names))),
        lambda model, names: list(map(tuple, borders(model, names))),
        lambda model, names: tuple(dict.fromkeys(each).keys() for each in borders_by_loop(model, names))],
        [(functools.partial(borders, known=False), "is an initializer"),
         (functools.partial(borders, outputs=False), "it is an output of the model"),
         (functools.partial(borders, once=False), "listed twice"), (functools.partial(borders, empty=True), "an empty name"),
         (lambda model, names: borders(model, names)[0], "it should return two lists"),
         (lambda model, names: borders(model, names)[::-1], "what comes in is"),
         (lambda model, names: (list(model.graph.node), []), "in yours there is a NodeProto")]),
    "07.3": ([
        settings, settings_by_builder, settings_by_trying, settings_by_dir, settings_by_class],
        [(settings_of_2021, "your function raised AttributeError"),
         (settings_of_version, "your function raised AttributeError"),
         (lambda *arguments: settings(*arguments)[0], "it should return two things"),
         (lambda *arguments: (settings(*arguments)[0], True), "FP16 cannot be asked for, and you return True"),
         (lambda trt, builder, size: settings(trt, builder, size >> 20), "the scratch memory was not set"),
         (lambda trt, builder, size: (builder, settings(trt, builder, size)[1]), "not where the settings were made")]),
}
