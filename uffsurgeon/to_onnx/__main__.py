"""python -m uffsurgeon.to_onnx model.uff model.onnx: a .uff as ONNX."""
import argparse
import sys

from .converter import convert
from .plugins import CAN_WRITE_FUNCTIONS, DOMAIN


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m uffsurgeon.to_onnx", description="Convert a .uff file to ONNX.")
    parser.add_argument("uff")
    parser.add_argument("onnx", help="where to write the model")
    parser.add_argument("-O", "--output-node", action="append",
                        help="give out this node instead of the marked ones (may be repeated)")
    parser.add_argument("--opset", type=int, default=13)
    parser.add_argument("--batch", type=int, help="fixed batch size; open by default")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32")
    parser.add_argument("--half-io", action="store_true",
                        help="with fp16: inputs and outputs in float16 too")
    parser.add_argument("--input-layout", choices=("nhwc", "nchw"), default="nhwc")
    parser.add_argument("--plugins", choices=("function", "inline", "node"))
    given = parser.parse_args(arguments)
    try:
        model = convert(given.uff, given.onnx, outputs=given.output_node, opset=given.opset,
                        batch=given.batch, precision=given.precision, half_io=given.half_io,
                        input_layout=given.input_layout, plugins=given.plugins)
    except (OSError, ValueError) as error:
        print("error: %s" % error, file=sys.stderr)
        return 1
    print("%s: %d nodes, inputs %s, outputs %s" % (
        given.onnx, len(model.graph.node), [info.name for info in model.graph.input],
        [info.name for info in model.graph.output]))
    bare = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
    bare.difference_update(each.name for each in (model.functions if CAN_WRITE_FUNCTIONS else ()))
    if bare:
        print("ONNX has no such operation, and ONNX Runtime will refuse the model; a TensorRT plugin of that name may compute "
              "it: %s" % ", ".join(sorted(bare)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
