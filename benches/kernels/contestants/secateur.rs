//! Secateur's own kernels, sparse and dense.

use secateur_benches::aligned::Aligned;
use secateur_kernels::{
    ConvFormat, ConvHint, Csr, Epilogue, Format, Hint, Scratch, SparseConv, SparseMatrix, Threads,
    TrainingMatrix,
};

use super::{Contestant, Inputs, LAYOUT, geometry};
use crate::error::Result;
use crate::work::Work;

/// The sparse kernels, in the format that their cost model chooses.
#[derive(Debug)]
pub(crate) struct SparseKernels {
    work: Work,
    packed: Packed,
    buffers: Buffers,
}

#[derive(Debug)]
enum Packed {
    Matrix(SparseMatrix),
    Training {
        matrix: Box<TrainingMatrix>,
        formats: [Format; 2],
        dw: Vec<f32>,
    },
    Convolution(SparseConv),
}

impl SparseKernels {
    pub(crate) fn new(inputs: &Inputs, threads: usize) -> Result<Self> {
        let (work, csr) = (inputs.work, &inputs.weights);
        let packed = match work {
            Work::Product { n, .. } => {
                Packed::Matrix(SparseMatrix::pack_csr(csr, &Hint::batch(n))?)
            }
            Work::Training { n, .. } => {
                let choose = |csr: &Csr| Hint::batch(n).choose(csr);
                let formats = [choose(csr)?.format(), choose(&csr.transposed().0)?.format()];
                Packed::Training {
                    matrix: Box::new(TrainingMatrix::new(csr.clone(), formats[0], formats[1])?),
                    formats,
                    dw: vec![0.0; csr.nnz()],
                }
            }
            Work::Convolution { image, .. } => Packed::Convolution(SparseConv::pack_csr(
                csr,
                &geometry(work),
                &ConvHint::image(image),
            )?),
        };
        Ok(Self {
            work,
            packed,
            buffers: Buffers::new(inputs, threads),
        })
    }

    /// The format chosen.
    pub(crate) fn format(&self) -> String {
        match &self.packed {
            Packed::Matrix(matrix) => matrix.format().to_string(),
            Packed::Training { formats, .. } if formats[0] == formats[1] => formats[0].to_string(),
            Packed::Training { formats, .. } => format!("{}, {}", formats[0], formats[1]),
            Packed::Convolution(conv) => conv.format().to_string(),
        }
    }

    /// Bytes of packed weights that a single product reads.
    pub(crate) fn bytes(&self) -> Option<usize> {
        match &self.packed {
            // Which of the weights are kept is stored, too, and not read.
            Packed::Matrix(matrix) if matrix.format() == Format::Dense => {
                Some(matrix.shape().iter().product::<usize>() * size_of::<f32>())
            }
            Packed::Matrix(matrix) => Some(matrix.bytes()),
            _ => None,
        }
    }
}

impl Contestant for SparseKernels {
    fn run(&mut self) -> Result<()> {
        let Buffers {
            x,
            dy,
            y,
            dx,
            scratch,
        } = &mut self.buffers;
        let (x, y, none) = (x.get(), y.get_mut(), Epilogue::none());
        match (&mut self.packed, self.work) {
            (Packed::Convolution(conv), Work::Convolution { image, .. }) => {
                conv.forward(x, 1, image, y, none, scratch)?;
            }
            (Packed::Training { matrix, dw, .. }, Work::Training { n, .. }) => {
                matrix.forward(x, n, LAYOUT, y, none, scratch)?;
                matrix.input_gradient(dy.get(), n, LAYOUT, dx.get_mut(), scratch)?;
                matrix.weight_gradient(dy.get(), x, n, LAYOUT, dw, scratch)?;
            }
            (Packed::Matrix(matrix), work) => {
                matrix.multiply(x, work.size()[2], LAYOUT, y, &none, scratch)?;
            }
            // Each work has its packing, by `new`.
            _ => {}
        }
        Ok(())
    }

