//! Activations as a tensor library keeps them: from a cache line on.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Floats that start at a cache line.
///
/// A vector load that straddles two lines takes twice as long, and where `Vec` puts its first
/// float is a matter of luck.
#[derive(Debug, Clone)]
pub struct Aligned {
    floats: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// A copy of `floats`.
    #[must_use]
    pub fn new(floats: &[f32]) -> Self {
        let mut aligned = Self::zeros(floats.len());
        aligned.get_mut().copy_from_slice(floats);
        aligned
    }

    /// Zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        let floats = vec![0.0_f32; len + LINE / size_of::<f32>()];
        let past = floats.as_ptr().addr() % LINE;
        let start = (LINE - past) % LINE / size_of::<f32>();
        Self { floats, start, len }
    }

    /// The floats.
    #[must_use]
    pub fn get(&self) -> &[f32] {
        &self.floats[self.start..self.start + self.len]
    }

    /// The floats, to be changed.
    pub fn get_mut(&mut self) -> &mut [f32] {
        &mut self.floats[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_start_at_a_cache_line() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let zeros = Aligned::zeros(len);
            assert_eq!(zeros.get().len(), len);
            assert_eq!(zeros.get().as_ptr().addr() % LINE, 0);
        }
        assert_eq!(Aligned::new(&[1.0, 2.0]).get(), [1.0, 2.0]);
    }
}
