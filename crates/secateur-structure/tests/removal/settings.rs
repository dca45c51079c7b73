//! What layers store about their size, after a cut; forward passes on other inputs than squares.

use burn::{
    Tensor,
    module::Module,
    nn::{
        BiLstm, BiLstmConfig, GroupNorm, GroupNormConfig, Gru, GruConfig, InstanceNorm,
        InstanceNormConfig, Linear, LinearConfig, Lstm, LstmConfig, Rnn, RnnConfig,
        attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig},
        conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig},
        transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput},
    },
    tensor::Device,
};
use secateur_core::{
    error::PruneError,
    layers::{LayerWalk, Prunable},
};
use secateur_structure::{
    cut::{Cut, ParamCut},
    error::StructureError,
    settings::add_bias,
    slice,
};

use crate::nets::*;

/// Cuts every parameter of `layer` by its path and a rule for `(path, dimension)`.
fn cut_by<'a, M: Module>(
    model: &M,
    kept: impl Fn(&str, usize, usize) -> Option<&'a [usize]>,
) -> Cut {
    use burn::module::{ModuleVisitor, Param};
    #[derive(Default)]
    struct Shapes {
        path: Vec<String>,
        found: Vec<(String, Vec<usize>)>,
    }
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let dims = param.val().dims().to_vec();
            self.found.push((self.path.join("."), dims));
        }
    }
    let mut shapes = Shapes::default();
    model.visit(&mut shapes);
    let params = shapes.found.into_iter().map(|(path, shape)| {
        let dims = shape.iter().enumerate();
        let kept = dims
            .map(|(dim, &size)| kept(&path, dim, size).map(<[usize]>::to_vec))
            .collect();
        (path, ParamCut { shape, kept })
    });
    Cut {
        params: params.collect(),
        ..Cut::default()
    }
}

fn device() -> Device {
    Device::flex()
}

#[test]
fn a_grouped_convolution_loses_groups_or_channels_within_them() {
    // Eight outputs in four groups of two; six inputs do not divide, so eight of those too.
    let conv: Conv2d = Conv2dConfig::new([8, 8], [3, 3])
        .with_groups(4)
        .init(&device());
    let rows = |kept: &'static [usize]| {
        cut_by(&conv, |path, dim, _| {
            (path == "bias" || dim == 0).then_some(kept)
        })
    };
    // One output of each group: still four groups of two inputs.
    let each = slice::apply(&conv, &rows(&[0, 3, 5, 6])).unwrap();
    assert_eq!((each.groups, each.weight.dims()), (4, [4, 2, 3, 3]));
    let out = each.forward(Tensor::ones([1, 8, 5, 6], &device()));
    assert_eq!(out.dims(), [1, 4, 3, 4]);
    // Two whole groups: the inputs of the others are no longer read.
    let two = slice::apply(&conv, &rows(&[2, 3, 6, 7])).unwrap();
    assert_eq!(two.groups, 2);
    let x = Tensor::<4>::random([1, 8, 5, 6], burn::tensor::Distribution::Default, &device());
    let full = conv.forward(x.clone());
    let inputs = Tensor::cat(
        vec![x.clone().slice([0..1, 2..4]), x.slice([0..1, 6..8])],
        1,
    );
    let expected = Tensor::cat(
        vec![full.clone().slice([0..1, 2..4]), full.slice([0..1, 6..8])],
        1,
    );
    let found = two.forward(inputs);
    for (a, b) in values(expected).iter().zip(values(found)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    // Different numbers in the groups cannot be.
    let uneven = slice::apply(&conv, &rows(&[0, 1, 2])).unwrap_err();
    assert!(
        matches!(&uneven, StructureError::Inconsistent { path, .. } if path.is_empty()),
        "{uneven}"
    );
    // Unless the rows were dealt anew, and the cut says how.
    let mut dealt = rows(&[0, 1, 2]);
    dealt.settings.insert("groups".into(), 3);
    assert_eq!(slice::apply(&conv, &dealt).unwrap().groups, 3);
}

#[test]
fn a_depthwise_convolution_stays_depthwise() {
    let conv: Conv2d = Conv2dConfig::new([6, 6], [3, 3])
        .with_groups(6)
        .init(&device());
    let cut = cut_by(&conv, |_, dim, _| (dim == 0).then_some(&[1, 2, 5]));
    let small = slice::apply(&conv, &cut).unwrap();
    assert_eq!(small.groups, 3);
    let out = small.forward(Tensor::ones([1, 3, 5, 6], &device()));
    assert_eq!(out.dims(), [1, 3, 3, 4]);
}

