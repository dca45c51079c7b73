//! Tables of tokens, and parameters used twice or not at all.

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Linear};
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Int, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{learned, linear, tokens, values};

#[derive(Module, Prune, Debug)]
pub struct Bag {
    pub table: Embedding,
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Topology for Bag {
    type Input = Tensor<2, Int>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["table.weight 6", "fc1.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            table: EmbeddingConfig::new(11, 6).init(device),
            fc1: linear(device, [6, 5]),
            fc2: linear(device, [5, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<2, Int> {
        tokens(device, [2, 7], 11)
    }

    fn run(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let x = self.table.forward(x).mean_dim(1).squeeze_dim(1);
        self.fc2.forward(relu(self.fc1.forward(x)))
    }
}

/// Tokens and places.
#[derive(Module, Prune, Debug)]
pub struct TwoTables {
    pub table: Embedding,
    pub places: Embedding,
    pub last: Linear,
}

impl Topology for TwoTables {
    type Input = Tensor<2, Int>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["table.weight 8"];

    fn new(device: &Device) -> Self {
        Self {
            table: EmbeddingConfig::new(11, 8).init(device),
            places: EmbeddingConfig::new(9, 8).init(device),
            last: linear(device, [8, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<2, Int> {
        tokens(device, [2, 6], 11)
    }

    fn run(&self, x: Tensor<2, Int>) -> Tensor<3> {
        let length = x.dims()[1] as i64;
        let places = Tensor::arange(0..length, &x.device()).unsqueeze();
        self.last
            .forward(self.table.forward(x) + self.places.forward(places))
    }
}

/// The table says what comes in and what goes out.
#[derive(Module, Prune, Debug)]
pub struct Tied {
    pub table: Embedding,
    pub up: Linear,
    pub down: Linear,
}

impl Topology for Tied {
    type Input = Tensor<2, Int>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["table.weight 6", "up.weight 9"];

    fn new(device: &Device) -> Self {
        Self {
            table: EmbeddingConfig::new(11, 6).init(device),
            up: linear(device, [6, 9]),
            down: linear(device, [9, 6]),
        }
    }

    fn example(device: &Device) -> Tensor<2, Int> {
        tokens(device, [2, 5], 11)
    }

    fn run(&self, x: Tensor<2, Int>) -> Tensor<3> {
        let x = self.table.forward(x);
        let x = x.clone() + self.down.forward(tanh(self.up.forward(x)));
        x.matmul(self.table.weight.val().transpose().unsqueeze())
    }
}

/// The decoder is the encoder turned over.
#[derive(Module, Prune, Debug)]
pub struct TurnedOver {
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Topology for TurnedOver {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["fc1.weight 8", "fc2.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            fc1: linear(device, [7, 8]),
            fc2: linear(device, [8, 5]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [3, 7])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let code = self.fc2.forward(relu(self.fc1.forward(x)));
        let x = relu(code.matmul(self.fc2.weight.val().transpose()));
        x.matmul(self.fc1.weight.val().transpose())
    }
}

/// A layer that `forward` does not use stays as it is.
#[derive(Module, Prune, Debug)]
pub struct Unused {
    pub fc1: Linear,
    pub spare: Linear,
    pub fc2: Linear,
    pub note: Param<Tensor<2>>,
}

impl Topology for Unused {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["fc1.weight 6"];

    fn new(device: &Device) -> Self {
        Self {
            fc1: linear(device, [4, 6]),
            spare: linear(device, [6, 6]),
            fc2: linear(device, [6, 3]),
            note: learned(device, [2, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [5, 4])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(relu(self.fc1.forward(x)))
    }
}

/// A vector that is added and one that is multiplied with, no layers of Burn's.
#[derive(Module, Prune, Debug)]
pub struct Vectors {
    pub weight: Param<Tensor<2>>,
    pub shift: Param<Tensor<1>>,
    pub scale: Param<Tensor<1>>,
    pub last: Linear,
}

impl Topology for Vectors {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    const FREE: &'static [&'static str] = &["weight 7"];

    fn new(device: &Device) -> Self {
        Self {
            weight: learned(device, [4, 7]),
            shift: learned(device, [7]),
            scale: learned(device, [7]),
            last: linear(device, [7, 3]),
        }
    }

    fn example(device: &Device) -> Tensor<2> {
        values(device, [5, 4])
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        let x = x.matmul(self.weight.val());
        let x = x * self.scale.val().unsqueeze() + self.shift.val().unsqueeze();
        self.last.forward(tanh(x))
    }
}

topologies! {
    bag: Bag,
    two_tables: TwoTables,
    tied: Tied,
    turned_over: TurnedOver,
    unused: Unused,
    vectors: Vectors,
}
