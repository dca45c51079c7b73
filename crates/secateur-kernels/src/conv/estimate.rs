//! What a convolution costs in each format, and which to choose.

use std::fmt;

use crate::csr::Csr;
use crate::error::{KernelError, check_length};
use crate::isa::Isa;

use super::geometry::ConvGeometry;
use super::packed::ConvFormat;
use super::plane::{MAX_VECTORS, Plane, Shifts, Tiling};

/// The images that a convolution is packed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvHint {
    image: [usize; 2],
    batch: usize,
}

impl ConvHint {
    /// Images of about `[height, width]` pixels, one at a time.
    #[must_use]
    pub fn image(image: [usize; 2]) -> Self {
        Self { image, batch: 1 }
    }

    /// About this many images at a time: a large batch does not stay in the cache.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }
}

/// Which format was chosen for a convolution, and what speaks for it.
///
/// The estimate is a fixed table for each instruction set: the same weights are packed the same
/// on every run and machine.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvChoice {
    dense: f64,
    panels: f64,
    panel_channels: usize,
    tiling: Tiling,
}

/// What the parts of the work cost, in nanoseconds for a vector of floats.
#[derive(Debug, Clone, Copy)]
struct Rates {
    /// A multiply-add of the dense kernel.
    dense: f64,
    /// A multiply-add of a kept weight, its pixels aligned and in the first-level cache.
    weight: f64,
    /// How many times that where the pixels straddle cache lines.
    straddling: f64,
    /// Finding the pixels of a kept weight, once a tile.
    find: f64,
    /// Taking up a vector of sums and putting it down.
    sums: f64,
    /// Beginning a row of a panel, once a tile.
    row: f64,
    /// Copying a vector of input.
    copy: f64,
}

fn rates(isa: Isa) -> Rates {
    let avx512 = Rates {
        dense: 0.25,
        weight: 0.31,
        straddling: 1.45,
        find: 0.3,
        sums: 0.65,
        row: 5.0,
        copy: 2.5,
    };
    match isa {
        Isa::Avx512 | Isa::Avx512Vbmi => avx512,
        Isa::Scalar => Rates {
            dense: 0.18,
            weight: 0.53,
            straddling: 1.0,
            find: 0.5,
            sums: 0.5,
            row: 5.0,
            copy: 0.6,
        },
        // Arm and WASM are set down by their likeness to AVX2, not measured.
        _ => Rates {
            dense: 0.29,
            weight: 0.33,
            straddling: 1.25,
            sums: 0.4,
            copy: 1.5,
            ..avx512
        },
    }
}

/// Bytes of a panel's pixels from which the first-level cache begins to overflow, and those from
/// which nearly all come from the second level.
const CACHE: [f64; 2] = [40e3, 100e3];

/// What a multiply-add costs more then.
const OVERFLOW: f64 = 0.6;

/// Nanoseconds that the dense kernel needs to turn and finish a vector of sums.
const TURN: f64 = 8.0;

/// Bytes of input and output from which they come from beyond the second-level cache.
const FAR: f64 = 4e6;

/// Nanoseconds that a tile waits for the pixels of one channel: near, and far.
const TOUCH: [f64; 2] = [0.0, 70.0];

/// How much faster than dense the estimate has to be, so that its error seldom decides.
const MARGIN: f64 = 1.05;

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
        let (rates, lanes) = (rates(isa), isa.lanes());
        let mut choice = Self {
            dense: dense_cost(geometry, hint, rates, lanes)?,
            panels: f64::INFINITY,
            panel_channels: 1,
            tiling: Tiling {
                vectors: MAX_VECTORS,
                shifts: Shifts::Copied,
            },
        };
        let [_, group_channels] = geometry.group_channels();
        let mut plane = Plane::default();
        for shifts in [Shifts::Copied, Shifts::Loaded] {
            for vectors in [MAX_VECTORS, MAX_VECTORS / 2] {
                let tiling = Tiling { vectors, shifts };
                plane.outline(geometry, hint.image, lanes, 1, tiling)?;
                for panels in 1..=group_channels {
                    let width = group_channels.div_ceil(panels);
                    let cost = panels_cost(csr, geometry, hint, &plane, rates, tiling, width);
                    if cost < choice.panels {
                        choice.panels = cost;
                        choice.panel_channels = width;
                        choice.tiling = tiling;
                    }
                }
            }
        }
        Ok(choice)
    }

    /// The format chosen: dense where no other is estimated to be faster.
    #[must_use]
    pub fn format(&self) -> ConvFormat {
        if self.panels * MARGIN < self.dense {
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

    /// Input channels of a panel, and how its images are best cut and copied.
    pub(crate) fn panels(&self) -> (usize, Tiling) {
        (self.panel_channels, self.tiling)
    }
}

impl fmt::Display for ConvChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: panels of {} channels {:.1} us, dense {:.1} us an image",
            self.format(),
            self.panel_channels,
            self.panels * 1e-3,
            self.dense * 1e-3
        )
    }
}

