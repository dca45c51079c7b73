//! Winning tickets: train, prune, go back to the start, again.

use burn::module::Module;
use secateur_core::error::PruneError;
use secateur_core::layers::Prunable;
use secateur_core::pruner::{PruneEvent, Pruner, PrunerConfig};
use secateur_core::schedule::{Iterative, PerParameterRate};
use secateur_core::weights::Weights;

/// The lottery ticket's pruning (Frankle and Carbin 2019, *The Lottery Ticket Hypothesis*): in
/// each of `rounds` rounds every layer loses the share `share` of the weights it still has, the
/// smallest `|w|` first, and the output layer half of that share.
///
/// `output` is a pattern on parameter paths; pass `""` for a model without such a layer. After `k`
/// rounds `(1 - share)^k` of a layer is kept, and `(1 - share/2)^k` of the output layer. Compared
/// are the trained weights of one parameter. The steps of this schedule are the rounds of a
/// [`LotteryTicket`].
///
/// # Errors
/// [`PruneError::InvalidSetting`] if `output` is malformed.
pub fn lottery(share: f64, rounds: usize, output: &str) -> Result<PrunerConfig, PruneError> {
    let rounds = PerParameterRate::new(Iterative::of_remaining(share, rounds));
    let schedule = match output {
        "" => rounds,
        output => rounds.with(output, 0.5)?,
    };
    Ok(PrunerConfig::new().with_schedule(schedule))
}

/// Drives iterative pruning with rewinding: your code trains, this prunes and sets the survivors
/// back to where they started.
///
/// ```no_run
/// # use burn::module::Module;
/// # use secateur_core::error::PruneError;
/// # use secateur_methods::{lottery, LotteryTicket};
/// # fn train<M: Module>(model: M) -> M { model }
/// # fn run<M: Module>(mut model: M) -> Result<(), PruneError> {
/// let config = lottery(0.2, 15, "fc3.weight")?;
/// let mut ticket = LotteryTicket::of_module(config, &model)?; // remembers the weights
/// model = train(model);
/// while let Some(event) = ticket.prune_and_rewind(&mut model)? {
///     println!("{:.1} % left", 100.0 * (1.0 - event.sparsity()));
///     model = train(model); // with a fresh optimizer
/// }
/// # Ok(())
/// # }
/// ```
///
/// The optimizer and the learning rate's schedule start anew in each round.
///
/// *Late rewinding* (Frankle et al. 2020, *Linear Mode Connectivity*): call
/// [`rewind_to`](Self::rewind_to) after `k` steps of the first training, and the survivors go back
/// there instead.
///
/// *The control*: a ticket should beat its own masks on other initial weights.
/// [`wear`](Self::wear) puts the masks on a freshly initialised model; by hand that is
/// `pruner.set_masks(&mut fresh, &pruner.masks(&model)?)`.
///
/// *Stopping and resuming*: save the model's record, the pruner's state
/// (`ticket.pruner().save_state(..)`) and the weights
/// ([`rewind_point`](Self::rewind_point)`().save(..)`). Then make the ticket as at first, load the
/// state through [`pruner_mut`](Self::pruner_mut) and set the weights with
/// [`set_rewind_point`](Self::set_rewind_point).
///
/// Cost: a copy of the model's weights on the host, and a training run for each round.
#[derive(Clone, Debug)]
pub struct LotteryTicket {
    pruner: Pruner,
    start: Weights,
}

impl LotteryTicket {
    /// A ticket for a model that derives `Prune`, whose weights of this moment it remembers.
    ///
    /// `config` is that of [`lottery()`], or any other whose schedule ends: its steps are the
    /// rounds.
    ///
    /// # Errors
    /// Those of [`PrunerConfig::init`], and [`PruneError::InvalidSetting`] for a schedule without
    /// end.
    pub fn new<M: Module + Prunable>(config: PrunerConfig, model: &M) -> Result<Self, PruneError> {
        Self::started(config.init(model)?, model)
    }

