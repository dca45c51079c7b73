//! Signals of a pruner that are fed with what flows through the layers.

use std::fmt;

use secateur_core::flow::{Flow, Part, Rows};
use secateur_core::signal::{Observes, Signal};
use serde::{Deserialize, Serialize};

use crate::statistics::{Moments, ROWS_AT_ONCE, add_products, triangle};

/// A number about each feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Statistic {
    /// Mean over the rows.
    Mean,
    /// Variance over the rows, `(1/n) Σ (x - x̄)²`.
    Variance,
    /// `√(Σ x²)` over the rows.
    Norm,
    /// Share of rows in which it is zero, 0 to 1.
    Zeros,
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Variance => "variance",
            Self::Norm => "norm",
            Self::Zeros => "share of zeros",
        })
    }
}

/// A statistic of each feature of a layer's input, output or activation, over all rows of all
/// calibration batches.
///
/// Scorers read one number for each feature: of an input `groups · in · kernel`, group by group in
/// the order of the weight's view, otherwise one for each output. Memory: four numbers a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowMoments {
    part: Part,
    statistic: Statistic,
    name: String,
}

impl FlowMoments {
    /// The statistic of a part of the flow.
    #[must_use]
    pub fn new(part: Part, statistic: Statistic) -> Self {
        Self {
            part,
            statistic,
            name: format!("{statistic} of the {part}"),
        }
    }

    /// `‖X_j‖₂` of each input feature: Wanda's.
    #[must_use]
    pub fn input_norm() -> Self {
        Self::new(Part::Input, Statistic::Norm)
    }

    /// Share of zeros of each output behind its activation: APoZ.
    #[must_use]
    pub fn activation_zeros() -> Self {
        Self::new(Part::Activation, Statistic::Zeros)
    }
}

impl Signal for FlowMoments {
    fn name(&self) -> &str {
        &self.name
    }

    fn observes(&self) -> Observes {
        Observes::Flows
    }

    fn update_flow(&self, state: &mut Vec<f64>, flow: &Flow<'_>) {
        let Some(rows) = flow.rows(self.part) else {
            return;
        };
        let groups = flow.groups_of(self.part);
        let length = Moments::numbers(rows.features());
        // The number of groups stands first: without it nothing says where a group ends.
        state.resize(1 + groups * length, 0.0);
        state[0] = groups as f64;
        let mut moments: Vec<Moments> =
            state[1..].chunks_exact(length).map(Moments::read).collect();
        rows.for_each(&mut |group, row| {
            if let Some(moments) = moments.get_mut(group) {
                moments.add(row);
            }
        });
        for (moments, numbers) in moments.iter().zip(state[1..].chunks_exact_mut(length)) {
            moments.write(numbers);
        }
    }

    fn read(&self, state: &[f64], _observations: u64) -> Vec<f32> {
        let Some((&groups, rest)) = state.split_first() else {
            return Vec::new();
        };
        let length = rest.len() / (groups as usize).max(1);
        let of_group = |numbers| {
            let moments = Moments::read(numbers);
            match self.statistic {
                Statistic::Mean => moments.mean().to_vec(),
                Statistic::Variance => moments.variance(),
                Statistic::Norm => moments.norm(),
                Statistic::Zeros => moments.zeros(),
            }
        };
        let all = rest.chunks_exact(length.max(1)).flat_map(of_group);
        all.map(|x| x as f32).collect()
    }
}

/// Second moments `Σ xᵀx` of a layer's input rows, over all calibration batches: the Hessian of the
/// layer's squared error, up to a factor.
///
/// The state, which [`ScoreContext::accumulated`](secateur_core::scorer::ScoreContext::accumulated)
/// gives, is the lower triangle row by row, group after group; [`matrix`](Self::matrix) reads it.
/// Memory: as [`Gram`](crate::Gram), for each group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputGram;

impl InputGram {
    /// The symmetric matrix `Σ x_i x_j` of a group, row by row, from a state for rows of `features`;
    /// `None` for a group that the state does not have.
    #[must_use]
    pub fn matrix(state: &[f64], features: usize, group: usize) -> Option<Vec<f64>> {
        let mut lines = state.chunks_exact(triangle(features).max(1)).nth(group)?;
        let mut matrix = vec![0.0; features * features];
        for i in 0..features {
            let (line, rest) = lines.split_at(i + 1);
            lines = rest;
            matrix[i * features..][..=i].copy_from_slice(line);
            for (j, &sum) in line.iter().enumerate() {
                matrix[j * features + i] = sum;
            }
        }
        Some(matrix)
    }

    /// How many groups a state for rows of `features` has.
    #[must_use]
    pub fn groups(state: &[f64], features: usize) -> usize {
        state.len() / triangle(features).max(1)
    }
}

