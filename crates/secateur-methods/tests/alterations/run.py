"""Alters the formulas of the methods one at a time, and asks whether a test notices.

    python3 crates/secateur-methods/tests/alterations/run.py [METHOD ..]

An alteration is what one gets wrong when one writes a formula down: a sign, a missing square, another
comparison group. Each is made in a copy of the workspace, never in the working tree; the unit tests of
the method then have to fail. Exits with 1 if an alteration survives, or no longer finds its line.

The tests are built with Burn's CPU backend alone, in a target folder of their own
(`target/alterations`, or `$ALTERATIONS_TARGET`): some minutes the first time, ten seconds an alteration
after that.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[4]
METHODS = "crates/secateur-methods/src"

# (method, what is altered, file, line as it is, line altered)
ALTERATIONS = [
    ("han", "variance without its square", "han.rs", "(w - mean).powi(2)", "(w - mean).abs()"),
    ("han", "raw second moment instead of the variance", "han.rs", "(w - mean).powi(2)", "w.powi(2)"),
    ("han", "sign of the weight counts", "han.rs", "f64::from(w.abs()) / std", "f64::from(w) / std"),
    ("han", "weights that are gone count too", "han.rs", "mask.iter_kept().map(|index| f64::from(weight[index]))", "weight.iter().map(|&w| f64::from(w))"),
    ("han", "one quality for all layers", "han.rs", "f64::from(quality) / unit", "f64::from(quality) / f64::from(quality)"),
    ("agp", "compared over the model", "agp.rs", ".with_allocation(Uniform)", ".with_allocation(secateur_core::allocation::Global)"),
    ("agp", "a line instead of the cubic", "agp.rs", "Cubic::new(final_sparsity)", "secateur_core::schedule::Linear::new(final_sparsity)"),
    ("agp", "by lot instead of by magnitude", "agp.rs", ".with_scorer(Magnitude::l1())", ".with_scorer(secateur_core::magnitude::Random)"),
    ("erk", "a product of the dimensions instead of their sum", "erk.rs", "dims => dims.iter().sum()", "dims => dims.iter().product()"),
    ("erk", "kernel left out of the fan", "erk.rs", "(out + inputs + kernel_dims) as f64", "(out + inputs) as f64"),
    ("erk", "sign of a term", "erk.rs", "(out + inputs + kernel_dims) as f64", "(out + inputs - kernel_dims) as f64"),
    ("erk", "density not times the layer's size", "erk.rs", "density(row.info) * row.units as f64", "density(row.info)"),
    ("lamp", "a missing square in the sum", "lamp.rs", ".map(|&v| f64::from(v).powi(2)).collect()", ".map(|&v| f64::from(v)).collect()"),
    ("lamp", "a missing square above", "lamp.rs", "f64::from(u).powi(2) / sum", "f64::from(u) / sum"),
    ("lamp", "summed over the whole layer", "lamp.rs", "sums.get(first)", "sums.first()"),
    ("lamp", "summed over the smaller weights", "lamp.rs", "sorted.sort_unstable_by(f32::total_cmp)", "sorted.sort_unstable_by(|a, b| b.total_cmp(a))"),
    ("snip", "sign kept", "snip.rs", "(f64::from(g) * f64::from(w)).abs()", "f64::from(g) * f64::from(w)"),
    ("snip", "gradient alone", "snip.rs", "(f64::from(g) * f64::from(w)).abs()", "(f64::from(g) + 0.0 * f64::from(w)).abs()"),
    ("snip", "weight alone", "snip.rs", "(f64::from(g) * f64::from(w)).abs()", "(0.0 * f64::from(g) + f64::from(w)).abs()"),
    ("snip", "squared", "snip.rs", "(f64::from(g) * f64::from(w)).abs()", "(f64::from(g) * f64::from(w)).powi(2)"),
    ("snip", "compared layer by layer", "snip.rs", ".with_allocation(Global)", ".with_allocation(secateur_core::allocation::Uniform)"),
    ("taylor", "sign kept", "taylor.rs", "change.map(f32::abs).collect()", "change.collect()"),
    ("taylor", "a missing square", "taylor.rs", "change.map(|change| change * change)", "change.map(|change| change.abs())"),
    ("taylor", "gradient alone", "taylor.rs", "map(|(w, g)| w * g)", "map(|(w, g)| w * 0.0 + g)"),
    ("taylor", "compared layer by layer", "taylor.rs", ".with_allocation(Global)", ".with_allocation(secateur_core::allocation::Uniform)"),
    ("fisher", "a missing square", "fisher.rs", "0.5 * w * w * f", "0.5 * w.abs() * f"),
    ("fisher", "a missing half", "fisher.rs", "0.5 * w * w * f", "w * w * f"),
    ("fisher", "mean gradient squared instead of mean square", "fisher.rs", "ctx.signal(&SquaredGradient)?", "ctx.signal(&secateur_core::signal::MeanGradient)?.into_iter().map(|g| g * g).collect::<Vec<_>>()"),
    ("fisher", "compared layer by layer", "fisher.rs", ".with_allocation(Global)", ".with_allocation(secateur_core::allocation::Uniform)"),
    ("lottery", "the share of the whole instead of what is left", "lottery.rs", "Iterative::of_remaining(share, rounds)", "Iterative::new(share, rounds)"),
    ("lottery", "output layer at the full rate", "lottery.rs", "rounds.with(output, 0.5)?", "rounds.with(output, 1.0)?"),
    ("lottery", "no rewinding", "lottery.rs", "pruner.rewind(&mut rewound, &self.start)?;", ""),
    ("rigl", "sign of the gradient counts", "rigl.rs", "gradient.into_iter().map(f32::abs)", "gradient.into_iter()"),
    ("rigl", "the smallest gradients grow", "rigl.rs", "gradient.into_iter().map(f32::abs)", "gradient.into_iter().map(|g| -g.abs())"),
    ("rigl", "sign in the cosine", "rigl.rs", "(1.0 + (PI", "(1.0 - (PI"),
    ("rigl", "a missing half", "rigl.rs", "self.alpha / 2.0 *", "self.alpha *"),
    ("rigl", "grown weights keep what they were", "rigl.rs", "regrown: Regrown::Zero", "regrown: Regrown::Kept"),
    ("rigl", "masked gradient", "rigl.rs", "gradient: GradientFlow::Dense", "gradient: GradientFlow::Masked"),
    ("rigl", "every layer as sparse", "rigl.rs", ".with_allocation(Erk)", ".with_allocation(secateur_core::allocation::Uniform)"),
    ("set", "what stays instead of what goes", "set.rs", "if step == START { 0.0 } else { self.zeta }", "if step == START { 0.0 } else { 1.0 - self.zeta }"),
    ("set", "the largest weights grow instead of a draw", "set.rs", "scores.iter().map(|_| stream.uniform())", "scores.iter().map(|&s| s + 0.0 * stream.uniform())"),
    ("set", "every layer as sparse", "set.rs", ".with_allocation(Er)", ".with_allocation(secateur_core::allocation::Uniform)"),
    ("set", "large weights are dropped", "sparse_training.rs", "Magnitude::l1().score(ctx)", "Ok(Magnitude::l1().score(ctx)?.into_iter().map(|s| -s).collect())"),
]


def copied(into):
    """The workspace without what is built."""
    for name in ("Cargo.toml", "Cargo.lock", "README.md", "crates", "examples", "benches", "docs"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("target", "fuzz"))
        else:
            shutil.copy2(source, into / name)
    return into


def tests_pass(tree, method):
    target = os.environ.get("ALTERATIONS_TARGET", str(ROOT / "target" / "alterations"))
    command = ["cargo", "test", "--quiet", "--locked", "-p", "secateur-methods", "--features", "graph", "--lib", f"{method}::"]
    environment = {**os.environ, "CARGO_TARGET_DIR": target}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    if "error[E" in said or "could not compile" in said:
        sys.exit(f"the alteration does not compile:\n{said[-3000:]}")
    if "running 0 tests" in said:
        sys.exit(f"no tests of {method}")
    failed = [line.split()[1] for line in said.splitlines() if line.startswith("test ") and line.endswith("FAILED")]
    if not failed:
        failed = [line.strip() for line in said.splitlines() if line.startswith(f"    {method}::")]
    return done.returncode == 0, sorted(set(failed))


def main():
    wanted = sys.argv[1:]
    known = sorted({method for method, *_ in ALTERATIONS})
    if unknown := set(wanted) - set(known):
        sys.exit(f"no alterations of {', '.join(sorted(unknown))}, only of {', '.join(known)}")
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(pathlib.Path(folder))
        for method in wanted or known:
            if not tests_pass(tree, method)[0]:
                sys.exit(f"the tests of {method} fail as it is")
        for method, what, file, line, altered in ALTERATIONS:
            if wanted and method not in wanted:
                continue
            path = tree / METHODS / file
            original = path.read_text()
            if original.count(line) != 1:
                print(f"{method:8} {what}: {file} has the line {original.count(line)} times, not once")
                survivors += 1
                continue
            path.write_text(original.replace(line, altered))
            passed, failed = tests_pass(tree, method)
            path.write_text(original)
            verdict = "SURVIVES" if passed else f"caught by {', '.join(failed)}"
            print(f"{method:8} {what}: {verdict}", flush=True)
            survivors += passed
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
