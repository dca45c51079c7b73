//! A packed matrix and its products.

use crate::bitmap::Bitmap;
use crate::blocks::Blocks;
use crate::cost::Hint;
use crate::csr::Csr;
use crate::dense::{self, Dense};
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
use crate::values::{Precision, Values};
use crate::{tile, vector_product};

/// Columns of a panel of row lists.
pub(crate) const LIST_PANEL: usize = 128;

/// A sparse matrix `[m, k]`, packed for fast products with dense activations.
///
/// Immutable but for [`update`](Self::update) and [`update_values`](Self::update_values), and free
/// to share between threads.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseMatrix {
    shape: [usize; 2],
    nnz: usize,
    format: Format,
    isa: Isa,
    structure: Structure,
    values: Values,
}

/// Where the weights of a packed matrix belong.
#[derive(Debug, Clone, PartialEq)]
enum Structure {
    Dense(Dense),
    Rows(Rows),
    Panels(Panels),
    Lists(Lists),
    Pairs(Pairs),
    Blocks(Blocks),
    Lookup(Lookup),
    Bitmap(Bitmap),
}

/// What an update of a packed matrix came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repacked {
    /// The weights stand where they stood: only their values were replaced.
    Values,
    /// The mask had changed.
    Structure,
}

impl Structure {
    /// Packs `csr`, which the format has been asked about, and gives for each slot its entry in
    /// `csr`.
    fn pack(csr: &Csr, format: Format) -> (Self, Vec<u32>) {
        let mut entries = Vec::new();
        let slots = &mut entries;
        let structure = match format {
            Format::Dense => Self::Dense(Dense::pack(csr, slots)),
            Format::Csr => Self::Rows(Rows::pack(csr, slots)),
            Format::Panels => {
                let width = panel_width(1.0 - csr.sparsity());
                Self::Panels(Panels::pack(csr, width, slots))
            }
            Format::RowLists => Self::Lists(Lists::pack(csr, LIST_PANEL, slots)),
            Format::NofM { keep, of } => Self::Pairs(Pairs::pack(csr, keep, of, slots)),
            Format::Bitmap => Self::Bitmap(Bitmap::pack(csr, slots)),
            Format::Lookup => Self::Lookup(Lookup::pack(csr, slots)),
            Format::Blocks { rows, columns } => {
                Self::Blocks(Blocks::pack(csr, [rows, columns], slots))
            }
        };
        (structure, entries)
    }

    fn slots(&self) -> &dyn Slots {
        match self {
            Self::Dense(packed) => packed,
            Self::Rows(packed) => packed,
            Self::Panels(packed) => packed,
            Self::Lists(packed) => packed,
            Self::Pairs(packed) => packed,
            Self::Blocks(packed) => packed,
            Self::Lookup(packed) => packed,
            Self::Bitmap(packed) => packed,
        }
    }
}

impl SparseMatrix {
    /// Packs a row-major `dense` `[m, k]` in the format that the cost model finds fastest for
    /// `hint`; zeros are left out. The dense product is among the candidates, so a sparse format
    /// is never chosen where it would be slower.
    ///
    /// # Errors
    ///
    /// Where `dense` has another length than its shape, a weight is beyond the range of the hint's
    /// precision, or `SECATEUR_ISA` cannot be honoured.
    pub fn pack(dense: &[f32], shape: [usize; 2], hint: &Hint) -> Result<Self, KernelError> {
        Self::pack_csr(&Csr::from_dense(dense, shape)?, hint)
    }

    /// The same for the weights that `mask` keeps, whatever their values.
    ///
    /// # Errors
    ///
    /// As [`pack`](Self::pack), and where `mask` has another length than the shape.
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
    /// Where a weight is beyond the range of the hint's precision, or `SECATEUR_ISA` cannot be
    /// honoured.
    pub fn pack_csr(csr: &Csr, hint: &Hint) -> Result<Self, KernelError> {
        let format = hint.choose(csr)?.format();
        Ok(Self::pack_in(csr, format, hint.precision())?.0)
    }

