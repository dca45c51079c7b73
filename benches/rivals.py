#!/usr/bin/env python3
"""The rivals of the sparse kernels that live in Python, on the cases of the program `kernels`.

    python benches/rivals.py --json rivals.jsonl [--only CASES] [--quick] [--threads N]
    cargo run --release -p secateur-benches --bin kernels -- --rivals rivals.jsonl

Runs what is installed in the Python that it is run with and says what it skips: torch (dense, CSR,
BSR; oneDNN with packed weights and oneDNN's convolutions, Winograd among them where oneDNN chooses
it), MKL's sparse products through `sparse_dot_mkl`, scipy (CSR, BSR), ONNX Runtime (dense).

Rows are those of `kernels`: one JSON object a line with case, m, k, n, sparsity, threads,
contestant, ms. Dense rivals have the sparsity 0: their time does not depend on it. One thread is
measured in process time, several in time on the wall; contestants take turns and medians are kept.
"""

import argparse
import json
import os
import operator
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

CASES = ("unstructured", "block4x1", "two-of-four", "batch1", "conv3x3", "train-step")
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
CONVOLUTIONS = ((256, 14), (64, 56))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="file for the rows (default: standard output only)")
    parser.add_argument("--only", default=",".join(CASES), help="cases, with commas")
    parser.add_argument("--quick", action="store_true", help="two sparsities, little time")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.only = args.only.split(",")
    for case in args.only:
        if case not in CASES:
            parser.error(f"there is no case `{case}`, only {', '.join(CASES)}")
    if args.threads < 1:
        parser.error(f"--threads wants a whole number from 1, not {args.threads}")
    return args


ARGS = arguments()
# Libraries read these when they are loaded.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(ARGS.threads)

try:
    import numpy as np
except ImportError:
    sys.exit("numpy is missing, without which nothing here runs: pip install numpy")


def skip(what, why):
    """Says what is left out, with the first sentence of the reason."""
    print(f"skipped: {what} ({str(why).splitlines()[0].split('. ')[0]})", file=sys.stderr)


def installed(module):
    """The module, or None, saying that it is skipped."""
    try:
        return __import__(module, fromlist=["_"])
    except (ImportError, OSError) as why:
        skip(module, why)
        return None


# The `mkl` package puts the library where the loader does not look.
for library in sorted(Path(sys.prefix, "lib").glob("libmkl_rt.so*")):
    os.environ.setdefault("MKL_RT", str(library))
# torch warns that its sparse tensors are new.
warnings.filterwarnings("ignore", message="Sparse")

torch = installed("torch")
scipy_sparse = installed("scipy.sparse")
mkl = installed("sparse_dot_mkl")
onnx = installed("onnx")
onnxruntime = installed("onnxruntime") if onnx else None
if torch:
    torch.set_num_threads(ARGS.threads)
    torch.set_grad_enabled(False)

clock = time.process_time_ns if ARGS.threads == 1 else time.perf_counter_ns


def sample(run, calls):
    """Milliseconds of a call, after one that brings its data back to the caches."""
    run()
    start = clock()
    for _ in range(calls):
        run()
    return (clock() - start) / calls / 1e6


def medians(contestants):
    """{name: median ms}; contestants, {name: function}, take turns."""
    calls = {}
    for name, run in contestants.items():
        run()
        once = max(min(sample(run, 1) for _ in range(2)), 1e-6)
        calls[name] = int(min(max(0.2 / once, 1), 2000))
    times = {name: [] for name in contestants}
    seconds, least = (0.3, 5) if ARGS.quick else (2.0, 15)
    begin, rounds = time.perf_counter(), 0
    while rounds < 400 and (rounds < least or time.perf_counter() - begin < seconds):
        for name, run in contestants.items():
            times[name].append(sample(run, calls[name]))
        rounds += 1
    return {name: float(np.median(values)) for name, values in times.items()}


