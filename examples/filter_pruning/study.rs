//! What is done with a net: half of its multiply-adds go, by several scores, and it is trained on.

use secateur::structure::choice::{Budget, ChannelPruning, Cost};
use secateur::structure::coupling::Coupling;
use secateur::structure::importance::UnitScores;
use secateur::structure::plan::Plan;
use secateur_examples::Result;

use crate::score::Score;
use crate::subject::Subject;
use crate::table::{Row, Table, Way};

/// One seed of everything.
pub(crate) fn one_seed<S: Subject>(
    subject: &S,
    distil: bool,
    seed: u64,
    table: &mut Table,
) -> Result<()> {
    let dense = subject.dense(seed, None)?;
    let dense_row = row(subject, Way::Dense, &dense, &dense)?;
    let dense_products = dense_row.products;
    table.add(seed, dense_row);

    let teacher = distil.then_some(&dense);
    let example = subject.example(4);
    let coupling = Coupling::of_model(&dense, example.clone(), S::forward)?;
    for score in [Score::Norm, Score::Distance, Score::Taylor, Score::Chance] {
        let scores = score.of(subject, &coupling, &dense, seed)?;
        let plan = half(subject, &coupling, &scores)?;
        let (smaller, certificate) = plan.apply(&dense, example.clone(), S::forward)?;
        if score == Score::Norm && seed == 1 {
            println!("{plan}{certificate}\n");
        }
        let tuned = subject.tuned(smaller.clone(), teacher, seed)?;
        let scored = row(subject, Way::Scored(score), &smaller, &tuned)?;
        // As many products as the net of full size had in its training.
        let times = dense_products as f64 / scored.products as f64;
        table.add(seed, scored);
        if score != Score::Norm {
            continue;
        }
        // Its shape, with weights that have learned nothing.
        let fresh = subject.fresh(seed + 1_000);
        let (fresh, _) = plan.apply(&fresh, example.clone(), S::forward)?;
        for (way, times) in [(Way::ScratchE, 1.0), (Way::ScratchB, times)] {
            if let Some(trained) = subject.retrained(fresh.clone(), seed, times)? {
                table.add(seed, row(subject, way, &fresh, &trained)?);
            }
        }
    }
    if !subject.has_norms() {
        return Ok(());
    }

    // Norm scales tell channels apart in a net that was trained for it.
    let slimmed = match subject.lambda() {
        None => dense.clone(),
        Some(lambda) => {
            let penalised = subject.dense(seed, Some(lambda))?;
            table.add(seed, row(subject, Way::Penalised, &penalised, &penalised)?);
            penalised
        }
    };
    let scores = Score::Scale.of(subject, &coupling, &slimmed, seed)?;
    let (smaller, _) = half(subject, &coupling, &scores)?.apply(&slimmed, example, S::forward)?;
    let tuned = subject.tuned(smaller.clone(), teacher, seed)?;
    let slim = row(subject, Way::Scored(Score::Scale), &smaller, &tuned)?;
    table.add(seed, slim);
    Ok(())
}

/// The plan that leaves half of the multiply-adds.
fn half<'a, S: Subject>(
    subject: &S,
    coupling: &'a Coupling,
    scores: &UnitScores,
) -> Result<Plan<'a>> {
    let budget = Budget::share(Cost::MultiplyAdds, 0.5);
    let mut choice = ChannelPruning::within(budget).with_largest_share(0.75);
    for pattern in subject.skip() {
        choice = choice.with_skip(pattern)?;
    }
    Ok(choice.plan(coupling, scores)?)
}

fn row<S: Subject>(subject: &S, way: Way, before: &S::Net, after: &S::Net) -> Result<Row> {
    let counts = subject.counts(after)?;
    let right = subject.right(after);
    Ok(Row {
        way,
        parameters: counts.parameters().dense,
        products: counts.multiply_adds().dense,
        before: match way {
            Way::Dense | Way::Penalised => right,
            _ => subject.right(before),
        },
        after: right,
        speed: subject.speed(after)?,
    })
}
