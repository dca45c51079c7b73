#!/usr/bin/env python3
"""ONNX Runtime on the models of the program `engine`, dense.

    python benches/engine_rivals.py --json rivals.jsonl [--quick] [--threads N]
    cargo run --release -p secateur-benches --bin engine -- --rivals rivals.jsonl

Wants torch, onnx and onnxruntime. Weights are as torch draws them: dense work takes the same time
whatever they are. One thread is measured in process time, several in time on the wall; medians.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--json", help="file for the rows (default: standard output only)")
parser.add_argument("--quick", action="store_true", help="little time")
parser.add_argument("--threads", type=int, default=1)
ARGS = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)

try:
    import onnxruntime
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    sys.exit(f"{error}; pip install torch onnx onnxruntime")


def perceptron(*sizes):
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.fc1, self.fc2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 2)
        x = F.max_pool2d(self.conv2(x), 2).flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.halves = i != o
        self.conv1 = nn.Conv2d(i, o, 3, 2 if self.halves else 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.pad = (o - i) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.halves:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        widths, blocks = [16], []
        for width in (16, 32, 64):
            for _ in range((depth - 2) // 6):
                blocks.append(Block(widths[-1], width))
                widths.append(width)
        self.blocks, self.linear = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn(self.conv(x))))
        return self.linear(x.mean((2, 3)))


class Layer(nn.Module):
    """An encoder layer with the norms behind the sums, as Burn's default."""

    def __init__(self, d=256, hidden=1024, heads=4):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.inner, self.outer = nn.Linear(d, hidden), nn.Linear(hidden, d)
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = (f(x).view(b, n, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = torch.softmax(q @ k.transpose(2, 3) / (d // self.heads) ** 0.5, 3) @ v
        x = self.norm1(x + self.o(a.transpose(1, 2).reshape(b, n, d)))
        return self.norm2(x + self.outer(F.gelu(self.inner(x))))


MODELS = {
    "lenet-300-100": (lambda: perceptron(784, 300, 100, 10), (784,), (1, 64)),
    "lenet-5": (LeNet5, (1, 28, 28), (1, 64)),
    "mlp-4x1024": (lambda: perceptron(*[1024] * 5), (1024,), (1, 64)),
    "resnet-20": (lambda: ResNet(20), (3, 32, 32), (1, 16)),
    "resnet-44": (lambda: ResNet(44), (3, 32, 32), (1, 16)),
    "transformer": (lambda: nn.Sequential(*[Layer() for _ in range(4)]), (64, 256), (1, 16)),
}


def session(model, x):
    """The model in ONNX Runtime, checked against torch."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = os.path.join(folder, "model.onnx")
        torch.onnx.export(model, (x,), path, input_names=["x"], dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = ARGS.threads
        options.inter_op_num_threads = 1
        made = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    expected, got = model(x).numpy(), made.run(None, {"x": x.numpy()})[0]
    assert abs(expected - got).max() <= 1e-3 * abs(expected).max(), "ONNX Runtime is wrong"
    return made


def median_ms(run):
    clock = time.process_time if ARGS.threads == 1 else time.perf_counter
    for _ in range(3):
        run()
    start = clock()
    run()
    calls = max(1, min(2000, int(0.0005 / max(clock() - start, 1e-6)) + 1))
    seconds = 0.2 if ARGS.quick else 2.0
    samples, begin = [], time.perf_counter()
    while len(samples) < 11 or time.perf_counter() - begin < seconds:
        start = clock()
        for _ in range(calls):
            run()
        samples.append(1e3 * (clock() - start) / calls)
    return statistics.median(samples)


def main():
    torch.manual_seed(1)
    rows = []
    for name, (make, shape, batches) in MODELS.items():
        model = make().eval()
        for batch in batches:
            x = torch.randn(batch, *shape)
            with torch.no_grad():
                made = session(model, x)
            feed = {"x": x.numpy()}
            row = {
                "model": name,
                "batch": batch,
                "sparsity": 0.0,
                "threads": ARGS.threads,
                "contestant": "onnxruntime",
                "ms": median_ms(lambda: made.run(None, feed)),
            }
            print(json.dumps(row), flush=True)
            rows.append(row)
    if ARGS.json:
        with open(ARGS.json, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


main()
