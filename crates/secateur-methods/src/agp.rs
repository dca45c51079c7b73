//! Gradual magnitude pruning while the model trains.

use secateur_core::allocation::Uniform;
use secateur_core::magnitude::Magnitude;
use secateur_core::pruner::PrunerConfig;
use secateur_core::schedule::{Cubic, Window};

/// Automated gradual pruning (Zhu and Gupta 2017, *To prune, or not to prune*):
/// `s_t = s_f·(1 - (1 - (t - t₀)/(n·Δt))³)`, the smallest `|w|` of every layer masked.
///
/// The sparsity rises fast while there is much to spare and slowly towards the end; masked weights
/// get no update and do not come back. `window` is `t₀..=t₀ + n·Δt` and its frequency `Δt`, for
/// which the paper has 100 to 1,000 steps. Leave the learning rate sizable while the sparsity
/// rises, and train on for a while after.
///
/// Compared are the weights of one parameter; every parameter has the same sparsity.
///
/// Cost: a linear-time selection at every pruning, nothing in between.
///
/// ```
/// # use secateur_core::schedule::Window;
/// # use secateur_methods::agp;
/// let config = agp(0.9, Window::new(500..=4_000).every(100));
/// ```
pub fn agp(final_sparsity: f64, window: Window) -> PrunerConfig {
    let cubic = Cubic::new(final_sparsity).every(window.frequency());
    let cubic = match window.end() {
        Some(end) => cubic.between(window.start()..=end),
        // Left for the schedule's own check to refuse.
        None => cubic,
    };
    PrunerConfig::new()
        .with_scorer(Magnitude::l1())
        .with_allocation(Uniform)
        .with_schedule(cubic)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::worked::{Pair, kept};

    #[test]
    fn four_prunings_by_hand() {
        // s_f = 0.75, t₀ = 10, n = 3, Δt = 5, so u = 0, 1/3, 2/3, 1 and
        // s = 0, 0.75·(1 - 8/27) = 0.5278, 0.75·(1 - 1/27) = 0.7222, 0.75.
        // Of a's eight: 0, 4.22, 5.78, 6 go: 0, 4, 6, 6. Of b's four: 0, 2.11, 2.89, 3: 0, 2, 3, 3.
        let mut model = Pair::new(
            &[-8.0, 7.0, 6.0, -5.0, 4.0, 3.0, -2.0, 1.0],
            &[10.0, -20.0, 30.0, 40.0],
        );
        let window = Window::new(10..=25).every(5);
        let mut pruner = agp(0.75, window).init_module(&model).unwrap();
        let mut seen = Vec::new();
        for step in 0..40 {
            if pruner.prune(&mut model, step).unwrap().is_some() {
                let (a, b) = kept(&pruner, &model);
                seen.push((step, a.len(), b));
                assert_eq!(a, (0..a.len()).collect::<Vec<_>>());
            }
        }
        let want = [
            (10, 8, vec![0, 1, 2, 3]),
            (15, 4, vec![2, 3]),
            (20, 2, vec![3]),
            (25, 2, vec![3]),
        ];
        assert_eq!(seen, want);
    }

    #[test]
    fn a_window_without_steps_is_refused() {
        let model = Pair::new(&[1.0, 2.0], &[3.0, 4.0]);
        let error = agp(0.5, Window::unset()).init_module(&model).unwrap_err();
        assert!(error.to_string().contains("`window` is unset"), "{error}");
    }
}