class Rows:
    """Prints rows and writes them to a file as they come."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8") if path else None

    def write(self, case, m, k, n, sparsity, results):
        for contestant, ms in results.items():
            row = dict(case=case, m=m, k=k, n=n, sparsity=sparsity, threads=ARGS.threads,
                       contestant=contestant, ms=ms)
            line = json.dumps(row)
            print(line, flush=True)
            if self.file:
                self.file.write(line + "\n")
                self.file.flush()


def pruned(rng, m, k, sparsity, rows=1):
    """Weights with exactly round(sparsity * strips) strips of `rows` rows pruned."""
    strips = m // rows * k
    kept = np.ones(strips, dtype=bool)
    kept[rng.permutation(strips)[: round(sparsity * strips)]] = False
    mask = np.repeat(kept.reshape(m // rows, k), rows, axis=0)
    return (rng.random((m, k), dtype=np.float32) + 0.5) * mask


def two_of_four(rng, m, k):
    """Weights of which every four neighbours keep two."""
    mask = np.argsort(rng.random((m, k // 4, 4)), axis=2) < 2
    return (rng.random((m, k), dtype=np.float32) + 0.5) * mask.reshape(m, k)


def session(model):
    """An ONNX Runtime session on the CPU with so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = ARGS.threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def onnx_model(kind, weight, x_shape, y_shape, inputs, **attributes):
    """A model of one operator with constant weights."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ["y"], **attributes)], "one",
        [helper.make_tensor_value_info("x", float32, x_shape)],
        [helper.make_tensor_value_info("y", float32, y_shape)],
        [onnx.numpy_helper.from_array(weight, "w")])
    # Old enough for any runtime of the last years.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def onnx_run(model, x):
    """A function that runs the model on bound memory, so that nothing is copied."""
    running = session(model)
    binding = running.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu")
    return lambda: running.run_with_iobinding(binding)


def dense_products(weight, x):
    """Dense rivals of `weight @ x`."""
    runs = {}
    m, k = weight.shape
    n = x.shape[1]
    out = np.empty((m, n), dtype=np.float32)
    runs["numpy"] = lambda: np.matmul(weight, x, out=out)
    if torch:
        tw, tx, ty = torch.from_numpy(weight), torch.from_numpy(x), torch.empty(m, n)
        runs["torch"] = lambda: torch.mm(tw, tx, out=ty)
        try:
            packed = torch.ops.mkldnn._reorder_linear_weight(tw, n)
            batch = tx.t().contiguous()
            linear = torch.ops.mkldnn._linear_pointwise
            run = partial(linear, batch, packed, None, "none", [], "")
            run()
            runs["onednn-packed"] = run
        except (RuntimeError, AttributeError, NotImplementedError) as why:
            skip("oneDNN with packed weights", why)
    if onnxruntime:
        batch = np.ascontiguousarray(x.T)
        model = onnx_model("MatMul", np.ascontiguousarray(weight.T), [n, k], [n, m], ["x", "w"])
        runs["onnxruntime"] = onnx_run(model, batch)
    return runs


def sparse_products(weight, x, block):
    """Sparse rivals of `weight @ x`; with blocks of `block` where that is not one weight."""
    runs = {}
    blocked = max(block) > 1
    if scipy_sparse:
        csr = scipy_sparse.csr_matrix(weight)
        runs["scipy-csr"] = partial(operator.matmul, csr, x)
        if blocked:
            runs["scipy-bsr"] = partial(operator.matmul, csr.tobsr(blocksize=block), x)
        if mkl:
            runs["mkl-csr"] = partial(mkl.dot_product_mkl, csr, x)
            # MKL wants square blocks: those that hold the pattern's.
            square = (max(block), max(block))
            if blocked:
                runs["mkl-bsr"] = partial(mkl.dot_product_mkl, csr.tobsr(blocksize=square), x)
    if torch:
        tensor, tx = torch.from_numpy(weight), torch.from_numpy(x)
        runs["torch-csr"] = partial(operator.matmul, tensor.to_sparse_csr(), tx)
        if blocked:
            try:
                run = partial(operator.matmul, tensor.to_sparse_bsr(block), tx)
                run()
                runs["torch-bsr"] = run
            except (RuntimeError, NotImplementedError) as why:
                skip(f"torch's BSR with blocks {block}", why)
    return runs


def checked(runs, expected):
    """The runs whose result is right; says which are not."""
    right = {}
    for name, run in runs.items():
        result = run()
        if result is not None:
            result = np.asarray(result)
            result = result.T if result.shape != expected.shape else result
            error = np.abs(result - expected).max() / np.abs(expected).max()
            if not error < 1e-4:
                skip(name, f"its result is wrong by {error:.1e}")
                continue
        right[name] = run
    return right


def products(rows, case, m, k, n, sparsities, make, block=(1, 1)):
    """Dense rivals once, sparse ones at each sparsity."""
    rng = np.random.default_rng(3)
    x = rng.random((k, n), dtype=np.float32) - 0.5
    weight = rng.random((m, k), dtype=np.float32) - 0.5
    rows.write(case, m, k, n, 0.0, medians(checked(dense_products(weight, x), weight @ x)))
    for sparsity in sparsities:
        weight = np.ascontiguousarray(make(rng, m, k, sparsity), dtype=np.float32)
        runs = checked(sparse_products(weight, x, block), weight @ x)
        rows.write(case, m, k, n, sparsity, medians(runs) if runs else {})


def training_step(rows, m, k, n, sparsities):
    """W X, Wᵀ dY and dY Xᵀ, the last where the mask has weights."""
    if not torch:
        return
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.random((k, n), dtype=np.float32) - 0.5)
    dy = torch.from_numpy(rng.random((m, n), dtype=np.float32) - 0.5)
    weight = torch.from_numpy(rng.random((m, k), dtype=np.float32))
    xt, wt = x.t(), weight.t()

    def dense():
        torch.mm(weight, x), torch.mm(wt, dy), torch.mm(dy, xt)

    rows.write("train-step", m, k, n, 0.0, medians({"torch": dense}))
    for sparsity in sparsities:
        pruned_weight = torch.from_numpy(pruned(rng, m, k, sparsity))
        csr, transposed = pruned_weight.to_sparse_csr(), pruned_weight.t().to_sparse_csr()
        contiguous = xt.contiguous()

        def sparse():
            csr @ x, transposed @ dy
            torch.sparse.sampled_addmm(csr, dy, contiguous, beta=0.0)

        try:
            sparse()
        except RuntimeError as why:
            skip("torch's sampled product", why)
            return
        rows.write("train-step", m, k, n, sparsity, medians({"torch-csr": sparse}))


def convolution_runs(weight, x):
    """Dense rivals of a padded 3 x 3 convolution, oneDNN's under the name of its algorithm."""
    runs = {}
    channels, side = weight.shape[0], x.shape[2]
    if onnxruntime:
        shape = [1, channels, side, side]
        model = onnx_model("Conv", weight, shape, shape, ["x", "w"], pads=[1, 1, 1, 1])
        runs["onnxruntime"] = onnx_run(model, x)
    if torch:
        conv = torch.nn.functional.conv2d
        tw, tx = torch.from_numpy(weight), torch.from_numpy(x)
        # oneDNN is at its best with the channels last.
        last = torch.channels_last
        lw, lx = tw.contiguous(memory_format=last), tx.contiguous(memory_format=last)
        for suffix, run in {"": partial(conv, tx, tw, padding=1),
                            "-nhwc": partial(conv, lx, lw, padding=1)}.items():
            runs[algorithm(run) + suffix] = run
        runs.update(winograd_runs(tw, tx))
    return runs


