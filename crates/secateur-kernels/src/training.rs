//! A sparse weight in training: forward, and both gradients, none of them dense.

use crate::bands::Bands;
use crate::csr::Csr;
use crate::epilogue::Epilogue;
use crate::error::{KernelError, check_length, checked_product};
use crate::format::Format;
use crate::layout::Layout;
use crate::matrix::{Repacked, SparseMatrix};
use crate::scratch::Scratch;
use crate::sddmm::sddmm;
use crate::slots::PADDING;
use crate::values::Precision;

/// A sparse weight `[m, k]` packed twice, as it is and transposed, with the compressed rows that
/// own its values.
///
/// One step of training is [`forward`](Self::forward), [`input_gradient`](Self::input_gradient)
/// and [`weight_gradient`](Self::weight_gradient), then [`set_values`](Self::set_values) with
/// what the optimiser made of the values.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingMatrix {
    weights: Csr,
    bands: Bands,
    forward: SparseMatrix,
    backward: SparseMatrix,
    /// For each slot of the forward packing its entry in `weights`, or that it is padding.
    forward_entries: Vec<u32>,
    backward_entries: Vec<u32>,
}

impl TrainingMatrix {
    /// Packs `weights` in `format`, and their transpose in `transposed`.
    ///
    /// # Errors
    ///
    /// As [`SparseMatrix::pack_as`].
    pub fn new(weights: Csr, format: Format, transposed: Format) -> Result<Self, KernelError> {
        let pack = |csr: &Csr, format| SparseMatrix::pack_in(csr, format, Precision::F32);
        let (forward, forward_entries) = pack(&weights, format)?;
        let (flipped, origins) = weights.transposed();
        let (backward, mut backward_entries) = pack(&flipped, transposed)?;
        trace_back(&mut backward_entries, &origins);
        Ok(Self {
            bands: Bands::by_weights(&weights, 1, BAND),
            weights,
            forward,
            backward,
            forward_entries,
            backward_entries,
        })
    }

    /// The same matrix, multiplied with another instruction set.
    ///
    /// # Errors
    ///
    /// Where this processor lacks it.
    pub fn with_isa(mut self, isa: crate::isa::Isa) -> Result<Self, KernelError> {
        self.forward = self.forward.with_isa(isa)?;
        self.backward = self.backward.with_isa(isa)?;
        Ok(self)
    }

    /// The weights; their entries are the order of gradients and values.
    #[must_use]
    pub fn weights(&self) -> &Csr {
        &self.weights
    }

    /// `y = epilogue(W x)`.
    ///
    /// # Errors
    ///
    /// Where a length does not fit.
    pub fn forward(
        &self,
        x: &[f32],
        n: usize,
        layout: Layout,
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        self.forward.multiply(x, n, layout, y, &epilogue, scratch)
    }

    /// `dx = Wᵀ dy`: `dy` is `m` features by `n` columns, `dx` `k` by `n`, both in `layout`.
    ///
    /// # Errors
    ///
    /// Where a length does not fit.
    pub fn input_gradient(
        &self,
        dy: &[f32],
        n: usize,
        layout: Layout,
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        self.backward
            .multiply(dy, n, layout, dx, &Epilogue::none(), scratch)
    }

    /// `dw[entry] = dy[row, :] . x[column, :]` for each weight that is kept, in the order of
    /// [`weights`](Self::weights).
    ///
    /// # Errors
    ///
    /// Where a length does not fit.
    pub fn weight_gradient(
        &self,
        dy: &[f32],
        x: &[f32],
        n: usize,
        layout: Layout,
        dw: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let [m, k] = self.weights.shape();
        let outputs = checked_product(m, n, "m x n")?;
        let inputs = checked_product(k, n, "k x n")?;
        check_length(
            "dy",
            dy.len(),
            outputs,
            "give m values for each of n columns",
        )?;
        check_length("x", x.len(), inputs, "give k values for each of n columns")?;
        let nnz = self.weights.nnz();
        check_length("dw", dw.len(), nnz, "give room for one value a weight")?;
        if n == 0 {
            dw.fill(0.0);
            return Ok(());
        }
        let isa = self.forward.isa();
        sddmm(
            &self.weights,
            &self.bands,
            isa,
            dy,
            x,
            n,
            layout,
            dw,
            scratch,
        );
        Ok(())
    }

    /// Replaces the values, in the order of [`weights`](Self::weights).
    ///
    /// # Errors
    ///
    /// Where there is not one for each weight.
    pub fn set_values(&mut self, values: &[f32]) -> Result<(), KernelError> {
        let nnz = self.weights.nnz();
        check_length("values", values.len(), nnz, "give one value a weight")?;
        self.weights.values_mut().copy_from_slice(values);
        self.forward.fill(&self.forward_entries, values);
        self.backward.fill(&self.backward_entries, values);
        Ok(())
    }

    /// Replaces the weights by others of the same shape, wherever they stand: exactly what
    /// [`new`](Self::new) would give for them. The order of gradients and values is then that of
    /// the new [`weights`](Self::weights).
    ///
    /// Both packings are made anew, as [`SparseMatrix::update`] explains, which takes as long as
    /// two to four training steps with 64 columns: little where a mask changes every hundred
    /// steps, as it does with RigL and SET.
    ///
    /// # Errors
    ///
    /// As [`SparseMatrix::update`]; the matrix is then as before.
    pub fn update(&mut self, weights: Csr) -> Result<Repacked, KernelError> {
        let (flipped, origins) = weights.transposed();
        let (backward, mut backward_entries) =
            SparseMatrix::pack_in(&flipped, self.backward.format(), Precision::F32)?;
        let backward = backward.with_isa(self.backward.isa())?;
        let (repacked, forward_entries) = self.forward.repack(&weights)?;
        trace_back(&mut backward_entries, &origins);
        self.bands = Bands::by_weights(&weights, 1, BAND);
        self.weights = weights;
        self.backward = backward;
        self.forward_entries = forward_entries;
        self.backward_entries = backward_entries;
        Ok(repacked)
    }
}

/// Most rows of a band of the weights' gradient.
const BAND: usize = 256;

/// Turns entries of the transposed weights into those of the weights.
fn trace_back(entries: &mut [u32], origins: &[u32]) {
    for entry in entries {
        if *entry != PADDING {
            *entry = origins[*entry as usize];
        }
    }
}
