"""`python3 workbook.py parser`: build an UffParser that runs without a GPU."""
import argparse
import sys

from . import building


def main(arguments=None):
    """Exit status: 0, or 1 with one sentence on standard error."""
    jars = "; ".join("%s is org.bytedeco:tensorrt:%s:jar:linux-x86_64-redist, %d MB" % (version, each.artifact, each.mb)
                     for version, each in building.VERSIONS.items())
    parser = argparse.ArgumentParser(prog="workbook.py parser", description=__doc__,
                                     epilog="Without --jar and --folder, mvn fetches the libraries: %s." % jars)
    parser.add_argument("version", nargs="?", default="5.1.5", choices=list(building.VERSIONS),
                        help="of TensorRT; default: 5.1.5")
    libraries = parser.add_mutually_exclusive_group()
    libraries.add_argument("--jar", help="the jar of NVIDIA's libraries, downloaded before")
    libraries.add_argument("--folder", help="a folder with libnvinfer.so, libnvinfer_plugin.so and libnvparsers.so")
    parser.add_argument("--headers", help="the folder include of github.com/NVIDIA/TensorRT at tag v5.1.5 or v6.0.1; by "
                                          "default, git fetches it")
    options = parser.parse_args(arguments)
    try:
        building.setup(options.version, options.jar, options.folder, options.headers,
                       say=lambda text: print(text, flush=True))
    except (OSError, ValueError, RuntimeError) as error:
        print("\nworkbook: %s." % str(error).rstrip("."), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
