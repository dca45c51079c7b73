//! The tensors that a model's `forward` takes and gives.

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use burn_capture::{CaptureBackend, TensorId};

/// One or several tensors: what `forward` takes, or what it gives.
///
/// Implemented for float, int and bool tensors, `Option`, `Vec`, arrays and tuples of them. A
/// struct of tensors implements it by passing each call on to its fields in one order.
pub trait GraphTensors: Sized {
    /// All tensors on `device`, without gradients.
    #[must_use]
    fn to_device(self, device: &Device) -> Self;

    /// Calls `visit` with the id of each tensor on a capture device, or with why it has none.
    fn ids(&self, visit: &mut dyn FnMut(Result<TensorId, String>));

    /// Calls `visit` with the values of each tensor.
    fn data(self, visit: &mut dyn FnMut(TensorData));

    /// Other values in the same shapes: what a second capture is given, to see whether `forward`
    /// looks at values. Integers stay among those that are there, for they may be indices.
    #[must_use]
    fn varied(self) -> Self;

    /// All tensors as training has them, on devices with gradients. An implementation without this
    /// method leaves them as they are.
    #[must_use]
    fn with_autodiff(self) -> Self {
        self
    }

    /// With `more` further entries in the first dimension of each tensor, copies of those that are
    /// there: what tells which sizes follow the size of the batch.
    #[must_use]
    fn extended(self, more: usize) -> Self;
}

/// The elements in reverse order; floats are changed as well.
fn varied_data(data: TensorData) -> TensorData {
    let dtype = data.dtype();
    let shape = data.shape().clone();
    if dtype.is_float() {
        let values: Vec<f64> = data.iter::<f64>().collect();
        let values: Vec<f64> = values.into_iter().rev().map(|v| 0.5 - 1.25 * v).collect();
        TensorData::new(values, shape).convert_dtype(dtype)
    } else if dtype.is_bool() {
        let values: Vec<bool> = data.iter::<bool>().map(|v| !v).collect();
        TensorData::new(values, shape)
    } else {
        let mut values: Vec<i64> = data.iter::<i64>().collect();
        values.reverse();
        TensorData::new(values, shape).convert_dtype(dtype)
    }
}

macro_rules! of_tensor {
    ($kind:ty) => {
        impl<const D: usize> GraphTensors for Tensor<D, $kind> {
            fn to_device(self, device: &Device) -> Self {
                // Burn panics where a tensor with gradients is moved to a capture device.
                Tensor::to_device(self.inner(), device)
            }

            fn ids(&self, visit: &mut dyn FnMut(Result<TensorId, String>)) {
                visit(
                    self.clone()
                        .try_into_primitive::<CaptureBackend>()
                        .map(|primitive| primitive.id())
                        .map_err(|error| format!("{error:?}")),
                );
            }

            fn data(self, visit: &mut dyn FnMut(TensorData)) {
                visit(self.into_data());
            }

            fn varied(self) -> Self {
                let device = self.device();
                let dtype: DType = self.dtype();
                let data = varied_data(self.into_data());
                Tensor::from_data(data, (&device, dtype))
            }

            fn with_autodiff(self) -> Self {
                Tensor::from_inner(self)
            }

            fn extended(self, more: usize) -> Self {
                let rows = self.dims()[0];
                let more = if rows == 0 { 0 } else { more };
                let mut parts = vec![self.clone()];
                let first = self.narrow(0, 0, rows.min(1));
                parts.extend(std::iter::repeat_n(first, more));
                Tensor::cat(parts, 0)
            }
        }
    };
}

of_tensor!(burn::tensor::Float);
of_tensor!(Int);
of_tensor!(Bool);

impl<T: GraphTensors> GraphTensors for Option<T> {
    fn to_device(self, device: &Device) -> Self {
        self.map(|tensors| tensors.to_device(device))
    }

    fn ids(&self, visit: &mut dyn FnMut(Result<TensorId, String>)) {
        self.iter().for_each(|tensors| tensors.ids(visit));
    }

    fn data(self, visit: &mut dyn FnMut(TensorData)) {
        self.into_iter().for_each(|tensors| tensors.data(visit));
    }

    fn varied(self) -> Self {
        self.map(T::varied)
    }

    fn with_autodiff(self) -> Self {
        self.map(T::with_autodiff)
    }

    fn extended(self, more: usize) -> Self {
        self.map(|tensors| tensors.extended(more))
    }
}

impl<T: GraphTensors> GraphTensors for Vec<T> {
    fn to_device(self, device: &Device) -> Self {
        self.into_iter()
            .map(|tensors| tensors.to_device(device))
            .collect()
    }

    fn ids(&self, visit: &mut dyn FnMut(Result<TensorId, String>)) {
        self.iter().for_each(|tensors| tensors.ids(visit));
    }

    fn data(self, visit: &mut dyn FnMut(TensorData)) {
        self.into_iter().for_each(|tensors| tensors.data(visit));
    }

    fn varied(self) -> Self {
        self.into_iter().map(T::varied).collect()
    }

    fn with_autodiff(self) -> Self {
        self.into_iter().map(T::with_autodiff).collect()
    }

    fn extended(self, more: usize) -> Self {
        self.into_iter()
            .map(|tensors| tensors.extended(more))
            .collect()
    }
}

impl<T: GraphTensors, const N: usize> GraphTensors for [T; N] {
    fn to_device(self, device: &Device) -> Self {
        self.map(|tensors| tensors.to_device(device))
    }

    fn ids(&self, visit: &mut dyn FnMut(Result<TensorId, String>)) {
        self.iter().for_each(|tensors| tensors.ids(visit));
    }

    fn data(self, visit: &mut dyn FnMut(TensorData)) {
        self.into_iter().for_each(|tensors| tensors.data(visit));
    }

    fn varied(self) -> Self {
        self.map(T::varied)
    }

    fn with_autodiff(self) -> Self {
        self.map(T::with_autodiff)
    }

    fn extended(self, more: usize) -> Self {
        self.map(|tensors| tensors.extended(more))
    }
}

macro_rules! of_tuple {
    ($($name:ident $at:tt),+) => {
        impl<$($name: GraphTensors),+> GraphTensors for ($($name,)+) {
            fn to_device(self, device: &Device) -> Self {
                ($(self.$at.to_device(device),)+)
            }

            fn ids(&self, visit: &mut dyn FnMut(Result<TensorId, String>)) {
                $(self.$at.ids(visit);)+
            }

            fn data(self, visit: &mut dyn FnMut(TensorData)) {
                $(self.$at.data(visit);)+
            }

            fn varied(self) -> Self {
                ($(self.$at.varied(),)+)
            }

            fn with_autodiff(self) -> Self {
                ($(self.$at.with_autodiff(),)+)
            }

            fn extended(self, more: usize) -> Self {
                ($(self.$at.extended(more),)+)
            }
        }
    };
}

of_tuple!(A 0);
of_tuple!(A 0, B 1);
of_tuple!(A 0, B 1, C 2);
of_tuple!(A 0, B 1, C 2, D 3);
of_tuple!(A 0, B 1, C 2, D 3, E 4);
of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
