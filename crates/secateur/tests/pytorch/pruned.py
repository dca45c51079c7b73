#!/usr/bin/env python3
"""Makes pruned.pt and prints the masks that the tests expect.

A small net, pruned by torch.nn.utils.prune, saved as a state dict: parameters `x` that were pruned
are in it as `x_orig` and `x_mask`. All values come from one formula, so that the tests can compute
them too. Ran with PyTorch 2.15:  python pruned.py
"""

import io

import torch
from torch import nn
from torch.nn.utils import prune


def values(name, n):
    """Distinct multiples of 1/256, scattered, of both signs: exact in 16 bits, free of ties."""
    start = sum(name.encode())
    size = lambda i: ((start + i) * 37 % 251 + 1) / 256
    return [-size(i) if (start + i) % 3 == 0 else size(i) for i in range(n)]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 2, 2)
        self.head = nn.Linear(6, 3)


def filled():
    net = Net()
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.tensor(values(name, tensor.numel())).reshape(tensor.shape))
    return net


def bits(mask):
    return "".join(str(int(b)) for b in mask.flatten())


net = filled()
prune.l1_unstructured(net.conv, "weight", 0.5)
prune.ln_structured(net.conv, "weight", 0.25, n=2, dim=0)
prune.l1_unstructured(net.up, "weight", 10)
prune.l1_unstructured(net.head, "weight", 0.3)
prune.l1_unstructured(net.head, "bias", 1)
torch.save(net.state_dict(), "pruned.pt")
for name, tensor in net.state_dict().items():
    if name.endswith("_mask"):
        print("pruned.pt", name, bits(tensor))

print("\n# Single calls and sequences of calls, masks in torch's order.")


def sequence(title, layer, *steps):
    net = filled()
    module = getattr(net, layer)
    for step in steps:
        step(module)
    print(title, bits(module.weight_mask))


l1 = lambda amount: lambda m: prune.l1_unstructured(m, "weight", amount)
ln = lambda amount, n, dim: lambda m: prune.ln_structured(m, "weight", amount, n=n, dim=dim)
inf = float("inf")
sequence("head l1 .3", "head", l1(0.3))
sequence("head l1 .3 .3 2", "head", l1(0.3), l1(0.3), l1(2))
sequence("head ln 1 n1 dim0", "head", ln(1, 1, 0))
sequence("head ln 2 n2 dim1", "head", ln(2, 2, 1))
sequence("head l1 .3, ln 1 n2 dim1, l1 .3", "head", l1(0.3), ln(1, 2, 1), l1(0.3))
sequence("head ln .3 n1 dim1 twice", "head", ln(0.3, 1, 1), ln(0.3, 1, 1))
sequence("conv ln .25 ninf dim0", "conv", ln(0.25, inf, 0))
sequence("conv ln 1 n1 dim2", "conv", ln(1, 1, 2))
sequence("conv ln 1 n2 dim3, l1 .4", "conv", ln(1, 2, 3), l1(0.4))

net = filled()
prune.l1_unstructured(net.head, "weight", 0.3)
pool = [(net.conv, "weight"), (net.head, "weight"), (net.head, "bias")]
prune.global_unstructured(pool, prune.L1Unstructured, amount=0.4)
print("global conv", bits(net.conv.weight_mask))
print("global head", bits(net.head.weight_mask))
print("global bias", bits(net.head.bias_mask))
prune.custom_from_mask(net.head, "weight", torch.eye(3, 6))
print("global head, eye", bits(net.head.weight_mask))
