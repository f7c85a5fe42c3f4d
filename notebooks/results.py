"""Who has passed which check: a table from the readers' saved notebooks, for a teacher. Standard library only.

    python3 workbook.py results /home/*/workbook/my_notebooks
    python3 workbook.py results --csv table.csv FOLDER ...

A check prints its verdict under the exercise, and JupyterLab saves that with the notebook; nothing is sent anywhere.
"""
import argparse
import csv
import os
import re
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import artifacts  # noqa: E402

LARGEST = 50000000  # letters of a notebook
CHECK = re.compile(r"\bcheck\(\s*[\"']([0-9]{2}\.[0-9]{1,2})[\"']")
OPEN = "is not filled in yet", "your function returns the dots"  # what a check prints of an exercise that nobody has begun
MARKS = {"right": "yes", "tried": "not yet", "open": "", "not run": ""}


def verdicts(notebook):
    """{number of an exercise: "right", "tried" (a check said what is wrong), "open" or "not run"} of a saved notebook.

    A notebook that cannot be read has none.
    """
    try:
        return _verdicts(artifacts.loads(_text(notebook))["cells"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _text(notebook):
    """The text of a learner's file, which may be anything, and a teacher may read it as root. OSError for a link, a pipe or a
    device, ValueError for one of more than LARGEST letters."""
    descriptor = os.open(str(notebook), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, encoding="utf-8") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("%s is not a file" % notebook)
        text = stream.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError("%s is too large for a notebook" % notebook)
    return text


def _verdicts(cells):
    found = {}
    for cell in filter(_is_object, cells if isinstance(cells, list) else []):
        numbers = CHECK.findall(_joined(cell.get("source"))) if cell.get("cell_type") == "code" else []
        outputs = cell.get("outputs") if isinstance(cell.get("outputs"), list) else []
        printed = "".join(_joined(output.get("text")) for output in filter(_is_object, outputs))
        for number in numbers:
            if "Exercise %s is right" % number in printed:
                found[number] = "right"
            elif found.get(number) != "right":
                found[number] = ("not run" if not cell.get("execution_count") else
                                 "open" if any(words in printed for words in OPEN) else "tried")
    return found


def _is_object(value):
    return isinstance(value, dict)


def _joined(value):
    """The text of a cell or an output, which is a string or a list of strings."""
    return "".join(part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str))


def table(folders):
    """[{"who": name, number: verdict, ...}] of folders of copies. The name is that of the home or folder above the copies."""
    rows = []
    for folder in map(Path, folders):
        parts = folder.resolve().parts
        who = parts[parts.index("home") + 1] if "home" in parts[:-1] else folder.resolve().parent.name
        row = {"who": "".join(letter if letter.isprintable() else "?" for letter in who)}
        for notebook in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            row.update(verdicts(notebook))
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(prog="workbook.py results", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="+", help="folders my_notebooks, one for each reader")
    parser.add_argument("--csv", metavar="FILE", help="write the table to FILE as well")
    arguments = parser.parse_args()
    rows = table(arguments.folder)
    numbers = sorted({key for row in rows for key in row if key != "who"})
    if not numbers:
        print("no notebook with a check in %s" % ", ".join(arguments.folder))
        return 1
    width = max([len(row["who"]) for row in rows] + [6])
    print(" ".join(["%-*s" % (width, "")] + ["%7s" % number for number in numbers]))
    for row in rows:
        print(" ".join(["%-*s" % (width, row["who"])] + ["%7s" % MARKS[row.get(number, "open")] for number in numbers]))
    passed = [sum(row.get(number) == "right" for row in rows) for number in numbers]
    print(" ".join(["%-*s" % (width, "passed")] + ["%7s" % ("%d/%d" % (count, len(rows))) for count in passed]))
    if arguments.csv:
        with open(arguments.csv, "w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["who"] + numbers, restval="not run")
            writer.writeheader()
            for row in rows:  # a spreadsheet would take "=..." for a formula
                writer.writerow(dict(row, who="'" + row["who"] if row["who"][:1] in tuple("=+-@") else row["who"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
