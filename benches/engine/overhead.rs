//! What a run costs beside its work: the engine against the kernels called directly.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use secateur::sparse::SparseEngine;
use secateur_benches::stopwatch::Clock;
use secateur_kernels::{Csr, Epilogue, Format, Scratch, SparseMatrix};

use crate::Result;
use crate::contest::{Contest, Effort};
use crate::nets::Input;

/// Layers of the model: enough to tell what each adds from what a run adds.
const LAYERS: [usize; 2] = [8, 64];
const WIDTH: usize = 16;

#[derive(Module, Debug)]
struct Chain {
    layers: Vec<Linear>,
}

impl Chain {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let layers = self.layers.iter();
        layers.fold(x, |x, layer| relu(layer.forward(x)))
    }
}

/// A sentence with the microseconds of a run and of an operation.
pub(crate) fn measure(clock: Clock) -> Result<String> {
    let mut extra = [0.0; 2];
    for (count, extra) in LAYERS.into_iter().zip(&mut extra) {
        let device = Device::flex();
        let layer = || LinearConfig::new(WIDTH, WIDTH).init(&device);
        let chain = Chain {
            layers: (0..count).map(|_| layer()).collect(),
        };
        let x = Tensor::<2>::ones([1, WIDTH], &device);
        let engine = SparseEngine::compile(&chain, x.clone(), Chain::forward)?;

        // The same product as often, called directly.
        let csr = Csr::from_dense(&[0.1; WIDTH * WIDTH], [WIDTH, WIDTH])?;
        let format: Format = match engine.explain()?.layers.first() {
            Some(layer) if layer.format != Format::Dense.to_string() => Format::Bitmap,
            _ => Format::Dense,
        };
        let matrix = SparseMatrix::pack_as(&csr, format)?;
        let bias = [0.1; WIDTH];
        let mut scratch = Scratch::new();
        let (mut a, mut b) = ([0.5; WIDTH], [0.0; WIDTH]);
        let mut contest = Contest::new(clock);
        contest.enter_engine(&engine, 1, &Input::Rows(x))?;
        contest.enter(
            "kernels",
            Box::new(move || {
                for _ in 0..count {
                    let epilogue = Epilogue::bias(&bias).relu();
                    let _ = matrix.linear(&a, 1, &mut b, epilogue, &mut scratch);
                    std::mem::swap(&mut a, &mut b);
                }
            }),
        );
        let times = contest.medians(Effort::new(true))?;
        *extra = 1e3 * (times[0].1 - times[1].1);
    }
    let [few, many] = extra;
    let each = (many - few) / (LAYERS[1] - LAYERS[0]) as f64;
    let run = few - each * LAYERS[0] as f64;
    Ok(format!(
        "a run of the engine takes {run:.2} us beside its operations, and each operation {each:.3} \
         us beside the same call of the kernels\n(goals: 5 and 0.2)"
    ))
}
