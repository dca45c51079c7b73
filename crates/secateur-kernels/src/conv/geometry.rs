//! What a convolution does to the shape of an image, checked.

use crate::error::{KernelError, checked_product};

/// Most places of a kernel: 16 bits name one, and tell how many are kept.
const MAX_TAPS: usize = u16::MAX as usize;

/// Most rows or columns of a padded image: products of two stay far from overflow.
const MAX_SIDE: usize = i32::MAX as usize;

/// Channels, kernel, stride, padding, dilation and groups of a convolution.
///
/// Pairs are `[height, width]`. A convolution in one dimension is one over images of height 1.
///
/// ```
/// use secateur_kernels::ConvGeometry;
///
/// let halved = ConvGeometry::conv2d([64, 32], [3, 3]).stride([2, 2]).padding([1, 1]);
/// assert_eq!(halved.output([56, 56]).unwrap(), [28, 28]);
/// assert_eq!(halved.weight_shape(), [64, 32, 3, 3]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    channels: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
    groups: usize,
}

impl ConvGeometry {
    /// From `[out, in]` channels and a `[height, width]` kernel; stride and dilation 1, no
    /// padding, one group.
    #[must_use]
    pub fn conv2d(channels: [usize; 2], kernel: [usize; 2]) -> Self {
        Self {
            channels,
            kernel,
            stride: [1, 1],
            padding: [[0, 0], [0, 0]],
            dilation: [1, 1],
            groups: 1,
        }
    }

    /// A convolution along the width of images of height 1: leave 1 (of padding 0) as the first
    /// of each pair.
    #[must_use]
    pub fn conv1d(channels: [usize; 2], kernel: usize) -> Self {
        Self::conv2d(channels, [1, kernel])
    }

    /// Steps of the kernel, in pixels.
    #[must_use]
    pub fn stride(self, stride: [usize; 2]) -> Self {
        Self { stride, ..self }
    }

    /// Zeros around the image, as many at the end as at the beginning.
    #[must_use]
    pub fn padding(self, [height, width]: [usize; 2]) -> Self {
        self.padding_each([[height, height], [width, width]])
    }

    /// Zeros around the image: `[[top, bottom], [left, right]]`. They are multiplied like any
    /// pixel.
    #[must_use]
    pub fn padding_each(self, padding: [[usize; 2]; 2]) -> Self {
        Self { padding, ..self }
    }

    /// Distance between the pixels that neighbouring weights of the kernel see.
    #[must_use]
    pub fn dilation(self, dilation: [usize; 2]) -> Self {
        Self { dilation, ..self }
    }

    /// Cuts the channels into this many groups that do not see each other.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Shape of the weights: `[out, in / groups, height, width]`; `in / groups` is 0 for zero
    /// groups.
    #[must_use]
    pub fn weight_shape(&self) -> [usize; 4] {
        let [out, input] = self.channels;
        let [height, width] = self.kernel;
        [
            out,
            input.checked_div(self.groups).unwrap_or(0),
            height,
            width,
        ]
    }

    /// Channels `[out, in]`.
    #[must_use]
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Pixels of the output, `[height, width]`, of an image of `[height, width]`.
    ///
    /// # Errors
    ///
    /// Where the geometry contradicts itself, or the kernel is larger than the padded image.
    pub fn output(&self, image: [usize; 2]) -> Result<[usize; 2], KernelError> {
        self.check()?;
        let mut output = [0; 2];
        for axis in 0..2 {
            let what = ["padded image height", "padded image width"][axis];
            let padded = self.padding[axis]
                .iter()
                .try_fold(image[axis], |sum, &zeros| sum.checked_add(zeros))
                .ok_or(KernelError::Overflow { what })?;
            if padded > MAX_SIDE {
                return Err(KernelError::Dimension {
                    what,
                    got: padded,
                    min: 1,
                    max: MAX_SIDE,
                    remedy: "split the image, or pad less",
                });
            }
            let reach = self.reach(axis)?;
            if padded < reach {
                return Err(KernelError::Dimension {
                    what,
                    got: padded,
                    min: reach,
                    max: MAX_SIDE,
                    remedy: "pad the image, or choose a smaller kernel or dilation",
                });
            }
            output[axis] = (padded - reach) / self.stride[axis] + 1;
        }
        checked_product(output[0], output[1], "the output's height x width")?;
        Ok(output)
    }

