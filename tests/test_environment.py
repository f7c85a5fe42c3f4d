"""Versions are defined in one place, requirements/; what repeats them agrees, and every package is used."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import artifacts

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import workbook  # noqa: E402

PIN = re.compile(r"^([\w.-]+)==([\w.]+)(?:\s*;\s*(.*))?$")


def pins(name):
    """{package: {marker or "": version}} of a pins file."""
    found = {}
    for line in (ROOT / "requirements" / (name + ".txt")).read_text().splitlines():
        if line and not line.startswith("#"):
            package, version, marker = PIN.match(line).groups()
            found.setdefault(package.lower().replace("_", "-"), {})[marker or ""] = version
    return found


def wanted(name):
    """The packages that an .in file names, and those of a file that it includes."""
    lines = (ROOT / "requirements" / (name + ".in")).read_text().splitlines()
    included = [package for line in lines if line.startswith("-r ") for package in wanted(line[3:-len(".in")])]
    return included + [re.split(r"[\[=<>!; ]", line)[0].lower().replace("_", "-")
            for line in lines if line and line[0] not in "#-"]


def test_conda_takes_its_versions_from_the_pins():
    current = pins("current")
    lines = [line.strip()[2:] for line in (ROOT / "environment.yml").read_text().splitlines() if line.strip().startswith("- ")]
    named = [PIN.match(line).groups() for line in lines if "==" in line and PIN.match(line)]
    assert len(named) > 10
    for package, version, _ in named:
        assert version in current[package].values(), "%s %s" % (package, version)
    words = " ".join(lines)
    for package in ("jupyterlab", "tensorflow", "matplotlib", "netron", "pycuda", "tensorrt"):
        assert package in words


def test_conda_links_its_python():
    """An environment that the launcher did not make has no .pth until somebody types this."""
    assert "#     python workbook.py link " in (ROOT / "environment.yml").read_text()


# Where the module or the command has another name than the package.
USED_AS = {"tensorflow-cpu": "tensorflow", "tf-keras": "tf_keras", "onnx-graphsurgeon": "onnx_graphsurgeon", "pillow": "PIL",
           "tensorrt-rtx-cu12": "tensorrt_rtx", "cuda-python": "cuda", "tensorrt-cu12": "tensorrt", "ipykernel": "IPKernelApp",
           "axe-playwright-python": "axe_playwright_python"}
PINNED_FOR_OTHERS = {"send2trash", "tensorflow-io-gcs-filesystem"}


@pytest.mark.parametrize("name", ["jetpack4", "jetpack5", "current", "gpu_uff", "gpu", "browser"])
def test_every_wanted_package_is_used(name):
    files = [path for folder in ("helpers", "uffsurgeon", "notebooks", "tests", "docs", "plugin_src")
             for path in (ROOT / folder).rglob("*.py")] + [ROOT / "workbook.py", ROOT / ".ci" / "run"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files if path != Path(__file__).resolve())
    for package in set(wanted(name)) - PINNED_FOR_OTHERS:
        module = USED_AS.get(package, package)
        assert re.search(r"(import|from) %s\b|-m\W+%s\b|[\"']%s[\"'.]|--%s" % ((re.escape(module),) * 4), code), package


@pytest.mark.parametrize("name", ["jetpack4", "jetpack5", "current", "gpu_uff", "gpu", "browser"])
def test_every_wanted_package_is_pinned(name):
    assert not set(wanted(name)) - set(pins(name))


def test_the_article_s_stack_has_the_article_s_tensorflow():
    assert set(pins("jetpack4")["tensorflow"].values()) == {"1.13.1"}


def test_no_pin_is_an_address():
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in path.read_text() and "@" not in path.read_text(), path.name


def test_this_environment_is_what_the_pins_say():
    """The results of the tests are about the pinned versions only if they run on those."""
    stack = os.environ.get("WORKBOOK_STACK") or {(3, 6): "jetpack4", (3, 8): "jetpack5"}.get(sys.version_info[:2], "current")
    installed = dict(line.lower().replace("_", "-").split("==") for line in subprocess.check_output(
        [sys.executable, "-m", "pip", "freeze", "--disable-pip-version-check"],
        stderr=subprocess.DEVNULL).decode().splitlines() if "==" in line)
    known = pins(stack)
    for package in ("numpy", "protobuf", "onnx", "nbclient", "jupytext", "matplotlib"):
        assert installed[package] in known[package].values(), package


@pytest.mark.notebooks
def test_the_disk_space_that_the_readme_asks_for_is_enough():
    """This environment, and build/ as the last whole run left it (notebooks/execute.py measures it)."""
    stated = float(re.search(r"([\d.]+) GB of free disk space", (ROOT / "README.md").read_text(encoding="utf-8")).group(1))
    assert stated == workbook.NEEDED_GB
    try:
        build = json.loads((artifacts.BUILD / "notebooks" / "run.json").read_text())["build_gb"]
    except (OSError, KeyError):
        pytest.skip("no whole run here yet")
    assert build < 3 and artifacts.size(sys.prefix) / 1e9 + build < stated


@pytest.mark.notebooks
def test_no_page_takes_more_memory_than_the_teacher_is_told():
    stated = float(re.search(r"takes up to ([\d.]+) GB of memory", (ROOT / "docs" / "teaching.md").read_text("utf-8")).group(1))
    try:
        peaks = json.loads((artifacts.BUILD / "notebooks" / "run.json").read_text())["peak_gb"]
    except (OSError, KeyError):
        pytest.skip("no run here yet")
    # A machine with more cores takes a little more.
    assert max(filter(None, peaks.values()), default=0) < stated + 0.3, peaks


def test_helpers_import_is_instant():
    code = "import time; t = time.perf_counter(); import helpers; print(time.perf_counter() - t)"
    best = min(float(subprocess.check_output([sys.executable, "-c", code], cwd=str(ROOT))) for _ in range(3))
    assert best < 0.05
