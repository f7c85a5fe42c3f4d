"""uffsurgeon to-uff | to-onnx: the two conversions on one command line."""
import sys

USAGE = """uffsurgeon COMMAND ...

    to-uff    a frozen TensorFlow graph (.pb) as .uff, with NVIDIA's options; also called convert-to-uff
    to-onnx   a .uff, of NVIDIA's converter or of this one, as .onnx

uffsurgeon COMMAND --help says what each takes."""


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    command = arguments[0] if arguments else ""
    if command == "to-uff":
        from .uff.__main__ import main as convert
    elif command == "to-onnx":
        from .to_onnx.__main__ import main as convert
    else:
        print(USAGE, file=sys.stdout if command in ("-h", "--help") else sys.stderr)
        return 0 if command in ("-h", "--help") else 2
    return convert(arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
