//! A packed convolution.

use std::fmt;

use crate::csr::Csr;
use crate::epilogue::Epilogue;
use crate::error::{KernelError, check_length, checked_product};
use crate::isa::Isa;
use crate::scratch::Scratch;
use crate::slots::{self, Slots};

use super::dense::ConvDense;
use super::estimate::{ConvChoice, ConvHint, Panels};
use super::geometry::ConvGeometry;
use super::panels::ConvPanels;
use super::run;

/// A way to pack the weights of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConvFormat {
    /// Every weight, zeros included. Zeros are multiplied, so a NaN in X reaches every channel.
    Dense,
    /// Only the weights that are kept, sorted by count in panels of a few input channels.
    Panels,
}

impl fmt::Display for ConvFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dense => "dense",
            Self::Panels => "panels",
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Storage {
    Dense(ConvDense),
    Panels(ConvPanels),
}

/// The weights of a convolution, packed for speed: `[out, in / groups, height, width]`, of which
/// only those that a mask keeps count.
///
/// Immutable but for [`update_values`](Self::update_values), and free to share between threads.
/// It runs on images of any size; the [`ConvHint`] it is packed with only says which to be
/// fastest on.
///
/// ```
/// use secateur_kernels::{ConvGeometry, ConvHint, Epilogue, Scratch, SparseConv};
///
/// // One input channel, two output channels, 1 x 2 kernels: a difference, and the pixel itself.
/// let geometry = ConvGeometry::conv2d([2, 1], [1, 2]).padding_each([[0, 0], [0, 1]]);
/// let weight = [-1.0, 1.0, 1.0, 0.0];
/// let conv = SparseConv::pack(&weight, &geometry, &ConvHint::image([1, 3]))?;
///
/// let mut scratch = Scratch::new();
/// let (x, mut y) = ([1.0, 3.0, 6.0], [0.0; 6]);
/// conv.forward(&x, 1, [1, 3], &mut y, Epilogue::none().relu(), &mut scratch)?;
/// assert_eq!(y, [2.0, 3.0, 0.0, 1.0, 3.0, 6.0]);
/// # Ok::<(), secateur_kernels::KernelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SparseConv {
    geometry: ConvGeometry,
    isa: Isa,
    nnz: usize,
    storage: Storage,
}

impl SparseConv {
    /// Packs a dense `weight`, `[out, in / groups, height, width]`, in the format that is
    /// estimated to be fastest for `hint`; zeros are left out.
    ///
    /// # Errors
    ///
    /// Where `geometry` contradicts itself or does not fit the hint's image, `weight` has another
    /// length than its shape, or `SECATEUR_ISA` cannot be honoured.
    pub fn pack(
        weight: &[f32],
        geometry: &ConvGeometry,
        hint: &ConvHint,
    ) -> Result<Self, KernelError> {
        geometry.check()?;
        let csr = Csr::from_dense(weight, matrix_shape(geometry)?)?;
        Self::pack_csr(&csr, geometry, hint)
    }

    /// The same for the weights that `mask` keeps, whatever their values.
    ///
    /// # Errors
    ///
    /// As [`pack`](Self::pack), and where `mask` has another length than the weights.
    pub fn pack_masked(
        weight: &[f32],
        mask: &[bool],
        geometry: &ConvGeometry,
        hint: &ConvHint,
    ) -> Result<Self, KernelError> {
        geometry.check()?;
        let csr = Csr::from_masked(weight, mask, matrix_shape(geometry)?)?;
        Self::pack_csr(&csr, geometry, hint)
    }

    /// The same for weights as a matrix `[out, in / groups * height * width]`.
    ///
    /// # Errors
    ///
    /// As [`pack`](Self::pack).
    pub fn pack_csr(
        csr: &Csr,
        geometry: &ConvGeometry,
        hint: &ConvHint,
    ) -> Result<Self, KernelError> {
        let choice = ConvChoice::of(csr, geometry, hint)?;
        Self::pack_chosen(csr, geometry, choice.format(), &choice)
    }

    /// Packs in a format of the caller's choice, for the instruction set of [`Isa::from_env`].
    ///
    /// # Errors
    ///
    /// As [`pack`](Self::pack).
    pub fn pack_as(
        csr: &Csr,
        geometry: &ConvGeometry,
        format: ConvFormat,
        hint: &ConvHint,
    ) -> Result<Self, KernelError> {
        let choice = ConvChoice::of(csr, geometry, hint)?;
        Self::pack_chosen(csr, geometry, format, &choice)
    }

    fn pack_chosen(
        csr: &Csr,
        geometry: &ConvGeometry,
        format: ConvFormat,
        choice: &ConvChoice,
    ) -> Result<Self, KernelError> {
        match format {
            ConvFormat::Dense => Self::pack_dense(csr, geometry),
            ConvFormat::Panels => Self::pack_panels(csr, geometry, choice.panels()),
        }
    }

    /// Packs `csr`, which fits the geometry.
    pub(super) fn pack_dense(csr: &Csr, geometry: &ConvGeometry) -> Result<Self, KernelError> {
        slots::check_entries(csr)?;
        let storage = Storage::Dense(ConvDense::pack(csr, geometry)?);
        Self::stored(csr, geometry, storage)
    }

