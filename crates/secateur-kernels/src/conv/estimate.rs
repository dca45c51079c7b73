//! What a convolution costs in each format, and which to choose.

use crate::csr::Csr;
use crate::error::{KernelError, check_length};
use crate::isa::Isa;

use super::geometry::ConvGeometry;
use super::packed::ConvFormat;
use super::plane::{Plane, Shifts};

/// The images that a convolution is packed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvHint {
    image: [usize; 2],
}

impl ConvHint {
    /// Images of about `[height, width]` pixels.
    #[must_use]
    pub fn image(image: [usize; 2]) -> Self {
        Self { image }
    }
}

/// A choice of format and what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvChoice {
    dense: f64,
    panels: f64,
    panel_channels: usize,
    shifts: Shifts,
}

/// What the parts of the work cost, in nanoseconds for a vector of floats.
#[derive(Debug, Clone, Copy)]
struct Rates {
    /// A multiply-add of the dense kernel.
    dense: f64,
    /// A multiply-add of a kept weight.
    weight: f64,
    /// Taking up the sums of a row and putting them down.
    sums: f64,
    /// Beginning a row of a panel, whatever its vectors.
    row: f64,
    /// Copying a vector of input.
    copy: f64,
}

fn rates(isa: Isa) -> Rates {
    match isa {
        Isa::Avx512 | Isa::Avx512Vbmi => Rates {
            dense: 0.18,
            weight: 0.21,
            sums: 0.5,
            row: 4.0,
            copy: 0.8,
        },
        Isa::Avx2 => Rates {
            dense: 0.18,
            weight: 0.21,
            sums: 0.4,
            row: 4.0,
            copy: 0.8,
        },
        _ => Rates {
            dense: 0.6,
            weight: 0.7,
            sums: 1.0,
            row: 4.0,
            copy: 1.0,
        },
    }
}

impl ConvChoice {
    /// The choice for the weights `csr`, `[out, in / groups * height * width]`, of a convolution
    /// of `geometry`.
    ///
    /// # Errors
    ///
    /// Where `geometry` contradicts itself or does not fit the hint's image, `csr` has another
    /// shape, or `SECATEUR_ISA` cannot be honoured.
    pub fn of(csr: &Csr, geometry: &ConvGeometry, hint: &ConvHint) -> Result<Self, KernelError> {
        geometry.check()?;
        let shape = geometry.matrix_shape();
        for axis in 0..2 {
            check_length(
                ["rows of the weights", "columns of the weights"][axis],
                csr.shape()[axis],
                shape[axis],
                "give weights `[out, in / groups * kernel height * kernel width]`",
            )?;
        }
        let isa = Isa::from_env()?;
        let rates = rates(isa);
        let lanes = isa.lanes();
        let [height, width] = geometry.output(hint.image)?;
        let [group_rows, group_channels] = geometry.group_channels();
        let groups = geometry.group_count() as f64;
        let mut plane = Plane::default();

        plane.lay_out_whole(geometry, hint.image, lanes)?;
        let [_, channels] = geometry.channels();
        let copied = |plane: &Plane, tiles: usize| {
            (channels * tiles) as f64 * (plane.channel / lanes) as f64 * rates.copy
        };
        let chunk = 16_usize.max(lanes);
        let products = group_rows.next_multiple_of(chunk) as f64
            * groups
            * shape[1] as f64
            * (height * width) as f64;
        let dense = products / lanes as f64 * rates.dense + copied(&plane, 1);

        let mut best = (f64::INFINITY, 1, Shifts::Copied);
        for shifts in [Shifts::Copied, Shifts::Loaded] {
            let mut last = 0;
            for panels in 1..=group_channels {
                let wide = group_channels.div_ceil(panels);
                if wide == last {
                    continue;
                }
                last = wide;
                plane.lay_out(geometry, hint.image, wide, lanes, 1, shifts)?;
                let vectors = (plane.widest() * plane.tiles()) as f64;
                let rows = (shape[0] * panels) as f64;
                // A weight's vectors come from the second-level cache where a panel overflows
                // the first.
                let overflow = ((plane.channel * wide) as f64 / 10240.0 - 1.0).clamp(0.0, 1.0);
                let loads = match shifts {
                    Shifts::Copied => 1.0,
                    Shifts::Loaded => 1.5,
                };
                let panels = csr.nnz() as f64 * vectors * rates.weight * (loads + overflow)
                    + rows * vectors * rates.sums
                    + rows * plane.tiles() as f64 * rates.row
                    + copied(&plane, plane.tiles());
                if panels < best.0 {
                    best = (panels, wide, shifts);
                }
            }
        }
        if let Some(width) = std::env::var("CONV_WIDTH").ok().and_then(|w| w.parse().ok()) {
            best.1 = width;
        }
        if let Ok(v) = std::env::var("CONV_SHIFTS") {
            best.2 = if v == "0" { Shifts::Copied } else { Shifts::Loaded };
        }
        Ok(Self {
            dense,
            panels: best.0,
            panel_channels: best.1,
            shifts: best.2,
        })
    }

    /// The format chosen: dense where no other is estimated to be faster.
    #[must_use]
    pub fn format(&self) -> ConvFormat {
        if self.panels < self.dense {
            ConvFormat::Panels
        } else {
            ConvFormat::Dense
        }
    }

    /// Estimated seconds of an image in a format, on one thread.
    #[must_use]
    pub fn seconds(&self, format: ConvFormat) -> f64 {
        1e-9 * match format {
            ConvFormat::Dense => self.dense,
            ConvFormat::Panels => self.panels,
        }
    }

    /// Input channels of a panel, and how its images are best copied.
    pub(crate) fn panels(&self) -> (usize, Shifts) {
        (self.panel_channels, self.shifts)
    }
}
