"""netron in a notebook: optional, because it needs a kernel, a browser and, every 180 days, a newer release.

Its page asks a server for the reader's country, shows a cookie notice when that fails, and reports to its author's
statistics; offline it stays at the notice until that is clicked. Every live view has a static twin beside it.
"""
import os


def netron_view(path, height=600):
    """An IFrame with netron's view of a model file (.pb, .uff, .onnx, .h5).

    Behind JupyterHub, and wherever jupyter-server-proxy is installed, the address goes through the notebook server;
    elsewhere the browser must be on the kernel's machine, or its port forwarded (the line to type is printed).
    Returns an IFrame; raises FileNotFoundError, or RuntimeError when netron is not installed.
    """
    if not os.path.isfile(str(path)):
        raise FileNotFoundError("no model file %s to look at" % path)
    try:
        import netron
    except ImportError:
        raise RuntimeError("netron is not installed: `pip install netron`, or open the file at https://netron.app")
    from IPython.display import IFrame

    address, port = netron.start(str(path), browse=False) if not hasattr(netron, "serve") else netron.serve(
        str(path), None, browse=False)
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    if prefix:
        return IFrame("%sproxy/%d/" % (prefix, port), "100%", height)
    if os.environ.get("SSH_CONNECTION"):
        print("On your own computer first: ssh -N -L %d:localhost:%d <this board>" % (port, port))
    return IFrame("http://localhost:%d/" % port, "100%", height)
