"""netron in a notebook. Optional: it needs a kernel, a browser and, every 180 days, a newer release.

Its page asks a server for the reader's country, shows a cookie notice when that fails, and reports to its author's
statistics; offline it stays at the notice until somebody clicks on it. The page shows a static picture beside each live view.
"""
import os


def netron_view(path, height=600):
    """An IFrame with netron's view of a model file (.pb, .uff, .onnx, .h5).

    height: of the frame, in pixels. Behind JupyterHub the address goes through the notebook server, by
    jupyter-server-proxy; elsewhere the browser must be on the kernel's machine or its port forwarded, and over ssh the
    command for that is printed.

    Raises FileNotFoundError for a file that does not exist, RuntimeError when netron is not installed.
    """
    if not os.path.isfile(str(path)):
        raise FileNotFoundError("no model file at %s" % path)
    try:
        import netron
    except ImportError:
        raise RuntimeError("netron is not installed: `pip install netron`, or open the file at https://netron.app")
    from IPython.display import IFrame

    if hasattr(netron, "serve"):
        address = netron.serve(str(path), None, browse=False)
    else:
        address = netron.start(str(path), browse=False)
    port = address[1]
    hub = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    if hub:
        return IFrame("%sproxy/%d/" % (hub, port), "100%", height)
    if os.environ.get("SSH_CONNECTION"):
        print("On your own computer first: ssh -N -L %d:localhost:%d <this board>" % (port, port))
    return IFrame("http://localhost:%d/" % port, "100%", height)
