//! Attention with heads, in all the ways to write it.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::module::attention;
use burn::tensor::{Device, Tensor};
use secateur::Prune;

use super::check::{Topology, topologies};
use super::layers::{bare, learned, linear, values};

pub fn width_of(layer: &Linear) -> usize {
    layer.weight.dims()[1]
}

/// `[batch, length, features]` to `[batch, heads, length, width]`.
pub fn split(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, length, features] = x.dims();
    x.reshape([batch, length, heads, features / heads])
        .swap_dims(1, 2)
}

pub fn join(x: Tensor<4>) -> Tensor<3> {
    x.swap_dims(1, 2).flatten(2, 3)
}

/// Weighted means of the values, scores divided by the root of `width`.
pub fn attend(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, width: usize) -> Tensor<4> {
    let scores = query.matmul(key.transpose()) / (width as f64).sqrt();
    softmax(scores, 3).matmul(value)
}

#[derive(Module, Prune, Debug)]
pub struct Projections {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
}

impl Projections {
    pub fn new(device: &Device, model: usize, [query, key, value]: [usize; 3]) -> Self {
        Self {
            query: linear(device, [model, query]),
            key: linear(device, [model, key]),
            value: linear(device, [model, value]),
            output: linear(device, [value * query / key, model]),
        }
    }
}

/// `forward` knows how wide a head is: heads may go.
#[derive(Module, Prune, Debug)]
pub struct Heads {
    pub stem: Linear,
    pub attention: Projections,
    pub last: Linear,
    pub width: usize,
}

impl Topology for Heads {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 7",
        "attention.query.weight 3",
        "attention.query.weight 4",
        "attention.value.weight 4",
    ];
    const HELD: &'static [&'static str] = &["attention.query.weight 4"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [5, 7]),
            attention: Projections::new(device, 7, [12, 12, 12]),
            last: linear(device, [7, 2]),
            width: 4,
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 6, 5])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.stem.forward(x);
        let layers = &self.attention;
        let heads = width_of(&layers.query) / self.width;
        let [query, key, value] = [&layers.query, &layers.key, &layers.value]
            .map(|layer| split(layer.forward(x.clone()), heads));
        let y = join(attend(query, key, value, self.width));
        self.last.forward(x + layers.output.forward(y))
    }
}

/// `forward` knows how many heads there are: they may become narrower. It divides the scores by
/// the width it finds.
#[derive(Module, Prune, Debug)]
pub struct Widths {
    pub stem: Linear,
    pub attention: Projections,
    pub last: Linear,
    pub heads: usize,
}

impl Topology for Widths {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &[
        "stem.weight 7",
        "attention.query.weight 3",
        "attention.query.weight 4",
        "attention.value.weight 5",
    ];
    const HELD: &'static [&'static str] = &["attention.query.weight 3"];
    const EXACT: bool = false;

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [5, 7]),
            attention: Projections::new(device, 7, [12, 12, 15]),
            last: linear(device, [7, 2]),
            heads: 3,
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 6, 5])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.stem.forward(x);
        let layers = &self.attention;
        let [query, key, value] = [&layers.query, &layers.key, &layers.value]
            .map(|layer| split(layer.forward(x.clone()), self.heads));
        let width = query.dims()[3];
        let y = join(attend(query, key, value, width));
        self.last.forward(x + layers.output.forward(y))
    }
}

/// Weights `[features, heads, width]`: `forward` takes all sizes from them.
#[derive(Module, Prune, Debug)]
pub struct Shaped {
    pub stem: Linear,
    pub query: Param<Tensor<3>>,
    pub key: Param<Tensor<3>>,
    pub value: Param<Tensor<3>>,
    pub output: Param<Tensor<3>>,
    pub last: Linear,
}