    fn outputs(&self) -> Vec<f32> {
        let mut outputs = self.buffers.y.get().to_vec();
        if let Packed::Training { matrix, dw, .. } = &self.packed {
            outputs.extend(self.buffers.dx.get());
            let weights = matrix.weights();
            let gradient = Csr::new(
                weights.shape(),
                weights.starts().to_vec(),
                weights.indices().to_vec(),
                dw.clone(),
            );
            outputs.extend(gradient.map(|csr| csr.to_dense()).unwrap_or_default());
        }
        outputs
    }
}

/// The dense kernels of the same crate.
///
/// They have no product for the dense gradient of the weights. In a training step the forward
/// product, which is of the same size, runs a second time in its place.
#[derive(Debug)]
pub(crate) struct DenseKernels {
    work: Work,
    packed: DensePacked,
    buffers: Buffers,
}

#[derive(Debug)]
enum DensePacked {
    Matrix(SparseMatrix),
    Training([SparseMatrix; 2]),
    Convolution(SparseConv),
}

impl DenseKernels {
    pub(crate) fn new(inputs: &Inputs, threads: usize) -> Result<Self> {
        let (work, csr) = (inputs.work, &inputs.weights);
        let pack = |csr: &Csr| SparseMatrix::pack_as(csr, Format::Dense);
        let packed = match work {
            Work::Product { .. } => DensePacked::Matrix(pack(csr)?),
            Work::Training { .. } => {
                DensePacked::Training([pack(csr)?, pack(&csr.transposed().0)?])
            }
            Work::Convolution { image, .. } => DensePacked::Convolution(SparseConv::pack_as(
                csr,
                &geometry(work),
                ConvFormat::Dense,
                &ConvHint::image(image),
            )?),
        };
        Ok(Self {
            work,
            packed,
            buffers: Buffers::new(inputs, threads),
        })
    }
}

impl Contestant for DenseKernels {
    fn run(&mut self) -> Result<()> {
        let Buffers {
            x,
            dy,
            y,
            dx,
            scratch,
        } = &mut self.buffers;
        let (x, y, none) = (x.get(), y.get_mut(), Epilogue::none());
        let [_, _, n] = self.work.size();
        match (&self.packed, self.work) {
            (DensePacked::Convolution(conv), Work::Convolution { image, .. }) => {
                conv.forward(x, 1, image, y, none, scratch)?;
            }
            (DensePacked::Training([forward, backward]), _) => {
                for _ in 0..2 {
                    forward.multiply(x, n, LAYOUT, y, &none, scratch)?;
                }
                backward.multiply(dy.get(), n, LAYOUT, dx.get_mut(), &none, scratch)?;
            }
            (DensePacked::Matrix(matrix), _) => {
                matrix.multiply(x, n, LAYOUT, y, &none, scratch)?;
            }
            // Each work has its packing, by `new`.
            (DensePacked::Convolution(_), _) => {}
        }
        Ok(())
    }

    fn outputs(&self) -> Vec<f32> {
        let mut outputs = self.buffers.y.get().to_vec();
        if matches!(self.packed, DensePacked::Training(_)) {
            outputs.extend(self.buffers.dx.get());
        }
        outputs
    }
}

/// Operands, results, and what the kernels need beside them.
#[derive(Debug)]
struct Buffers {
    x: Aligned,
    dy: Aligned,
    y: Aligned,
    dx: Aligned,
    scratch: Scratch,
}

impl Buffers {
    fn new(inputs: &Inputs, threads: usize) -> Self {
        let threads = if threads > 1 {
            Threads::Rayon
        } else {
            Threads::One
        };
        Self {
            x: Aligned::new(&inputs.x),
            dy: Aligned::new(&inputs.dy),
            y: Aligned::zeros(inputs.dy.len()),
            dx: Aligned::zeros(inputs.x.len()),
            scratch: Scratch::new().with_threads(threads),
        }
    }
}