/// Nanoseconds of an image by the dense kernel, whose vectors hold output channels.
fn dense_cost(
    geometry: &ConvGeometry,
    hint: &ConvHint,
    rates: Rates,
    lanes: usize,
) -> Result<f64, KernelError> {
    let [height, width] = geometry.output(hint.image)?;
    let [group_rows, _] = geometry.group_channels();
    let [_, columns] = geometry.matrix_shape();
    let [_, channels] = geometry.channels();
    let mut plane = Plane::default();
    plane.lay_out_whole(geometry, hint.image, lanes)?;
    let rows = group_rows.next_multiple_of(16) * geometry.group_count();
    let products = rows as f64 * columns as f64 * (height * width) as f64;
    let copied = channels as f64 * plane.channel as f64 * rates.copy;
    let finished = rows as f64 * (height * width) as f64 * TURN;
    Ok((products * rates.dense + copied + finished) / lanes as f64)
}

/// Nanoseconds of an image by panels of `width` channels.
fn panels_cost(
    csr: &Csr,
    geometry: &ConvGeometry,
    hint: &ConvHint,
    plane: &Plane,
    rates: Rates,
    tiling: Tiling,
    width: usize,
) -> f64 {
    let [rows, channels] = geometry.channels().map(|channels| channels as f64);
    let [_, group_channels] = geometry.group_channels();
    let panels = group_channels.div_ceil(width) as f64;
    let tiles = plane.tiles() as f64;
    let vectors = tiles * plane.widest() as f64;
    let bytes = (4 * plane.channel * width) as f64;
    let overflow = OVERFLOW * ((bytes - CACHE[0]) / (CACHE[1] - CACHE[0])).clamp(0.0, 1.0);
    let loads = match tiling.shifts {
        Shifts::Copied => 1.0,
        Shifts::Loaded => rates.straddling,
    };
    let copied = channels * tiles * (plane.channel / plane.lanes) as f64;
    let [pixels, outputs] = [plane.input, plane.output].map(|[y, x]| y as f64 * x as f64);
    let moved = 4.0 * hint.batch as f64 * (channels * pixels + rows * outputs);
    let touch = TOUCH[usize::from(moved > FAR)];
    csr.nnz() as f64 * (vectors * rates.weight * (loads + overflow) + tiles * rates.find)
        + rows * panels * (vectors * rates.sums + tiles * rates.row)
        + copied * rates.copy
        + (channels + rows) * tiles * touch
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every weight whose place, scrambled, falls below `density`.
    fn weights(shape: [usize; 2], density: f64) -> Csr {
        let len = shape[0] * shape[1];
        let kept = |at: usize| (at * 7919 % 10_007) as f64 / 10_007.0 < density;
        let dense: Vec<f32> = (0..len)
            .map(|at| if kept(at) { 1.0 } else { 0.0 })
            .collect();
        Csr::from_dense(&dense, shape).unwrap()
    }

    #[test]
    #[cfg_attr(miri, ignore = "large")]
    fn full_weights_are_dense_and_few_are_panels() {
        for (channels, kernel, image) in [
            ([256, 256], 3, [14, 14]),
            ([64, 64], 3, [56, 56]),
            ([256, 256], 1, [28, 28]),
        ] {
            let geometry =
                ConvGeometry::conv2d(channels, [kernel; 2]).padding([kernel / 2, kernel / 2]);
            let shape = geometry.matrix_shape();
            let hint = ConvHint::image(image);
            let choose = |density: f64| {
                ConvChoice::of(&weights(shape, density), &geometry, &hint)
                    .unwrap()
                    .format()
            };
            assert_eq!(choose(1.0), ConvFormat::Dense);
            assert_eq!(choose(0.03), ConvFormat::Panels);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "large")]
    fn depthwise_weights_are_panels_even_when_full() {
        let geometry = ConvGeometry::conv2d([64, 64], [3, 3])
            .padding([1, 1])
            .groups(64);
        let csr = weights(geometry.matrix_shape(), 1.0);
        let choice = ConvChoice::of(&csr, &geometry, &ConvHint::image([28, 28])).unwrap();
        assert_eq!(choice.format(), ConvFormat::Panels);
    }

    #[test]
    fn other_shapes_are_refused() {
        let geometry = ConvGeometry::conv2d([4, 2], [3, 3]);
        let hint = ConvHint::image([8, 8]);
        assert!(ConvChoice::of(&weights([4, 18], 0.5), &geometry, &hint).is_ok());
        assert!(ConvChoice::of(&weights([4, 17], 0.5), &geometry, &hint).is_err());
        assert!(ConvChoice::of(&weights([5, 18], 0.5), &geometry, &hint).is_err());
    }
}