    /// Refuses a geometry that no image fits.
    pub(crate) fn check(&self) -> Result<(), KernelError> {
        let [out, input] = self.channels;
        let [kernel_height, kernel_width] = self.kernel;
        let [stride_height, stride_width] = self.stride;
        let [dilation_height, dilation_width] = self.dilation;
        for (what, got, remedy) in [
            ("out channels", out, "a convolution makes at least one"),
            ("in channels", input, "a convolution reads at least one"),
            ("kernel height", kernel_height, "use 1 for none"),
            ("kernel width", kernel_width, "use 1 for none"),
            ("stride height", stride_height, "use 1 to see every row"),
            ("stride width", stride_width, "use 1 to see every column"),
            ("dilation height", dilation_height, "use 1 for none"),
            ("dilation width", dilation_width, "use 1 for none"),
            ("groups", self.groups, "use 1 for none"),
        ] {
            if got == 0 {
                return Err(KernelError::Dimension {
                    what,
                    got,
                    min: 1,
                    max: usize::MAX,
                    remedy,
                });
            }
        }
        if !out.is_multiple_of(self.groups) || !input.is_multiple_of(self.groups) {
            return Err(KernelError::InvalidSetting {
                setting: "groups",
                value: format!("{} for {input} to {out} channels", self.groups),
                expected: "a divisor of both numbers of channels",
                remedy: "change the groups, or the channels to multiples of them",
            });
        }
        let taps = checked_product(kernel_height, kernel_width, "kernel height x width")?;
        if taps > MAX_TAPS {
            return Err(KernelError::Dimension {
                what: "kernel height x width",
                got: taps,
                min: 1,
                max: MAX_TAPS,
                remedy: "split the kernel and add the results",
            });
        }
        checked_product(input / self.groups, taps, "in channels x kernel")?;
        self.reach(0)?;
        self.reach(1)?;
        Ok(())
    }

    /// Pixels from the first that a kernel sees to the last, both counted.
    fn reach(&self, axis: usize) -> Result<usize, KernelError> {
        (self.kernel[axis] - 1)
            .checked_mul(self.dilation[axis])
            .and_then(|reach| reach.checked_add(1))
            .ok_or(KernelError::Overflow {
                what: ["the dilated kernel's height", "the dilated kernel's width"][axis],
            })
    }

    /// Rows and columns of the weights as a matrix: `[out, in / groups * height * width]`.
    pub(crate) fn matrix_shape(&self) -> [usize; 2] {
        let [out, input, height, width] = self.weight_shape();
        [out, input * height * width]
    }

    /// Places of the kernel.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Channels `[out, in]` of one group.
    pub(crate) fn group_channels(&self) -> [usize; 2] {
        self.channels.map(|channels| channels / self.groups)
    }

    pub(crate) fn group_count(&self) -> usize {
        self.groups
    }

    pub(crate) fn kernel_size(&self) -> [usize; 2] {
        self.kernel
    }

    pub(crate) fn strides(&self) -> [usize; 2] {
        self.stride
    }

    pub(crate) fn dilations(&self) -> [usize; 2] {
        self.dilation
    }

    /// Zeros above and left of the image.
    pub(crate) fn leading_padding(&self) -> [usize; 2] {
        [self.padding[0][0], self.padding[1][0]]
    }

    /// Whether each output pixel sees just the input pixel at its own place.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [[0, 0], [0, 0]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_sizes_by_hand() {
        let base = ConvGeometry::conv2d([4, 2], [3, 3]);
        assert_eq!(base.output([5, 7]).unwrap(), [3, 5]);
        assert_eq!(base.padding([1, 1]).output([5, 7]).unwrap(), [5, 7]);
        assert_eq!(base.dilation([2, 3]).output([5, 7]).unwrap(), [1, 1]);
        let uneven = base.padding_each([[0, 1], [2, 0]]).stride([2, 3]);
        assert_eq!(uneven.output([6, 7]).unwrap(), [3, 3]);
        assert_eq!(
            ConvGeometry::conv1d([1, 1], 5).output([1, 9]).unwrap(),
            [1, 5]
        );
    }

    #[test]
    fn contradictions_name_the_parameter_and_the_remedy() {
        let base = ConvGeometry::conv2d([4, 6], [3, 3]);
        let message = |geometry: ConvGeometry| geometry.output([2, 8]).unwrap_err().to_string();
        for (geometry, parameter, remedy) in [
            (base.stride([1, 0]), "stride width", "use 1"),
            (base.dilation([0, 1]), "dilation height", "use 1"),
            (base.groups(0), "groups", "use 1"),
            (base.groups(3), "groups", "multiples"),
            (base, "padded image height", "pad the image"),
            (
                base.padding([usize::MAX, 0]),
                "padded image height",
                "split",
            ),
            (
                base.dilation([usize::MAX, 1]),
                "dilated kernel's height",
                "split",
            ),
            (
                ConvGeometry::conv2d([4, 6], [1 << 40, 1 << 40]),
                "kernel height x width",
                "split",
            ),
            (
                ConvGeometry::conv2d([4, 6], [0, 3]),
                "kernel height",
                "use 1",
            ),
        ] {
            let message = message(geometry);
            assert!(message.contains(parameter), "{message}");
            assert!(message.contains(remedy), "{message}");
        }
    }
}
