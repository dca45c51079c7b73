//! What a run gives back.

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

use crate::error::SparseError;

/// What the outputs of an engine are read as.
///
/// Implemented for float, int and bool tensors (on Burn's CPU device), tuples and arrays of them,
/// [`TensorData`], and `Vec<TensorData>` for any number of outputs.
pub trait EngineOutput: Sized {
    /// Reads the outputs of a run.
    ///
    /// # Errors
    ///
    /// Where there are more or fewer, or one has another rank or other elements.
    fn from_data(outputs: Vec<TensorData>) -> Result<Self, SparseError>;
}

fn exactly<const N: usize>(outputs: Vec<TensorData>) -> Result<[TensorData; N], SparseError> {
    let got = outputs.len();
    outputs.try_into().map_err(|_| SparseError::Inputs {
        what: "outputs",
        got,
        expected: N,
    })
}

impl EngineOutput for Vec<TensorData> {
    fn from_data(outputs: Vec<TensorData>) -> Result<Self, SparseError> {
        Ok(outputs)
    }
}

impl EngineOutput for TensorData {
    fn from_data(outputs: Vec<TensorData>) -> Result<Self, SparseError> {
        let [output] = exactly(outputs)?;
        Ok(output)
    }
}

macro_rules! of_tensor {
    ($kind:ty, $is:expr, $expected:literal) => {
        impl<const D: usize> EngineOutput for Tensor<D, $kind> {
            fn from_data(outputs: Vec<TensorData>) -> Result<Self, SparseError> {
                let [output] = exactly(outputs)?;
                let dtype: DType = output.dtype();
                if !$is(&dtype) {
                    return Err(SparseError::Element {
                        what: "an output".into(),
                        got: format!("{dtype:?}"),
                        expected: $expected.into(),
                    });
                }
                if output.shape().len() != D {
                    return Err(SparseError::Shape {
                        what: "an output".into(),
                        got: output.shape().iter().copied().collect(),
                        expected: format!("a tensor of {D} dimensions"),
                    });
                }
                Ok(Tensor::from_data(output, (&Device::flex(), dtype)))
            }
        }
    };
}

of_tensor!(burn::tensor::Float, DType::is_float, "a float tensor");
of_tensor!(
    Int,
    |dtype: &DType| dtype.is_int() || dtype.is_uint(),
    "an int tensor"
);
of_tensor!(Bool, DType::is_bool, "a bool tensor");

macro_rules! of_tuple {
    ($count:literal: $($name:ident),+) => {
        impl<$($name: EngineOutput),+> EngineOutput for ($($name,)+) {
            fn from_data(outputs: Vec<TensorData>) -> Result<Self, SparseError> {
                let mut outputs = exactly::<$count>(outputs)?.into_iter();
                Ok(($($name::from_data(outputs.next().into_iter().collect())?,)+))
            }
        }
    };
}

of_tuple!(1: A);
of_tuple!(2: A, B);
of_tuple!(3: A, B, C);
of_tuple!(4: A, B, C, D);

impl<T: EngineOutput, const N: usize> EngineOutput for [T; N] {
    fn from_data(outputs: Vec<TensorData>) -> Result<Self, SparseError> {
        let outputs = exactly::<N>(outputs)?.into_iter();
        let read: Vec<T> = outputs
            .map(|output| T::from_data(vec![output]))
            .collect::<Result<_, _>>()?;
        let got = read.len();
        read.try_into().map_err(|_| SparseError::Inputs {
            what: "outputs",
            got,
            expected: N,
        })
    }
}
