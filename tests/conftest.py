"""For all tests."""
import sys

from helpers import machine, process


def pytest_collection_finish():
    """Results are compared with TensorFlow's on the CPU, wherever the tests run: on a GPU it may round to TF32."""
    if machine.gpu() and "tensorflow" in sys.modules:
        process.prepare_tensorflow()
