//! What the examples' programs share in reading their arguments and in ending.

use std::process::ExitCode;
use std::str::FromStr;

use crate::{ExampleError, Result};

/// Ends a program: an error goes to standard error.
#[must_use]
pub fn exit(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments after a program's name, read from left to right: options, and the value of the
/// option that was read last.
#[derive(Clone, Debug)]
pub struct Words<I> {
    words: I,
    option: String,
}

impl<I: Iterator<Item = String>> Words<I> {
    /// Of these arguments.
    pub fn new(words: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            words: words.into_iter(),
            option: String::new(),
        }
    }

    /// The next option, `None` after the last.
    pub fn option(&mut self) -> Option<String> {
        self.option = self.words.next()?;
        Some(self.option.clone())
    }

    /// The value of the option.
    ///
    /// # Errors
    ///
    /// [`ExampleError::Usage`], here and below, names the option.
    pub fn value(&mut self) -> Result<String> {
        let value = self.words.next();
        value.ok_or_else(|| self.wants("a value"))
    }

    /// The value as a whole number from `least` on.
    ///
    /// # Errors
    ///
    /// If there is none, or it is no such number.
    pub fn number<T: FromStr + PartialOrd + std::fmt::Display>(&mut self, least: T) -> Result<T> {
        let value = self.value()?;
        let number = value.parse().ok().filter(|number| *number >= least);
        number.ok_or_else(|| self.wants(&format!("a whole number from {least}, not `{value}`")))
    }

    /// The value as numbers with commas between them, each of which `fits`; `what` they are.
    ///
    /// # Errors
    ///
    /// If there is none, or one does not fit.
    pub fn list<T: FromStr>(&mut self, what: &str, fits: impl Fn(&T) -> bool) -> Result<Vec<T>> {
        let value = self.value()?;
        let numbers = value
            .split(',')
            .map(|number| number.trim().parse().ok().filter(&fits));
        let numbers: Option<Vec<T>> = numbers.collect();
        numbers.ok_or_else(|| self.wants(&format!("{what} with commas, not `{value}`")))
    }

    /// The value, percents with commas between them, as shares.
    ///
    /// # Errors
    ///
    /// If there is none, or one is not above 0 and less than 100.
    pub fn percents(&mut self) -> Result<Vec<f64>> {
        let what = "percents above 0 and less than 100";
        let percents = self.list(what, |percent: &f64| *percent > 0.0 && *percent < 100.0)?;
        Ok(percents.iter().map(|percent| percent / 100.0).collect())
    }

    /// That the option wants something else than it was given.
    pub fn wants(&self, what: &str) -> ExampleError {
        ExampleError::Usage(format!("`{}` wants {what}", self.option))
    }

    /// That nobody knows the option.
    pub fn unknown(&self) -> ExampleError {
        ExampleError::Usage(format!("there is no option `{}`", self.option))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Words<impl Iterator<Item = String>> {
        let mut words = Words::new(line.split_whitespace().map(String::from));
        words.option();
        words
    }

    #[test]
    fn values_are_read() {
        let mut line = words("--a 3 --b");
        assert_eq!(line.number(1).unwrap(), 3);
        assert_eq!(line.option().unwrap(), "--b");
        assert_eq!(line.option(), None);
        assert_eq!(words("--s 1,5").list("", |n: &u8| *n > 0).unwrap(), [1, 5]);
        assert_eq!(words("--p 50,87.5").percents().unwrap(), [0.5, 0.875]);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |outcome: Result<()>| outcome.unwrap_err().to_string();
        let missing = message(words("--a").value().map(drop));
        assert!(missing.contains("`--a` wants a value"), "{missing}");
        let small = message(words("--a 0").number(1).map(drop));
        assert!(small.contains("from 1, not `0`"), "{small}");
        let list = message(words("--s 1,x").list("numbers", |_: &u8| true).map(drop));
        assert!(list.contains("not `1,x`"), "{list}");
        for wrong in ["--p 0", "--p 100", "--p nan"] {
            assert!(words(wrong).percents().is_err(), "{wrong}");
        }
        let unknown = words("--frob").unknown().to_string();
        assert!(unknown.contains("no option `--frob`"), "{unknown}");
    }
}
