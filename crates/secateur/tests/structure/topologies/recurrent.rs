//! Hidden states over time.

use burn::module::Module;
use burn::nn::gru::{Gru, GruConfig};
use burn::nn::{BiLstm, BiLstmConfig, Linear, Lstm, LstmConfig, Rnn, RnnConfig};
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{linear, values};

fn last_step(x: Tensor<3>) -> Tensor<2> {
    let steps = x.dims()[1];
    x.narrow(1, steps - 1, 1).squeeze_dim(1)
}

#[derive(Module, Prune, Debug)]
pub struct Remembering {
    pub lstm: Lstm,
    pub fc: Linear,
}

impl Topology for Remembering {
    type Input = Tensor<3>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["lstm.input_gate.input_transform.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            lstm: LstmConfig::new(3, 6, true).init(device),
            fc: linear(device, [6, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 4, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<2> {
        let (x, _) = self.lstm.forward(x, None);
        self.fc.forward(last_step(x))
    }
}

/// Two layers, and the outputs of all steps.
#[derive(Module, Prune, Debug)]
pub struct TwoLayers {
    pub stem: Linear,
    pub first: Lstm,
    pub second: Lstm,
    pub fc: Linear,
}

impl Topology for TwoLayers {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 5",
        "first.input_gate.input_transform.weight 6",
        "second.input_gate.input_transform.weight 4",
    ];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [3, 5]),
            first: LstmConfig::new(5, 6, true).init(device),
            second: LstmConfig::new(6, 4, false).init(device),
            fc: linear(device, [4, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 3, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let (x, _) = self.first.forward(self.stem.forward(x), None);
        let (x, _) = self.second.forward(x, None);
        self.fc.forward(x)
    }
}

/// The state of the one is where the other starts.
#[derive(Module, Prune, Debug)]
pub struct Translating {
    pub encoder: Lstm,
    pub decoder: Lstm,
    pub fc: Linear,
}

impl Topology for Translating {
    type Input = (Tensor<3>, Tensor<3>);
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["encoder.input_gate.input_transform.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            encoder: LstmConfig::new(3, 6, true).init(device),
            decoder: LstmConfig::new(4, 6, true).init(device),
            fc: linear(device, [6, 5]),
        }
    }

    fn example(device: &Device) -> (Tensor<3>, Tensor<3>) {
        (values(device, [2, 3, 3]), values(device, [2, 2, 4]))
    }

    fn run(&self, (from, to): (Tensor<3>, Tensor<3>)) -> Tensor<3> {
        let (_, state) = self.encoder.forward(from, None);
        let (x, _) = self.decoder.forward(to, Some(state));
        self.fc.forward(x)
    }
}

#[derive(Module, Prune, Debug)]
pub struct BothWays {
    pub lstm: BiLstm,
    pub fc: Linear,
}

impl Topology for BothWays {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    // The last states of both ways are stacked.
    const FREE: &'static [&'static str] = &["lstm.forward.input_gate.input_transform.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            lstm: BiLstmConfig::new(3, 5, true).init(device),
            fc: linear(device, [10, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 3, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc.forward(self.lstm.forward(x, None).0)
    }
}

#[derive(Module, Prune, Debug)]
pub struct Updating {
    pub gru: Gru,
    pub fc: Linear,
}

impl Topology for Updating {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["gru.update_gate.input_transform.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            gru: GruConfig::new(3, 6, true).init(device),
            fc: linear(device, [6, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 4, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc.forward(self.gru.forward(x, None))
    }
}

/// The reset gate acts before the weights.
#[derive(Module, Prune, Debug)]
pub struct Resetting {
    pub gru: Gru,
    pub fc: Linear,
}

impl Topology for Resetting {
    type Input = Tensor<3>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["gru.update_gate.input_transform.weight 6"];

    fn new(device: &Device) -> Self {
        let gru = GruConfig::new(3, 6, true).with_reset_after(false);
        Self {
            gru: gru.init(device),
            fc: linear(device, [6, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 3, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<2> {
        self.fc.forward(last_step(self.gru.forward(x, None)))
    }
}

#[derive(Module, Prune, Debug)]
pub struct Simple {
    pub first: Rnn,
    pub second: Rnn,
    pub fc: Linear,
}

impl Topology for Simple {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &[
        "first.gate.input_transform.weight 6",
        "second.gate.input_transform.weight 5",
    ];

    fn new(device: &Device) -> Self {
        Self {
            first: RnnConfig::new(3, 6, true).init(device),
            second: RnnConfig::new(6, 5, true).init(device),
            fc: linear(device, [5, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 4, 3])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let (x, _) = self.first.forward(x, None);
        let (x, _) = self.second.forward(x, None);
        self.fc.forward(x)
    }
}

topologies! {
    remembering: Remembering,
    two_layers: TwoLayers,
    translating: Translating,
    both_ways: BothWays,
    updating: Updating,
    resetting: Resetting,
    simple: Simple,
}
