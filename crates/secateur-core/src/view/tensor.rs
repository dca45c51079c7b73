//! A view on the parameter's own device, for what has to stay on the autodiff graph.

use burn::Tensor;

use super::{Layout, View};

impl View {
    /// A stored tensor as its view `[out, in, kernel]`. Gradients flow back through it.
    pub(crate) fn of_tensor<const D: usize>(&self, stored: Tensor<D>) -> Tensor<3> {
        let [out, input, kernel] = self.shape;
        match self.layout {
            Layout::OutIn => stored.reshape([out, input, kernel]),
            Layout::InOut { groups } => stored
                .reshape([groups, input, out / groups, kernel])
                .swap_dims(1, 2)
                .reshape([out, input, kernel]),
            Layout::Axes { .. } => stored
                .permute(self.axes::<D>())
                .reshape([out, input, kernel]),
        }
    }

    /// A view as the stored tensor of dimensions `dims`, the inverse of
    /// [`of_tensor`](Self::of_tensor).
    pub(crate) fn stored_tensor<const D: usize>(
        &self,
        view: Tensor<3>,
        dims: [usize; D],
    ) -> Tensor<D> {
        let [out, input, kernel] = self.shape;
        match self.layout {
            Layout::OutIn => view.reshape(dims),
            Layout::InOut { groups } => view
                .reshape([groups, out / groups, input, kernel])
                .swap_dims(1, 2)
                .reshape(dims),
            Layout::Axes { .. } => {
                let axes = self.axes::<D>();
                let place = |axis| axes.iter().position(|&from| from == axis);
                let back = std::array::from_fn(|axis| place(axis).unwrap_or(axis));
                view.reshape(axes.map(|axis| dims[axis])).permute(back)
            }
        }
    }

    /// The storage's axes in the order of the view: outputs, inputs, then the kernel's.
    fn axes<const D: usize>(&self) -> [usize; D] {
        let Layout::Axes { out, input } = self.layout else {
            return std::array::from_fn(|axis| axis);
        };
        let kernel = (0..D).filter(|axis| *axis != out && *axis != input);
        let mut order = [out, input].into_iter().chain(kernel);
        std::array::from_fn(|axis| order.next().unwrap_or(axis))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn agrees<const D: usize>(dims: [usize; D], layout: Layout) {
        let view = View::new(&dims, layout);
        let storage: Vec<f32> = (0..view.len()).map(|element| element as f32).collect();
        let data = TensorData::new(storage.clone(), dims);
        let tensor = view.of_tensor(Tensor::<D>::from_data(data, &Device::flex()));
        assert_eq!(tensor.dims(), view.shape());
        let seen: Vec<f32> = tensor.clone().into_data().iter::<f32>().collect();
        assert_eq!(seen, view.to_view(&storage), "{dims:?} {layout:?}");
        let back = view.stored_tensor(tensor, dims);
        assert_eq!(back.dims(), dims);
        assert_eq!(
            back.into_data().iter::<f32>().collect::<Vec<_>>(),
            storage,
            "{dims:?} {layout:?}"
        );
    }

    #[test]
    fn on_the_device_as_on_the_host() {
        agrees([7], Layout::OutIn);
        agrees([4, 3, 2, 5], Layout::OutIn);
        agrees([4, 3], Layout::InOut { groups: 1 });
        agrees([4, 3, 2], Layout::InOut { groups: 2 });
        agrees([6, 4, 8], Layout::Axes { out: 2, input: 1 });
        agrees([6, 4, 2, 3], Layout::Axes { out: 3, input: 0 });
    }
}
