//! Views are exact: an `out` slice is what one output reads, an `in` slice is what one input feeds, for
//! every layer of Burn, checked through the layers' own forward passes.

use burn::{
    Tensor,
    module::{Module, Param},
    nn::{
        Embedding, EmbeddingConfig, Gru, GruConfig, Linear, LinearConfig, LinearLayout, Lstm,
        LstmConfig,
        attention::{MultiHeadAttention, MultiHeadAttentionConfig},
        conv::{
            Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Conv3d, Conv3dConfig, ConvTranspose1d,
            ConvTranspose1dConfig, ConvTranspose2d, ConvTranspose2dConfig, ConvTranspose3d,
            ConvTranspose3dConfig,
        },
    },
    tensor::{DType, Int, TensorData},
};
use secateur::{Prune, layers::Prunable, prelude::*, random::Stream};

use crate::{
    device::device,
    nets::{noise, values},
};

fn pruner<M: Module + Prunable>(model: &M) -> Pruner {
    PrunerConfig::new()
        .with_schedule(OneShot::new(0.5))
        .init(model)
        .unwrap()
}

/// Removes every `out` slice and every `in` slice in turn and compares what the layer then gives for
/// `x`, whose axis 1 counts its inputs, as axis 1 of the result counts its outputs.
fn check<M: Module, const D: usize>(
    pruner: &Pruner,
    model: &M,
    path: &str,
    groups: usize,
    x: [usize; D],
    forward: impl Fn(&M, Tensor<D>) -> Tensor<D>,
) {
    let device = device();
    let x = noise::<D>(path, x, &device);
    // Twice the same call, so that lazy parameters have their values before anything is cloned.
    forward(model, x.clone());
    let dense = forward(model, x.clone());
    let nothing = forward(model, x.zeros_like());
    let [out, input, kernel] = pruner.masks(model).unwrap().get(path).unwrap().shape();
    assert_eq!(dense.dims()[1], out, "{path}");
    assert_eq!(x.dims()[1], input * groups, "{path}");
    let masked = |removed: &dyn Fn(usize, usize) -> bool| {
        let mut model = model.clone();
        let mask = Mask::from_fn([out, input, kernel], |index| {
            !removed(index / kernel / input, index / kernel % input)
        })
        .unwrap();
        let masks: MaskSet = [(path, mask)].into_iter().collect();
        pruner.set_masks(&mut model, &masks).unwrap();
        let read = pruner.masks(&model).unwrap();
        assert_eq!(read.get(path), masks.get(path));
        forward(&model, x.clone())
    };
    for o in 0..out {
        let got = masked(&|out, _| out == o);
        for other in 0..out {
            let wanted = if other == o { &nothing } else { &dense };
            let slice = |t: &Tensor<D>| values(t.clone().narrow(1, other, 1));
            assert_close(
                &slice(&got),
                &slice(wanted),
                &format!("{path}: out {o}, at {other}"),
            );
        }
        let (a, b) = (
            dense.clone().narrow(1, o, 1),
            nothing.clone().narrow(1, o, 1),
        );
        assert!(
            values(a - b).iter().any(|v| v.abs() > 1e-4),
            "{path}: out {o} is dead anyway"
        );
    }
    for i in 0..input {
        let got = masked(&|_, input| input == i);
        let mut silent = x.clone();
        for group in 0..groups {
            let mut range = x.dims().map(|n| 0..n);
            range[1] = group * input + i..group * input + i + 1;
            silent = silent.slice_fill(range, 0.0);
        }
        let wanted = values(forward(model, silent));
        assert_close(&values(got), &wanted, &format!("{path}: in {i}"));
    }
}

fn assert_close(got: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 1e-5, "{what}: {got} is not {wanted}");
    }
}

macro_rules! layer_test {
    ($test:ident, $layer:ty, $groups:expr, $input:expr, $configs:expr) => {
        #[test]
        fn $test() {
            #[derive(Module, Prune, Debug)]
            struct Net {
                layer: $layer,
            }
            for config in $configs {
                let layer = config.init(&device());
                let bias = layer.bias.is_some();
                let net = Net { layer };
                let forward = |net: &Net, x| net.layer.forward(x);
                check(
                    &pruner(&net),
                    &net,
                    "layer.weight",
                    $groups,
                    $input,
                    forward,
                );
                // Without the derive a transposed convolution's groups show in its bias alone.
                if bias || !stringify!($layer).contains("Transpose") {
                    let config = PrunerConfig::new().with_schedule(OneShot::new(0.5));
                    let pruner = config.init_module(&net).unwrap();
                    check(&pruner, &net, "layer.weight", $groups, $input, forward);
                }
            }
        }
    };
}

