"""python -m uffsurgeon.to_onnx model.uff model.onnx, or uffsurgeon to-onnx: convert a .uff to ONNX."""
import argparse
import sys

from .converter import convert
from .plugins import CAN_WRITE_FUNCTIONS, DOMAIN


def main(arguments=None):
    """Run the command line with these arguments; returns the exit status, 0 or 1."""
    parser = argparse.ArgumentParser(prog="uffsurgeon to-onnx", description="Convert a .uff file to ONNX.")
    parser.add_argument("uff", help="the network, from convert-to-uff or uffsurgeon to-uff")
    parser.add_argument("onnx", help="where to write the model")
    parser.add_argument("-O", "--output-node", action="append",
                        help="make this node an output, instead of the marked ones (may be repeated)")
    parser.add_argument("--opset", type=int, default=13, help="13 (the default) to 21")
    parser.add_argument("--batch", type=int, help="fixed batch size; open by default")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32", help="fp16: mixed precision")
    parser.add_argument("--plugins", choices=("function", "inline", "node"),
                        help="L2Norm_TRT as a node with a body, as plain ONNX, or as a node for a plugin")
    parser.add_argument("--plugin-op", action="append", default=[], metavar="NAME",
                        help="a plugin of this name computes TensorFlow's operation of that name (may be repeated)")
    options = parser.parse_args(arguments)
    try:
        model = convert(options.uff, options.onnx, outputs=options.output_node, opset=options.opset, batch=options.batch,
                        precision=options.precision, plugins=options.plugins, plugin_ops=options.plugin_op)
    except (OSError, ValueError) as error:
        print("error: %s" % error, file=sys.stderr)
        return 1
    print("%s: %d nodes, inputs %s, outputs %s" % (
        options.onnx, len(model.graph.node), [info.name for info in model.graph.input],
        [info.name for info in model.graph.output]))
    custom = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
    custom.difference_update(function.name for function in (model.functions if CAN_WRITE_FUNCTIONS else ()))
    if custom:
        print("ONNX has no such operation, and ONNX Runtime will refuse the model; a TensorRT plugin of that name may compute "
              "it: %s" % ", ".join(sorted(custom)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
