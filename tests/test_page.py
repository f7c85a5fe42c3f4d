"""What a page marks as quoted, and what it keeps back."""
from helpers import page


def test_a_quotation_is_marked_on_every_line(capsys):
    page.quote("first\nsecond", "TensorRT 5.0.6")
    assert capsys.readouterr().out.splitlines() == [
        "Not from this machine, quoted (TensorRT 5.0.6):", "  > first", "  > second"]


def test_what_is_printed_inside_silence_is_discarded(capsys):
    with page.silence():
        print("inside")
    print("after")
    assert capsys.readouterr().out == "after\n"
