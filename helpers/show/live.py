"""netron in a notebook. Optional: it needs a kernel, a browser and, every 180 days, a newer release.

Its page asks a server for the reader's country, shows a cookie notice when that fails, and reports to its author's
statistics; offline it stays at the notice until somebody clicks on it. The page shows a static picture beside each live view.
"""
import datetime
import html
import os
import re

DAYS = 180  # after its release netron shows nothing but a request to update, and cannot be told otherwise


def netron_view(path, height=600):
    """An IFrame with netron's view of a model file (.pb, .uff, .onnx, .h5).

    height: of the frame, in pixels. Behind JupyterHub the address goes through the notebook server, by
    jupyter-server-proxy; elsewhere the browser must be on the kernel's machine or its port forwarded, and over ssh the
    command for that is printed.

    Raises FileNotFoundError for a file that does not exist, RuntimeError when netron is not installed, or has expired.
    """
    if not os.path.isfile(str(path)):
        raise FileNotFoundError("no model file at %s" % path)
    try:
        import netron
    except ImportError:
        raise RuntimeError("netron is not installed: `pip install netron`, or open the file at https://netron.app")
    last = netron_expires()
    if last and last < datetime.date.today():
        raise RuntimeError("this netron shows no model since %s, %d days after its release: `pip install --upgrade netron`, or "
                           "draw the part that you want to see with `show.graph`" % (last, DAYS))
    if last and last < datetime.date.today() + datetime.timedelta(30):
        print("This netron works until %s; then `pip install --upgrade netron`." % last)
    from IPython.display import IFrame

    if hasattr(netron, "serve"):
        address = netron.serve(str(path), None, browse=False)
    else:
        address = netron.start(str(path), browse=False)
    port = address[1]
    hub = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    if not hub and os.environ.get("SSH_CONNECTION"):
        print("On your own computer first: ssh -N -L %d:localhost:%d <this board>" % (port, port))
    frame = IFrame("%sproxy/%d/" % (hub, port) if hub else "http://localhost:%d/" % port, "100%", height)
    title = "netron's view of %s" % html.escape(os.path.basename(str(path)), quote=True)
    frame.iframe = frame.iframe.replace("<iframe", '<iframe title="%s"' % re.sub("[{}]", "", title), 1)
    return frame


def netron_expires(folder=None):
    """The last day on which the installed netron shows a model, a `datetime.date`; None where there is none, or no date in it.

    folder: of the package; by default where it is installed.
    """
    if folder is None:
        from importlib import util

        found = util.find_spec("netron")  # without importing it
        if found is None:
            return None
        folder = os.path.dirname(found.origin)
    try:
        with open(os.path.join(str(folder), "index.html"), encoding="utf-8") as stream:
            year, month, day = re.search(r'name="date" content="(\d+)-(\d+)-(\d+)', stream.read()).groups()
    except (OSError, AttributeError):
        return None
    return datetime.date(int(year), int(month), int(day)) + datetime.timedelta(DAYS)