layer_test!(linear, Linear, 1, [2, 5], {
    let config = LinearConfig::new(5, 3);
    [
        config.clone(),
        config.clone().with_bias(false),
        config.clone().with_layout(LinearLayout::Col),
        config.with_layout(LinearLayout::Col).with_bias(false),
    ]
});
layer_test!(conv1d, Conv1d, 2, [2, 4, 7], {
    let config = Conv1dConfig::new(4, 6, 3).with_groups(2);
    [config.clone(), config.with_bias(false)]
});
layer_test!(conv2d, Conv2d, 2, [2, 4, 5, 6], {
    let config = Conv2dConfig::new([4, 6], [3, 2]).with_groups(2);
    [config.clone(), config.with_bias(false)]
});
layer_test!(conv3d, Conv3d, 2, [1, 4, 4, 5, 3], {
    let config = Conv3dConfig::new([4, 6], [2, 3, 2]).with_groups(2);
    [config.clone(), config.with_bias(false)]
});
layer_test!(conv_transpose1d, ConvTranspose1d, 2, [2, 4, 7], {
    let config = ConvTranspose1dConfig::new([4, 6], 3).with_groups(2);
    [config.clone(), config.with_bias(false)]
});
layer_test!(conv_transpose2d, ConvTranspose2d, 2, [2, 4, 5, 6], {
    let config = ConvTranspose2dConfig::new([4, 6], [3, 2]).with_groups(2);
    [config.clone(), config.with_bias(false)]
});
layer_test!(conv_transpose3d, ConvTranspose3d, 2, [1, 4, 4, 5, 3], {
    let config = ConvTranspose3dConfig::new([4, 6], [2, 3, 2]).with_groups(2);
    [config.clone(), config.with_bias(false)]
});

#[derive(Module, Prune, Debug)]
struct Sequences {
    words: Embedding,
    lstm: Lstm,
    gru: Gru,
    attention: MultiHeadAttention,
}

#[test]
fn gates_projections_and_embeddings() {
    let device = device();
    let net = Sequences {
        words: EmbeddingConfig::new(6, 4).init(&device),
        lstm: LstmConfig::new(4, 3, true).init(&device),
        gru: GruConfig::new(4, 3, true).init(&device),
        attention: MultiHeadAttentionConfig::new(4, 2).init(&device),
    };
    let pruner = pruner(&net);
    let paths: Vec<_> = pruner.params().map(|info| info.path.clone()).collect();
    assert_eq!(paths.len(), 1 + 8 + 6 + 4, "{paths:?}");
    macro_rules! linears {
        ($($($field:ident).+: $inputs:expr),* $(,)?) => {$(
            let path = concat!($(stringify!($field), "."),+, "weight");
            check(&pruner, &net, path, 1, [2, $inputs], |net, x| net.$($field).+.forward(x));
        )*};
    }
    linears! {
        lstm.input_gate.input_transform: 4,
        lstm.input_gate.hidden_transform: 3,
        lstm.output_gate.input_transform: 4,
        lstm.cell_gate.hidden_transform: 3,
        gru.update_gate.input_transform: 4,
        gru.reset_gate.hidden_transform: 3,
        gru.new_gate.input_transform: 4,
        attention.query: 4,
        attention.key: 4,
        attention.value: 4,
        attention.output: 4,
    }

    // An embedding reads one row per word: words are its inputs.
    let shape = [4, 6, 1];
    let look_up = |net: &Sequences| {
        let words = Tensor::<2, Int>::from_ints([[0, 1, 2, 3, 4, 5]], &device);
        values(net.words.forward(words))
    };
    let dense = look_up(&net);
    let mut masked = net.clone();
    let mask = Mask::from_fn(shape, |index| index != 2 * 6 + 5).unwrap();
    let masks: MaskSet = [("words.weight", mask)].into_iter().collect();
    pruner.set_masks(&mut masked, &masks).unwrap();
    let mut wanted = dense;
    wanted[5 * 4 + 2] = 0.0; // dimension 2 of word 5
    assert_eq!(look_up(&masked), wanted);
}

#[derive(Module, Prune, Debug)]
struct One {
    layer: Linear,
}

#[test]
fn every_float_type_keeps_its_bytes() {
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let device = device();
        if !device.supports_dtype(dtype) {
            println!("skipped {dtype:?}: {device:?} does not support it");
            continue;
        }
        let mut stream = Stream::new(1, "floats", 0);
        let data: Vec<f64> = (0..35).map(|_| f64::from(stream.normal()) / 3.0).collect();
        let data = TensorData::new(data, [5, 7]).convert_dtype(dtype);
        let weight = Param::from_tensor(Tensor::<2>::from_data(data.clone(), (&device, dtype)));
        let mut net = One {
            layer: Linear { weight, bias: None },
        };
        if net.layer.weight.val().into_data().dtype() != dtype {
            continue; // the device stores another type in its place
        }
        let mut pruner = pruner(&net);
        pruner.prune(&mut net, 0).unwrap();
        let masked = net.layer.weight.val().into_data();
        assert_eq!(masked.dtype(), dtype);
        let size = dtype.size();
        let pairs = data
            .as_bytes()
            .chunks(size)
            .zip(masked.as_bytes().chunks(size));
        let gone = pairs
            .clone()
            .filter(|(_, now)| now.iter().all(|byte| *byte == 0))
            .count();
        let kept = pairs.filter(|(then, now)| then == now).count();
        assert_eq!((gone, kept), (18, 17), "{dtype:?}");
        // Half of 35 rounds to 18; they are the smallest.
        let sizes = |data: &TensorData| data.iter::<f64>().map(f64::abs).collect::<Vec<_>>();
        let mut all = sizes(&data);
        all.sort_by(f64::total_cmp);
        let least = sizes(&masked)
            .into_iter()
            .filter(|v| *v > 0.0)
            .fold(f64::MAX, f64::min);
        assert_eq!(least, all[18], "{dtype:?}");
        pruner.undo(&mut net).unwrap();
        assert_eq!(
            net.layer.weight.val().into_data().as_bytes(),
            data.as_bytes()
        );
        pruner.select(&net, 1).unwrap();
    }
}
