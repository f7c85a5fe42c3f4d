"""Pins that age: how old they are, and until when netron shows a model. Run it once a month; .ci/run prints it, too.

    .venv/py3.11/bin/python requirements/age.py     # status 1 when something has to be done within 30 days

A line for a crontab: 0 9 1 * * cd /path/to/workbook && .venv/py3.11/bin/python requirements/age.py || echo refresh the pins
"""
import datetime
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from helpers.show.live import netron_expires  # noqa: E402

OLD = 365  # days after which pins should be refreshed


def report(today, changed, expires):
    """([line], whether something has to be done). changed: {name of a pins file: date of its last change, or None}."""
    lines, urgent = [], False
    for name, date in sorted(changed.items()):
        days = None if date is None else (today - date).days
        old = days is not None and days > OLD
        lines.append("%-12s %s%s" % (name, "of unknown age" if days is None else "changed %d days ago, %s" % (days, date),
                                     ": refresh it (requirements/README.md)" if old else ""))
        urgent |= old
    if expires is None:
        lines.append("netron       of unknown age")
    else:
        left = (expires - today).days
        urgent |= left < 30
        lines.append("netron       shows models until %s, %d days%s" % (
            expires, left, ": refresh the pins for a newer one" if left < 30 else ""))
    return lines, urgent


def last_change(path):
    """The day of the last commit that changed a file, or None outside a clone."""
    done = subprocess.run(["git", "log", "-1", "--format=%cd", "--date=short", "--", path.name], cwd=str(HERE),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    text = done.stdout.strip()
    return datetime.date(*map(int, text.split("-"))) if text else None


def main():
    changed = {path.stem: last_change(path) for path in HERE.glob("*.txt")
               if not path.stem.startswith(("overrides", "current_"))}
    lines, urgent = report(datetime.date.today(), changed, netron_expires())
    print("\n".join(lines))
    return int(urgent)


if __name__ == "__main__":
    sys.exit(main())
