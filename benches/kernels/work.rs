//! What a contestant has to compute, and how one program tells another.

use std::fmt;
use std::str::FromStr;

/// Dense work, as every contestant understands it; what is sparse in it is in the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// `W X` with W `[m, k]` and X `[k, n]`.
    Product { m: usize, k: usize, n: usize },
    /// `W X`, `Wᵀ dY` and `dY Xᵀ`: one step of training.
    Training { m: usize, k: usize, n: usize },
    /// One image `[input, height, width]` to `[out, height, width]`: a square kernel of odd side,
    /// stride 1, padded to keep the size.
    Convolution {
        out: usize,
        input: usize,
        kernel: usize,
        image: [usize; 2],
    },
}

/// `product M K N`, `training M K N` or `convolution OUT IN KERNEL HEIGHT WIDTH`.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Product { m, k, n } => write!(f, "product {m} {k} {n}"),
            Self::Training { m, k, n } => write!(f, "training {m} {k} {n}"),
            Self::Convolution {
                out,
                input,
                kernel,
                image: [height, width],
            } => write!(f, "convolution {out} {input} {kernel} {height} {width}"),
        }
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let bad = || format!("`{line}` is no work");
        let mut words = line.split_whitespace();
        let name = words.next().ok_or_else(bad)?;
        let sizes: Vec<usize> = words
            .map(|word| word.parse().ok().filter(|&size| size > 0))
            .collect::<Option<_>>()
            .ok_or_else(bad)?;
        match (name, sizes.as_slice()) {
            ("product", &[m, k, n]) => Ok(Self::Product { m, k, n }),
            ("training", &[m, k, n]) => Ok(Self::Training { m, k, n }),
            ("convolution", &[out, input, kernel, height, width]) if kernel % 2 == 1 => {
                Ok(Self::Convolution {
                    out,
                    input,
                    kernel,
                    image: [height, width],
                })
            }
            _ => Err(bad()),
        }
    }
}

impl Work {
    /// Numbers of weights, of inputs and of outputs.
    pub(crate) fn lengths(self) -> [usize; 3] {
        match self {
            Self::Product { m, k, n } | Self::Training { m, k, n } => [m * k, k * n, m * n],
            Self::Convolution {
                out,
                input,
                kernel,
                image: [height, width],
            } => [
                out * input * kernel * kernel,
                input * height * width,
                out * height * width,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_read_back() {
        let (m, k, n) = (3, 4, 5);
        for work in [
            Work::Product { m, k, n },
            Work::Training { m, k, n },
            Work::Convolution {
                out: 6,
                input: 7,
                kernel: 3,
                image: [8, 9],
            },
        ] {
            assert_eq!(work.to_string().parse(), Ok(work));
        }
    }

    #[test]
    fn other_lines_are_no_work() {
        for line in [
            "",
            "product",
            "product 1 2",
            "product 1 2 3 4",
            "product 0 2 3",
            "convolution 1 2 2 4 4",
            "convolution 1 2 3 4",
            "product 1 2 x",
            "sum 1 2 3",
        ] {
            assert_eq!(line.parse::<Work>(), Err(format!("`{line}` is no work")));
        }
    }
}
