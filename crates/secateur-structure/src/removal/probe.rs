//! Models that show a wrong removal: channels at zero, and vectors moved away from zero.

use burn::Tensor;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::TensorData;
use secateur_core::random::Stream;

use super::certificate::Zeros;

/// The model with some slices of its parameters at zero. Masks act as before.
pub(crate) fn zeroed<M: Module>(model: &M, slices: &Zeros) -> M {
    let concerned = |path: &str, _rank: usize| slices.contains_key(path);
    change(model, concerned, |path, shape, values| {
        for (dim, places) in slices.get(path).into_iter().flatten() {
            let inner: usize = shape[dim + 1..].iter().product();
            let slab = shape[*dim] * inner;
            if slab == 0 {
                continue;
            }
            for slab in values.chunks_exact_mut(slab) {
                for &place in places {
                    if let Some(slice) = slab.get_mut(place * inner..(place + 1) * inner) {
                        slice.fill(0.0);
                    }
                }
            }
        }
    })
}

/// The model with its vectors (biases, scales, shifts, running statistics) a little larger, each
/// by an amount of its own: fresh layers have zeros and ones there, under which wrong indices do
/// not show.
pub(crate) fn stirred<M: Module>(model: &M) -> M {
    change(
        model,
        |_, rank| rank == 1,
        |path, _, values| {
            let mut random = Stream::new(0, path, 0);
            for value in values {
                *value += 0.05 + 0.2 * random.uniform();
            }
        },
    )
}

/// Changes the values of the parameters that `concerned` names by path and rank.
fn change<M: Module>(
    model: &M,
    concerned: impl Fn(&str, usize) -> bool,
    each: impl FnMut(&str, &[usize], &mut [f32]),
) -> M {
    struct Changer<C, F> {
        path: Vec<String>,
        inside: usize,
        concerned: C,
        each: F,
    }

    impl<C, F> ModuleMapper for Changer<C, F>
    where
        C: Fn(&str, usize) -> bool,
        F: FnMut(&str, &[usize], &mut [f32]),
    {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.path.push(name.into());
            self.inside += usize::from(container_type == "Reparameterization");
        }

        fn exit_module(&mut self, _name: &str, container_type: &str) {
            self.path.pop();
            self.inside -= usize::from(container_type == "Reparameterization");
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.inside > 0 {
                return param;
            }
            let path = self.path.join(".");
            if !(self.concerned)(&path, D) {
                return param;
            }
            param.map(|tensor| {
                let device = tensor.device();
                let dtype = tensor.dtype();
                let data = tensor.into_data();
                let shape: Vec<usize> = data.shape().iter().copied().collect();
                let mut values = floats(&data);
                (self.each)(&path, &shape, &mut values);
                let data = TensorData::new(values, shape).convert_dtype(dtype);
                Tensor::from_data(data, (&device, dtype))
            })
        }
    }

    /// The general iterator converts one element at a time.
    fn floats(data: &TensorData) -> Vec<f32> {
        match data.as_slice::<f32>() {
            Ok(values) => values.to_vec(),
            Err(_) => data.iter::<f32>().collect(),
        }
    }

    // What `valid` gives shares no running statistics with the model.
    model.valid().map(&mut Changer {
        path: Vec::new(),
        inside: 0,
        concerned,
        each,
    })
}
