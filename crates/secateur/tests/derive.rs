//! `#[derive(Prune)]` on real models: every layer is found under Burn's own path, and changing it
//! changes the model.

#![cfg(feature = "derive")]

use std::marker::PhantomData;

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::activation::{Activation, ActivationConfig};
use burn::nn::attention::{MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::conv::{
    Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Conv3d, Conv3dConfig, ConvTranspose1d,
    ConvTranspose1dConfig, ConvTranspose2d, ConvTranspose2dConfig, ConvTranspose3d,
    ConvTranspose3dConfig, DeformConv2d, DeformConv2dConfig,
};
use burn::nn::norm::{Normalization, NormalizationConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::transformer::{
    TransformerDecoder, TransformerDecoderConfig, TransformerEncoder, TransformerEncoderConfig,
};
use burn::nn::{
    BatchNorm, BatchNormConfig, BiGru, BiGruConfig, BiLstm, BiLstmConfig, BiRnn, BiRnnConfig,
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, Gru, GruConfig, LayerNormConfig, Linear,
    LinearConfig, Lstm, LstmConfig, PReluConfig, Rnn, RnnConfig, SwiGluConfig,
};
use burn::tensor::{Device, Tensor};
use secateur::Prune;
use secateur::layers::{LayerMut, ParamSpec, Prunable, PrunableLayer, attributes, layers_mut};

/// The paths of all float parameters, as Burn writes them into records.
#[derive(Default)]
struct RecordPaths {
    place: Vec<String>,
    found: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for RecordPaths {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.place.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.place.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.val().dims().to_vec();
        self.found.push((self.place.join("."), shape));
    }
}

fn record_params(model: &impl Module) -> Vec<(String, Vec<usize>)> {
    let mut visitor = RecordPaths::default();
    model.visit(&mut visitor);
    visitor.found
}

fn layer_paths(model: &mut impl Prunable) -> Vec<String> {
    layers_mut(model)
        .iter()
        .map(|(path, _)| path.to_string())
        .collect()
}

/// The layers know exactly the parameters that Burn visits, in the same order, and each parameter's
/// shape fits the layout that its layer tells.
#[track_caller]
fn assert_as_recorded<M: Module + Prunable>(model: &mut M) {
    let recorded = record_params(model);
    let params = layers_mut(model).params();
    let paths = |params: &[(String, ParamSpec)]| -> Vec<String> {
        params.iter().map(|(path, _)| path.clone()).collect()
    };
    let burns: Vec<_> = recorded.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(paths(&params), burns);
    for ((path, shape), (_, spec)) in recorded.iter().zip(&params) {
        let view = secateur::view::View::new(shape, spec.layout);
        let size: usize = shape.iter().product();
        assert_eq!(view.len(), size, "{path}");
    }
}

fn linear() -> Linear {
    LinearConfig::new(4, 3).init(&Device::flex())
}

#[derive(Module, Prune, Debug)]
struct Block {
    conv: Conv2d,
    norm: BatchNorm,
    shortcut: Option<Conv2d>,
    pool: MaxPool2d,
    dropout: Dropout,
}

impl Block {
    fn new(has_shortcut: bool) -> Self {
        let device = Device::flex();
        Self {
            conv: Conv2dConfig::new([2, 4], [3, 3]).init(&device),
            norm: BatchNormConfig::new(4).init(&device),
            shortcut: has_shortcut.then(|| Conv2dConfig::new([2, 4], [1, 1]).init(&device)),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            dropout: DropoutConfig::new(0.5).init(),
        }
    }
}

#[derive(Clone, Debug)]
struct Settings;

#[derive(Module, Prune, Debug)]
struct Net {
    stem: Block,
    blocks: Vec<Block>,
    pair: [Linear; 2],
    tuple: (Linear, Vec<Linear>, Dropout),
    absent: Option<Block>,
    head: Linear,
    classes: usize,
    sizes: Option<Vec<usize>>,
    #[module(skip)]
    settings: Settings,
}

fn net() -> Net {
    Net {
        stem: Block::new(false),
        blocks: vec![Block::new(true), Block::new(false)],
        pair: [linear(), linear()],
        tuple: (linear(), vec![linear()], DropoutConfig::new(0.1).init()),
        absent: None,
        head: linear(),
        classes: 3,
        sizes: None,
        settings: Settings,
    }
}

#[test]
fn nested_models_are_walked_by_record_paths() {
    let mut net = net();
    assert_as_recorded(&mut net);
    assert_eq!(
        layer_paths(&mut net),
        [
            "stem.conv",
            "stem.norm",
            "blocks.0.conv",
            "blocks.0.norm",
            "blocks.0.shortcut",
            "blocks.1.conv",
            "blocks.1.norm",
            "pair.0",
            "pair.1",
            "tuple.0",
            "tuple.1.0",
            "head",
        ]
    );
}

#[test]
fn changing_a_layer_changes_the_model() {
    let mut net = net();
    let mut layers = layers_mut(&mut net);
    let LayerMut::Conv2d(conv) = layers.get_mut("blocks.0.shortcut").unwrap() else {
        panic!("not a convolution");
    };
    conv.groups = 2;
    // All layers are lent at once.
    for (_, layer) in layers.iter_mut() {
        if let LayerMut::Linear(linear) = layer {
            linear.bias = None;
        }
    }
    assert_eq!(net.blocks[0].shortcut.as_ref().unwrap().groups, 2);
    assert!(net.pair.iter().all(|linear| linear.bias.is_none()));
    assert!(net.tuple.1[0].bias.is_none() && net.head.bias.is_none());
    assert_as_recorded(&mut net);
}

// A model is built once, so the difference in size costs nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Prune, Debug)]
enum Body {
    Conv(Block),
    Dense(Vec<Linear>),
    Plain(Dropout),
}

#[derive(Module, Prune, Debug)]
struct Bodies {
    bodies: Vec<Body>,
    r#type: Linear,
}

#[test]
fn variants_are_part_of_the_path() {
    let mut model = Bodies {
        bodies: vec![
            Body::Conv(Block::new(false)),
            Body::Dense(vec![linear(), linear()]),
            Body::Plain(DropoutConfig::new(0.1).init()),
        ],
        r#type: linear(),
    };
    assert_as_recorded(&mut model);
    let paths = layer_paths(&mut model);
    assert_eq!(paths[0], "bodies.0.Conv.conv");
    assert_eq!(paths[2], "bodies.1.Dense.0");
}

#[derive(Module, Prune, Debug)]
struct Residual<M> {
    inner: M,
    scale: Linear,
}

#[derive(Module, Prune, Debug)]
struct Marked<M: Module, const N: usize, T: Clone + std::fmt::Debug + Send>
where
    M: Prunable,
{
    inner: [M; N],
    #[module(skip)]
    marker: PhantomData<T>,
}

#[derive(Module, Prune, Debug)]
struct Nothing;

#[test]
fn generic_models_are_walked() {
    // `Settings` is no module: a marker needs no bound.
    let mut model = Marked::<_, 2, Settings> {
        inner: [
            Residual {
                inner: Some(Block::new(true)),
                scale: linear(),
            },
            Residual {
                inner: None,
                scale: linear(),
            },
        ],
        marker: PhantomData,
    };
    assert_as_recorded(&mut model);
    assert_eq!(layer_paths(&mut model)[0], "inner.0.inner.conv");
    assert!(layers_mut(&mut Nothing).is_empty());
}

/// Burn derives `Module` for named fields only; a module written by hand may be a tuple struct.
#[derive(Prune, Debug)]
struct Tuple(Linear, #[prune(skip)] Linear);

#[test]
fn tuple_structs_are_walked_by_index() {
    let mut model = Tuple(linear(), linear());
    assert_eq!(layer_paths(&mut model), ["0", "1"]);
    assert!(layers_mut(&mut model).attributes().at("1.weight").skip);
}

#[derive(Module, Prune, Debug)]
struct Leaves {
    conv1: Conv1d,
    conv2: Conv2d,
    conv3: Conv3d,
    transposed1: ConvTranspose1d,
    transposed2: ConvTranspose2d,
    transposed3: ConvTranspose3d,
    deformable: DeformConv2d,
    embedding: Embedding,
    norms: Vec<Normalization>,
    activations: Vec<Activation>,
}

#[test]
fn every_leaf_of_burn_is_reached() {
    let device = Device::flex();
    let norm = |config: NormalizationConfig| config.init(&device);
    let mut model = Leaves {
        conv1: Conv1dConfig::new(2, 4, 3).init(&device),
        conv2: Conv2dConfig::new([2, 4], [3, 5])
            .with_groups(2)
            .init(&device),
        conv3: Conv3dConfig::new([2, 4], [1, 2, 3]).init(&device),
        transposed1: ConvTranspose1dConfig::new([2, 4], 3).init(&device),
        transposed2: ConvTranspose2dConfig::new([2, 4], [3, 5]).init(&device),
        transposed3: ConvTranspose3dConfig::new([2, 4], [1, 2, 3]).init(&device),
        deformable: DeformConv2dConfig::new([2, 4], [3, 3]).init(&device),
        embedding: EmbeddingConfig::new(10, 4).init(&device),
        norms: vec![
            norm(NormalizationConfig::Batch(BatchNormConfig::new(4))),
            norm(NormalizationConfig::Group(burn::nn::GroupNormConfig::new(
                2, 4,
            ))),
            norm(NormalizationConfig::Instance(
                burn::nn::InstanceNormConfig::new(4),
            )),
            norm(NormalizationConfig::Layer(LayerNormConfig::new(4))),
            norm(NormalizationConfig::Rms(burn::nn::RmsNormConfig::new(4))),
        ],
        activations: vec![
            ActivationConfig::PRelu(PReluConfig::new()).init(&device),
            ActivationConfig::SwiGlu(SwiGluConfig::new(4, 3)).init(&device),
            ActivationConfig::Relu.init(&device),
        ],
    };
    assert_as_recorded(&mut model);
    let layers = layers_mut(&mut model);
    let kinds: Vec<_> = layers.iter().map(|(_, layer)| layer.to_string()).collect();
    assert_eq!(
        kinds,
        [
            "Conv1d",
            "Conv2d",
            "Conv3d",
            "ConvTranspose1d",
            "ConvTranspose2d",
            "ConvTranspose3d",
            "DeformConv2d",
            "Embedding",
            "BatchNorm",
            "GroupNorm",
            "InstanceNorm",
            "LayerNorm",
            "RmsNorm",
            "PRelu",
            "SwiGlu",
            "Linear",
            "Linear",
        ]
    );
    assert!(layers.get("norms.0.Batch").is_ok());
}

#[derive(Module, Prune, Debug)]
struct Containers {
    attention: MultiHeadAttention,
    encoder: TransformerEncoder,
    decoder: TransformerDecoder,
    rnn: Rnn,
    gru: Gru,
    lstm: Lstm,
    both: (BiRnn, BiGru, BiLstm),
}

#[test]
fn containers_are_lent_as_settings_and_inner_layers() {
    let device = Device::flex();
    let mut model = Containers {
        attention: MultiHeadAttentionConfig::new(4, 2).init(&device),
        encoder: TransformerEncoderConfig::new(4, 8, 2, 2).init(&device),
        decoder: TransformerDecoderConfig::new(4, 8, 2, 1).init(&device),
        rnn: RnnConfig::new(2, 3, true).init(&device),
        gru: GruConfig::new(2, 3, true).init(&device),
        lstm: LstmConfig::new(2, 3, true).init(&device),
        both: (
            BiRnnConfig::new(2, 3, true).init(&device),
            BiGruConfig::new(2, 3, true).init(&device),
            BiLstmConfig::new(2, 3, true).init(&device),
        ),
    };
    assert_as_recorded(&mut model);

    let mut layers = layers_mut(&mut model);
    let LayerMut::Lstm(lstm) = layers.get_mut("lstm").unwrap() else {
        panic!("not an LSTM");
    };
    *lstm.d_hidden = 2;
    let LayerMut::MultiHeadAttention(attention) = layers.get_mut("attention").unwrap() else {
        panic!("not an attention");
    };
    *attention.n_heads = 1;
    let inside = "encoder.layers.1.pwff.linear_outer";
    let LayerMut::Linear(linear) = layers.get_mut(inside).unwrap() else {
        panic!("not linear");
    };
    linear.bias = None;
    assert_eq!(model.lstm.d_hidden, 2);
    assert_eq!(model.attention.n_heads, 1);
    assert!(model.encoder.layers[1].pwff.linear_outer.bias.is_none());
}

/// A layer of a user: `[d_output, d_input]`, a scale, and a width that has to follow.
#[derive(Module, Debug)]
struct Transposed {
    weight: Param<Tensor<2>>,
    width: usize,
}

impl PrunableLayer for Transposed {
    fn params(&self) -> Vec<ParamSpec> {
        let layout = secateur::core::view::Layout::OutIn;
        vec![ParamSpec::new(
            "weight",
            secateur::core::params::Role::Weight,
            layout,
        )]
    }
}

#[derive(Module, Prune, Debug)]
struct WithCustom {
    custom: Vec<Transposed>,
    bare: Param<Tensor<1>>,
}

#[test]
fn layers_of_users_are_listed_and_reached() {
    let device = Device::flex();
    let mut model = WithCustom {
        custom: vec![Transposed {
            weight: Param::from_tensor(Tensor::zeros([3, 2], &device)),
            width: 3,
        }],
        bare: Param::from_tensor(Tensor::zeros([3], &device)),
    };
    let mut layers = layers_mut(&mut model);
    assert_eq!(layers.params()[0].0, "custom.0.weight");
    let layer = layers.get_mut("custom.0").unwrap();
    assert_eq!(layer.type_name(), "Transposed");
    layer.downcast_mut::<Transposed>().unwrap().width = 2;
    assert_eq!(model.custom[0].width, 2);
}

#[derive(Module, Prune, Debug)]
#[prune(sparsity = 0.8, group = "blocks")]
struct Grouped {
    first: Linear,
    #[prune(sparsity = 0.25)]
    second: Linear,
}

#[derive(Module, Prune, Debug)]
#[prune(pattern = "2:4")]
struct Attributed {
    #[prune(sparsity = 0.5)]
    #[prune(group = "trunk")]
    grouped: Vec<Grouped>,
    own: Grouped,
    #[prune(skip)]
    head: Linear,
    choice: Choice,
}

#[derive(Module, Prune, Debug)]
enum Choice {
    #[prune(pattern = "block 4x1")]
    Dense(Linear),
    #[allow(dead_code)]
    Sparse(#[prune(skip)] Linear),
}

#[test]
fn attributes_are_resolved_by_path() {
    let grouped = || Grouped {
        first: linear(),
        second: linear(),
    };
    let model = Attributed {
        grouped: vec![grouped()],
        own: grouped(),
        head: linear(),
        choice: Choice::Dense(linear()),
    };
    let found = attributes(&model);
    let at = |path: &str| {
        let found = found.at(path);
        (found.skip, found.sparsity, found.pattern, found.group)
    };
    let (nm, trunk, blocks) = ("2:4".to_string(), "trunk".to_string(), "blocks".to_string());
    assert_eq!(
        at("grouped.0.first.weight"),
        (false, Some(0.5), Some(nm.clone()), Some(trunk.clone()))
    );
    assert_eq!(
        at("grouped.0.second"),
        (false, Some(0.25), Some(nm.clone()), Some(trunk))
    );
    assert_eq!(
        at("own.first"),
        (false, Some(0.8), Some(nm.clone()), Some(blocks))
    );
    assert_eq!(at("head.bias"), (true, None, Some(nm), None));
    assert_eq!(
        at("choice.Dense.weight"),
        (false, None, Some("block 4x1".into()), None)
    );
}

#[derive(Module, Prune, Debug)]
struct Heads {
    #[prune(tied = "queries")]
    query: Linear,
    #[prune(size = "query.out[0]")]
    n_heads: usize,
    #[module(skip)]
    #[prune(size = "query.out[1..3]")]
    width: usize,
}

#[derive(Module, Prune, Debug)]
struct Stream {
    #[prune(size = "blocks.1.query.in")]
    d_model: usize,
    blocks: Vec<Heads>,
    #[prune(skip, tied = "stream")]
    head: Linear,
}

#[derive(Prune)]
struct Counted(Linear, #[prune(size = "0.out")] usize);

fn stream() -> Stream {
    let heads = || Heads {
        query: linear(),
        n_heads: 2,
        width: 3,
    };
    Stream {
        d_model: 4,
        blocks: vec![heads(), heads()],
        head: linear(),
    }
}

#[test]
fn sizes_follow_layers_by_absolute_path() {
    let mut model = stream();
    let mut layers = layers_mut(&mut model);
    let sizes: Vec<_> = layers
        .sizes()
        .map(|(path, of, value)| format!("{path} = {value} follows {of}"))
        .collect();
    assert_eq!(
        sizes,
        [
            "blocks.0.n_heads = 2 follows blocks.0.query.out[0]",
            "blocks.0.width = 3 follows blocks.0.query.out[1..3]",
            "blocks.1.n_heads = 2 follows blocks.1.query.out[0]",
            "blocks.1.width = 3 follows blocks.1.query.out[1..3]",
            "d_model = 4 follows blocks.1.query.in",
        ]
    );
    for (_, of, _) in layers.sizes() {
        layers.get(&of.layer).unwrap();
    }
    for (path, of, size) in layers.sizes_mut() {
        if path == "blocks.1.n_heads" {
            // One head of 2 times 7.
            *size = of.value(&[1, 2, 7]).unwrap();
        }
        if path == "blocks.1.width" {
            *size = of.value(&[1, 2, 7]).unwrap();
        }
    }
    assert_eq!((model.blocks[1].n_heads, model.blocks[1].width), (1, 14));
    assert_eq!(model.blocks[0].n_heads, 2);
}

#[test]
fn sizes_of_tuple_structs_follow_numbered_fields() {
    let mut model = Counted(linear(), 5);
    let mut layers = layers_mut(&mut model);
    for (path, of, size) in layers.sizes_mut() {
        assert_eq!((path, of.to_string().as_str()), ("1", "0.out"));
        *size = 4;
    }
    assert_eq!(model.1, 4);
}

#[test]
fn tied_layers_share_a_name() {
    let found = attributes(&stream());
    let tied = |path: &str| found.at(path).tied;
    assert_eq!(tied("blocks.0.query.weight").as_deref(), Some("queries"));
    assert_eq!(tied("blocks.1.query").as_deref(), Some("queries"));
    assert_eq!(tied("blocks.0"), None);
    let head = found.at("head");
    assert!(head.skip);
    assert_eq!(head.tied.as_deref(), Some("stream"));
}

mod reexport {
    //! A crate that hides Secateur behind a name of its own.
    pub(crate) mod pruning {
        pub(crate) use secateur::__private;
    }
}

#[derive(Prune)]
#[prune(crate = "crate::reexport::pruning")]
struct Redirected {
    linear: Linear,
}

#[test]
fn generated_code_can_be_redirected() {
    let mut model = Redirected { linear: linear() };
    assert_eq!(layer_paths(&mut model), ["linear"]);
}

macro_rules! model {
    ($name:ident, $field:ident: $ty:ty, $sparsity:literal) => {
        #[derive(Module, Prune, Debug)]
        struct $name {
            #[prune(sparsity = $sparsity)]
            $field: $ty,
        }
    };
}

model!(FromMacro, dense: Linear, 0.5);

#[test]
fn models_written_by_macros_are_walked() {
    let model = FromMacro { dense: linear() };
    assert_eq!(attributes(&model).at("dense").sparsity, Some(0.5));
}

#[derive(Prune)]
struct EveryPattern {
    #[prune(pattern = "unstructured")]
    unstructured: Linear,
    #[prune(pattern = "filter")]
    filter: Linear,
    #[prune(pattern = "channel")]
    channel: Linear,
    #[prune(pattern = "kernel")]
    kernel: Linear,
    #[prune(pattern = "2:4 axis=out remainder=keep")]
    n_of_m: Linear,
    #[prune(pattern = "block 4x1 remainder=partial")]
    block: Linear,
    #[prune(pattern = "vector 4 remainder=error")]
    vector: Linear,
}

#[test]
fn what_the_derive_accepts_is_read_at_run_time() {
    let mut model = EveryPattern {
        unstructured: linear(),
        filter: linear(),
        channel: linear(),
        kernel: linear(),
        n_of_m: linear(),
        block: linear(),
        vector: linear(),
    };
    let layers = layers_mut(&mut model);
    let mut read = 0;
    for (path, attributes) in layers.attributes().iter() {
        let text = attributes.pattern.as_deref().unwrap();
        secateur::core::pattern::parse_pattern(text).unwrap_or_else(|e| panic!("{path}: {e}"));
        read += 1;
    }
    assert_eq!(read, 7);
}
