//! What flows through a layer: its inputs and outputs as rows of features.

use std::fmt;

/// Rows of equally many numbers, made one after the other: no table of all of them is held.
pub trait Rows {
    /// Numbers in a row.
    fn features(&self) -> usize;

    /// Calls `visit(group, row)` for every row. Groups are 0 but for grouped convolutions, whose
    /// outputs see different features.
    fn for_each(&self, visit: &mut dyn FnMut(usize, &[f32]));
}

/// A table of rows, for tests and for flows made by hand.
#[derive(Clone, Copy, Debug)]
pub struct RowTable<'a> {
    values: &'a [f32],
    features: usize,
}

impl<'a> RowTable<'a> {
    /// Rows of `features` numbers, one after the other; numbers that do not fill a last row are
    /// left out.
    #[must_use]
    pub fn new(values: &'a [f32], features: usize) -> Self {
        Self { values, features }
    }
}

impl Rows for RowTable<'_> {
    fn features(&self) -> usize {
        self.features
    }

    fn for_each(&self, visit: &mut dyn FnMut(usize, &[f32])) {
        let rows = self.values.chunks_exact(self.features.max(1));
        rows.for_each(|row| visit(0, row));
    }
}

/// A part of what flows through a layer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Part {
    /// What an output's weights multiply: a row for each output position, a feature for each
    /// `(in, kernel)` of the weight's view. Pixels of the padding are zeros.
    Input,
    /// What the layer gives: a row for each output position, a feature for each output.
    Output,
    /// The same behind the activation that follows the layer.
    Activation,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::Activation => "activation",
        })
    }
}

/// What one batch sends through one layer, known by the path of the layer's weight.
///
/// A layer that is used several times in a forward pass has a flow for each use.
#[derive(Clone, Copy)]
pub struct Flow<'a> {
    path: &'a str,
    groups: usize,
    in_axis: usize,
    input: &'a dyn Rows,
    output: Option<&'a dyn Rows>,
    activation: Option<&'a dyn Rows>,
}

impl<'a> Flow<'a> {
    /// The flow through the layer whose weight is at `path`, with one group, no output known and
    /// no activation.
    #[must_use]
    pub fn new(path: &'a str, input: &'a dyn Rows) -> Self {
        Self {
            path,
            groups: 1,
            in_axis: 1,
            input,
            output: None,
            activation: None,
        }
    }

    /// Sets the number of groups whose outputs see different features.
    #[must_use]
    pub fn with_groups(mut self, groups: usize) -> Self {
        self.groups = groups.max(1);
        self
    }

    /// Says which axis of the stored weight runs over the inputs: 0 for Burn's `Linear`,
    /// `[in, out]`, and 1, the default, for convolutions, `[out, in, ..]`.
    #[must_use]
    pub fn with_in_axis(mut self, axis: usize) -> Self {
        self.in_axis = axis;
        self
    }

    /// Sets what the layer gives.
    #[must_use]
    pub fn with_output(mut self, output: &'a dyn Rows) -> Self {
        self.output = Some(output);
        self
    }

    /// Sets what the activation behind the layer gives.
    #[must_use]
    pub fn with_activation(mut self, activation: &'a dyn Rows) -> Self {
        self.activation = Some(activation);
        self
    }

    /// Record path of the weight.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// Groups of outputs that see different input features; 1 but for grouped convolutions.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The rows of a part; `None` where the layer has none: no activation follows it.
    #[must_use]
    pub fn rows(&self, part: Part) -> Option<&'a dyn Rows> {
        match part {
            Part::Input => Some(self.input),
            Part::Output => self.output,
            Part::Activation => self.activation,
        }
    }

    /// Groups that the rows of a part fall into: those of the layer for its input, 1 otherwise.
    #[must_use]
    pub fn groups_of(&self, part: Part) -> usize {
        match part {
            Part::Input => self.groups,
            Part::Output | Part::Activation => 1,
        }
    }

    /// Whether the rows are those of a weight viewed as `[out, in, kernel]` and stored with its
    /// inputs along `in_axis`.
    pub(crate) fn fits(&self, shape: [usize; 3], in_axis: usize) -> bool {
        let [out, input, kernel] = shape;
        let outputs = |rows: Option<&dyn Rows>| rows.is_none_or(|rows| rows.features() == out);
        self.in_axis == in_axis
            && self.input.features() == input * kernel
            && out.is_multiple_of(self.groups)
            && outputs(self.output)
            && outputs(self.activation)
    }
}

impl fmt::Debug for Flow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow")
            .field("path", &self.path)
            .field("groups", &self.groups)
            .field("features", &self.input.features())
            .field("outputs", &self.output.map(Rows::features))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_fits_its_weight_only() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let rows = RowTable::new(&x, 3);
        let mut seen = Vec::new();
        rows.for_each(&mut |group, row| seen.push((group, row[0])));
        assert_eq!(seen, [(0, 1.0), (0, 4.0)]);

        let output = RowTable::new(&x[..4], 2);
        let flow = Flow::new("fc.weight", &rows).with_output(&output);
        assert!(flow.fits([2, 3, 1], 1));
        assert!(flow.fits([2, 1, 3], 1));
        assert!(!flow.fits([2, 3, 1], 0));
        assert!(!flow.fits([3, 3, 1], 1));
        assert!(!flow.fits([2, 2, 1], 1));
        assert!(!flow.with_groups(4).fits([2, 3, 1], 1));
        assert!(flow.rows(Part::Activation).is_none());
    }
}