impl Shaped {
    fn project(x: Tensor<3>, weight: &Param<Tensor<3>>) -> Tensor<4> {
        let weight = weight.val();
        let [_, heads, width] = weight.dims();
        let [batch, length, _] = x.dims();
        let y = x.matmul(weight.flatten::<2>(1, 2).unsqueeze());
        y.reshape([batch, length, heads, width]).swap_dims(1, 2)
    }
}

impl Topology for Shaped {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["stem.weight 7", "query 3", "query 4", "value 5"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [5, 7]),
            query: learned(device, [7, 3, 4]),
            key: learned(device, [7, 3, 4]),
            value: learned(device, [7, 3, 5]),
            output: learned(device, [3, 5, 7]),
            last: linear(device, [7, 2]),
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 6, 5])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.stem.forward(x);
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|weight| Self::project(x.clone(), weight));
        // A width of its own: what scores are divided by is no size.
        let y = join(attend(query, key, value, 4));
        let output = self.output.val().flatten::<2>(0, 1).unsqueeze();
        self.last.forward(x + y.matmul(output))
    }
}

/// One projection, cut into three by `chunk`.
#[derive(Module, Prune, Debug)]
pub struct Chunked {
    pub stem: Linear,
    pub qkv: Linear,
    pub output: Linear,
    pub last: Linear,
    pub width: usize,
}

impl Topology for Chunked {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["stem.weight 7", "qkv.weight 4", "qkv.weight 3"];
    const HELD: &'static [&'static str] = &["qkv.weight 3"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [5, 7]),
            qkv: bare(device, [7, 36]),
            output: linear(device, [12, 7]),
            last: linear(device, [7, 2]),
            width: 3,
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 6, 5])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.stem.forward(x);
        let parts = self.qkv.forward(x.clone()).chunk(3, 2);
        let heads = parts[0].dims()[2] / self.width;
        let parts = parts.into_iter().map(|part| split(part, heads));
        let [query, key, value]: [Tensor<4>; 3] = parts.collect::<Vec<_>>().try_into().unwrap();
        let y = join(attend(query, key, value, self.width));
        self.last.forward(x + self.output.forward(y))
    }
}

/// One projection, seen as three by a reshape.
#[derive(Module, Prune, Debug)]
pub struct Folded {
    pub stem: Linear,
    pub qkv: Linear,
    pub output: Linear,
    pub last: Linear,
    pub width: usize,
}

impl Topology for Folded {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &["stem.weight 7", "qkv.weight 4", "qkv.weight 5"];
    const HELD: &'static [&'static str] = &["qkv.weight 5"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [6, 7]),
            qkv: linear(device, [7, 3 * 4 * 5]),
            output: linear(device, [20, 7]),
            last: linear(device, [7, 2]),
            width: 5,
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 6, 6])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.stem.forward(x);
        let [batch, length, _] = x.dims();
        let heads = width_of(&self.qkv) / 3 / self.width;
        let qkv = self.qkv.forward(x.clone());
        let qkv = qkv.reshape([batch, length, 3, heads, self.width]);
        let [query, key, value] = [0, 1, 2].map(|nth| {
            let part: Tensor<4> = qkv.clone().narrow(2, nth, 1).squeeze_dim(2);
            part.swap_dims(1, 2)
        });
        let y = join(attention(query, key, value, None, None, Default::default()));
        self.last.forward(x + self.output.forward(y))
    }
}

/// Several queries share a key and a value.
#[derive(Module, Prune, Debug)]
pub struct GroupedQuery {
    pub stem: Linear,
    pub attention: Projections,
    pub last: Linear,
    pub width: usize,
}

