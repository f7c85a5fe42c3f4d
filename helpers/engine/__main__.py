"""The child process of `apart`: python -m helpers.engine FOLDER."""
import json
import os
import sys

import numpy as np

from . import apart, builder, library


def main(folder):
    """Do the job in `folder`, and write the kind of the exception and its words, or [None, []], into it."""
    with open(os.path.join(folder, "job.json")) as stream:
        job = json.load(stream)
    settings, images = job["settings"], os.path.join(folder, "calibration.npy")
    kind, words = None, []
    try:
        trt = library.named(job["trt"])
        for path in job["loaded"]:  # a parser looks for them in the registry
            library.load_plugin(trt, path)
        if job["action"] == "parse":
            network = trt.Builder(library.logger(trt)).create_network(
                *library.network_flags(trt, implicit=job["source"].endswith(".uff")))
            builder.parse(trt, network, job["source"], settings["outputs"], here=True)
        else:
            calibration = np.load(images, allow_pickle=False) if os.path.exists(images) else None
            builder.build(job["source"], calibration=calibration, trt=trt, here=True, **settings)
    except OSError as error:
        kind = "FileNotFoundError" if isinstance(error, FileNotFoundError) else "OSError"
        words = [error.errno, error.strerror, error.filename and str(error.filename)]
        words = words if kind == "OSError" and error.errno else [str(error)]
    except Exception as error:  # whatever it is, the parent says it
        names = [base.__name__ for base in type(error).__mro__ if base.__name__ in apart.ERRORS]
        kind, words = (names or [type(error).__name__])[0], [str(error)]
    with open(os.path.join(folder, "answer.json"), "w", encoding="utf-8") as stream:
        json.dump([kind, words], stream)


if __name__ == "__main__":
    main(sys.argv[1])
