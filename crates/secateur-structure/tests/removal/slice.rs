//! Parameters after a cut, each checked against values picked by hand-written loops.

use burn::{
    Tensor,
    module::{Lora, Module, Param},
    nn::LinearLayout,
    optim::{GradientsParams, SgdConfig},
    tensor::{Bool, Device, Int, TensorData},
};
use proptest::prelude::*;
use secateur_core::{
    error::PruneError, mask::Mask, mask_op::GradientFlow, mask_set::MaskSet, treatment::Treatment,
};
use secateur_structure::{
    cut::{Cut, ParamCut},
    error::StructureError,
    slice::slice_params,
};

use crate::nets::*;

#[derive(Module, Debug)]
struct Ranks {
    one: Param<Tensor<1>>,
    two: Param<Tensor<2>>,
    three: Param<Tensor<3>>,
    four: Param<Tensor<4>>,
    whole: Param<Tensor<4, Int>>,
    flag: Param<Tensor<2, Bool>>,
}

/// A shape of four dimensions and what stays of each.
fn kept() -> impl Strategy<Value = Vec<(usize, Option<Vec<usize>>)>> {
    let dim = (1..5_usize).prop_flat_map(|size| {
        let places: Vec<usize> = (0..size).collect();
        let some = proptest::sample::subsequence(places, 1..=size);
        (Just(size), proptest::option::of(some))
    });
    proptest::collection::vec(dim, 4)
}

