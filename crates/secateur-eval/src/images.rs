//! Images as plain numbers.

use crate::error::EvalError;

/// Images `[images, channels, height, width]` with values from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    data: Vec<f32>,
    shape: [usize; 4],
}

impl Images {
    /// Images from their values, row by row.
    ///
    /// # Errors
    ///
    /// If the length does not fit the shape, there is no image, or a value is not from 0 to 1
    /// (undo the normalisation first; corrupt, then normalise).
    pub fn new(data: Vec<f32>, shape: [usize; 4]) -> Result<Self, EvalError> {
        let expected = shape
            .iter()
            .try_fold(1_usize, |all, &size| all.checked_mul(size));
        if expected == Some(0) {
            return Err(EvalError::Empty {
                what: format!("images of shape {shape:?}"),
                remedy: "give at least one image of at least one pixel",
            });
        }
        if expected != Some(data.len()) {
            return Err(EvalError::Length {
                what: "images".into(),
                expected: expected.unwrap_or(usize::MAX),
                meaning: "images x channels x height x width",
                found: data.len(),
            });
        }
        if let Some(index) = data.iter().position(|value| !(0.0..=1.0).contains(value)) {
            if !data[index].is_finite() {
                return Err(EvalError::NotFinite {
                    what: "images".into(),
                    index,
                    value: f64::from(data[index]),
                });
            }
            let remedy = "give values from 0 to 1: corrupt before normalising";
            return Err(EvalError::setting("images", data[index], remedy));
        }
        Ok(Self { data, shape })
    }

    /// Images from bytes, 255 becoming 1.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_bytes(bytes: &[u8], shape: [usize; 4]) -> Result<Self, EvalError> {
        Self::new(
            bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect(),
            shape,
        )
    }

    /// `[images, channels, height, width]`
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The values, row by row.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The values, row by row.
    #[must_use]
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there are none; never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// One image, `[channels, height, width]`.
    #[must_use]
    pub fn image(&self, index: usize) -> Option<&[f32]> {
        self.data
            .chunks_exact(self.data.len() / self.shape[0])
            .nth(index)
    }

    /// The same shape with other values, which are cut off at 0 and 1.
    pub(crate) fn with_data(&self, mut data: Vec<f32>) -> Self {
        data.iter_mut()
            .for_each(|value| *value = value.clamp(0.0, 1.0));
        Self {
            data,
            shape: self.shape,
        }
    }
}
