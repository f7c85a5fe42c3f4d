"""Crops on the device, and the training batches made of them: box jitter, flips, colour changes, occlusion."""
import math

import torch
from torch.nn import functional as F

from .model import BINS, MEAN_BGR, SCALE

CENTRES = [(i * 2 * math.pi / BINS + math.pi) % (2 * math.pi) - math.pi for i in range(BINS)]


class Crops:
    """The images and labels of N vehicles, as tensors on one device.

    images [N, S, S, 3] uint8 RGB shows `region` [N, 4] of the photo (pixels; it may reach beyond
    the photo, whose `size` is (width, height)); bbox [N, 4] is the 2D box in the same photo.
    dimensions [N, 3] metres, residual [N, 3] those minus the class mean, yaw [N], P [N, 3, 4].
    """

    def __init__(self, images, region, bbox, residual, yaw, P, size, device):
        self.images = images.to(device)
        self.size, self.device = size, device
        self.region, self.bbox, self.residual, self.yaw = [
            torch.as_tensor(part, dtype=torch.float32, device=device)
            for part in (region, bbox, residual, yaw)]
        P = torch.as_tensor(P, dtype=torch.float32, device=device)
        self.focal, self.centre = P[:, 0, 0], P[:, 0, 2]

    def __len__(self):
        return len(self.images)

    def batch(self, index, side, augment):
        """Input [B, 3, side, side] for training, residual [B, 3] metres, alpha [B] radians."""
        images = self.images[index].permute(0, 3, 1, 2).float()
        bbox, region, count = self.bbox[index], self.region[index], len(index)
        flip = torch.zeros(count, device=self.device)
        if augment:
            bbox = _jitter(bbox, self.size)
            flip = torch.randint(0, 2, (count,), device=self.device).float()
        images = _cut(images, region, bbox, 1 - 2 * flip, side)
        ray = torch.atan2((bbox[:, 0] + bbox[:, 2]) / 2 - self.centre[index], self.focal[index])
        alpha = self.yaw[index] - ray
        # A flip mirrors the vehicle's x: yaw becomes pi - yaw, and likewise the ray and alpha.
        alpha = torch.where(flip > 0, math.pi - alpha, alpha)
        if augment:
            images = _occlude(_light(images))
        mean = torch.tensor(MEAN_BGR, device=self.device)[:, None, None]
        x = (images.flip(1) - mean) / SCALE
        return x.contiguous(memory_format=torch.channels_last), self.residual[index], alpha

    def pictures(self, side):
        """The crops as the network sees them without augmentation, [N, side, side, 3] uint8 RGB array."""
        images = self.images.permute(0, 3, 1, 2).float()
        straight = torch.ones(len(images), device=self.device)
        images = _cut(images, self.region, self.bbox, straight, side)
        return images.round().byte().permute(0, 2, 3, 1).cpu().numpy()


def targets(alpha):
    """Soft confidence [B, 6], (cos, sin) offsets [B, 6, 2], and the weight of each bin [B, 6].

    A bin has weight for offsets up to 60 degrees, so that neighbouring bins overlap; between two
    centres the confidence is shared.
    """
    offset = alpha[:, None] - torch.tensor(CENTRES, device=alpha.device)
    offset = torch.atan2(torch.sin(offset), torch.cos(offset))
    confidence = torch.softmax(-0.5 * (offset / math.radians(15)) ** 2, 1)
    answers = (1 - offset.abs() / math.radians(60)).clamp_min(0)
    return confidence, torch.stack([offset.cos(), offset.sin()], 2), answers / answers.sum(1, True)


def loss(outputs, residual, alpha, weights=(10.0, 10.0, 1.0)):
    """Total and its three parts: dimensions, orientation (Huber), bin (cross-entropy)."""
    dimension, orientation, logits = outputs
    confidence, vectors, answers = targets(alpha)
    parts = [
        F.smooth_l1_loss(dimension, residual, beta=0.1),
        (F.smooth_l1_loss(orientation, vectors, beta=0.1, reduction="none").sum(2) * answers)
        .sum(1).mean(),
        F.cross_entropy(logits, confidence),
    ]
    return sum(w * part for w, part in zip(weights, parts)), [part.detach() for part in parts]


def _uniform(count, low, high, device, *shape):
    return torch.empty((count,) + shape, device=device).uniform_(low, high)


def _jitter(bbox, size, amount=0.05):
    extent = (bbox[:, 2:] - bbox[:, :2]).repeat(1, 2)
    bbox = bbox + extent * _uniform(len(bbox), -amount, amount, bbox.device, 4)
    limit = torch.tensor([size[0], size[1]] * 2, device=bbox.device, dtype=bbox.dtype)
    return torch.minimum(bbox.clamp_min(0), limit)


def _cut(images, region, bbox, mirror, side):
    """Resample `bbox` from images that show `region`; mirror is 1, or -1 to flip."""
    low, span = region[:, :2], region[:, 2:] - region[:, :2]
    scale = (bbox[:, 2:] - bbox[:, :2]) / span
    shift = (bbox[:, :2] + bbox[:, 2:] - 2 * low) / span - 1
    theta = torch.zeros(len(images), 2, 3, device=images.device)
    theta[:, 0, 0], theta[:, 1, 1] = scale[:, 0] * mirror, scale[:, 1]
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta, (len(images), 3, side, side), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _light(x):
    """Exposure, contrast, colour, gamma, blur and noise, drawn for each vehicle; 0..255 in and out."""
    count, device = len(x), x.device

    def draw(low, high, channels=1):
        return _uniform(count, low, high, device, channels, 1, 1)

    grey = x.mean(1, keepdim=True)
    x = torch.lerp(grey, x, draw(0.0, 1.5))
    middle = x.mean((1, 2, 3), keepdim=True)
    x = (x - middle) * draw(0.6, 1.4) + middle * torch.exp(draw(-0.5, 0.45))
    x = x * torch.exp(draw(-0.1, 0.1, 3))
    x = 255 * (x.clamp(0, 255) / 255).clamp_min(1e-4) ** torch.exp(draw(-0.35, 0.35))
    kernel = torch.tensor([1., 4., 6., 4., 1.], device=device) / 16
    blurred = x
    for shape in ((1, 5), (5, 1)):
        weight = kernel.reshape(1, 1, *shape).repeat(3, 1, 1, 1)
        margin = (shape[1] // 2,) * 2 + (shape[0] // 2,) * 2
        blurred = F.conv2d(F.pad(blurred, margin, "replicate"), weight, groups=3)
    x = torch.lerp(x, blurred, draw(-0.8, 1.0).clamp_min(0))
    return (x + torch.randn_like(x) * draw(-6.0, 12.0).clamp_min(0)).clamp(0, 255)


def _occlude(x, chance=0.5):
    """Cover a part of half the vehicles with a flat colour or a piece of another vehicle."""
    count, device, side = len(x), x.device, x.shape[2]
    centre, half = _uniform(count, 0, 1, device, 2), _uniform(count, 0.06, 0.25, device, 2)
    half = half * (torch.rand(count, 1, device=device) < chance)
    place = (torch.arange(side, device=device) + 0.5) / side
    rows = (place - centre[:, :1]).abs() < half[:, :1]
    columns = (place - centre[:, 1:]).abs() < half[:, 1:]
    colour = _uniform(count, 0, 255, device, 3, 1, 1)
    other = torch.where(torch.rand(count, 1, 1, 1, device=device) < 0.5, x.roll(1, 0), colour)
    return torch.where(rows[:, None, :, None] & columns[:, None, None, :], other, x)
