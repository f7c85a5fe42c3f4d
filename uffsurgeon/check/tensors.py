"""What a UffParser holds for a tensor: sizes, where TensorFlow's axes lie in them, and the order that it believes them in."""
import functools
import operator

MOST_PEERS = 100


class Tensor(object):
    """A tensor of TensorRT's network, without the batch axis.

    shape: TensorFlow's sizes without the batch axis, None for a size that is not known; None when nothing is known.
    dims: the parser's sizes; None when not known, [] when the parser found none.
    axes: for each of `dims` the axis of TensorFlow's tensor that lies there: (axis,), or (axis, part) for a part of a flattened
        axis, or None for a size of 1 that TensorFlow does not have. None as a whole after a fault that was reported.
    order: the permutation with which the parser believes to get TensorFlow's order from `dims`; None when it has lost it.
        Behind a convolution of NHWC tensors this is (1, 2, 0).
    declared: this is an input that was registered as NCHW or NC, or was made from one; "order" is then no help to the parser.
    dense: made by a matrix product: for a Softmax, the channels are in front.
    value: a constant, or the shape of a tensor: a NumPy array of integers with -1 for the batch and for unknown sizes.
    unknown: even its length is not known.
    integer: the values are indices. reducible: the parser knows the order of a declared input again.
    constant: a Const node, or what the parser computes of them. without_batch: computed of constants by a layer.
    anchors: the several outputs of a GridAnchor_TRT.
    fault: the rule that names what made its order wrong.
    peers: the tensors that are this one to the parser, itself included.
    key: the same object for tensors that are one in the parser's network.
    source: the name of the network's input if no layer has been added since.
    """

    def __init__(self, shape=None, dims=None, axes=None, order=None, **kwargs):
        self.shape, self.dims, self.axes, self.order = shape, dims, axes, order
        self.declared = self.reducible = self.dense = self.integer = self.constant = self.unknown = False
        self.without_batch = self.anchors = False
        self.value = self.source = self.fault = None
        self.key, self.peers = object(), [self]
        self.__dict__.update(kwargs)

    def copy(self, **changes):
        """A copy, as of a layer's output that has its input's sizes; it is no input of the network."""
        new = Tensor()
        new.__dict__.update(self.__dict__)
        new.source, new.key, new.peers = None, object(), [new]
        new.__dict__.update(changes)
        return new

    def computed(self):
        """What an operation leaves of a constant that the parser does not compute itself: a tensor without a batch."""
        return Tensor(dims=list(self.dims), without_batch=True)

    def alias(self, **changes):
        """A copy for a node of which the parser makes no layer: what is done to one of the two is done to the other.

        Of more than MOST_PEERS that is not followed: it would take too long for a file that has very many.
        """
        if len(self.peers) == MOST_PEERS:
            return self.copy(**changes)
        new = self.copy(source=self.source, key=self.key, peers=self.peers, **changes)
        self.peers.append(new)
        return new

    @property
    def known(self):
        return self.dims is not None

    def transposed(self, order):
        """Change the tensor in place, as the parser does: its order stays as it was, which is the cause of several faults."""
        key = object()
        for peer in self.peers:
            peer.dims = [peer.dims[at] for at in order]
            peer.axes = peer.axes and [peer.axes[at] for at in order]
            peer.source, peer.key = None, key

    def ordered(self):
        """Whether the values lie as in TensorFlow's tensor (sizes of 1 do not count)."""
        return self.axes is None or ascending(self.places())

    def places(self):
        """The axes of TensorFlow's tensor at the sizes that are not 1."""
        return [axis for axis, size in zip(self.axes, self.dims) if size != 1 and axis is not None]


def ascending(values):
    return all(a <= b for a, b in zip(values, values[1:]))


def identity(order):
    return order is None or list(order) == sorted(order)


def straight(shape):
    """(dims, axes) of a tensor that lies as TensorFlow's does."""
    return list(shape), [(at,) for at in range(1, len(shape) + 1)]


def volume(sizes):
    """The product of sizes, None if one is not known."""
    return None if sizes is None or None in sizes else functools.reduce(operator.mul, sizes, 1)


def window(size, kernel, stride, padding, same):
    """The length of a convolution's or a pool's output; kernel: with dilation."""
    if size is None:
        return None
    return -(-size // stride) if same else (size + 2 * padding - kernel) // stride + 1