    /// A ticket for any module.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_module<M: Module>(config: PrunerConfig, model: &M) -> Result<Self, PruneError> {
        Self::started(config.init_module(model)?, model)
    }

    fn started<M: Module>(pruner: Pruner, model: &M) -> Result<Self, PruneError> {
        if pruner.schedule().last_step().is_none() {
            return Err(PruneError::invalid(
                "schedule",
                "without end",
                "one with a last round",
                "use `lottery(0.2, 15, \"fc3.weight\")`, or another schedule that ends",
            ));
        }
        let start = Weights::of(model);
        Ok(Self { pruner, start })
    }

    /// Rounds of pruning in all.
    pub fn rounds(&self) -> usize {
        self.rounds_from(0)
    }

    /// Rounds of pruning still to come.
    pub fn rounds_left(&self) -> usize {
        self.rounds_from(self.next_step())
    }

    fn rounds_from(&self, step: usize) -> usize {
        self.due_from(step).count()
    }

    fn next_step(&self) -> usize {
        self.pruner.last_step().map_or(0, |step| step + 1)
    }

    fn due_from(&self, step: usize) -> impl Iterator<Item = usize> + '_ {
        let schedule = self.pruner.schedule();
        let end = schedule.last_step().map_or(0, |last| last + 1);
        (step..end).filter(|&step| schedule.is_due(step))
    }

    /// Prunes the trained model by one round and sets all its weights back to the rewind point,
    /// biases and running statistics among them. `None`, and nothing changes, once all rounds are
    /// over.
    ///
    /// # Errors
    /// Those of [`Pruner::prune`] and [`Pruner::rewind`]. Model and ticket are then as they were.
    pub fn prune_and_rewind<M: Module>(
        &mut self,
        model: &mut M,
    ) -> Result<Option<PruneEvent>, PruneError> {
        let Some(step) = self.due_from(self.next_step()).next() else {
            return Ok(None);
        };
        let mut pruner = self.pruner.clone();
        let mut rewound = model.clone();
        let event = pruner.prune(&mut rewound, step)?;
        pruner.rewind(&mut rewound, &self.start)?;
        *model = rewound;
        self.pruner = pruner;
        Ok(event)
    }

    /// From now on rewinds to the weights that the model has at this moment.
    pub fn rewind_to<M: Module>(&mut self, model: &M) {
        self.start = Weights::of(model);
    }

    /// The weights that rounds rewind to.
    pub fn rewind_point(&self) -> &Weights {
        &self.start
    }

    /// Rewinds to these weights from now on, say saved ones.
    pub fn set_rewind_point(&mut self, weights: Weights) {
        self.start = weights;
    }

    /// Puts the masks of `ticket` on `fresh`, a model of the same kind with other weights.
    ///
    /// # Errors
    /// Those of [`Pruner::masks`] and [`Pruner::set_masks`].
    pub fn wear<M: Module>(&self, ticket: &M, fresh: &mut M) -> Result<(), PruneError> {
        self.pruner.set_masks(fresh, &self.pruner.masks(ticket)?)
    }

    /// The pruner: masks, reports, saving.
    pub fn pruner(&self) -> &Pruner {
        &self.pruner
    }

    /// The pruner, to load its state or to finish the model.
    pub fn pruner_mut(&mut self) -> &mut Pruner {
        &mut self.pruner
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use secateur_core::schedule::OneShot;

    use super::*;
    use crate::worked::{Pair, kept};

    /// 2·5 weights each, ascending or descending.
    fn start() -> Pair {
        let up: Vec<f32> = (1..=10).map(|i| i as f32).collect();
        let down: Vec<f32> = (1..=10).rev().map(|i| -(i as f32)).collect();
        Pair::new(&up, &down)
    }

    /// "Trains": the order of the magnitudes turns round.
    fn trained(model: &Pair) -> Pair {
        let mut model = model.clone();
        model.a = model.a.map(|a| (a * 0.0625 - 1.0).detach().require_grad());
        model.b = model.b.map(|b| (b * 0.0625 + 1.0).detach().require_grad());
        model
    }

    #[test]
    fn three_rounds_by_hand() {
        // 40 % a round, 20 % for the output layer b: a keeps 0.6, 0.36, 0.216 of 10, so 6, 4, 2;
        // b keeps 0.8, 0.64, 0.512, so 8, 6, 5. Trained magnitudes are 1 - |w|/16, largest where
        // the initial ones are smallest: a keeps its first, b its last.
        let mut model = start();
        let config = lottery(0.4, 3, "b").unwrap();
        let mut ticket = LotteryTicket::of_module(config, &model).unwrap();
        assert_eq!((ticket.rounds(), ticket.rounds_left()), (3, 3));
        let mut counts = Vec::new();
        loop {
            model = trained(&model);
            let Some(_) = ticket.prune_and_rewind(&mut model).unwrap() else {
                break;
            };
            let (a, b) = kept(ticket.pruner(), &model);
            assert_eq!(a, (0..a.len()).collect::<Vec<_>>());
            assert_eq!(b, (10 - b.len()..10).collect::<Vec<_>>());
            // Survivors have their initial values, the others are exact zeros.
            let (values, _) = model.values();
            for (index, value) in values.into_iter().enumerate() {
                let want = if index < a.len() {
                    (index + 1) as f32
                } else {
                    0.0
                };
                assert_eq!(value.to_bits(), want.to_bits());
            }
            counts.push((a.len(), b.len()));
        }
        assert_eq!(counts, [(6, 8), (4, 6), (2, 5)]);
        assert_eq!((ticket.rounds(), ticket.rounds_left()), (3, 0));
        // The call past the last round left the trained weights alone.
        assert_eq!(model.values().0[0], 1.0 / 16.0 - 1.0);
    }

    #[test]
    fn late_rewinding_goes_back_to_where_it_was_told() {
        let mut model = start();
        let config = lottery(0.5, 1, "").unwrap();
        let mut ticket = LotteryTicket::of_module(config, &model).unwrap();
        model = trained(&model);
        ticket.rewind_to(&model);
        let later = model.values();
        model = trained(&model);
        ticket.prune_and_rewind(&mut model).unwrap();
        let (a, b) = model.values();
        let (kept_a, kept_b) = kept(ticket.pruner(), &model);
        assert_eq!((kept_a.len(), kept_b.len()), (5, 5));
        assert!(kept_a.iter().all(|&i| a[i] == later.0[i]));
        assert!(kept_b.iter().all(|&i| b[i] == later.1[i]));
    }

    #[test]
    fn the_same_masks_on_other_weights() {
        let mut model = start();
        let config = lottery(0.5, 1, "").unwrap();
        let mut ticket = LotteryTicket::of_module(config, &model).unwrap();
        ticket.prune_and_rewind(&mut model).unwrap();
        let mut fresh = Pair::new(&[7.0; 10], &[-7.0; 10]);
        ticket.wear(&model, &mut fresh).unwrap();
        assert_eq!(kept(ticket.pruner(), &fresh), kept(ticket.pruner(), &model));
        // Untrained, a keeps its last five and b its first.
        let (a, b) = fresh.values();
        assert_eq!(a, [0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 7.0, 7.0, 7.0, 7.0]);
        assert_eq!(b, [-7.0, -7.0, -7.0, -7.0, -7.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn an_error_changes_neither_model_nor_ticket() {
        let mut model = start();
        let config = lottery(0.5, 2, "").unwrap();
        let mut ticket = LotteryTicket::of_module(config, &model).unwrap();
        ticket.rewind_to(&Pair::new(&[1.0; 4], &[1.0; 4]));
        let error = ticket.prune_and_rewind(&mut model).unwrap_err();
        assert!(matches!(error, PruneError::ModelChanged { .. }));
        assert_eq!(ticket.rounds_left(), 2);
        assert_eq!(model.values(), start().values());
    }

    #[test]
    fn any_schedule_that_ends_will_do() {
        let model = start();
        let once = PrunerConfig::new().with_schedule(OneShot::new(0.5).at(7));
        let ticket = LotteryTicket::of_module(once, &model).unwrap();
        assert_eq!(ticket.rounds(), 1);
        assert!(lottery(0.2, 3, "a..b").is_err());
    }
}
