"""Print output that was recorded on another machine, marked as such; suppress output."""
import contextlib
import io


def quote(text, source):
    """Print an output that was recorded on another machine, marked as such. source: what it was recorded with."""
    print("Not from this machine, quoted (%s):" % source)
    print("\n".join("  > " + line for line in text.strip().splitlines()))


@contextlib.contextmanager
def silence():
    """Discard what is printed inside the block, such as the warnings of the converter that a page has shown before."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