def algorithm(run):
    """`onednn-winograd` or `onednn-direct`, by what oneDNN says of itself; `torch` if nothing."""
    said = onednn_says(run)
    if "winograd" in said:
        return "onednn-winograd"
    return "onednn-direct" if "convolution" in said else "torch"


def onednn_says(run):
    """oneDNN's own report of a run, written to standard output by its C code."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile(mode="w+b") as report:
        os.dup2(report.fileno(), 1)
        try:
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                run()
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        report.seek(0)
        return report.read().decode(errors="replace")


def winograd_runs(weight, x):
    """Winograd F(4x4, 3x3) of Lavin and Gray, its products by torch.mm, where oneDNN has none.

    The transforms are small dense products, which is slower than oneDNN's or DeepSparse's code;
    what it shows is how many multiplications Winograd saves, not the best that can be had.
    """
    out, channels = weight.shape[:2]
    side = x.shape[2]
    tiles = -(-side // 4)
    b = torch.tensor([
        [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]], dtype=torch.float32)
    g = torch.tensor([
        [1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]], dtype=torch.float32)
    a = torch.tensor([
        [1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1]], dtype=torch.float32)
    # Both transforms at once: a product with 36 rows.
    data, result = torch.kron(b, b), torch.kron(a, a)
    kernels = (torch.kron(g, g) @ weight.reshape(out * channels, 9).t())
    kernels = kernels.reshape(36, out, channels).contiguous()
    padding = 4 * tiles + 2 - side - 1

    def run():
        padded = torch.nn.functional.pad(x[0], (1, padding, 1, padding))
        patches = padded.unfold(1, 6, 4).unfold(2, 6, 4)
        patches = patches.permute(3, 4, 0, 1, 2).reshape(36, channels * tiles * tiles)
        spectrum = (data @ patches).reshape(36, channels, tiles * tiles)
        products = torch.bmm(kernels, spectrum).reshape(36, out * tiles * tiles)
        y = (result @ products).reshape(4, 4, out, tiles, tiles)
        y = y.permute(2, 3, 0, 4, 1).reshape(out, 4 * tiles, 4 * tiles)
        return y[:, :side, :side].unsqueeze(0)

    return {"torch-winograd": run}


def convolutions(rows):
    """Dense convolutions only: no library here has sparse ones."""
    if not (torch or onnxruntime):
        skip("convolutions", "neither torch nor ONNX Runtime")
        return
    for channels, side in CONVOLUTIONS[: 1 if ARGS.quick else None]:
        rng = np.random.default_rng(3)
        weight = rng.random((channels, channels, 3, 3), dtype=np.float32) - 0.5
        x = rng.random((1, channels, side, side), dtype=np.float32) - 0.5
        runs = convolution_runs(weight, x)
        if torch:
            tw, tx = torch.from_numpy(weight).double(), torch.from_numpy(x).double()
            expected = torch.nn.functional.conv2d(tx, tw, padding=1).numpy()
            runs = checked(runs, expected)
        rows.write("conv3x3", channels, 9 * channels, side * side, 0.0, medians(runs))


def main():
    rows = Rows(ARGS.json)
    sparsities = (0.5, 0.9) if ARGS.quick else SPARSITIES
    m, k, n = 1024, 1024, 64
    one = lambda rng, m, k, sparsity: pruned(rng, m, k, sparsity)
    four = lambda rng, m, k, sparsity: pruned(rng, m, k, sparsity, rows=4)
    for case in ARGS.only:
        if case == "unstructured":
            products(rows, case, m, k, n, sparsities, one)
        elif case == "block4x1":
            products(rows, case, m, k, n, sparsities, four, block=(4, 1))
        elif case == "two-of-four":
            products(rows, case, m, k, n, (0.5,), lambda rng, m, k, _: two_of_four(rng, m, k))
        elif case == "batch1":
            for size in (1024,) if ARGS.quick else (1024, 4096):
                products(rows, "unstructured", size, size, 1, sparsities, one)
        elif case == "conv3x3":
            convolutions(rows)
        elif case == "train-step":
            training_step(rows, m, k, n, sparsities)


if __name__ == "__main__":
    main()