impl Topology for GroupedQuery {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    // Keys with all their queries, and one query of each key: without weights that one still means
    // the values.
    const EXACT: bool = false;
    const FREE: &'static [&'static str] = &[
        "stem.weight 7",
        "attention.query.weight 3",
        "attention.query.weight 2",
        "attention.query.weight 4",
        "attention.value.weight 4",
    ];
    const HELD: &'static [&'static str] = &["attention.query.weight 4"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [5, 7]),
            attention: Projections::new(device, 7, [24, 12, 12]),
            last: linear(device, [7, 2]),
            width: 4,
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 5, 5])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.stem.forward(x);
        let layers = &self.attention;
        let queries = width_of(&layers.query) / self.width;
        let keys = width_of(&layers.key) / self.width;
        let query = split(layers.query.forward(x.clone()), queries);
        let [key, value] = [&layers.key, &layers.value].map(|layer| {
            let each = split(layer.forward(x.clone()), keys);
            let [batch, _, length, width] = each.dims();
            each.unsqueeze_dim::<5>(2)
                .expand([batch, keys, queries / keys, length, width])
                .reshape([batch, queries, length, width])
        });
        let y = join(attend(query, key, value, self.width));
        self.last.forward(x + layers.output.forward(y))
    }
}

/// All queries share one key and one value.
#[derive(Module, Prune, Debug)]
pub struct MultiQuery {
    pub stem: Linear,
    pub attention: Projections,
    pub last: Linear,
    pub width: usize,
}

impl Topology for MultiQuery {
    type Input = Tensor<3>;
    type Output = Tensor<3>;
    const EXACT: bool = false;
    const FREE: &'static [&'static str] = &[
        "stem.weight 7",
        "attention.query.weight 5",
        "attention.query.weight 4",
        "attention.value.weight 4",
    ];
    const HELD: &'static [&'static str] = &["attention.query.weight 4"];

    fn new(device: &Device) -> Self {
        Self {
            stem: linear(device, [6, 7]),
            attention: Projections::new(device, 7, [20, 4, 4]),
            last: linear(device, [7, 2]),
            width: 4,
        }
    }

    fn example(device: &Device) -> Tensor<3> {
        values(device, [2, 6, 6])
    }

    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.stem.forward(x);
        let layers = &self.attention;
        let heads = width_of(&layers.query) / self.width;
        let query = split(layers.query.forward(x.clone()), heads);
        let [key, value] =
            [&layers.key, &layers.value].map(|layer| split(layer.forward(x.clone()), 1));
        let y = join(attend(query, key, value, self.width));
        self.last.forward(x + layers.output.forward(y))
    }
}

/// Queries from one sequence, keys and values from another.
#[derive(Module, Prune, Debug)]
pub struct Crossed {
    pub attention: Projections,
    pub memory: Linear,
    pub last: Linear,
    pub width: usize,
}

impl Topology for Crossed {
    type Input = (Tensor<3>, Tensor<3>);
    type Output = Tensor<3>;
    const FREE: &'static [&'static str] = &[
        "attention.query.weight 3",
        "attention.query.weight 4",
        "memory.weight 7",
        "attention.value.weight 4",
        "attention.output.weight 7",
    ];
    const HELD: &'static [&'static str] = &["attention.query.weight 4"];

    fn new(device: &Device) -> Self {
        Self {
            attention: Projections::new(device, 7, [12, 12, 12]),
            memory: linear(device, [3, 7]),
            last: linear(device, [7, 2]),
            width: 4,
        }
    }

    fn example(device: &Device) -> (Tensor<3>, Tensor<3>) {
        (values(device, [2, 4, 7]), values(device, [2, 6, 3]))
    }

    fn run(&self, (x, memory): (Tensor<3>, Tensor<3>)) -> Tensor<3> {
        let layers = &self.attention;
        let heads = width_of(&layers.query) / self.width;
        let query = split(layers.query.forward(x), heads);
        let memory = self.memory.forward(memory);
        let [key, value] =
            [&layers.key, &layers.value].map(|layer| split(layer.forward(memory.clone()), heads));
        let y = join(attend(query, key, value, self.width));
        self.last.forward(layers.output.forward(y))
    }
}

topologies! {
    heads: Heads,
    widths: Widths,
    shaped: Shaped,
    chunked: Chunked,
    folded: Folded,
    grouped_query: GroupedQuery,
    multi_query: MultiQuery,
    crossed: Crossed,
}