    /// Packs `csr` in a format of the caller's choice, for the instruction set of
    /// [`Isa::from_env`].
    ///
    /// # Errors
    ///
    /// Where the format cannot hold the matrix, or `SECATEUR_ISA` cannot be honoured.
    pub fn pack_as(csr: &Csr, format: Format) -> Result<Self, KernelError> {
        Ok(Self::pack_in(csr, format, Precision::F32)?.0)
    }

    /// Packs `csr`, and gives for each slot its entry in `csr`.
    pub(crate) fn pack_in(
        csr: &Csr,
        format: Format,
        precision: Precision,
    ) -> Result<(Self, Vec<u32>), KernelError> {
        let isa = Isa::from_env()?;
        check_packable(csr, format, precision)?;
        let (structure, entries) = Structure::pack(csr, format);
        let packed = Self {
            shape: csr.shape(),
            nnz: csr.nnz(),
            format,
            isa,
            structure,
            values: Values::gather(precision, &entries, csr.values()),
        };
        Ok((packed, entries))
    }

    /// The same matrix with its weights stored in another precision, rounded to the nearest (of
    /// two equally near, to the one whose last bit is even). What a narrower precision dropped does
    /// not come back with a wider one.
    ///
    /// A weight below its smallest step becomes zero and stays among those that are kept; infinities and NaN
    /// stay what they are.
    ///
    /// ```
    /// use secateur_kernels::{Csr, Format, Precision, SparseMatrix};
    ///
    /// # fn main() -> Result<(), secateur_kernels::KernelError> {
    /// let csr = Csr::from_dense(&[0.0, 0.1, 0.0, 1.0, 0.0, -3.0_f32], [2, 3])?;
    /// let half = SparseMatrix::pack_as(&csr, Format::Panels)?.with_precision(Precision::F16)?;
    /// assert_eq!(half.to_csr().values(), [0.099_975_586, 1.0, -3.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`KernelError::OutOfRange`] where a weight is finite and would become infinite.
    pub fn with_precision(mut self, precision: Precision) -> Result<Self, KernelError> {
        if precision != self.precision() {
            precision.check(&self.to_csr())?;
            self.values = self.values.with_precision(precision);
        }
        Ok(self)
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
        self.multiply_between(x, n, [layout; 2], y, epilogue, scratch)
    }

    /// The same with X and Y in layouts of their own, X's first: Y can lie as the next product
    /// reads it fastest, which is [`Layout::FeatureMajor`]. A residual lies as Y does.
    ///
    /// # Errors
    ///
    /// Where a length does not fit the shape.
    pub fn multiply_between(
        &self,
        x: &[f32],
        n: usize,
        layouts: [Layout; 2],
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
        let layouts = if n == 1 {
            [Layout::FeatureMajor; 2]
        } else {
            layouts
        };
        let values = &self.values;
        macro_rules! call {
            ($how:ident, $packed:expr) => {
                $how::multiply(
                    $packed, values, self.isa, x, n, layouts, y, epilogue, scratch,
                )
            };
        }
        match &self.structure {
            Structure::Dense(p) if n <= dense::few(self.isa) => call!(vector_product, p),
            Structure::Rows(p) if n == 1 => call!(vector_product, p),
            Structure::Lookup(p) => call!(vector_product, p),
            Structure::Bitmap(p) => call!(vector_product, p),
            Structure::Dense(p) => call!(tile, p),
            Structure::Rows(p) => call!(tile, p),
            Structure::Panels(p) => call!(tile, p),
            Structure::Lists(p) => call!(tile, p),
            Structure::Pairs(p) => call!(tile, p),
            Structure::Blocks(p) => call!(tile, p),
        }
        Ok(())
    }

