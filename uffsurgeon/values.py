"""NaN and infinity among weights: no converter and no TensorRT reports them, and all that depends on them is not a number."""
import warnings

import numpy as np

from uffsurgeon import protobuf


def not_finite(array):
    """"2 NaN and 1 infinite among 512 values" of an array, "" where all of them are finite, or none is a float.

        >>> not_finite(np.array([1, np.inf, np.nan, np.nan]))
        '2 NaN and 1 infinite among 4 values'
    """
    if array.dtype.kind not in "fc":
        return ""
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum(dtype=np.result_type(array.dtype, np.float32))):  # which takes no memory
            return ""
    missing, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    words = ["%d NaN" % missing] * bool(missing) + ["%d infinite" % infinite] * bool(infinite)
    return "%s among %d values" % (" and ".join(words), array.size) if words else ""


def of_nodes(constants):
    """(name, array) of those constants that are floats. constants: (NodeDef, TensorFlow's number of its dtype)."""
    for node, number in constants:
        if number in (1, 2, 19):
            try:
                yield node.name, protobuf.array(node.attr["value"].tensor, number)
            except ValueError:  # values that do not fill the shape: whoever writes them says so
                continue


def warn(named):
    """Warn of NaN among constants, and of infinity among those of several values. named: (name, array) of each.

        >>> warn([("bias", np.zeros(3))])
    """
    for name, array in named:
        found = not_finite(array)
        if found and (array.size > 1 or "NaN" in found):
            warnings.warn("constant '%.200s' holds NaN or infinity: %s" % (name, found), stacklevel=3)