#[test]
fn a_transposed_convolution_stores_its_channels() {
    let conv: ConvTranspose2d = ConvTranspose2dConfig::new([4, 6], [3, 3])
        .with_groups(2)
        .init(&device());
    // Weight [4, 3, 3, 3]; the second group with its three outputs stays.
    let cut = cut_by(&conv, |path, dim, _| match (path, dim) {
        ("weight", 0) => Some(&[2, 3][..]),
        ("bias", _) => Some(&[3, 4, 5][..]),
        _ => None,
    });
    let small = slice::apply(&conv, &cut).unwrap();
    assert_eq!((small.groups, small.channels), (1, [2, 3]));
    let out = small.forward(Tensor::ones([1, 2, 3, 4], &device()));
    assert_eq!(out.dims()[..2], [1, 3]);
    // The bias forgotten: refused.
    let half = cut_by(&conv, |path, dim, _| {
        (path == "weight" && dim == 0).then_some(&[2, 3][..])
    });
    let error = slice::apply(&conv, &half).unwrap_err();
    assert!(matches!(error, StructureError::Inconsistent { .. }));
}

#[test]
fn norms_over_channels_follow_them() {
    let group: GroupNorm = GroupNormConfig::new(4, 8).init(&device());
    let cut = cut_by(&group, |_, _, _| Some(&[0, 1, 6, 7]));
    let small = slice::apply(&group, &cut).unwrap();
    assert_eq!((small.num_groups, small.num_channels), (2, 4));
    let x = Tensor::<3>::random([2, 4, 5], burn::tensor::Distribution::Default, &device());
    assert_eq!(small.forward(x).dims(), [2, 4, 5]);

    let plain: GroupNorm = GroupNormConfig::new(4, 8)
        .with_affine(false)
        .init(&device());
    let mut cut = Cut::default();
    cut.settings.insert("num_channels".into(), 6);
    let error = slice::apply(&plain, &cut).unwrap_err();
    assert!(
        matches!(error, StructureError::Inconsistent { .. }),
        "{error}"
    );
    cut.settings.insert("num_groups".into(), 3);
    let small = slice::apply(&plain, &cut).unwrap();
    assert_eq!((small.num_groups, small.num_channels), (3, 6));

    let instance: InstanceNorm = InstanceNormConfig::new(8).init(&device());
    let cut = cut_by(&instance, |_, _, _| Some(&[3, 4, 5]));
    assert_eq!(slice::apply(&instance, &cut).unwrap().num_channels, 3);

    let net = ConvNet::new(&device());
    let mut forgotten = channels(&[0, 1]);
    forgotten.params.remove("norm.beta");
    let error = slice::apply(&net, &forgotten).unwrap_err();
    assert!(
        matches!(&error, StructureError::Inconsistent { path, .. } if path == "norm"),
        "{error}"
    );
    let small = slice::apply(&net, &channels(&[0, 1])).unwrap();
    let out = small.forward(Tensor::ones([2, 3, 7, 6], &device()));
    assert_eq!(out.dims(), [2, 4, 3, 2]);
}

/// The cut of a recurrent layer's hidden state: outputs of every gate, inputs of the hidden ones.
fn hidden_state<M: Module>(model: &M, kept: &'static [usize]) -> Cut {
    cut_by(model, |path, dim, _| {
        let is_bias = path.ends_with("bias");
        let recurrent = path.contains("hidden_transform");
        (is_bias || dim == 1 || recurrent).then_some(kept)
    })
}

#[test]
fn recurrent_layers_store_their_hidden_size() {
    let x = Tensor::<3>::ones([2, 4, 3], &device());
    let lstm: Lstm = LstmConfig::new(3, 6, true).init(&device());
    let small = slice::apply(&lstm, &hidden_state(&lstm, &[0, 2, 5])).unwrap();
    assert_eq!(small.d_hidden, 3);
    assert_eq!(small.forward(x.clone(), None).0.dims(), [2, 4, 3]);

    let gru: Gru = GruConfig::new(3, 6, true).init(&device());
    let small = slice::apply(&gru, &hidden_state(&gru, &[4, 5])).unwrap();
    assert_eq!(small.d_hidden, 2);
    assert_eq!(small.forward(x.clone(), None).dims(), [2, 4, 2]);

    let rnn: Rnn = RnnConfig::new(3, 6, true).init(&device());
    let small = slice::apply(&rnn, &hidden_state(&rnn, &[1])).unwrap();
    assert_eq!(small.d_hidden, 1);
    assert_eq!(small.forward(x.clone(), None).0.dims(), [2, 4, 1]);

    let both: BiLstm = BiLstmConfig::new(3, 6, true).init(&device());
    let small = slice::apply(&both, &hidden_state(&both, &[0, 1, 3, 4])).unwrap();
    assert_eq!((small.d_hidden, small.forward.d_hidden), (4, 4));
    assert_eq!(small.forward(x, None).0.dims(), [2, 4, 8]);

    // A gate that was forgotten.
    let mut cut = hidden_state(&lstm, &[0, 2, 5]);
    cut.params
        .retain(|path, _| !path.starts_with("output_gate.hidden"));
    let error = slice::apply(&lstm, &cut).unwrap_err();
    assert!(error.to_string().contains("output_gate"), "{error}");
    // A size that contradicts the gates.
    let mut cut = hidden_state(&lstm, &[0, 2, 5]);
    cut.settings.insert("d_hidden".into(), 4);
    let error = slice::apply(&lstm, &cut).unwrap_err();
    assert!(matches!(
        error,
        StructureError::SettingConflict {
            asked: 4,
            derived: 3,
            ..
        }
    ));
}

