//! How a multiplication is shared between threads.

use rayon::prelude::*;

/// Where the parts of a multiplication run.
///
/// The parts are fixed when a matrix is packed and each output is summed within one part, so the
/// number of threads never changes a bit of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Threads {
    /// On the calling thread.
    #[default]
    One,
    /// On the threads of the current rayon pool.
    Rayon,
}

impl Threads {
    /// Runs `part(0)` to `part(parts - 1)`, in any order, perhaps at the same time.
    pub(crate) fn for_each(self, parts: usize, part: impl Fn(usize) + Sync + Send) {
        match self {
            Self::Rayon if parts > 1 => (0..parts).into_par_iter().with_max_len(1).for_each(part),
            _ => (0..parts).for_each(part),
        }
    }
}

/// A pointer that parts running at the same time may share, each writing where no other does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedMut(*mut f32);

// SAFETY: the pointer is only a number; whoever dereferences it promises, at that place, that no
// two parts touch the same element.
unsafe impl Send for SharedMut {}
// SAFETY: as above.
unsafe impl Sync for SharedMut {}

impl SharedMut {
    pub(crate) fn new(slice: &mut [f32]) -> Self {
        Self(slice.as_mut_ptr())
    }

    pub(crate) fn get(self) -> *mut f32 {
        self.0
    }

    /// The place `floats` after this one.
    pub(crate) fn at(self, floats: usize) -> Self {
        Self(self.0.wrapping_add(floats))
    }
}
