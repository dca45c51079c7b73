//! Products with packed weights, a few columns after the other.

use secateur_kernels::{Epilogue, KernelError, Layout, Scratch, SparseMatrix};

use super::plan::Tail;

/// Columns that lie together where activations are feature-major: the widest tile of the kernels.
/// In one piece, rows of a large batch would be pages apart.
const TOGETHER: usize = 64;

/// A product and what follows it.
pub(crate) struct Product<'a> {
    pub(crate) matrix: &'a SparseMatrix,
    /// How the operand and the result lie.
    pub(crate) layouts: [Layout; 2],
    pub(crate) tail: &'a Tail,
    pub(crate) residual: Option<&'a [f32]>,
}

impl Product<'_> {
    /// `y = tail(x Wᵀ)`. Either may lie feature-major, [`TOGETHER`] columns after the other.
    pub(crate) fn run(
        &self,
        x: &[f32],
        y: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let [m, k] = self.matrix.shape();
        let columns = x.len() / k.max(1);
        let mut call = |first: usize, columns: usize, y: &mut [f32]| {
            let x = &x[first * k..(first + columns) * k];
            let part = first * m..(first + columns) * m;
            let residual = self.residual.and_then(|residual| residual.get(part));
            let epilogue = epilogue(self.tail, residual);
            self.matrix
                .multiply_between(x, columns, self.layouts, y, &epilogue, scratch)
        };
        if columns <= TOGETHER || !self.layouts.contains(&Layout::FeatureMajor) {
            return call(0, columns, y);
        }
        let parts = y.chunks_mut((TOGETHER * m).max(1));
        for (part, y) in parts.enumerate() {
            let first = part * TOGETHER;
            call(first, TOGETHER.min(columns - first), y)?;
        }
        Ok(())
    }
}

/// What the kernels do after the sums.
pub(crate) fn epilogue<'a>(tail: &'a Tail, residual: Option<&'a [f32]>) -> Epilogue<'a> {
    let mut epilogue = match &tail.bias {
        Some(bias) => Epilogue::bias(bias),
        None => Epilogue::none(),
    };
    if let Some(residual) = residual {
        epilogue = epilogue.residual(residual);
    }
    epilogue.activation(tail.end.activation())
}