#[test]
fn an_attention_loses_heads_with_its_width() {
    // Width 8, two heads of four; the second head stays, with four places of the width.
    let mha: MultiHeadAttention = MultiHeadAttentionConfig::new(8, 2).init(&device());
    let (head, width) = (&[4, 5, 6, 7][..], &[0, 2, 4, 6][..]);
    let cut = cut_by(&mha, |path, dim, _| match path {
        "output.weight" => Some(if dim == 0 { head } else { width }),
        "output.bias" => Some(width),
        path if path.ends_with("bias") => Some(head),
        _ => Some(if dim == 0 { width } else { head }),
    });
    let small = slice::apply(&mha, &cut).unwrap();
    assert_eq!((small.n_heads, small.d_k, small.d_model), (1, 4, 4));
    let x = Tensor::<3>::ones([2, 3, 4], &device());
    assert_eq!(
        small.forward(MhaInput::self_attn(x)).context.dims(),
        [2, 3, 4]
    );
    // Heads alone: Burn's forward could not reshape them to the width.
    let alone = cut_by(&mha, |path, dim, _| match path {
        "output.weight" => (dim == 0).then_some(head),
        "output.bias" => None,
        path if path.ends_with("bias") => Some(head),
        _ => (dim == 1).then_some(head),
    });
    let error = slice::apply(&mha, &alone).unwrap_err();
    assert!(error.to_string().contains("width of the query"), "{error}");
}

#[test]
fn a_transformer_shows_what_its_layers_became() {
    let encoder: TransformerEncoder = TransformerEncoderConfig::new(8, 16, 2, 2).init(&device());
    let kept = &[0, 1, 5, 9, 15][..];
    let cut = cut_by(&encoder, |path, dim, _| {
        if path.ends_with("linear_inner.weight") {
            (dim == 1).then_some(kept)
        } else if path.ends_with("linear_inner.bias") || path.ends_with("linear_outer.weight") {
            (dim == 0).then_some(kept)
        } else {
            None
        }
    });
    let small = slice::apply(&encoder, &cut).unwrap();
    assert_eq!((small.d_ff, small.d_model, small.n_heads), (5, 8, 2));
    let x = Tensor::<3>::ones([2, 3, 8], &device());
    let out = small.forward(TransformerEncoderInput::new(x));
    assert_eq!(out.dims(), [2, 3, 8]);
}

#[test]
fn settings_that_no_layer_has_are_refused() {
    let model = Mlp::new(burn::nn::LinearLayout::Row, &[], &device());
    for (setting, why) in [("fc1.groups", "no size"), ("fc9.groups", "no layer")] {
        let mut cut = hidden(&[0, 1]);
        cut.settings.insert(setting.into(), 2);
        let error = slice::apply(&model, &cut).unwrap_err();
        assert!(matches!(error, StructureError::UnknownSetting { .. }));
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[derive(Module, Debug)]
struct WithoutBias {
    fc: Linear,
    up: ConvTranspose2d,
}

impl Prunable for WithoutBias {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        walk.field("fc", &mut self.fc);
        walk.field("up", &mut self.up);
    }
}

#[test]
fn a_bias_is_added_where_there_was_none() {
    let device = device().autodiff();
    let mut model = WithoutBias {
        fc: LinearConfig::new(2, 3).with_bias(false).init(&device),
        up: ConvTranspose2dConfig::new([4, 6], [1, 1])
            .with_groups(2)
            .with_bias(false)
            .init(&device)
            .no_grad(),
    };
    let wrong = add_bias(&mut model, "up", &[0.0; 3]).unwrap_err();
    assert!(wrong.to_string().contains("6 outputs"), "{wrong}");
    assert!(model.up.bias.is_none());
    add_bias(&mut model, "up", &[0.5; 6]).unwrap();
    add_bias(&mut model, "fc", &[1.0, -2.0, 0.25]).unwrap();
    let bias = model.fc.bias.clone().unwrap();
    assert!(bias.base().is_require_grad());
    assert!(!model.up.bias.as_ref().unwrap().base().is_require_grad());
    let out = model.fc.forward(Tensor::<2>::zeros([1, 2], &device));
    assert_eq!(values(out), [1.0, -2.0, 0.25]);

    let again = add_bias(&mut model, "fc", &[0.0; 3]).unwrap_err();
    assert!(matches!(again, StructureError::Bias { .. }), "{again}");
    let nowhere = add_bias(&mut model, "fcc", &[0.0; 3]).unwrap_err();
    assert!(
        matches!(
            nowhere,
            StructureError::Core(PruneError::UnknownLayer { .. })
        ),
        "{nowhere}"
    );
}