    /// The same in panels.
    pub(super) fn pack_panels(
        csr: &Csr,
        geometry: &ConvGeometry,
        panels: Panels,
    ) -> Result<Self, KernelError> {
        slots::check_entries(csr)?;
        let Panels {
            channels, tiling, ..
        } = panels;
        let storage = Storage::Panels(ConvPanels::pack(csr, geometry, channels, tiling));
        Self::stored(csr, geometry, storage)
    }

    fn stored(csr: &Csr, geometry: &ConvGeometry, storage: Storage) -> Result<Self, KernelError> {
        Ok(Self {
            geometry: *geometry,
            isa: Isa::from_env()?,
            nnz: csr.nnz(),
            storage,
        })
    }

    /// The same convolution, computed with another instruction set.
    ///
    /// # Errors
    ///
    /// Where this processor lacks it.
    pub fn with_isa(mut self, isa: Isa) -> Result<Self, KernelError> {
        self.isa = isa.checked()?;
        Ok(self)
    }

    /// `y = epilogue(conv(x))`: `x` is `[batch, in, height, width]` with `image` the height and
    /// width, `y` is `[batch, out, ..]` with [`ConvGeometry::output`] the rest. The epilogue's
    /// bias has one value an output channel.
    ///
    /// # Errors
    ///
    /// Where the kernel is larger than the padded image, or a length does not fit its shape.
    pub fn forward(
        &self,
        x: &[f32],
        batch: usize,
        image: [usize; 2],
        y: &mut [f32],
        epilogue: Epilogue<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let output = self.geometry.output(image)?;
        let [out, input] = self.geometry.channels();
        let inputs = elements([batch, input, image[0], image[1]], "x")?;
        let outputs = elements([batch, out, output[0], output[1]], "y")?;
        check_length(
            "x",
            x.len(),
            inputs,
            "give `[batch, in channels, height, width]`",
        )?;
        check_length(
            "y",
            y.len(),
            outputs,
            "give room for `[batch, out channels, height, width]` of the output",
        )?;
        epilogue.check(out, outputs)?;
        if batch == 0 {
            return Ok(());
        }
        match &self.storage {
            Storage::Dense(dense) => {
                dense.convolve(self.isa, x, batch, image, y, &epilogue, scratch)
            }
            Storage::Panels(panels) => run::convolve(
                panels,
                &self.geometry,
                self.isa,
                x,
                batch,
                image,
                y,
                &epilogue,
                scratch,
            ),
        }
    }

    /// The weights as compressed rows, exactly as they were packed:
    /// `[out, in / groups * height * width]`.
    #[must_use]
    pub fn to_csr(&self) -> Csr {
        let values = self.values();
        slots::to_csr(self.slots(), self.geometry.matrix_shape(), |slot| {
            values[slot]
        })
    }

    /// Replaces the weights by those of `csr`, which keeps the same places.
    ///
    /// # Errors
    ///
    /// Where the shapes or the places differ; the convolution is then as before.
    pub fn update_values(&mut self, csr: &Csr) -> Result<(), KernelError> {
        let changed = |what: String| Err(KernelError::MaskChanged { what });
        let shape = self.geometry.matrix_shape();
        if csr.shape() != shape {
            return changed(format!(
                "the shape is {:?} where {shape:?} is packed",
                csr.shape()
            ));
        }
        let origins = slots::origins(self.slots(), csr);
        if csr.nnz() != self.nnz || origins.len() != self.nnz {
            return changed(format!(
                "{} of {} packed weights are kept",
                origins.len(),
                self.nnz
            ));
        }
        let stored = match &mut self.storage {
            Storage::Dense(dense) => dense.values_mut(),
            Storage::Panels(panels) => panels.values_mut(),
        };
        for (slot, entry) in origins {
            stored[slot] = csr.values()[entry];
        }
        Ok(())
    }

    /// What it does to the shape of an image.
    #[must_use]
    pub fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    /// Weights the mask keeps.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.nnz
    }

    /// Share of the weights that the mask leaves out, 0 to 1.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        let [rows, columns] = self.geometry.matrix_shape();
        1.0 - self.nnz as f64 / (rows as f64 * columns as f64)
    }

    /// How it is packed.
    #[must_use]
    pub fn format(&self) -> ConvFormat {
        match &self.storage {
            Storage::Dense(_) => ConvFormat::Dense,
            Storage::Panels(_) => ConvFormat::Panels,
        }
    }

    /// The instructions it is computed with.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Bytes of the packed weights and indices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots().bytes() + size_of_val(self.values())
    }

    fn values(&self) -> &[f32] {
        match &self.storage {
            Storage::Dense(dense) => dense.values(),
            Storage::Panels(panels) => panels.values(),
        }
    }

    fn slots(&self) -> &dyn Slots {
        match &self.storage {
            Storage::Dense(dense) => dense,
            Storage::Panels(panels) => panels,
        }
    }
}

/// The shape of the weights as a matrix, where it fits the address space.
fn matrix_shape(geometry: &ConvGeometry) -> Result<[usize; 2], KernelError> {
    let shape = geometry.matrix_shape();
    checked_product(shape[0], shape[1], "out channels x in channels x kernel")?;
    Ok(shape)
}

fn elements(shape: [usize; 4], what: &'static str) -> Result<usize, KernelError> {
    shape
        .into_iter()
        .try_fold(1_usize, |product, size| product.checked_mul(size))
        .ok_or(KernelError::Overflow { what })
}