    /// The weights as compressed rows, exactly as they are stored: in half precision, rounded.
    #[must_use]
    pub fn to_csr(&self) -> Csr {
        slots::to_csr(self.structure.slots(), self.shape, |slot| {
            self.values.get(slot)
        })
    }

    /// Replaces the weights by those of `csr`, which keeps the same places. Takes as long as
    /// packing; [`TrainingMatrix`](crate::TrainingMatrix) remembers where each weight goes, and is
    /// several times faster at it.
    ///
    /// # Errors
    ///
    /// Where the shapes or the places differ, or a weight is beyond the range of the precision;
    /// the matrix is then as before.
    pub fn update_values(&mut self, csr: &Csr) -> Result<(), KernelError> {
        let changed = |what: String| Err(KernelError::MaskChanged { what });
        self.check_shape(csr)?;
        if csr.nnz() != self.nnz {
            return changed(format!(
                "there are {} weights where {} are packed",
                csr.nnz(),
                self.nnz
            ));
        }
        check_packable(csr, self.format, self.precision())?;
        let (structure, entries) = Structure::pack(csr, self.format);
        if structure != self.structure {
            return changed("the weights stand at other places than those packed".to_owned());
        }
        self.values = Values::gather(self.precision(), &entries, csr.values());
        Ok(())
    }

    /// Replaces the weights by those of `csr`, wherever they stand: exactly what packing it anew in
    /// the same format and precision, for the same instruction set, would give.
    ///
    /// It *is* packed anew, whatever changed, for nothing less would be faster: a change of 1 % of
    /// the weights, or of a few rows here and there, touches every band; bands are balanced and
    /// rows sorted by how many weights they have, so that a change moves what is stored after it;
    /// and finding out what could stay reads as much as packing does. What was made fast is packing
    /// itself. On one thread with AVX-512, 1024×1024 at 90 %, against a product with 64 columns in
    /// the same format, with 1 % of the rows changed or 1 % of the weights alike: panels 2.5 times
    /// as long, CSR 0.6, row lists and 4×1 blocks 6 to 8. The example `packing` measures it.
    ///
    /// # Errors
    ///
    /// Where the shapes differ, the format cannot hold the weights, or a weight is beyond the range
    /// of the precision; the matrix is then as before.
    pub fn update(&mut self, csr: &Csr) -> Result<Repacked, KernelError> {
        Ok(self.repack(csr)?.0)
    }

    /// [`update`](Self::update), and for each slot its entry in `csr`.
    pub(crate) fn repack(&mut self, csr: &Csr) -> Result<(Repacked, Vec<u32>), KernelError> {
        self.check_shape(csr)?;
        check_packable(csr, self.format, self.precision())?;
        let (structure, entries) = Structure::pack(csr, self.format);
        let repacked = if structure == self.structure {
            Repacked::Values
        } else {
            Repacked::Structure
        };
        self.nnz = csr.nnz();
        self.structure = structure;
        self.values = Values::gather(self.precision(), &entries, csr.values());
        Ok((repacked, entries))
    }

    fn check_shape(&self, csr: &Csr) -> Result<(), KernelError> {
        if csr.shape() == self.shape {
            return Ok(());
        }
        Err(KernelError::MaskChanged {
            what: format!(
                "the shape is {:?} where {:?} is packed",
                csr.shape(),
                self.shape
            ),
        })
    }

    /// Puts the value of each slot's entry into it. The values are in the range of the precision.
    pub(crate) fn fill(&mut self, entries: &[u32], values: &[f32]) {
        self.values.fill(entries, values);
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

    /// How the weights are stored.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.values.precision()
    }

    /// Bytes of the packed weights and indices; [`Format::bytes`] tells them before packing.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.structure.slots().bytes() + self.values.bytes()
    }
}

/// Refuses what cannot be packed so.
fn check_packable(csr: &Csr, format: Format, precision: Precision) -> Result<(), KernelError> {
    format.check(csr)?;
    precision.check(csr)?;
    slots::check_entries(csr)
}
