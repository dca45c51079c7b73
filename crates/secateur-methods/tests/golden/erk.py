"""Erdős-Rényi densities, worked out as the paper tells it (Evci et al. 2020, appendix).

Solve for epsilon over all layers; a layer whose density would exceed 1 becomes dense; solve again
over the others until none does. Exact fractions, no code shared with the crate.
Run: python3 erk.py > erk.txt
"""

from fractions import Fraction
from math import floor, prod


def densities(layers, sparsity, kernel):
    size = {name: prod(shape) for name, shape in layers.items()}
    total = sum(size.values())
    gone = Fraction(sparsity) * total
    keep = total - floor(gone + Fraction(1, 2))
    raw = {
        name: Fraction(sum(shape if kernel else shape[:2]), prod(shape if kernel else shape[:2]))
        for name, shape in layers.items()
    }
    dense = set()
    while True:
        rest = [name for name in layers if name not in dense]
        budget = keep - sum(size[name] for name in dense)
        epsilon = Fraction(budget) / sum(raw[name] * size[name] for name in rest)
        over = {name for name in rest if epsilon * raw[name] > 1}
        if not over:
            break
        dense |= over
    density = {name: Fraction(1) if name in dense else epsilon * raw[name] for name in layers}
    exact = {name: density[name] * size[name] for name in layers}
    counts = {name: floor(exact[name]) for name in layers}
    order = sorted(layers, key=lambda name: counts[name] - exact[name])  # stable: first comes first
    for name in order[: keep - sum(counts.values())]:
        counts[name] += 1
    assert sum(counts.values()) == keep
    return density, counts


LENET_300_100 = {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)}
LENET_5 = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "fc1": (500, 800), "fc2": (10, 500)}
TINY = {"a": (4, 2), "b": (6, 3), "c": (6, 4, 2)}

for title, layers, sparsity, kernel in [
    ("ERK, LeNet-300-100 at 0.95", LENET_300_100, "0.95", True),
    ("ERK, LeNet-5 (Caffe) at 0.9", LENET_5, "0.9", True),
    ("ER, LeNet-5 (Caffe) at 0.9", LENET_5, "0.9", False),
    ("ERK, JaxPruner's three tensors at 0.5", TINY, "0.5", True),
    ("ER, JaxPruner's three tensors at 0.5", TINY, "0.5", False),
    ("ERK, JaxPruner's three tensors at 0.8", TINY, "0.8", True),
]:
    print(title)
    density, counts = densities(layers, sparsity, kernel)
    for name in layers:
        print(f"  {name:6} density {float(density[name]):.9f} keeps {counts[name]}")
