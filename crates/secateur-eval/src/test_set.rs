//! What models are evaluated on: labels, names of classes, and other ways to group the examples.

use serde::{Deserialize, Serialize};

use secateur_core::random::fnv;

use crate::error::EvalError;

/// The examples that every model of a comparison is evaluated on.
///
/// Test sets are told apart by a checksum of their labels and, where given, of their inputs:
/// results of different test sets, or of the same one in another order, are never compared.
///
/// ```
/// use secateur_eval::TestSet;
///
/// let set = TestSet::new("toy", ["cat", "dog"], [0, 1, 1])?;
/// assert_eq!(set.len(), 3);
/// # Ok::<(), secateur_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestSet {
    name: String,
    classes: Vec<String>,
    labels: Vec<u32>,
    inputs: Option<u64>,
    groupings: Vec<Grouping>,
}

/// A division of the examples into groups: an attribute, a protected group, or the class itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grouping {
    /// What the examples are grouped by.
    pub name: String,
    /// Names of the groups.
    pub groups: Vec<String>,
    /// The group of each example, an index into `groups`.
    pub of: Vec<u32>,
}

impl TestSet {
    /// A test set by its name, the names of its classes, and the true class of every example.
    ///
    /// # Errors
    ///
    /// Without examples, with fewer than two classes, or with a label that is no class.
    pub fn new<S: Into<String>>(
        name: impl Into<String>,
        classes: impl IntoIterator<Item = S>,
        labels: impl IntoIterator<Item = u32>,
    ) -> Result<Self, EvalError> {
        let set = Self {
            name: name.into(),
            classes: classes.into_iter().map(Into::into).collect(),
            labels: labels.into_iter().collect(),
            inputs: None,
            groupings: Vec::new(),
        };
        set.check()?;
        Ok(set)
    }

    /// Adds a checksum of the inputs, so that other inputs with the same labels are noticed.
    #[must_use]
    pub fn with_inputs(mut self, inputs: &[f32]) -> Self {
        self.inputs = Some(fnv(inputs.iter().flat_map(|value| value.to_le_bytes())));
        self
    }

    /// Adds a grouping besides the class, which is analysed in the same way.
    ///
    /// # Errors
    ///
    /// If it does not name a group for every example.
    pub fn with_grouping(mut self, grouping: Grouping) -> Result<Self, EvalError> {
        self.groupings.push(grouping);
        self.check()?;
        Ok(self)
    }

    /// Everything that a test set must fulfil; also asked of one that was read from a file.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        if self.labels.is_empty() {
            return Err(EvalError::Empty {
                what: format!("labels of the test set `{}`", self.name),
                remedy: "pass the true class of every example",
            });
        }
        if self.classes.len() < 2 {
            return Err(EvalError::setting(
                "classes",
                self.classes.len(),
                "with fewer than two classes every model is right; name them all",
            ));
        }
        let known = |what: &str, labels: &[u32], classes: usize| match labels
            .iter()
            .position(|&label| label as usize >= classes)
        {
            Some(index) => Err(EvalError::UnknownLabel {
                what: what.into(),
                index,
                label: labels[index],
                classes,
            }),
            None => Ok(()),
        };
        known("labels", &self.labels, self.classes.len())?;
        for grouping in &self.groupings {
            if grouping.of.len() != self.labels.len() {
                return Err(EvalError::Length {
                    what: format!("grouping `{}`", grouping.name),
                    expected: self.labels.len(),
                    meaning: "one group for every example",
                    found: grouping.of.len(),
                });
            }
            known(&grouping.name, &grouping.of, grouping.groups.len())?;
        }
        Ok(())
    }

    /// What the test set is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names of the classes.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The true class of every example.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Groupings besides the class.
    #[must_use]
    pub fn groupings(&self) -> &[Grouping] {
        &self.groupings
    }

    /// The class as a grouping.
    #[must_use]
    pub fn by_class(&self) -> Grouping {
        Grouping {
            name: "class".into(),
            groups: self.classes.clone(),
            of: self.labels.clone(),
        }
    }

    /// How many examples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none; a test set that was made has some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// FNV-1a (64 bit) of the number of classes, the labels and the inputs' checksum. Names and
    /// groupings are not part of it: they can be mended later.
    #[must_use]
    pub fn checksum(&self) -> u64 {
        let inputs = self.inputs.unwrap_or_default();
        fnv((self.classes.len() as u64)
            .to_le_bytes()
            .into_iter()
            .chain(self.labels.iter().flat_map(|label| label.to_le_bytes()))
            .chain(inputs.to_le_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_sets_are_refused() {
        let none: [&str; 0] = [];
        assert!(matches!(
            TestSet::new("t", none, [0]),
            Err(EvalError::Setting {
                name: "classes",
                ..
            })
        ));
        assert!(matches!(
            TestSet::new("t", ["a"], [0]),
            Err(EvalError::Setting { .. })
        ));
        assert!(matches!(
            TestSet::new("t", ["a", "b"], []),
            Err(EvalError::Empty { .. })
        ));
        let error = TestSet::new("t", ["a", "b"], [0, 2]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`labels` is 2 at place 1, there are 2 names; add the missing one"
        );
        let set = TestSet::new("t", ["a", "b"], [0, 1]).unwrap();
        let short = Grouping {
            name: "sex".into(),
            groups: vec!["f".into()],
            of: vec![0],
        };
        assert!(matches!(
            set.with_grouping(short),
            Err(EvalError::Length { expected: 2, .. })
        ));
    }

    #[test]
    fn the_checksum_sees_order_labels_and_inputs() {
        let set = |labels: [u32; 3]| TestSet::new("t", ["a", "b"], labels).unwrap();
        let sums = [
            set([0, 1, 1]).checksum(),
            set([1, 0, 1]).checksum(),
            set([0, 1, 1]).with_inputs(&[1.0]).checksum(),
            set([0, 1, 1]).with_inputs(&[2.0]).checksum(),
        ];
        assert!((1..4).all(|i| !sums[..i].contains(&sums[i])));
        assert_eq!(set([0, 1, 1]).checksum(), sums[0]);
    }
}
