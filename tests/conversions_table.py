"""The tables of uffsurgeon/README.md between its two markers: python tests/conversions_table.py writes them.

They are made from the code's own tables, and from what tests/bench_conversions.py recorded.
"""
import json
from pathlib import Path

import uffsurgeon
from uffsurgeon.to_onnx.nodes import OPERATIONS as TO_ONNX
from uffsurgeon.uff import branches, constants, converter, tensorflow_ops

README = Path(uffsurgeon.__file__).parent / "README.md"
RECORDED = Path(__file__).parent / "fixtures" / "conversions.json"
BEGIN, END = "<!-- made by tests/conversions_table.py -->", "<!-- until here -->"


def rows():
    """[(kind, set of TensorFlow's operations, road to UFF, road to ONNX)]"""
    own = set(tensorflow_ops.OPERATIONS) - tensorflow_ops.PASSES_ON
    custom = {name[1:] for name in TO_ONNX if name[:1] == "_" and not name.endswith("_TRT")} - set(tensorflow_ops.OPERATIONS)
    plugins = {name[1:] for name in TO_ONNX if name.endswith("_TRT")}
    return [
        ("UFF's own", own, "an operation of UFF", "its ONNX operations"),
        ("do nothing", tensorflow_ops.PASSES_ON, "passed over", "passed over"),
        ("custom", custom, "a custom node, which UffParser takes for a plugin of that name", "its ONNX operations"),
        ("plugins", plugins, "a custom node", "its ONNX operations"),
        ("branches", branches.SWITCH | branches.MERGE, "the branch that is taken, if the condition is a constant; else "
         "refused: freeze without the learning phase", "as in the UFF"),
        ("loops", branches.CONTROL_FLOW - branches.SWITCH - branches.MERGE, "refused: unroll=True, or collapse them into a "
         "plugin", "refused"),
        ("random numbers", converter.RANDOM, "refused: freeze for inference", "refused"),
        ("variables", tensorflow_ops.VARIABLES, "refused: freeze first", "refused"),
    ]


def text():
    """What stands between the markers."""
    lines = ["| | TensorFlow's operations | to UFF | to ONNX |", "|---|---|---|---|"]
    for kind, operations, uff, onnx in rows():
        lines.append("| %s (%d) | %s | %s | %s |" % (kind, len(operations), " ".join(sorted(operations)), uff, onnx))
    lines += ["| any other | | a custom node | refused in a list with the way out: other outputs, a plugin in its place, or "
              "`--plugin-op` if there is a plugin of that name |", "",
              "Where a weight, a condition or an unknown operation depends on constants alone, %d operations are computed when "
              "the UFF is written." % len(constants.FOLDS), ""]
    record = json.loads(RECORDED.read_text())
    lines += ["%d graphs (%s) by three converters, %s:" % (record["graphs"], record["folder"], record["where"]), "",
              "| | converts | equal to TensorFlow | seconds for the %d that two convert to equal numbers |" % record["both"],
              "|---|---|---|---|"]
    for name, row in record["converters"].items():
        lines.append("| %s | %d | %s | %s |" % (name, row["converts"], row.get("equal", "not run: recorded files"),
                                                row.get("seconds", "")))
    lines += ["", "Recorded with `%s`. The others hold what UFF cannot express. NVIDIA's converter writes UFF only." % (
        record["command"])]
    box = record["box"]
    lines += ["", "The trained box network of the pages, a .pb of %d MB, to ONNX by whole processes, in one run of `%s`:" % (
        box["megabytes"], box["command"]), "", "| | seconds | peak memory, MB |", "|---|---|---|"]
    lines += ["| %s | %s | %d |" % (name, row["seconds"], row["peak_mb"]) for name, row in box["converters"].items()]
    return "\n".join(lines) + "\n"


def stored():
    """What the README has between the markers."""
    return README.read_text(encoding="utf-8").split(BEGIN + "\n")[1].split(END)[0]


if __name__ == "__main__":
    page = README.read_text(encoding="utf-8")
    README.write_text(page.replace(BEGIN + "\n" + stored(), BEGIN + "\n" + text()), encoding="utf-8")
