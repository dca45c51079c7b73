//! Running statistics taken anew.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor};
use secateur::Prune;
use secateur::structure::error::StructureError;
use secateur::structure::repair::{RepairError, recalibrate};

use super::{close, numbers};

#[derive(Module, Prune, Debug)]
struct Net {
    first: BatchNorm,
    dropout: Dropout,
    second: BatchNorm,
    unused: BatchNorm,
}

impl Net {
    fn new(device: &Device) -> Self {
        let norm = |momentum| {
            let config = BatchNormConfig::new(2).with_epsilon(1e-9);
            config.with_momentum(momentum).init(device)
        };
        let mut first = norm(0.3);
        first.gamma = Param::from_data([2.0, 3.0], device);
        first.beta = Param::from_data([1.0, -1.0], device);
        Self {
            first,
            dropout: DropoutConfig::new(0.5).init(),
            second: norm(0.1),
            unused: norm(0.1),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.second
            .forward(self.dropout.forward(self.first.forward(x)))
    }

    fn statistics(&self) -> [Vec<f64>; 4] {
        let plain = self.valid();
        let of = |norm: &BatchNorm| {
            [&norm.running_mean, &norm.running_var].map(|state| numbers(state.value()))
        };
        let ([a, b], [c, d]) = (of(&plain.first), of(&plain.second));
        [a, b, c, d]
    }
}

fn batches(device: &Device) -> Vec<Tensor<2>> {
    // Means (2, 12) and (7, 1), variances (1, 4) and (4, 1).
    [[[1.0, 10.0], [3.0, 14.0]], [[5.0, 0.0], [9.0, 2.0]]]
        .map(|batch| Tensor::from_data(batch, device))
        .into()
}

/// The first norm makes ±1 of every pair, then ±2 + 1 and ±3 - 1: dropout would show in the second.
#[test]
fn means_over_batches_by_hand() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let mut net = Net::new(&device);
        // Old statistics, even broken ones, do not count.
        net.first.running_var =
            burn::module::RunningState::new(Tensor::from_data([f64::NAN, 7.0], &device));
        let other = net.clone();
        let before = other.valid();
        let ids = (net.first.gamma.id, net.second.beta.id);
        let done = recalibrate(&mut net, batches(&Device::flex()), Net::forward).unwrap();
        assert_eq!(
            (done.batches, &done.norms[..]),
            (2, &["first".into(), "second".into()][..])
        );
        assert_eq!(done.to_string(), "2 batch norms recalibrated on 2 batches");
        let expected = [[4.5, 6.5], [2.5, 2.5], [1.0, -1.0], [4.0, 9.0]];
        for (got, expected) in net.statistics().iter().zip(expected) {
            close(got, &expected, 1e-5);
        }
        // Nothing else has changed.
        assert_eq!((net.first.momentum, net.second.momentum), (0.3, 0.1));
        assert_eq!(ids, (net.first.gamma.id, net.second.beta.id));
        assert_eq!(numbers(net.first.gamma.val()), [2.0, 3.0]);
        assert!(net.first.training.is_enabled() && net.dropout.training.is_enabled());
        assert_eq!(
            net.first.gamma.val().device(),
            other.first.gamma.val().device()
        );
        assert_eq!(
            net.first.gamma.is_require_grad(),
            other.first.gamma.is_require_grad()
        );
        assert_eq!(numbers(net.unused.running_var.value()), [1.0, 1.0]);
        let (then, now) = (before.statistics(), other.statistics());
        assert_eq!((&then[0], &then[2..]), (&now[0], &now[2..]));
        assert!(now[1][0].is_nan() && now[1][1] == 7.0);
    }
}

#[test]
fn statistics_go_on_moving_when_training_goes_on() {
    let device = Device::flex().autodiff();
    let mut net = Net::new(&device);
    recalibrate(&mut net, batches(&device), Net::forward).unwrap();
    let _ = net.forward(Tensor::from_data([[0.0, 0.0], [2.0, 4.0]], &device));
    // Momentum 0.3: 0.7 · 4.5 + 0.3 · 1, 0.7 · 6.5 + 0.3 · 2.
    close(&net.statistics()[0], &[3.45, 5.15], 1e-5);
}

#[test]
fn a_frozen_norm_keeps_its_statistics() {
    let device = Device::flex().autodiff();
    let mut net = Net::new(&device);
    net.first = net.first.freeze();
    let done = recalibrate(&mut net, batches(&device), Net::forward).unwrap();
    assert_eq!(
        (&done.norms[..], &done.frozen[..]),
        (&["second".into()][..], &["first".into()][..])
    );
    let [mean, variance, second, _] = net.statistics();
    assert_eq!((mean, variance), (vec![0.0, 0.0], vec![1.0, 1.0]));
    // (2, 12) and (7, 1) times gamma plus beta: (5, 35) and (15, 2).
    close(&second, &[10.0, 18.5], 1e-4);
    assert!(!net.first.training.is_enabled());
}

#[test]
fn without_batches_or_with_broken_ones_nothing_changes() {
    let device = Device::flex();
    let mut net = Net::new(&device);
    let before = net.statistics();
    let error = recalibrate(&mut net, Vec::<Tensor<2>>::new(), Net::forward).unwrap_err();
    let is_none = matches!(error, StructureError::Repair(RepairError::NoBatches { .. }));
    assert!(is_none, "{error}");
    let broken = Tensor::from_data([[f64::INFINITY, 0.0], [1.0, 1.0]], &device);
    let error = recalibrate(&mut net, [broken], Net::forward).unwrap_err();
    let is_broken = matches!(error, StructureError::Repair(RepairError::NotFinite { .. }));
    assert!(
        is_broken && error.to_string().starts_with("`first.running_mean`"),
        "{error}"
    );
    assert_eq!(net.statistics(), before);
}
