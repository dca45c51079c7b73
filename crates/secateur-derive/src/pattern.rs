//! The spelling of patterns in attributes. What a pattern means is known to `secateur-core`, which reads
//! the same spelling at run time; here a typo is found at compile time.

/// Patterns that are a single word.
const WORDS: [&str; 4] = ["unstructured", "filter", "channel", "kernel"];

/// Patterns that carry numbers, by their first word.
const WITH_NUMBERS: [&str; 2] = ["block", "vector"];

/// What may be set beside a pattern, with its values.
const AXIS: (&str, &[&str]) = ("axis", &["out", "in", "kernel"]);
const REMAINDER: (&str, &[&str]) = ("remainder", &["error", "keep", "partial"]);

/// Says what is wrong with the spelling of a pattern.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    let (options, words): (Vec<_>, Vec<_>) = pattern
        .split_whitespace()
        .partition(|word| word.contains('='));
    check_words(pattern, &words)?;
    let known: &[_] = match words[0] {
        "block" | "vector" => &[REMAINDER],
        word if word.contains(':') => &[AXIS, REMAINDER],
        _ => &[],
    };
    check_options(words[0], &options, known)
}

fn check_words(pattern: &str, words: &[&str]) -> Result<(), String> {
    match *words {
        [] => Err(format!("the pattern is empty; {}", expected())),
        [word] if WORDS.contains(&word) => Ok(()),
        [word] if word.contains(':') => check_n_of_m(word),
        ["block", size] => check_block(size),
        ["block", ..] => {
            Err("a block has two sizes: write `block 4x1` for 4 rows and 1 column".into())
        }
        ["vector", length] => match positive(length) {
            Some(_) => Ok(()),
            None => Err(format!(
                "`{length}` is no length: write `vector 4` for runs of 4 elements"
            )),
        },
        ["vector", ..] => Err("a vector has one length: write `vector 4`".into()),
        _ => Err(unknown(pattern)),
    }
}

fn check_options(pattern: &str, options: &[&str], known: &[(&str, &[&str])]) -> Result<(), String> {
    let mut seen = Vec::new();
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let Some((_, values)) = known.iter().find(|(known, _)| *known == key) else {
            return Err(format!("`{pattern}` takes no `{key}`; remove `{option}`"));
        };
        if !values.contains(&value) {
            return Err(format!(
                "`{value}` is no {key}: write one of `{key}={}`",
                values.join(&format!("`, `{key}="))
            ));
        }
        if seen.contains(&key) {
            return Err(format!("`{key}` is given twice; remove `{option}`"));
        }
        seen.push(key);
    }
    Ok(())
}

fn check_n_of_m(pattern: &str) -> Result<(), String> {
    let numbers = pattern.split_once(':');
    let Some((keep, of)) = numbers.and_then(|(n, m)| Some((positive(n)?, positive(m)?))) else {
        return Err(format!(
            "`{pattern}` is not of the form `n:m` with positive numbers: write `2:4` to keep 2 of 4"
        ));
    };
    if keep < of {
        return Ok(());
    }
    Err(format!(
        "`{pattern}` keeps {keep} of {of} and so prunes nothing: in `n:m`, n is smaller than m"
    ))
}

fn check_block(size: &str) -> Result<(), String> {
    let sizes = size.split_once('x');
    match sizes.and_then(|(rows, columns)| Some((positive(rows)?, positive(columns)?))) {
        Some(_) => Ok(()),
        None => Err(format!(
            "`{size}` is no size of a block: write `block 4x1` for 4 rows and 1 column"
        )),
    }
}

/// A number from 1 on, in plain digits.
fn positive(text: &str) -> Option<usize> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| text.parse().ok())??;
    (number > 0).then_some(number)
}

fn unknown(pattern: &str) -> String {
    let first = pattern.split_whitespace().next().unwrap_or_default();
    match nearest(first, WORDS.iter().chain(&WITH_NUMBERS).copied()) {
        Some(near) => format!("there is no pattern `{pattern}`; did you mean `{near}`?"),
        None => format!("there is no pattern `{pattern}`; {}", expected()),
    }
}

fn expected() -> &'static str {
    "write `unstructured`, `2:4`, `filter`, `channel`, `kernel`, `block 4x1` or `vector 4`"
}

/// The known word that `word` is most likely a misspelling of.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .map(|known| (strsim::damerau_levenshtein(&word, known), known))
        // More than a third of the letters wrong is another word, not a typo.
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_can_be_spelled() {
        for pattern in [
            "unstructured",
            "filter",
            "channel",
            "kernel",
            "2:4",
            "1:16",
            "block 4x1",
            "vector 8",
            "2:4 axis=kernel remainder=keep",
            "block 4x1 remainder=partial",
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn misspelled_patterns_are_told_what_to_write() {
        for (pattern, told) in [
            ("4:2", "n is smaller than m"),
            ("4:4", "n is smaller than m"),
            ("0:4", "positive"),
            ("2:4:8", "positive"),
            ("+2:4", "positive"),
            ("99999999999999999999:4", "positive"),
            ("", "empty"),
            ("filters", "did you mean `filter`"),
            ("Unstructured", "did you mean `unstructured`"),
            ("blok 4x1", "did you mean `block`"),
            ("block", "block 4x1"),
            ("block 4", "block 4x1"),
            ("block 0x4", "block 4x1"),
            ("vector", "vector 4"),
            ("vector x", "vector 4"),
            ("something else", "write `unstructured`"),
            ("axis=in", "empty"),
            ("2:4 axis=rows", "write one of `axis=out`, `axis=in`"),
            ("2:4 axis=in axis=out", "given twice"),
            ("block 4x1 axis=in", "takes no `axis`"),
            ("filter remainder=keep", "takes no `remainder`"),
        ] {
            let error = check(pattern).unwrap_err();
            assert!(error.contains(told), "{pattern}: {error}");
        }
    }
}
