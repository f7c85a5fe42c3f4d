"""Notebook 07: its table of versions, compared with the names that each version has, and the checks of its exercises."""
import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from notebooks import checks

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "tests" / "fixtures" / "tensorrt_api"
TEXT = (ROOT / "notebooks" / "text" / "07_onnx_road.py").read_text(encoding="utf-8")
# The columns of the table, each with the versions that it covers.
COLUMNS = {"5": ["tensorrt-5.0.6-documented"], "7": ["tensorrt-7.1.3-documented"],
           "8": ["tensorrt-8.0", "tensorrt-8.2", "tensorrt-8.4", "tensorrt-8.5", "tensorrt-8.6"],
           "10": ["tensorrt-10.3", "tensorrt-10.6", "tensorrt-10.13", "tensorrt-10.16"],
           "11": ["tensorrt-11.4", "tensorrt_rtx-1.7"]}
OWNER = {"builder": "Builder", "config": "IBuilderConfig", "context": "IExecutionContext", "engine": "ICudaEngine"}


def table():
    """{line of code: {column: cell}} of the notebook's table."""
    lines = [line[2:] for line in TEXT.splitlines() if line.startswith("# | ")]
    start = next(i for i, line in enumerate(lines) if line.replace(" ", "") == "||line|5|7|8|10|11|")
    found = {}
    for line in lines[start + 1:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7:
            found[cells[1].strip("`")] = dict(zip(COLUMNS, cells[2:]))
    return found


def names_in(code):
    """[(class, member)] that a line needs; member None for a class of the module itself."""
    for owner, member in re.findall(r"\b(builder|config|context|engine)\.(\w+)", code):
        yield OWNER[owner], member
    for path in re.findall(r"\btrt\.([\w.]+)", code):
        parts = path.split(".")
        yield parts[0], parts[1] if len(parts) > 1 else None


def has(version, code):
    """True when every name in a line of code is in that version's list."""
    have = json.loads((LISTS / (version + ".json")).read_text())
    return all(owner in have and (member is None or member in have[owner]) for owner, member in names_in(code))


def test_the_table_of_lines_is_that_of_the_versions():
    rows = table()
    assert len(rows) == 27 and all(list(names_in(code)) for code in rows)
    for code, cells in rows.items():
        for column, cell in cells.items():
            for version in COLUMNS[column]:
                if cell.startswith("from "):
                    wanted = float(version.split("-")[1]) >= float(cell[5:])
                else:
                    wanted = {"yes": True, "for UFF": True, "ignored": True, "-": False}[cell]
                assert has(version, code) is wanted, (code, version)


def without(model, move=None, only=(), which="Transpose__7"):
    """Take the Transpose off; move(kernel as H, W, C, out) -> kernel for the MatMuls named, by default those behind."""
    model = copy.deepcopy(model)
    node = [node for node in model.graph.node if node.name == which][0]
    for other in model.graph.node:
        other.input[:] = [node.input[0] if name == node.output[0] else name for name in other.input]
    model.graph.node.remove(node)
    for tensor in model.graph.initializer:
        if move and tensor.name in ["%s/kernel" % name for name in only or ("dense_1", "dense_3")]:
            kernel = numpy_helper.to_array(tensor)
            moved = np.ascontiguousarray(move(kernel.reshape(2, 3, 4, -1)).reshape(kernel.shape))
            tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
    return model


def right(kernel):
    return kernel.transpose(2, 0, 1, 3)


@pytest.mark.parametrize("answer, word", [
    (lambda model, *_: model, "still there"),
    (lambda model, *_: without(model), "crooked"),
    (lambda model, *_: without(model, right, which="first"), "still there"),
    (lambda model, *_: without(without(model, right), which="first"), "has to stay"),
    (lambda model, *_: without(model, right, ["dense_1"]), "dense_3"),
    (lambda model, *_: without(model, right, ["dense_1", "dense_2", "dense_3"]), "dense_2"),
    (lambda model, *_: without(model, lambda kernel: kernel.transpose(1, 0, 2, 3)), "channels"),
    (lambda model, *_: None, "`return` missing"), (lambda model, *_: 3, "return the model")])
def test_06_1_says_what_is_wrong(answer, word):
    verdict, said = checks.judge("07.1", answer)
    assert verdict is False and word in said, said


def with_new_initializers(model, height, width, channels):
    """The kernels under new names, in float_data instead of raw_data."""
    model = without(model)
    for node in model.graph.node:
        if node.name in ("dense_1/MatMul", "dense_3/MatMul"):
            kernel = next(numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == node.input[1])
            moved = right(kernel.reshape(height, width, channels, -1)).reshape(kernel.shape)
            node.input[1] += "_nchw"
            model.graph.initializer.append(helper.make_tensor(node.input[1], TensorProto.FLOAT, kernel.shape, moved.ravel()))
    return model


def in_place(model, height, width, channels):
    changed = without(model, right)
    model.CopyFrom(changed)
    return model


@pytest.mark.parametrize("answer", [lambda model, *_: without(model, right), with_new_initializers, in_place])
def test_06_1_takes_right_answers(answer):
    assert checks.judge("07.1", answer)[0], checks.judge("07.1", answer)[1]


def borders(model, names, known=True, outputs=True, repeat=False, empty=True):
    inside = [node for node in model.graph.node if node.name in names]
    made = {name for node in inside for name in node.output}
    wanted = {name for node in model.graph.node if node.name not in names for name in node.input}
    wanted |= {value.name for value in model.graph.output} if outputs else set()
    skip = made | ({tensor.name for tensor in model.graph.initializer} if known else set()) | ({""} if empty else set())
    found = [name for node in inside for name in node.input if name not in skip]
    return found if repeat else sorted(set(found)), sorted(made & wanted)


@pytest.mark.parametrize("options, word", [
    ({"known": False}, "initializer"), ({"outputs": False}, "output of the model"), ({"repeat": True}, "twice"),
    ({"empty": False}, "left out")])
def test_06_2_says_what_is_wrong(options, word):
    for kind in (list, set, tuple, dict.fromkeys):
        assert checks.judge("07.2", lambda model, names, kind=kind: [kind(found) for found in borders(model, names)])[0]
    verdict, said = checks.judge("07.2", lambda model, names: borders(model, names, **options))
    assert verdict is False and word in said, said


def settings(trt, builder, size, ask="hasattr"):
    old = not hasattr(builder, "create_builder_config")
    config = builder if old else builder.create_builder_config()
    pool = hasattr(config, "set_memory_pool_limit") if ask == "hasattr" else int(trt.__version__[0]) >= 10
    if pool:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size
    asked = old or hasattr(trt.BuilderFlag, "FP16")
    if old:
        config.fp16_mode = True
    elif asked:
        config.set_flag(trt.BuilderFlag.FP16)
    return config, asked


def by_fp16_mode(trt, builder, size):
    if hasattr(builder, "fp16_mode"):
        builder.max_workspace_size, builder.fp16_mode = size, True
        return builder, True
    config = builder.create_builder_config()
    if hasattr(config, "max_workspace_size"):
        config.max_workspace_size = size
    else:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    flag = getattr(trt.BuilderFlag, "FP16", None)
    if flag:
        config.set_flag(flag)
    return [config, flag is not None]


def by_exceptions(trt, builder, size):
    try:
        config = builder.create_builder_config()
    except AttributeError:
        config = builder
    try:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    except AttributeError:
        config.max_workspace_size = size
    try:
        config.fp16_mode = True
        return config, True
    except AttributeError:
        pass
    try:
        config.set_flag(trt.BuilderFlag.FP16)
    except AttributeError:
        return config, False
    return config, True


def by_classes_of_the_module(trt, builder, size):
    if not hasattr(trt, "IBuilderConfig"):
        builder.max_workspace_size = size
        builder.fp16_mode = True
        return builder, True
    config = builder.create_builder_config()
    if hasattr(trt, "MemoryPoolType"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size
    can = "FP16" in trt.BuilderFlag.__members__
    if can:
        config.flags |= 1 << int(trt.BuilderFlag.FP16)
    return config, can


def by_dir(trt, builder, size):
    config = builder if "fp16_mode" in dir(trt.Builder) else builder.create_builder_config()
    if "set_memory_pool_limit" in dir(config):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size)
    if "max_workspace_size" in dir(config):
        config.max_workspace_size = size
    if config is builder:
        config.fp16_mode = 1
        return config, 1
    for name in dir(trt.BuilderFlag):
        if name == "FP16":
            config.set_flag(getattr(trt.BuilderFlag, name))
            return config, config.get_flag(trt.BuilderFlag.FP16)
    return config, False


def by_old_calls(trt, builder, size):
    if hasattr(builder, "build_cuda_engine") and not hasattr(trt, "BuilderFlag"):
        builder.max_workspace_size, builder.fp16_mode = size, builder.platform_has_fast_fp16
        return builder, builder.fp16_mode
    config = builder.create_builder_config()
    pool = getattr(trt, "MemoryPoolType", None)
    if pool is None:
        config.max_workspace_size = size
    else:
        config.set_memory_pool_limit(pool=pool.WORKSPACE, size=size)
    has = hasattr(trt.BuilderFlag, "FP16")
    has and config.set_flag(trt.BuilderFlag.FP16)
    return config, has


@pytest.mark.parametrize("answer", [settings, by_fp16_mode, by_exceptions, by_classes_of_the_module, by_dir, by_old_calls])
def test_06_3_takes_every_way_to_ask_for_names(answer):
    verdict, said = checks.judge("07.3", answer)
    assert verdict is True, said


def test_06_3_wants_names_asked_for_and_not_versions():
    verdict, said = checks.judge("07.3", lambda *given: settings(*given, ask="version"))
    assert verdict is False and "AttributeError" in said
    for answer, word in ((lambda trt, b, n: (settings(trt, b, n)[0], True), "cannot"),
                         (lambda trt, b, n: settings(trt, b, n - 1), "bytes"),
                         (lambda trt, b, n: (b.create_builder_config(), True), "on TensorRT 8.0 the scratch memory"),
                         (lambda trt, b, n: (setattr(b, "max_workspace", n), True), "has no attribute 'max_workspace'"),
                         (lambda trt, b, n: (b, settings(trt, b, n)[1]), "where the settings were made")):
        verdict, said = checks.judge("07.3", answer)
        assert verdict is False and word in said, said
