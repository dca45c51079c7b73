//! Memory that a multiplication needs beside its operands, kept from call to call.

use crate::conv::ConvScratch;
use crate::threads::Threads;

/// Floats of a cache line: buffers start at one, so that no vector load straddles two.
pub(crate) const LINE: usize = 16;

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A growing buffer of floats that starts at a cache line.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlignedBuffer {
    lines: Vec<Line>,
}

impl AlignedBuffer {
    /// `len` floats of unspecified, initialised content; allocates only where it must grow.
    pub(crate) fn floats(&mut self, len: usize) -> &mut [f32] {
        let lines = len.div_ceil(LINE);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0.0; LINE]));
        }
        // SAFETY: `Line` is `repr(C)` around `[f32; LINE]` with no padding (64 bytes, aligned to
        // 64), so `lines` of them are `lines * LINE >= len` initialised floats in a row, and the
        // borrow of `self` makes the slice exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast::<f32>(), len) }
    }
}

/// The buffers of a multiplication and the number of threads it may use.
///
/// Keep one beside the layer and pass it to each call: the first call grows the buffers, the
/// following ones allocate nothing. One scratch serves any number of matrices, one call at a
/// time.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    pub(crate) threads: Threads,
    /// Activations, packed.
    pub(crate) input: AlignedBuffer,
    /// Sums before the epilogue.
    pub(crate) sums: AlignedBuffer,
    /// Weights of half precision, widened.
    pub(crate) weights: AlignedBuffer,
    /// Where a convolution finds its pixels.
    pub(crate) conv: ConvScratch,
}

impl Scratch {
    /// Empty buffers, one thread.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with threads. Results are the same bit for bit at any number of threads.
    #[must_use]
    pub fn with_threads(mut self, threads: Threads) -> Self {
        self.threads = threads;
        self
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let lines = [&self.input, &self.sums, &self.weights].map(|buffer| buffer.lines.len());
        lines.into_iter().sum::<usize>() * size_of::<Line>() + self.conv.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_at_a_cache_line() {
        let mut buffer = AlignedBuffer::default();
        for len in [1, 15, 16, 17, 1000] {
            let floats = buffer.floats(len);
            assert_eq!(floats.len(), len);
            assert_eq!(floats.as_ptr().addr() % 64, 0);
        }
    }
}