/// Whether the element at `at` of a tensor stays: its place in each dimension is kept.
fn stays(at: usize, dims: &[(usize, Option<Vec<usize>>)]) -> bool {
    let mut rest = at;
    let mut all = true;
    for (size, kept) in dims.iter().rev() {
        let place = rest % size;
        rest /= size;
        all &= kept.as_ref().is_none_or(|kept| kept.contains(&place));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_rank_keeps_exactly_its_places(dims in kept()) {
        let device = Device::flex();
        let shape: Vec<usize> = dims.iter().map(|(size, _)| *size).collect();
        let count = |rank: usize| shape[..rank].iter().product::<usize>();
        let floats = |rank| {
            let values: Vec<f32> = (0..count(rank)).map(|at| at as f32).collect();
            TensorData::new(values, shape[..rank].to_vec())
        };
        let whole: Vec<i64> = (0..count(4) as i64).collect();
        let flag: Vec<bool> = (0..count(2)).map(|at| at % 3 == 0).collect();
        let whole = Tensor::<4, Int>::from_data(TensorData::new(whole, shape.clone()), &device);
        let flag = Tensor::<2, Bool>::from_data(TensorData::new(flag, shape[..2].to_vec()), &device);
        let model = Ranks {
            one: Param::from_data(floats(1), &device),
            two: Param::from_data(floats(2), &device),
            three: Param::from_data(floats(3), &device),
            four: Param::from_data(floats(4), &device),
            whole: Param::initialized(burn::module::ParamId::new(), whole),
            flag: Param::initialized(burn::module::ParamId::new(), flag),
        };
        let mut cut = Cut::default();
        for (name, rank) in [("one", 1), ("two", 2), ("three", 3), ("four", 4), ("whole", 4), ("flag", 2)] {
            let kept = dims[..rank].iter().map(|(_, kept)| kept.clone()).collect();
            cut.params.insert(name.into(), ParamCut { shape: shape[..rank].to_vec(), kept });
        }
        let small = slice_params(&model, &cut).unwrap();

        let left = |rank: usize| -> Vec<f32> {
            let places = 0..count(rank);
            places.filter(|&at| stays(at, &dims[..rank])).map(|at| at as f32).collect()
        };
        prop_assert_eq!(values(small.one.val()), left(1));
        prop_assert_eq!(values(small.two.val()), left(2));
        prop_assert_eq!(values(small.three.val()), left(3));
        prop_assert_eq!(values(small.four.val()), left(4));
        prop_assert_eq!(small.four.dims().to_vec(), cut.params["four"].shape_after());
        let whole: Vec<f32> = small.whole.val().into_data().iter::<f32>().collect();
        prop_assert_eq!(whole, left(4));
        let flags: Vec<bool> = small.flag.val().into_data().iter::<bool>().collect();
        let thirds: Vec<bool> = left(2).iter().map(|at| at % 3.0 == 0.0).collect();
        prop_assert_eq!(flags, thirds);
        prop_assert_eq!(small.two.id, model.two.id);
        // What was there is there.
        prop_assert_eq!(values(model.four.val()).len(), count(4));
    }
}

#[test]
fn masks_are_cut_and_go_on_acting_whatever_their_gradient_flow() {
    let device = Device::flex().autodiff();
    for layout in [LinearLayout::Row, LinearLayout::Col] {
        for gradient in [
            GradientFlow::Masked,
            GradientFlow::Dense,
            GradientFlow::Backward,
        ] {
            let treatment = Treatment {
                gradient,
                ..Treatment::default()
            };
            let mut model = Mlp::new(layout, &[], &device);
            // The first layer alone: gradients reach it through the second.
            let rows = Mask::from_fn([8, 5, 1], |at| ![1, 4, 6].contains(&(at / 5))).unwrap();
            pruner(&model, treatment)
                .set_masks(&mut model, &MaskSet::from_iter([("fc1.weight", rows)]))
                .unwrap();
            let kept = [0, 1, 3, 6];
            let small = slice_params(&model, &hidden(&kept)).unwrap();

            let all = values(model.fc1.weight.val());
            let expected = sub(&all, 8, &[0, 1, 2, 3, 4], &kept);
            assert_eq!(expected.iter().filter(|v| **v == 0.0).count(), 2 * 5);
            assert_eq!(values(small.fc1.weight.val()), expected, "{layout:?}");
            let expected = sub(&values(model.fc2.weight.val()), 3, &kept, &[0, 1, 2]);
            assert_eq!(values(small.fc2.weight.val()), expected);
            // Under the mask lies what lay there.
            let base = sub(&values(model.fc1.weight.base()), 8, &[0, 1, 2, 3, 4], &kept);
            assert_eq!(values(small.fc1.weight.base()), base);
            assert!(base.iter().all(|value| *value != 0.0));

            let x = Tensor::<2>::ones([2, 5], &device);
            let gradients = small.forward(x).sum().backward();
            let gradients = small.fc1.weight.base().grad(&gradients).unwrap();
            let at_masked = values(gradients)[1];
            assert_eq!(at_masked == 0.0, gradient != GradientFlow::Dense);
            assert_eq!(small.fc1.weight.id, model.fc1.weight.id);
        }
    }
}

#[test]
fn a_removed_channel_that_was_dead_changes_nothing() {
    let device = Device::flex().autodiff();
    let dead = [2, 5, 7];
    let kept = [0, 1, 3, 4, 6];
    for layout in [LinearLayout::Row, LinearLayout::Col] {
        let model = Mlp::new(layout, &dead, &device);
        let small = slice_params(&model, &hidden(&kept)).unwrap();
        let x = Tensor::<2>::from_data([[0.3, -1.0, 2.0, 0.7, 0.1]], &device);
        let big = values(model.forward(x.clone()));
        for (a, b) in big.iter().zip(values(small.forward(x))) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}

#[test]
fn statistics_are_cut_and_no_longer_shared() {
    let device = Device::flex().autodiff();
    let model = ConvNet::new(&device);
    let x = |scale: f32| Tensor::<4>::ones([2, 3, 7, 5], &device).mul_scalar(scale);
    // Two training passes: the statistics of one step are told at the next.
    model.forward(x(1.0));
    model.forward(x(2.0));
    let kept = [0, 2, 3];
    let small = slice_params(&model, &channels(&kept)).unwrap();
    let before = values(model.norm.running_mean.value_sync());
    assert!(before.iter().any(|mean| *mean != 0.0));
    assert_eq!(
        values(small.norm.running_mean.value_sync()),
        sub(&before, 6, &[0], &kept)
    );

    small.forward(x(5.0));
    small.forward(x(5.0));
    assert_ne!(
        values(small.norm.running_mean.value_sync()),
        sub(&before, 6, &[0], &kept)
    );
    assert_eq!(values(model.norm.running_mean.value_sync()), before);

    // Also where the norm stays whole.
    let copy = slice_params(&model, &Cut::default()).unwrap();
    copy.forward(x(5.0));
    copy.forward(x(5.0));
    assert_eq!(values(model.norm.running_mean.value_sync()), before);
}

#[test]
fn what_trains_goes_on_training_and_what_is_frozen_stays_frozen() {
    let device = Device::flex().autodiff();
    let model = ConvNet::new(&device);
    let small = slice_params(&model, &channels(&[1, 4])).unwrap();
    assert!(small.conv1.weight.base().is_require_grad());
    assert!(!small.conv2.weight.base().is_require_grad());
    assert!(!small.conv2.bias.as_ref().unwrap().base().is_require_grad());
    assert!(small.norm.training.val().is_enabled());

    // A model without gradients trains the same parameters once it has them.
    let valid = slice_params(&model.valid(), &channels(&[1, 4])).unwrap();
    assert!(!valid.conv1.weight.base().is_autodiff());
    assert!(!valid.norm.training.val().is_enabled());
    let train = valid.train();
    assert!(train.conv1.weight.base().is_require_grad());
    assert!(!train.conv2.weight.base().is_require_grad());
    assert!(train.norm.training.val().is_enabled());

    let x = Tensor::<4>::ones([2, 3, 7, 5], &device);
    let gradients = GradientsParams::from_grads(small.forward(x).sum().backward(), &small);
    let before = values(small.conv1.bias.as_ref().unwrap().val());
    let after = SgdConfig::new().init().step(1.0, small, gradients);
    assert_eq!(after.norm.gamma.dims(), [2]);
    assert_eq!(before.len(), 2);
}

#[test]
fn a_cut_that_does_not_fit_is_refused() {
    let device = Device::flex();
    let model = Mlp::new(LinearLayout::Row, &[], &device);
    let refuse = |cut: &Cut| slice_params(&model, cut).unwrap_err();

    let unknown = refuse(&cut([("fc3.weight", &[5, 8], 1, &[0])]));
    assert!(
        matches!(&unknown, StructureError::UnknownParameter { path } if path == "fc3.weight"),
        "{unknown}"
    );
    let shape = refuse(&cut([("fc1.weight", &[8, 5], 0, &[0])]));
    assert!(
        matches!(&shape, StructureError::ShapeMismatch { found, .. } if *found == [5, 8]),
        "{shape}"
    );
    let mut short = hidden(&[0]);
    short.params.get_mut("fc1.weight").unwrap().kept.pop();
    assert!(matches!(
        refuse(&short),
        StructureError::ShapeMismatch { lists: 1, .. }
    ));
    for (kept, at) in [(vec![0, 8], 8), (vec![3, 3], 3), (vec![4, 2], 2)] {
        let error = refuse(&hidden(&kept));
        assert!(
            matches!(&error, StructureError::BadPlace { place, .. } if *place == at),
            "{error}"
        );
    }
    let nothing = refuse(&hidden(&[]));
    assert!(matches!(nothing, StructureError::NothingLeft { .. }));
}

#[test]
fn tied_fields_are_cut_alike_or_not_at_all() {
    let device = Device::flex();
    let mut model = Mlp::new(LinearLayout::Row, &[], &device);
    model.fc2.weight = Param::initialized(model.fc1.weight.id, model.fc2.weight.val());
    let error = slice_params(&model, &hidden(&[0, 1])).unwrap_err();
    assert!(
        matches!(&error, StructureError::TiedCut { path, .. } if path == "fc2.weight"),
        "{error}"
    );
}

#[test]
fn a_parameter_with_an_adapter_is_refused_and_others_keep_theirs() {
    let device = Device::flex().autodiff();
    let Mlp { fc1, fc2 } = Mlp::new(LinearLayout::Row, &[], &device);
    let fc1 = fc1.apply_lora(Lora::new(2, 4.0));
    let model = Mlp { fc1, fc2 };
    let error = slice_params(&model, &hidden(&[0, 1])).unwrap_err();
    assert!(
        matches!(&error, StructureError::Core(PruneError::Reparameterized { path, .. }) if path == "fc1.weight"),
        "{error}"
    );
    // What is not cut keeps its adapter, which still trains.
    let output = cut([
        ("fc2.weight", &[8, 3], 1, &[0, 2]),
        ("fc2.bias", &[3], 0, &[0, 2]),
    ]);
    let small = slice_params(&model, &output).unwrap();
    assert!(small.fc1.weight.adapter().is_some());
    let x = Tensor::<2>::ones([1, 5], &device);
    let gradients = small.forward(x).sum().backward();
    let gradients = GradientsParams::from_grads(gradients, &small);
    assert_eq!(gradients.len(), {
        let x = Tensor::<2>::ones([1, 5], &device);
        let all = model.forward(x).sum().backward();
        GradientsParams::from_grads(all, &model).len()
    });
}

#[test]
fn lazy_parameters_are_initialised_and_a_column_major_one_lies_as_before() {
    let device = Device::flex();
    let config = burn::nn::LinearConfig::new(5, 8).with_layout(LinearLayout::Col);
    let lazy = Mlp {
        fc1: config.init(&device),
        fc2: burn::nn::LinearConfig::new(8, 3).init(&device),
    };
    let small = slice_params(&lazy, &hidden(&[2, 3])).unwrap();
    let expected = sub(&values(lazy.fc1.weight.val()), 8, &[0, 1, 2, 3, 4], &[2, 3]);
    assert_eq!(values(small.fc1.weight.val()), expected);
    // Its record is the other way round.
    assert_eq!(small.fc1.weight.transform_for_save().dims(), [2, 5]);
}
