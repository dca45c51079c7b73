"""Writes golden.txt: SparseGPT and Wanda on small matrices, by numpy.

SparseGPT follows the published code step by step (IST-DASLab/sparsegpt, sparsegpt.py, `fasterprune`): the damped
Hessian, its inverse by two Cholesky factorisations, a mask for each block of columns, one column after the other.
Two things differ on purpose: the number of weights removed from a block is exact (the code compares with `<=` to a
threshold and removes one more), and an input that is always zero gets the mean diagonal of the others instead of 1.
n:m counts what is kept. Wanda is its formula.

    python3 golden.py > golden.txt
"""

import numpy as np


def damped(x, damping):
    h = x.T @ x
    diagonal = np.diag(h).copy()
    mean = diagonal[diagonal != 0].mean()
    diagonal[diagonal == 0] = mean
    np.fill_diagonal(h, diagonal + damping * mean)
    return h


def sparse_gpt(w, x, block, sparsity=None, n_of_m=None, damping=0.01):
    w = w.copy()
    rows, columns = w.shape
    h = damped(x, damping)
    u = np.linalg.cholesky(np.linalg.inv(h)).T  # inverse = u.T @ u
    removed = np.zeros_like(w, dtype=bool)
    done = lost = 0
    for start in range(0, columns, block):
        end = min(start + block, columns)
        if sparsity is not None:
            done += rows * (end - start)
            until = int(np.floor(sparsity * done + 0.5))
            error = w[:, start:end] ** 2 / np.diag(u)[start:end] ** 2
            worst = np.argsort(error.ravel(), kind="stable")[: until - lost]
            here = np.zeros(error.size, dtype=bool)
            here[worst] = True
            removed[:, start:end] = here.reshape(error.shape)
            lost = until
        errors = np.zeros((rows, end - start))
        for j in range(start, end):
            if n_of_m is not None and j % n_of_m[1] == 0:
                keep, of = n_of_m
                error = w[:, j : j + of] ** 2 / np.diag(u)[j : j + of] ** 2
                worst = np.argsort(error, axis=1)[:, : of - keep]
                np.put_along_axis(removed[:, j : j + of], worst, True, axis=1)
            q = np.where(removed[:, j], 0.0, w[:, j])
            error = (w[:, j] - q) / u[j, j]
            w[:, j:end] -= np.outer(error, u[j, j:end])
            w[:, j] = q
            errors[:, j - start] = error
        w[:, end:] -= errors @ u[start:end, end:]
    return w


def wanda(w, x, sparsity):
    score = np.abs(w) * np.linalg.norm(x, axis=0)
    lost = int(np.floor(sparsity * w.shape[1] + 0.5))
    pruned = w.copy()
    worst = np.argsort(score, axis=1, kind="stable")[:, :lost]
    np.put_along_axis(pruned, worst, 0.0, axis=1)
    return pruned


def write(name, matrix):
    print(name, " ".join(f"{value:.9g}" for value in matrix.ravel()))


def case(name, rows, columns, examples, seed, dead=(), **settings):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(examples, 2))
    x = rng.normal(size=(examples, columns)) * 0.5 + shared @ rng.normal(size=(2, columns))
    x = np.round(x, 2)
    x[:, list(dead)] = 0.0
    w = np.round(rng.normal(size=(rows, columns)), 2)
    block = settings.pop("block")
    print("case", name, rows, columns, examples, block)
    write("weight", w)
    write("input", x)
    write("sparsegpt", sparse_gpt(w, x, block, **settings))
    if "sparsity" in settings:
        write("wanda", wanda(w, x, settings["sparsity"]))


case("half", 5, 12, 40, seed=1, block=4, sparsity=0.5)
case("ninety", 6, 20, 60, seed=2, block=8, sparsity=0.9)
case("dead", 4, 8, 30, seed=3, dead=(1, 6), block=8, sparsity=0.5)
case("fewexamples", 3, 10, 4, seed=4, block=5, sparsity=0.4)
case("twooffour", 4, 12, 40, seed=5, block=4, n_of_m=(2, 4))
