"""Gradual magnitude pruning (Zhu and Gupta 2017, arXiv:1710.01878).

It has one purpose: 40 million weights have to fit into a repository. In the network the zeros are
stored and multiplied like any other weight; TensorRT is not faster with them.
"""
import torch

# Share of zeros at the end. The first two blocks are small; the three large dense layers hold most
# of the weights and tolerate the most zeros.
SPARSITY = {"block3": 0.5, "block4": 0.75, "block5": 0.8, "dense_1": 0.95, "dense_3": 0.95,
            "dense_5": 0.95}


class Pruner:
    """Masks for the weights of a Box3D, tightened from `begin` to `end` (shares of training)."""

    def __init__(self, model, begin=0.2, end=0.7, sparsity=None):
        sparsity = SPARSITY if sparsity is None else sparsity
        named = [(name, conv.weight) for name, (conv, _) in model.convolutions().items()]
        named += [(name, dense.weight) for name, dense in model.denses().items()]
        self.parts = []
        for name, weight in named:
            final = sparsity.get(name, sparsity.get(name.split("_")[0], 0))
            if final:
                self.parts.append((weight, final, torch.ones_like(weight, dtype=torch.bool)))
        self.begin, self.end = begin, end

    @torch.no_grad()
    def tighten(self, progress):
        """Choose the masks for `progress` (0..1): the cubic schedule, smallest magnitudes first."""
        share = min(max((progress - self.begin) / (self.end - self.begin), 0), 1)
        for weight, final, mask in self.parts:
            zeros = int(weight.numel() * final * (1 - (1 - share) ** 3))
            if zeros:
                limit = weight.abs().flatten().kthvalue(zeros).values
                mask.copy_(weight.abs() > limit)

    @torch.no_grad()
    def apply(self):
        """Set the masked weights to zero; after every step, since the optimiser changes them."""
        torch._foreach_mul_([weight for weight, _, _ in self.parts],
                            [mask.to(weight.dtype) for weight, _, mask in self.parts])
