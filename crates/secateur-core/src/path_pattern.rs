//! Patterns that name parameters by their record paths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::PruneError;

/// A pattern over dotted parameter paths such as `blocks.0.conv.weight`.
///
/// `*` stands for exactly one component, `**` for any number of them, none included; every other
/// component stands for itself. A pattern has to match a path from its first component to its
/// last: `encoder` does not match `encoder.weight`, `encoder.**` does.
///
/// ```
/// # use secateur_core::path_pattern::PathPattern;
/// let weights: PathPattern = "blocks.*.**.weight".parse()?;
/// assert!(weights.matches("blocks.0.conv.weight"));
/// assert!(weights.matches("blocks.0.weight"));
/// assert!(!weights.matches("head.weight"));
/// # Ok::<(), secateur_core::error::PruneError>(())
/// ```
///
/// Serialised as its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    components: Vec<Component>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Component {
    Name(String),
    AnyOne,
    AnyNumber,
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`PruneError::InvalidSetting`] for an empty pattern, an empty component (`a..b`) and a
    /// wildcard that is only part of a component (`conv*`, `w?`).
    pub fn new(pattern: &str) -> Result<Self, PruneError> {
        let components = pattern
            .split('.')
            .map(|component| match component {
                "" => Err(malformed(
                    pattern,
                    "a path without empty components",
                    "write names separated by single dots, e.g. `blocks.*.weight`",
                )),
                "*" => Ok(Component::AnyOne),
                "**" => Ok(Component::AnyNumber),
                name if name.contains(['*', '?']) => Err(malformed(
                    pattern,
                    "a path whose wildcards are whole components",
                    "write `*` for one component or `**` for any number of them",
                )),
                name => Ok(Component::Name(name.into())),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { components })
    }

    /// Whether the whole of `path` fits this pattern.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('.').collect();
        let (mut at, mut next) = (0, 0);
        // Where to resume when the last `**` has to swallow one component more.
        let mut retry: Option<(usize, usize)> = None;
        while next < path.len() {
            match self.components.get(at) {
                Some(Component::AnyNumber) => {
                    retry = Some((at + 1, next));
                    at += 1;
                    continue;
                }
                Some(Component::AnyOne) => (at, next) = (at + 1, next + 1),
                Some(Component::Name(name)) if name == path[next] => {
                    (at, next) = (at + 1, next + 1);
                }
                _ => match retry.as_mut() {
                    Some((resume, swallowed)) => {
                        *swallowed += 1;
                        (at, next) = (*resume, *swallowed);
                    }
                    None => return false,
                },
            }
        }
        self.components[at..]
            .iter()
            .all(|component| *component == Component::AnyNumber)
    }

    /// Fails if this pattern matches none of `paths`.
    ///
    /// # Errors
    ///
    /// [`PruneError::UnknownParameter`] with the paths sorted by likeness, nearest spelling first.
    pub fn check_known<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), PruneError> {
        let mut known = Vec::new();
        for path in paths {
            if self.matches(path) {
                return Ok(());
            }
            known.push(path.to_owned());
        }
        let pattern = self.to_string();
        known.sort_by_cached_key(|path| edit_distance(&pattern, path));
        Err(PruneError::UnknownParameter {
            path: pattern,
            known,
        })
    }
}

fn malformed(pattern: &str, expected: &str, remedy: &str) -> PruneError {
    PruneError::invalid("path pattern", format!("`{pattern}`"), expected, remedy)
}

/// Levenshtein's distance between two paths, byte by byte.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, component) in self.components.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            f.write_str(match component {
                Component::Name(name) => name,
                Component::AnyOne => "*",
                Component::AnyNumber => "**",
            })?;
        }
        Ok(())
    }
}

impl FromStr for PathPattern {
    type Err = PruneError;

    fn from_str(pattern: &str) -> Result<Self, PruneError> {
        Self::new(pattern)
    }
}

impl TryFrom<String> for PathPattern {
    type Error = PruneError;

    fn try_from(pattern: String) -> Result<Self, PruneError> {
        Self::new(&pattern)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::new(pattern).unwrap().matches(path)
    }

    #[test]
    fn a_bare_path_matches_itself_only() {
        assert!(matches("fc.weight", "fc.weight"));
        assert!(!matches("fc", "fc.weight"));
        assert!(!matches("fc.weight", "fc"));
        assert!(!matches("weight", "fc.weight"));
        assert!(!matches("fc.weight", "fc2.weight"));
    }

    #[test]
    fn wildcards_stand_for_components() {
        assert!(matches("blocks.*.weight", "blocks.0.weight"));
        assert!(!matches("blocks.*.weight", "blocks.0.conv.weight"));
        assert!(!matches("blocks.*.weight", "blocks.weight"));
        assert!(matches("**", "anything.at.all"));
        assert!(matches("**.weight", "weight"));
        assert!(matches("**.weight", "a.b.weight"));
        assert!(!matches("**.weight", "a.weight.b"));
        assert!(matches("head.**", "head.fc.bias"));
        assert!(matches("head.**", "head"));
        assert!(!matches("head.**", "header.fc"));
    }

    #[test]
    fn a_double_star_backtracks() {
        assert!(matches("**.a.b", "a.a.b"));
        assert!(matches("**.a.**.b", "x.a.a.y.b"));
        assert!(!matches("**.a.*.b", "a.b"));
        assert!(matches("**.*", "a"));
        assert!(matches("**.**", "a.b"));
    }

    #[test]
    fn malformed_patterns_name_themselves_and_the_remedy() {
        for bad in ["", ".", "a..b", "a.", ".a", "conv*", "w?", "a.***"] {
            let error = PathPattern::new(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
            assert!(error.contains("write"), "{error}");
        }
    }

    #[test]
    fn an_unknown_path_lists_the_nearest_spelling_first() {
        let known = ["conv.weight", "fc.bias", "fc.weight"];
        let error = PathPattern::new("fc.wieght")
            .unwrap()
            .check_known(known)
            .unwrap_err();
        let PruneError::UnknownParameter { path, known } = error else {
            panic!("{error}");
        };
        assert_eq!(path, "fc.wieght");
        assert_eq!(known[0], "fc.weight");
        assert_eq!(
            PathPattern::new("**.bias")
                .unwrap()
                .check_known(["fc.bias"]),
            Ok(())
        );
    }

    #[test]
    fn serialises_as_its_text() {
        let pattern = PathPattern::new("a.*.**.b").unwrap();
        let json = serde_json::to_string(&pattern).unwrap();
        assert_eq!(json, r#""a.*.**.b""#);
        assert_eq!(serde_json::from_str::<PathPattern>(&json).unwrap(), pattern);
        assert!(serde_json::from_str::<PathPattern>(r#""a..b""#).is_err());
    }

    /// The definition, spelled out.
    fn slow(pattern: &[&str], path: &[&str]) -> bool {
        match pattern.split_first() {
            None => path.is_empty(),
            Some((&"**", rest)) => (0..=path.len()).any(|skip| slow(rest, &path[skip..])),
            Some((&one, rest)) => {
                let fits = path.first().is_some_and(|name| one == "*" || one == *name);
                fits && slow(rest, &path[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            pattern in proptest::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 1..6),
            path in proptest::collection::vec(prop::sample::select(vec!["a", "b"]), 1..7),
        ) {
            prop_assert_eq!(matches(&pattern.join("."), &path.join(".")), slow(&pattern, &path));
        }
    }
}
