"""The network of helpers/network.py in PyTorch, for training, and its export to Keras arrays.

In training every convolution is followed by batch normalisation, which a VGG of this depth needs
when it starts from random weights. `export` folds it into the convolution's kernel and bias, so
that Keras loads the plain network.
"""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

BLOCKS = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]
BINS = 6
LEAK = 0.1
MEAN_BGR = (103.939, 116.779, 123.68)
# Training sees pixels divided by this, so that the first layer starts at the scale of the others;
# `export` divides the first kernel instead.
SCALE = 64.0


class Box3D(nn.Module):
    """Input [N, 3, H, W] float, BGR minus the mean (and over `SCALE` with batch_norm=True).

    Returns dimension [N, 3], orientation [N, 6, 2] of length 1, and confidence as logits [N, 6].
    width divides the channels and side is the input's height and width, both for quick trials.
    """

    def __init__(self, batch_norm=True, width=1, side=224):
        super().__init__()
        layers, channels_in = [], 3
        self.names = {}
        for block, (count, channels) in enumerate(BLOCKS, 1):
            for i in range(1, count + 1):
                self.names["block%d_conv%d" % (block, i)] = len(layers)
                layers.append(nn.Conv2d(channels_in, channels // width, 3, padding=1,
                                        bias=not batch_norm))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(channels // width))
                layers.append(nn.ReLU(inplace=True))
                channels_in = channels // width
            layers.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*layers)
        flat = (side // 32) ** 2 * 512 // width
        self.dense_1, self.dense_2 = nn.Linear(flat, 512 // width), nn.Linear(512 // width, 3)
        self.dense_3 = nn.Linear(flat, 256 // width)
        self.dense_4 = nn.Linear(256 // width, 2 * BINS)
        self.dense_5 = nn.Linear(flat, 256 // width)
        self.confidence = nn.Linear(256 // width, BINS)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():  # start near the class mean
            self.dense_2.weight.mul_(0.1)

    def forward(self, x):
        # Keras flattens NHWC; with channels_last memory this is a view.
        x = self.body(x).permute(0, 2, 3, 1).flatten(1)

        def hidden(dense):
            return F.dropout(F.leaky_relu(dense(x), LEAK), 0.5, self.training)

        dimension = F.leaky_relu(self.dense_2(hidden(self.dense_1)), LEAK)
        orientation = F.leaky_relu(self.dense_4(hidden(self.dense_3)), LEAK).float()
        orientation = orientation.reshape(-1, BINS, 2)
        length = orientation.square().sum(2, keepdim=True).clamp_min(1e-12).rsqrt()
        logits = self.confidence(hidden(self.dense_5))
        return dimension.float(), orientation * length, logits.float()

    def convolutions(self):
        """{"block1_conv1": (Conv2d, BatchNorm2d or None), ...} in order."""
        found = {}
        for name, i in self.names.items():
            after = self.body[i + 1]
            found[name] = (self.body[i], after if isinstance(after, nn.BatchNorm2d) else None)
        return found

    def denses(self):
        """{"dense_1": Linear, ...}, by their names in Keras."""
        return {name: getattr(self, name) for name in
                ("dense_1", "dense_2", "dense_3", "dense_4", "dense_5", "confidence")}


def preprocess(images):
    """[N, H, W, 3] uint8 RGB tensor -> [N, 3, H, W] float32, BGR minus the mean, channels_last."""
    x = images.flip(-1).float() - torch.tensor(MEAN_BGR, device=images.device)
    return x.permute(0, 3, 1, 2)


@torch.no_grad()
def export(model):
    """A trained Box3D -> Keras arrays, float32.

    {"block1_conv1/kernel": HWIO, "block1_conv1/bias": [O], ..., "dense_1/kernel": in x out, ...}
    """
    arrays = {}
    for name, (conv, norm) in model.convolutions().items():
        kernel, bias = conv.weight.double(), 0
        if norm is not None:
            gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
            bias = norm.bias.double() - norm.running_mean.double() * gain
            kernel = kernel * gain[:, None, None, None]
            if name == "block1_conv1":
                kernel = kernel / SCALE
        else:
            bias = conv.bias.double()
        arrays[name + "/kernel"] = kernel.permute(2, 3, 1, 0).float().cpu().numpy()
        arrays[name + "/bias"] = bias.float().cpu().numpy()
    for name, dense in model.denses().items():
        arrays[name + "/kernel"] = dense.weight.t().float().cpu().numpy()
        arrays[name + "/bias"] = dense.bias.float().cpu().numpy()
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


@torch.no_grad()
def load(arrays, width=1, side=224):
    """The arrays of `export`, any float type -> the plain network (no batch norm), eval."""
    found = {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
    model = Box3D(batch_norm=False, width=width, side=side)
    for name, (conv, _) in model.convolutions().items():
        conv.weight.copy_(found[name + "/kernel"].permute(3, 2, 0, 1))
        conv.bias.copy_(found[name + "/bias"])
    for name, dense in model.denses().items():
        dense.weight.copy_(found[name + "/kernel"].t())
        dense.bias.copy_(found[name + "/bias"])
    return model.eval()


@torch.no_grad()
def run(model, images, batch=128):
    """[N, H, W, 3] uint8 RGB (array or tensor) -> heads, {name: float32 array}, as helpers.network.heads gives them."""
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(images), batch):
        x = preprocess(torch.as_tensor(images[start:start + batch]).to(device))
        dimension, orientation, confidence = model(x)
        parts.append([dimension, orientation, confidence.softmax(1)])
    heads = [torch.cat(column).cpu().numpy() for column in zip(*parts)]
    return dict(zip(("dimension", "orientation", "confidence"), heads))


def compact(arrays, bits):
    """float32 arrays -> float16, the mantissa of large kernels rounded to `bits` of its 10 bits.

    The low bits of a weight do not compress. Setting them to zero changes the accuracy in the
    third digit only (compare held_out with held_out_before_rounding in data/weights.json).
    """
    result = {}
    for name, array in arrays.items():
        half = array.astype(np.float16)
        if half.size > 500000 and bits < 10:
            drop = 10 - bits
            raw = half.view(np.uint16).astype(np.uint32) + (1 << (drop - 1))
            half = (raw & (0xFFFF ^ ((1 << drop) - 1))).astype(np.uint16).view(np.float16)
            half = np.where(array == 0, np.float16(0), half)
        if not np.isfinite(half).all():
            raise ValueError("%s does not fit float16" % name)
        result[name] = half
    return result
