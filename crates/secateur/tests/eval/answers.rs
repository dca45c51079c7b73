//! Answers taken from tensors.

use burn::tensor::{Device, Tensor};
use secateur::eval::{EvalError, Predictions, TestSet};

#[test]
fn a_tensor_gives_what_its_numbers_give() {
    let set = TestSet::new("toy", ["cat", "dog", "eel"], [0, 2]).unwrap();
    let values = [2.0, 1.0, 0.5, 0.1, 0.9, 0.3];
    let device = Device::flex();
    let logits = Tensor::<1>::from_floats(values, &device).reshape([2, 3]);
    let from_tensor = Predictions::from_tensor(&set, logits.clone()).unwrap();
    assert_eq!(
        from_tensor,
        Predictions::from_logits(&set, &values).unwrap()
    );
    // In half precision the order is the same.
    let half = Predictions::from_tensor(&set, logits.cast(burn::tensor::DType::F16)).unwrap();
    assert_eq!(half.labels(), from_tensor.labels());
}

#[test]
fn what_does_not_fit_is_refused() {
    let set = TestSet::new("toy", ["cat", "dog", "eel"], [0, 2]).unwrap();
    let device = Device::flex();
    for shape in [[2, 2], [3, 3], [3, 2]] {
        let error = Predictions::from_tensor(&set, Tensor::ones(shape, &device)).unwrap_err();
        assert!(matches!(error, EvalError::Length { .. }), "{error}");
    }
    let nan = Tensor::<2>::full([2, 3], f32::NAN, &device);
    let error = Predictions::from_tensor(&set, nan).unwrap_err();
    assert!(matches!(error, EvalError::NotFinite { .. }), "{error}");
}
