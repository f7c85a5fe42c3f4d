"""Checks of notebook 00, start here."""
from .judging import exercise


@exercise("00.1")
def _head_of_l2(answer):
    assert isinstance(answer, str), "give the name of a head as a string; this is a %s" % type(answer).__name__
    assert answer != "confidence", "the confidences add up to one, but their squares do not: look at the output above"
    assert answer != "dimension", "that head gives metres, of any length: look for the vectors of length one"
    assert answer == "orientation", "the heads are dimension, orientation and confidence"
    return "Its pairs are cosine and sine of one angle, so they must have length one."
