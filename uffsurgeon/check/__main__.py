"""uffsurgeon check model.uff; also python -m uffsurgeon.check."""
import argparse
import sys

from . import PARSERS, check, text


def main(arguments=None):
    """Print the findings in each file; returns the exit status: 0, 1 for an error, 2 for a file that cannot be read."""
    parser = argparse.ArgumentParser(
        prog="uffsurgeon check", description="What a UffParser refuses in a .uff, and what it silently gets wrong.",
        epilog="Exit status: 1 if there are errors (refused, or wrong values), with --strict also for warnings; 2 for a file "
               "that cannot be read; else 0.")
    parser.add_argument("uff", nargs="+", help="the files")
    parser.add_argument("--tensorrt", metavar="VERSION", help="one parser: %s; default: all" % ", ".join(PARSERS))
    parser.add_argument("--inputs", metavar="NAME:SIZES:ORDER", action="append", default=[],
                        help="how an input is registered, as x:224,224,3:NHWC; sizes or order may be empty; repeat for several")
    parser.add_argument("--strict", action="store_true", help="exit with 1 for warnings, too")
    options = parser.parse_args(arguments)
    counts = dict.fromkeys(("error", "warning", "note"), 0)
    status = 0
    for path in options.uff:
        try:
            findings = check(path, options.tensorrt, dict(map(_input, options.inputs)))
        except (OSError, ValueError) as error:
            print("error: %s" % error, file=sys.stderr)
            status = 2
            continue
        for finding in findings:
            counts[finding.level] += 1
            print("%s: %s" % (path, text(finding)))
    print("%d errors, %d warnings, %d notes" % (counts["error"], counts["warning"], counts["note"]))
    return status or int(counts["error"] > 0 or options.strict and counts["warning"] > 0)


def _input(text):
    name, sizes, order = (text.rsplit(":", 2) + ["", ""])[:3]
    return name, ([int(size) for size in sizes.split(",")] if sizes else None, order or None)


if __name__ == "__main__":
    sys.exit(main())
