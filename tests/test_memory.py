"""Which notebooks fit into the memory that is free."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from notebooks import memory  # noqa: E402

PEAKS = {"00_small": 1.0, "01_large": 3.5, "02_larger": 4.0}


@pytest.mark.parametrize("free, named", [(8.0, []), (3.6, ["02_larger"]), (2.0, ["01_large", "02_larger"]), (None, [])])
def test_a_notebook_that_is_larger_than_the_free_memory_is_named_before_it_starts(monkeypatch, free, named):
    monkeypatch.setattr(memory, "free", lambda: free)
    said = memory.too_large(PEAKS)
    assert [name for name in PEAKS if name in said] == named
    assert bool(said) == bool(named) == ("swapon" in said)


@pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="Linux tells it there")
def test_the_free_memory_is_less_than_the_machine_has():
    assert 0 < memory.free() <= 2 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def test_the_peaks_are_those_of_the_stored_notebooks(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "HERE", tmp_path)
    for name, text in (("00_a", json.dumps({"metadata": {"workbook": {"peak_gb": 2.5}}})), ("01_b", "{"),
                       ("02_c", json.dumps({"metadata": {}}))):
        (tmp_path / (name + ".ipynb")).write_text(text)
    assert memory.peaks() == {"00_a": 2.5}


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells it there")
def test_the_memory_of_a_process_and_of_its_children_is_watched():
    child = "x = bytearray(150000000); import time; time.sleep(1.2)"
    parent = "import subprocess, sys; x = bytearray(100000000); subprocess.call([sys.executable, '-c', %r])" % child
    process = subprocess.Popen([sys.executable, "-c", parent])
    with memory.Watch(process.pid) as watch:
        process.wait()
    assert 0.24 < watch.gb < 0.4


def test_swap_in_zram_is_no_memory(monkeypatch):
    texts = {"/proc/meminfo": "MemAvailable: 2000000 kB\nSwapFree: 1500000 kB\n",
             "/proc/swaps": "Filename Type Size Used\n/dev/zram0 partition 1000000 200000 5\n/swapfile file 900000 0 -2\n"}
    monkeypatch.setattr(memory.Path, "read_text", lambda path: texts[str(path)])
    assert memory.free() == (2000000 + 700000) * 1024 / 1e9
