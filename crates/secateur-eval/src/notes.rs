//! What has to be said in words, whatever the numbers are.

use crate::analysis::Analysis;
use crate::population::Design;
use crate::settings::{Drawn, MODELS_FOR_A_VERDICT};
use crate::statistics::{Correction, Outcome};

pub(crate) fn of(analysis: &Analysis) -> Vec<String> {
    let settings = &analysis.settings;
    let mut notes = Vec::new();
    let drawn = match settings.drawn {
        Drawn::Models => {
            "Intervals resample models. Claims are about the randomness of training on exactly this \
             test set, not about other data."
        }
        Drawn::ModelsAndExamples => {
            "Intervals resample models and examples, those of the calibration error and of agreement models alone. p-values are \
             about the randomness of training on exactly this test set."
        }
    };
    notes.push(drawn.into());
    notes.push(analysis.design.words().into());
    notes.push(
        "\"No change shown\" does not mean that there is none: a change smaller than the detectable \
         one may well be there."
            .into(),
    );
    notes.push(correction(analysis));
    if analysis.smallest() < MODELS_FOR_A_VERDICT {
        notes.push(format!(
            "The smallest population has {} models. Below {MODELS_FOR_A_VERDICT} there are intervals and detectable \
             changes, and no verdict.",
            analysis.smallest()
        ));
    }
    if analysis.smallest() < 5 {
        notes.push(
            "Resampling fewer than five models gives intervals that are too narrow: read them as a \
             lower bound of the uncertainty."
                .into(),
        );
    }
    sizes(analysis, &mut notes);
    shared_between_levels(analysis, &mut notes);
    for grouping in &analysis.groupings {
        let classes = grouping.changes.iter().filter(|change| {
            change.examples == 0 && Some(&change.level) == analysis.levels.get(1).map(|l| &l.name)
        });
        for change in classes {
            notes.push(format!(
                "There is no example of the {} \"{}\", so nothing is said about it.",
                grouping.grouping, change.class
            ));
        }
        for change in &grouping.changes {
            let constant = matches!(change.raw.outcome, Outcome::NotTestable(_));
            if constant && change.examples > 0 {
                notes.push(format!(
                    "{} \"{}\" at {}: not testable, for neither population varies and their means differ.",
                    grouping.grouping, change.class, change.level
                ));
            }
        }
    }
    if analysis.robustness.is_empty() {
        notes.push("No model was evaluated on corrupted inputs.".into());
    }
    notes
}

fn correction(analysis: &Analysis) -> String {
    let settings = &analysis.settings;
    let family = analysis
        .groupings
        .first()
        .map_or(0, |grouping| grouping.family);
    let expected = settings.alpha * family as f64;
    let how = match settings.correction {
        Correction::None => "p-values are not corrected for their number".to_string(),
        other => format!("p-values are adjusted by {}", other.name()),
    };
    format!(
        "The family of class tests has {family} members (classes x levels); at {} chance alone \
         makes about {expected:.1} of them look significant. {how}. The tests depend on each other: changes relative \
         to the mean accuracy add up to about zero over the classes.",
        settings.alpha
    )
}

fn sizes(analysis: &Analysis, notes: &mut Vec<String>) {
    let smallest = analysis.smallest();
    let larger: Vec<&str> = analysis
        .levels
        .iter()
        .filter(|level| level.seeds.len() > smallest)
        .map(|level| level.name.as_str())
        .collect();
    if !larger.is_empty() {
        notes.push(format!(
            "PIEs are counted with {smallest} models of each population, so that counts compare; of {} the models with \
             the lowest seeds.",
            larger.join(", ")
        ));
    }
}

/// Pruned levels that share seeds with each other but not with the dense level.
fn shared_between_levels(analysis: &Analysis, notes: &mut Vec<String>) {
    let pruned = analysis.levels.get(2..).unwrap_or_default();
    let share = pruned.iter().enumerate().any(|(at, level)| {
        pruned[..at]
            .iter()
            .any(|other| other.seeds.iter().any(|seed| level.seeds.contains(seed)))
    });
    if share && analysis.design == Design::Disjoint {
        notes.push(
            "Some pruned levels share seeds with each other. Each is compared with dense models of other seeds, so \
             every test holds; but what two such levels have in common may come from the seeds."
                .into(),
        );
    }
}
