"""Compile and drive the plugin against every set of TensorRT headers given, and print the table of README.md.

    TENSORRT_ROOTS=/path/one:/path/two python3 plugin_src/compile_matrix.py [--readme] [ROOT ...]

A root is a folder that holds include/NvInfer.h (or that include folder). Of each: l2_normalize_plugin.cpp is compiled
as C++11, 14 and 17 with -Wall -Wextra, and l2_normalize_plugin_test.cpp is built with it and run on the CPU under the
address and undefined-behaviour sanitizers. Needs g++ and CUDA's headers; no GPU, no nvcc, no TensorRT library. Headers
of 5.1 also stand in for 5.0, whose IPluginV2 is the same and which lacks IPluginV2Ext. Exit status 1 when anything
failed or warned.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from helpers import plugin  # noqa: E402

STANDARDS = ("11", "14", "17")
BEGIN, END = "<!-- compile matrix -->", "<!-- end of compile matrix -->"


def classes(version):
    """Which plugin classes l2_normalize_plugin.cpp has for a (major, minor) of TensorRT."""
    if version >= (10, 0):
        return "IPluginV3"
    return "IPluginV2" if version < (5, 1) else "IPluginV2Ext" + (", IPluginV2DynamicExt" if version >= (6, 0) else "")


def registration(version):
    """How TensorRT gets to the creators."""
    return "on loading" if version < (8, 6) else "getPluginCreators" if version < (10, 0) else "getCreators"


def cuda_include():
    """CUDA's header folder, which NvInfer.h needs for cudaStream_t. FileNotFoundError when there is none."""
    homes = [os.environ.get("CUDA_HOME"), "/usr/local/cuda"]
    try:
        homes.append(str(Path(plugin.find_nvcc()).resolve().parent.parent))
    except FileNotFoundError:
        pass
    for home in filter(None, homes):
        if (Path(home) / "include" / "cuda_runtime_api.h").is_file():
            return Path(home) / "include"
    raise FileNotFoundError("CUDA's headers (cuda_runtime_api.h) were not found; set CUDA_HOME to the toolkit's folder")


def run(command):
    """(exit status, output) of a command."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def try_headers(headers, version, folder, sanitize=True):
    """Compile and drive the plugin for one set of headers.

    Args:
        headers: folder of NvInfer.h.
        version: (major, minor) to compile for; (5, 0) takes the plain IPluginV2 from later headers.
        folder: scratch folder.
        sanitize: build the driven program with the address and undefined-behaviour sanitizers.
    Returns:
        {"version", "classes", "registration", "c++11", "c++14", "c++17", "driven"}: each of the last four is "ok",
        "failed", "N warnings" or, for driven, "N checks"; "log" holds what the tools said when not all is well.
    """
    flags = plugin.WARNINGS + ["-isystem", headers, "-isystem", cuda_include()]
    if version == (5, 0):
        flags.append("-DL2_TENSORRT=500")
    row = {"version": "%d.%d" % version, "classes": classes(version), "registration": registration(version), "log": ""}

    def build(source, output, *more):
        status, text = run(["g++", "-c"] + flags + list(more) + [HERE / source, "-o", folder / output])
        warnings = len(re.findall(r"\bwarning:", text))
        row["log"] += text
        return "failed" if status else "%d warnings" % warnings if warnings else "ok"

    for standard in STANDARDS:
        row["c++" + standard] = build("l2_normalize_plugin.cpp", "plugin.o", "-std=c++" + standard, "-fPIC")
    sanitizers = ["-fsanitize=address,undefined"] if sanitize else []
    driven = ["-std=c++17", "-g", "-DL2_ON_CPU"] + sanitizers
    built = [build("l2_normalize_plugin.cpp", "plugin.o", *driven), build("l2_normalize_plugin_test.cpp", "test.o", *driven)]
    built.append(build("l2_normalize.cu", "kernel.o", *plugin.GXX_FLAGS))
    if built != ["ok"] * 3:
        row["driven"] = "not built"
        return row
    objects = [folder / name for name in ("plugin.o", "test.o", "kernel.o")]
    status, text = run(["g++"] + sanitizers + objects + ["-o", folder / "test"])
    if status == 0:
        status, text = run([folder / "test"])
    found = re.search(r"(\d+) checks, 0 failed", text)
    row["driven"] = "%s checks" % found.group(1) if found and status == 0 else "failed"
    if row["driven"] == "failed":
        row["log"] += text
    return row


def table(rows):
    """The rows as Markdown, oldest TensorRT first."""
    lines = ["| headers | classes | registration | C++11 | C++14 | C++17 | driven on the CPU |",
             "|---|---|---|---|---|---|---|"]
    keys = ("version", "classes", "registration", "c++11", "c++14", "c++17", "driven")
    for row in sorted(rows, key=lambda row: [int(part) for part in row["version"].split(".")]):
        lines.append("| %s |" % " | ".join(row[key] for key in keys))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="*", help="TensorRT folders, besides those in TENSORRT_ROOTS")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    roots = options.roots + [r for r in os.environ.get("TENSORRT_ROOTS", "").split(os.pathsep) if r]
    if not roots:
        parser.error("no TensorRT headers given: name folders, or set TENSORRT_ROOTS; README.md says where headers are")
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for root in roots:
            headers, version = plugin.tensorrt_headers(root)
            for target in [version] + ([(5, 0)] if version == (5, 1) else []):
                row = try_headers(headers, target, Path(folder))
                rows[target] = row
                print("%-6s %s" % (row["version"], ", ".join(row[k] for k in ("c++11", "c++14", "c++17", "driven"))),
                      flush=True)
                if row["log"]:
                    print(row["log"])
    text = table(rows.values())
    print(text)
    if options.readme:
        readme = HERE / "README.md"
        before, rest = readme.read_text().split(BEGIN)
        readme.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1])
    bad = [row["version"] for row in rows.values()
           if row["driven"] in ("failed", "not built") or any(row["c++" + s] != "ok" for s in STANDARDS)]
    sys.exit("not well: " + ", ".join(bad) if bad else 0)


if __name__ == "__main__":
    main()
