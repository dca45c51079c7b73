"""Prints the golden numbers of `tests` in mod.rs, by numpy: python3 golden.py

Rows x of four correlated inputs, a layer y = W x of two outputs. Nothing is shared with the crate: the LASSO is
minimised by proximal gradient steps on the samples and not by coordinate descent on the moments, ThiNet's subsets
are summed up sample by sample, least squares are numpy's.
"""

import numpy as np

X = np.array(
    [
        [1.0, 0.5, -0.5, 2.0],
        [0.5, 1.5, 1.0, 1.0],
        [-1.0, -0.5, 0.5, 0.0],
        [2.0, 1.0, -1.5, 1.5],
        [0.0, -1.0, 2.0, -0.5],
        [-0.5, 2.0, 0.5, -1.0],
    ]
)
W = np.array([[1.0, -0.5, 0.5, 0.25], [0.5, 1.0, -1.0, 0.75]])

Y = X @ W.T
# One sample for each row and output, one column for each input's contribution.
Z = np.concatenate([X * W[0], X * W[1]])
y = np.concatenate([Y[:, 0], Y[:, 1]])


def lasso(penalty):
    beta = np.zeros(4)
    rate = 1 / np.linalg.norm(Z.T @ Z, 2)
    for _ in range(200_000):
        beta = beta - rate * Z.T @ (Z @ beta - y)
        beta = np.sign(beta) * np.maximum(np.abs(beta) - rate * penalty, 0)
    return beta


def rust(name, values):
    print(name, ", ".join(f"{value:.10f}" for value in np.ravel(values)))


for penalty in (2.0, 11.5, 13.0):
    rust(f"betas at {penalty}:", lasso(penalty))

removed = []
while len(removed) < 2:
    rest = [j for j in range(4) if j not in removed]
    removed.append(min(rest, key=lambda j: (Z[:, removed + [j]].sum(axis=1) ** 2).sum()))
kept = [j for j in range(4) if j not in removed]
print("removed", removed, "kept", kept)
rust("scales:", np.linalg.lstsq(Z[:, kept], y, rcond=None)[0])

refit = np.zeros((2, 4))
refit[:, kept] = np.linalg.lstsq(X[:, kept], Y, rcond=None)[0].T
rust("refit:", refit)
rust("error:", ((Y - X @ refit.T) ** 2).sum())