impl Signal for InputGram {
    fn name(&self) -> &str {
        "second moments of the input"
    }

    fn observes(&self) -> Observes {
        Observes::Flows
    }

    fn update_flow(&self, state: &mut Vec<f64>, flow: &Flow<'_>) {
        let Some(rows) = flow.rows(Part::Input) else {
            return;
        };
        let features = rows.features();
        let length = triangle(features);
        state.resize(flow.groups() * length, 0.0);
        if length == 0 {
            return;
        }
        let mut gathered = vec![Vec::with_capacity(features * ROWS_AT_ONCE); flow.groups()];
        rows.for_each(&mut |group, row| {
            if let Some(gathered) = gathered.get_mut(group) {
                gathered.extend_from_slice(row);
                if gathered.len() >= features * ROWS_AT_ONCE {
                    let sums = &mut state[group * length..(group + 1) * length];
                    add_products(sums, features, gathered);
                    gathered.clear();
                }
            }
        });
        for (gathered, sums) in gathered.iter().zip(state.chunks_exact_mut(length)) {
            add_products(sums, features, gathered);
        }
    }

    fn read(&self, state: &[f64], _observations: u64) -> Vec<f32> {
        state.iter().map(|&sum| sum as f32).collect()
    }
}

/// The rows of a value: its features lie along one axis, all others count rows.
pub(crate) struct ValueRows<'a> {
    pub values: &'a [f32],
    /// Elements of the axes before that of the features.
    pub outer: usize,
    pub features: usize,
    /// Elements of the axes after it.
    pub inner: usize,
}

impl Rows for ValueRows<'_> {
    fn features(&self) -> usize {
        self.features
    }

    fn for_each(&self, visit: &mut dyn FnMut(usize, &[f32])) {
        if self.inner == 1 {
            let rows = self.values.chunks_exact(self.features.max(1));
            rows.for_each(|row| visit(0, row));
            return;
        }
        let mut row = vec![0.0; self.features];
        for outer in 0..self.outer {
            for inner in 0..self.inner {
                for (feature, value) in row.iter_mut().enumerate() {
                    *value = self.values[(outer * self.features + feature) * self.inner + inner];
                }
                visit(0, &row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use secateur_core::flow::RowTable;

    use super::*;

    #[test]
    fn statistics_of_two_uses_are_those_of_all_rows() {
        let (first, second) = ([1.0, 0.0, 2.0, 0.0], [6.0, 3.0]);
        let (first, second) = (RowTable::new(&first, 2), RowTable::new(&second, 2));
        let read = |part, statistic| {
            let signal = FlowMoments::new(part, statistic);
            let mut state = Vec::new();
            for rows in [&first, &second] {
                let flow = Flow::new("w", rows).with_activation(rows);
                signal.update_flow(&mut state, &flow);
            }
            signal.read(&state, 2)
        };
        // 1, 2, 6 and 0, 0, 3: means 3 and 1, variances 14/3 and 2, sums of squares 41 and 9.
        assert_eq!(read(Part::Input, Statistic::Mean), [3.0, 1.0]);
        assert_eq!(read(Part::Input, Statistic::Variance), [14.0 / 3.0, 2.0]);
        assert_eq!(read(Part::Input, Statistic::Norm), [41f32.sqrt(), 3.0]);
        assert_eq!(read(Part::Activation, Statistic::Zeros), [0.0, 2.0 / 3.0]);
        // There is no output: nothing is observed.
        assert!(read(Part::Output, Statistic::Mean).is_empty());
    }

    #[test]
    fn second_moments_of_two_uses_by_hand() {
        let (first, second) = ([1.0, 2.0], [3.0, -1.0]);
        let (first, second) = (RowTable::new(&first, 2), RowTable::new(&second, 2));
        let mut state = Vec::new();
        InputGram.update_flow(&mut state, &Flow::new("w", &first));
        InputGram.update_flow(&mut state, &Flow::new("w", &second));
        assert_eq!(state, [10.0, -1.0, 5.0]);
        let matrix = InputGram::matrix(&state, 2, 0).unwrap();
        assert_eq!(matrix, [10.0, -1.0, -1.0, 5.0]);
        assert_eq!(InputGram::matrix(&state, 2, 1), None);
        assert_eq!(InputGram::groups(&state, 2), 1);
    }

    #[test]
    fn rows_of_an_image_are_its_pixels() {
        // Two channels of three pixels.
        let rows = ValueRows {
            values: &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            outer: 1,
            features: 2,
            inner: 3,
        };
        let mut seen = Vec::new();
        rows.for_each(&mut |_, row| seen.push(row.to_vec()));
        assert_eq!(seen, [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]);
    }
}
