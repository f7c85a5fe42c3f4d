"""convert-to-uff model.pb -o model.uff -O node, with the options of NVIDIA's program; also python -m uffsurgeon.uff."""
import argparse
import os
import sys

from . import converter


def main(arguments=None):
    """Convert as the arguments (default: sys.argv) say; returns the exit status, 1 after an error, which is printed."""
    parser = argparse.ArgumentParser(prog="convert-to-uff", description="Convert a frozen TensorFlow graph to UFF.")
    parser.add_argument("input_file", help="frozen graph (.pb)")
    parser.add_argument("-l", "--list-nodes", action="store_true", help="show the nodes and stop")
    parser.add_argument("-t", "--text", action="store_true", help="also write a readable .pbtxt")
    parser.add_argument("--write_preprocessed", action="store_true",
                        help="also write the graph as it goes into the conversion")
    parser.add_argument("-q", "--quiet", action="store_true", help="print warnings only")
    parser.add_argument("-d", "--debug", action="store_true", help="print each node")
    parser.add_argument("-o", "--output", help="file to write; default: the input with .uff")
    parser.add_argument("-O", "--output-node", action="append", default=[],
                        help="name of an output, or its number in -l; repeat for several")
    parser.add_argument("-I", "--input-node", action="append", default=[],
                        help="name,new_name,dtype,d1,d2,...: replace that node by an input")
    parser.add_argument("-p", "--preprocessor", help="Python file with preprocess(dynamic_graph)")
    options = parser.parse_args(arguments)
    output = os.path.splitext(options.output or options.input_file)[0] + ".uff"
    print("Loading", options.input_file)
    try:
        converter.convert(
            options.input_file, options.output_node, options.preprocessor, quiet=options.quiet,
            input_node=options.input_node, text=options.text, list_nodes=options.list_nodes,
            output_filename=output, write_preprocessed=options.write_preprocessed,
            debug_mode=options.debug)
    except (OSError, ValueError, TypeError, AttributeError, ImportError) as error:
        print("error: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
