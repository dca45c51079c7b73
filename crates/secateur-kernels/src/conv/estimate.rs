//! What a convolution costs in each format, and which to choose.

use std::fmt;

use crate::csr::Csr;
use crate::error::{KernelError, check_length};
use crate::isa::Isa;

use super::geometry::ConvGeometry;
use super::measure;
use super::packed::ConvFormat;
use super::plane::{MAX_VECTORS, Plane, Shifts, Tiling};

/// The images that a convolution is packed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvHint {
    pub(super) image: [usize; 2],
    pub(super) batch: usize,
    measured: bool,
}

impl ConvHint {
    /// Images of about `[height, width]` pixels, one at a time.
    #[must_use]
    pub fn image(image: [usize; 2]) -> Self {
        Self {
            image,
            batch: 1,
            measured: false,
        }
    }

    /// About this many images at a time: a large batch does not stay in the cache.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// Decides by trying instead of by the estimate: dense, and panels cut in the ways that the
    /// estimate thinks well of, are packed, run for some hundredths of a second (or three times, where that is longer) on
    /// one thread, and the fastest is kept. For weights that are packed once and used often; the choice may
    /// differ from run to run and machine to machine.
    ///
    /// ```
    /// use secateur_kernels::{ConvChoice, ConvFormat, ConvGeometry, ConvHint, Csr};
    ///
    /// # fn main() -> Result<(), secateur_kernels::KernelError> {
    /// let geometry = ConvGeometry::conv2d([2, 1], [1, 2]);
    /// let weight = Csr::from_dense(&[-1.0, 1.0, 1.0, 0.0], [2, 2])?;
    /// let choice = ConvChoice::of(&weight, &geometry, &ConvHint::image([8, 8]).measured())?;
    /// assert!(choice.is_measured());
    /// assert!(choice.seconds(choice.format()) <= choice.seconds(ConvFormat::Dense));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn measured(self) -> Self {
        Self {
            measured: true,
            ..self
        }
    }
}

/// Which format was chosen for a convolution, and what speaks for it.
///
/// The estimate is a fixed table for each instruction set: the same weights are packed the same
/// on every run and machine. A [measured](ConvHint::measured) choice is not.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvChoice {
    /// Nanoseconds of an image.
    dense: f64,
    panels: Panels,
    measured: bool,
}

/// A way to cut panels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Panels {
    /// Nanoseconds of an image.
    pub(super) cost: f64,
    /// Input channels of a panel.
    pub(super) channels: usize,
    /// How images are cut and copied for them.
    pub(super) tiling: Tiling,
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
        let mut dense = dense_cost(geometry, hint, rates, lanes)?;
        let [_, group_channels] = geometry.group_channels();
        let mut plane = Plane::default();
        let mut ways = Vec::new();
        for shifts in [Shifts::Copied, Shifts::Loaded] {
            for vectors in [MAX_VECTORS, MAX_VECTORS / 2] {
                let tiling = Tiling { vectors, shifts };
                plane.outline(geometry, hint.image, lanes, 1, tiling)?;
                let widths = (1..=group_channels).map(|panels| group_channels.div_ceil(panels));
                let panels = widths.map(|channels| Panels {
                    cost: panels_cost(csr, geometry, hint, &plane, rates, tiling, channels),
                    channels,
                    tiling,
                });
                ways.extend(panels.min_by(|a, b| a.cost.total_cmp(&b.cost)));
            }
        }
        if hint.measured {
            dense = measure::measure(csr, geometry, hint, &mut ways)?;
        }
        let cheapest = ways.into_iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
        Ok(Self {
            dense,
            // Every convolution has a channel, so there is a way to cut it.
            panels: cheapest.unwrap_or(Panels {
                cost: f64::INFINITY,
                channels: 1,
                tiling: Tiling {
                    vectors: MAX_VECTORS,
                    shifts: Shifts::Copied,
                },
            }),
            measured: hint.measured,
        })
    }

    /// The format chosen: dense where no other is faster, or, if estimated, clearly so.
    #[must_use]
    pub fn format(&self) -> ConvFormat {
        let margin = if self.measured { 1.0 } else { MARGIN };
        if self.panels.cost * margin < self.dense {
            ConvFormat::Panels
        } else {
            ConvFormat::Dense
        }
    }

    /// Whether the seconds were measured for these very weights, and not estimated.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.measured
    }

    /// Seconds of an image in a format, on one thread: estimated, or [measured](Self::is_measured).
    #[must_use]
    pub fn seconds(&self, format: ConvFormat) -> f64 {
        1e-9 * match format {
            ConvFormat::Dense => self.dense,
            ConvFormat::Panels => self.panels.cost,
        }
    }

    /// How panels are best cut.
    pub(super) fn panels(&self) -> Panels {
        self.panels
    }
}

impl fmt::Display for ConvChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: panels of {} channels {:.1} us, dense {:.1} us an image",
            self.format(),
            self.panels.channels,
            self.panels.cost * 1e-3,
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
    use super::super::packed::SparseConv;
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
    #[cfg_attr(miri, ignore = "slow")]
    fn a_measured_choice_is_the_fastest_of_what_was_tried() {
        let geometry = ConvGeometry::conv2d([64, 64], [3, 3]).padding([1, 1]);
        let hint = ConvHint::image([14, 14]).batch(2).measured();
        let csr = weights(geometry.matrix_shape(), 0.02);
        let packed = SparseConv::pack_csr(&csr, &geometry, &hint).unwrap();
        assert_eq!(
            (packed.format(), packed.to_csr()),
            (ConvFormat::Panels, csr)
        );
        // Of full weights only the clock can tell.
        let csr = weights(geometry.matrix_shape(), 1.0);
        let choice = ConvChoice::of(&csr, &geometry, &hint).unwrap();
        let [dense, panels] = [ConvFormat::Dense, ConvFormat::Panels].map(|f| choice.seconds(f));
        assert!(choice.is_measured() && dense.is_finite() && panels.is_finite());
        assert_eq!(
            choice.format() == ConvFormat::Panels,
            panels < dense,
            "{choice}"
        );
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn a_measured_hint_takes_odd_shapes() {
        let strided = ConvGeometry::conv2d([6, 4], [1, 3])
            .groups(2)
            .stride([2, 2]);
        let csr = weights(strided.matrix_shape(), 0.5);
        for batch in [0, 1, usize::MAX] {
            let hint = ConvHint::image([5, 7]).batch(batch).measured();
            let choice = ConvChoice::of(&csr, &strided, &hint).unwrap();
            assert!(choice.seconds(ConvFormat::Panels).is_finite(), "{choice}");
        }
        let none = ConvHint::image([1, 1]).measured();
        assert!(ConvChoice::of(&csr, &strided, &none).is_err());
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
