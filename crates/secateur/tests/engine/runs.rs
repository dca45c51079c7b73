//! Running: many threads, wrong inputs, memory.

use burn::prelude::*;
use secateur::sparse::{SparseEngine, SparseError};

use crate::nets::{Mlp, Residual, pruned, random};

#[test]
fn one_engine_runs_in_many_threads_at_once() {
    let model = pruned(Residual::new(), 0.9).valid();
    let engine = SparseEngine::compile(&model, random([2, 3, 16, 16]), Residual::forward).unwrap();
    let inputs: Vec<Tensor<4>> = (1..=6).map(|batch| random([batch, 3, 16, 16])).collect();
    let alone: Vec<TensorData> = inputs
        .iter()
        .map(|x| engine.run(x.clone()).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    for (x, expected) in inputs.iter().zip(&alone) {
                        let y: TensorData = engine.run(x.clone()).unwrap();
                        assert_eq!(&y, expected);
                    }
                }
            });
        }
    });
}

#[test]
fn slices_give_the_same_bits() {
    let model = pruned(Mlp::new(&[40, 30, 10]), 0.9);
    let engine = SparseEngine::compile(&model, random([4, 40]), Mlp::forward).unwrap();
    let x = random([7, 40]);
    let expected: TensorData = engine.run(x.clone()).unwrap();
    let data = x.into_data();
    let mut y = vec![0.0; 70];
    let input = data.as_slice::<f32>().unwrap();
    engine.run_into(7, &[input], &mut [&mut y]).unwrap();
    assert_eq!(expected.as_slice::<f32>().unwrap(), y);

    let error = engine.run_into(8, &[input], &mut [&mut y]).unwrap_err();
    assert!(matches!(error, SparseError::Shape { .. }), "{error}");
    let error = engine.run_into(7, &[], &mut [&mut y]).unwrap_err();
    assert!(
        matches!(error, SparseError::Inputs { got: 0, .. }),
        "{error}"
    );
    let error = engine
        .run_into(7, &[input], &mut [&mut y[1..]])
        .unwrap_err();
    assert!(matches!(error, SparseError::Shape { .. }), "{error}");
}

#[test]
fn wrong_inputs_are_refused_and_the_engine_goes_on() {
    let model = Mlp::new(&[6, 4]);
    let engine = SparseEngine::compile(&model, random([3, 6]), Mlp::forward).unwrap();
    let x = random([3, 6]);
    let expected: TensorData = engine.run(x.clone()).unwrap();

    let error = engine.run::<_, TensorData>(random([3, 5])).unwrap_err();
    assert!(matches!(error, SparseError::Shape { .. }), "{error}");
    let error = engine.run::<_, TensorData>(random([3, 6, 1])).unwrap_err();
    assert!(matches!(error, SparseError::Shape { .. }), "{error}");
    let error = engine
        .run::<_, TensorData>((x.clone(), x.clone()))
        .unwrap_err();
    assert!(
        matches!(
            error,
            SparseError::Inputs {
                got: 2,
                expected: 1,
                ..
            }
        ),
        "{error}"
    );
    let ints = Tensor::<2, Int>::zeros([3, 6], &Device::flex());
    let error = engine.run::<_, TensorData>(ints).unwrap_err();
    assert!(matches!(error, SparseError::Element { .. }), "{error}");
    // The output has two dimensions, and there is one.
    assert!(engine.run::<_, Tensor<3>>(x.clone()).is_err());
    assert!(engine.run::<_, (Tensor<2>, Tensor<2>)>(x.clone()).is_err());
    assert!(engine.run::<_, Tensor<2, Int>>(x.clone()).is_err());

    assert_eq!(engine.run::<_, TensorData>(x).unwrap(), expected);
}

#[test]
fn activations_share_their_memory() {
    let model = Mlp::new(&[200, 200, 200, 200, 200, 10]);
    let engine = SparseEngine::compile(&model, random([64, 200]), Mlp::forward).unwrap();
    // Two hidden layers live at a time, each 64 by 200, whatever the depth.
    assert_eq!(engine.activation_bytes(), 4 * 2 * 64 * 200);

    let model = Residual::new().valid();
    let engine = SparseEngine::compile(&model, random([2, 3, 16, 16]), Residual::forward).unwrap();
    let _: TensorData = engine.run(random([2, 3, 16, 16])).unwrap();
    assert!(engine.run_bytes() >= engine.activation_bytes());
}

#[test]
fn a_model_of_two_inputs() {
    let model = Mlp::new(&[6, 4]);
    let forward = |m: &Mlp, (a, b): (Tensor<2>, Tensor<2>)| m.forward(a * b.clone()) - b.sum_dim(1);
    let example = (random([3, 6]), random([3, 6]));
    let engine = SparseEngine::compile(&model, example.clone(), forward).unwrap();
    let y: Tensor<2> = engine.run(example.clone()).unwrap();
    assert!(crate::nets::difference(y, forward(&model, example)) < 1e-5);
}
