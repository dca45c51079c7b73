//! A packed matrix and its products.

use crate::bitmap::Bitmap;
use crate::blocks::Blocks;
use crate::cost::Hint;
use crate::csr::Csr;
use crate::dense::Dense;
use crate::epilogue::Epilogue;
use crate::error::{KernelError, check_length, checked_product};
use crate::format::Format;
use crate::isa::Isa;
use crate::layout::Layout;
use crate::lists::Lists;
use crate::lookup::Lookup;
use crate::pairs::Pairs;
use crate::panels::{Panels, panel_width};
use crate::rows::Rows;
use crate::scratch::Scratch;
use crate::slots::{self, Slots};
use crate::{tile, vector_product};

/// Columns of a panel of row lists.
pub(crate) const LIST_PANEL: usize = 128;

/// A sparse matrix `[m, k]`, packed for fast products with dense activations.
///
/// Immutable but for [`update_values`](Self::update_values), and free to share between threads.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseMatrix {
    shape: [usize; 2],
    nnz: usize,
    format: Format,
    isa: Isa,
    storage: Storage,
}

#[derive(Debug, Clone, PartialEq)]
enum Storage {
    Dense(Dense),
    Rows(Rows),
    Panels(Panels),
    Lists(Lists),
    Pairs(Pairs),
    Blocks(Blocks),
    Lookup(Lookup),
    Bitmap(Bitmap),
}

impl SparseMatrix {
    /// Packs a row-major `dense` `[m, k]` in the format that the cost model finds fastest for
    /// `hint`; zeros are left out. The dense product is among the candidates, so a sparse format
    /// is never chosen where it would be slower.
    ///
    /// # Errors
    ///
    /// Where `dense` has another length than its shape, or `SECATEUR_ISA` cannot be honoured.
    pub fn pack(dense: &[f32], shape: [usize; 2], hint: &Hint) -> Result<Self, KernelError> {
        Self::pack_csr(&Csr::from_dense(dense, shape)?, hint)
    }

    /// The same for the weights that `mask` keeps, whatever their values.
    ///
    /// # Errors
    ///
    /// Where `dense` or `mask` has another length than the shape, or `SECATEUR_ISA` cannot be
    /// honoured.
    pub fn pack_masked(
        dense: &[f32],
        mask: &[bool],
        shape: [usize; 2],
        hint: &Hint,
    ) -> Result<Self, KernelError> {
        Self::pack_csr(&Csr::from_masked(dense, mask, shape)?, hint)
    }

    /// The same for compressed rows.
    ///
    /// # Errors
    ///
    /// Where `SECATEUR_ISA` cannot be honoured.
    pub fn pack_csr(csr: &Csr, hint: &Hint) -> Result<Self, KernelError> {
        Self::pack_as(csr, hint.choose(csr)?.format())
    }

    /// Packs `csr` in a format of the caller's choice, for the instruction set of
    /// [`Isa::from_env`].
    ///
    /// # Errors
    ///
    /// Where the format cannot hold the matrix, or `SECATEUR_ISA` cannot be honoured.
    pub fn pack_as(csr: &Csr, format: Format) -> Result<Self, KernelError> {
        let isa = Isa::from_env()?;
        format.check(csr)?;
        let storage = match format {
            Format::Dense => Storage::Dense(Dense::pack(csr)),
            Format::Csr => Storage::Rows(Rows::pack(csr)),
            Format::Panels => Storage::Panels(Panels::pack(csr, panel_width(1.0 - csr.sparsity()))),
            Format::RowLists => Storage::Lists(Lists::pack(csr, LIST_PANEL)),
            Format::NofM { keep, of } => Storage::Pairs(Pairs::pack(csr, keep, of)),
            Format::Bitmap => Storage::Bitmap(Bitmap::pack(csr)),
            Format::Lookup => Storage::Lookup(Lookup::pack(csr)),
            Format::Blocks { rows, columns } => Storage::Blocks(Blocks::pack(csr, [rows, columns])),
        };
        Ok(Self {
            shape: csr.shape(),
            nnz: csr.nnz(),
            format,
            isa,
            storage,
        })
    }

    /// The same matrix, multiplied with another instruction set.
    ///
    /// # Errors
    ///
    /// Where this processor lacks it.
    pub fn with_isa(mut self, isa: Isa) -> Result<Self, KernelError> {
        self.isa = isa.checked()?;
        Ok(self)
    }

    /// `y = epilogue(W x)`: `x` is `[k, n]` and `y` `[m, n]`, row-major, one row a feature.
    ///
    /// # Errors
    ///
    /// Where a length does not fit the shape.
    pub fn matmul(
        &self,
        x: &[f32],
        n: usize,
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        self.multiply(x, n, Layout::FeatureMajor, y, &epilogue, scratch)
    }

