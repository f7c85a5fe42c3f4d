"""The boxes "On your own network" of the pages: code to take away, so it has to run as it stands there."""
import re
from pathlib import Path

TEXT = Path(__file__).resolve().parent.parent / "notebooks" / "text"
HEADING = "# ### On your own network"


def snippets(number):
    """The Python sources of the boxes of a page, in order. number: such as "03"."""
    (twin,) = TEXT.glob(number + "_*.py")
    cells = re.split(r"(?m)^# %%.*\n", twin.read_text(encoding="utf-8"))
    boxes = ["\n".join(line[2:] for line in cell.splitlines()) for cell in cells if cell.startswith(HEADING)]
    return [code for box in boxes for code in re.findall(r"(?ms)^```python\n(.*?)^```$", box)]
