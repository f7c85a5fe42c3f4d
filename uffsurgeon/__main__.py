"""uffsurgeon to-uff, to-onnx, check: the conversions and the check of a .uff as one program."""
import sys

USAGE = """uffsurgeon COMMAND ...

    to-uff    convert a frozen TensorFlow graph (.pb) to .uff, with NVIDIA's options; the same as convert-to-uff
    to-onnx   convert a .uff, made by NVIDIA's converter or by this one, to .onnx
    check     say what NVIDIA's UffParsers refuse in a .uff, and what they silently get wrong

uffsurgeon COMMAND --help lists the options."""


def main(arguments=None):
    """Run a command with its arguments (default: sys.argv); returns the exit status, 2 without a known command."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    command = arguments[0] if arguments else ""
    if command == "to-uff":
        from .uff.__main__ import main as convert
    elif command == "to-onnx":
        from .to_onnx.__main__ import main as convert
    elif command == "check":
        from .check.__main__ import main as convert
    else:
        print(USAGE, file=sys.stdout if command in ("-h", "--help") else sys.stderr)
        return 0 if command in ("-h", "--help") else 2
    return convert(arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