    /// `y = epilogue(x Wᵀ)`, a linear layer: `x` is `[batch, k]` and `y` `[batch, m]`, row-major,
    /// one row a sample, as Burn keeps activations.
    ///
    /// # Errors
    ///
    /// Where a length does not fit the shape.
    pub fn linear(
        &self,
        x: &[f32],
        batch: usize,
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        self.multiply(x, batch, Layout::BatchMajor, y, &epilogue, scratch)
    }

    /// [`matmul`](Self::matmul) or [`linear`](Self::linear), by `layout`.
    ///
    /// # Errors
    ///
    /// Where a length does not fit the shape.
    pub fn multiply(
        &self,
        x: &[f32],
        n: usize,
        layout: Layout,
        y: &mut [f32],
        epilogue: &Epilogue<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let [m, k] = self.shape;
        let inputs = checked_product(k, n, "k x n")?;
        let outputs = checked_product(m, n, "m x n")?;
        check_length("x", x.len(), inputs, "give k values for each of n columns")?;
        check_length(
            "y",
            y.len(),
            outputs,
            "give room for m values for each of n columns",
        )?;
        epilogue.check(m, outputs)?;
        if n == 0 {
            return Ok(());
        }
        // With one column both layouts are the same memory.
        let layout = if n == 1 { Layout::FeatureMajor } else { layout };
        macro_rules! call {
            ($how:ident, $packed:expr) => {
                $how::multiply($packed, self.isa, x, n, layout, y, epilogue, scratch)
            };
        }
        match &self.storage {
            Storage::Dense(p) if n == 1 => call!(vector_product, p),
            Storage::Rows(p) if n == 1 => call!(vector_product, p),
            Storage::Lookup(p) => call!(vector_product, p),
            Storage::Bitmap(p) => call!(vector_product, p),
            Storage::Dense(p) => call!(tile, p),
            Storage::Rows(p) => call!(tile, p),
            Storage::Panels(p) => call!(tile, p),
            Storage::Lists(p) => call!(tile, p),
            Storage::Pairs(p) => call!(tile, p),
            Storage::Blocks(p) => call!(tile, p),
        }
        Ok(())
    }

    /// The weights as compressed rows, exactly as they were packed.
    #[must_use]
    pub fn to_csr(&self) -> Csr {
        slots::to_csr(self.slots(), self.shape)
    }

    /// Replaces the weights by those of `csr`, which keeps the same places.
    ///
    /// # Errors
    ///
    /// Where the shapes or the places differ; the matrix is then as before.
    pub fn update_values(&mut self, csr: &Csr) -> Result<(), KernelError> {
        let changed = |what: String| Err(KernelError::MaskChanged { what });
        if csr.shape() != self.shape {
            return changed(format!(
                "the shape is {:?} where {:?} is packed",
                csr.shape(),
                self.shape
            ));
        }
        let origins = self.origins(csr);
        if csr.nnz() != self.nnz || origins.len() != self.nnz {
            return changed(format!(
                "{} of {} packed weights are kept",
                origins.len(),
                self.nnz
            ));
        }
        self.set_slots(&origins, csr.values());
        Ok(())
    }

    /// For each slot that holds a weight, `(slot, entry)` with its entry in `csr`.
    pub(crate) fn origins(&self, csr: &Csr) -> Vec<(u32, u32)> {
        slots::origins(self.slots(), csr)
    }

    /// Slots stored, padding included.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots().values().len()
    }

    /// Puts `values[entry]` into each slot.
    pub(crate) fn set_slots(&mut self, origins: &[(u32, u32)], values: &[f32]) {
        let stored = self.slots_mut().values_mut();
        for &(slot, entry) in origins {
            stored[slot as usize] = values[entry as usize];
        }
    }

    /// Rows and columns, `[m, k]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Weights the mask keeps.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.nnz
    }

    /// Share of the weights that the mask leaves out, 0 to 1.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        1.0 - self.nnz as f64 / (self.shape[0] as f64 * self.shape[1] as f64)
    }

    /// How it is packed.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The instructions it is multiplied with.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Bytes of the packed weights and indices; [`Format::bytes`] tells them before packing.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots().bytes()
    }

    fn slots(&self) -> &dyn Slots {
        match &self.storage {
            Storage::Dense(packed) => packed,
            Storage::Rows(packed) => packed,
            Storage::Panels(packed) => packed,
            Storage::Lists(packed) => packed,
            Storage::Pairs(packed) => packed,
            Storage::Blocks(packed) => packed,
            Storage::Lookup(packed) => packed,
            Storage::Bitmap(packed) => packed,
        }
    }

    fn slots_mut(&mut self) -> &mut dyn Slots {
        match &mut self.storage {
            Storage::Dense(packed) => packed,
            Storage::Rows(packed) => packed,
            Storage::Panels(packed) => packed,
            Storage::Lists(packed) => packed,
            Storage::Pairs(packed) => packed,
            Storage::Blocks(packed) => packed,
            Storage::Lookup(packed) => packed,
            Storage::Bitmap(packed) => packed,
        }
    }
}
