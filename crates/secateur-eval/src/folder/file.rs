//! One model's results as bytes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::level::Level;
use crate::model::{Condition, ModelResult};
use crate::predictions::{Hits, Predictions};

const MAGIC: &[u8; 8] = b"SECEVAL1";
const VERSION: u32 = 1;

/// Magic, version, length of the header.
const FIXED: usize = 16;

#[derive(Serialize, Deserialize)]
struct Header {
    level: Level,
    seed: u64,
    test_set: String,
    examples: usize,
    corrupted: Vec<Condition>,
    facts: BTreeMap<String, f64>,
}

pub(super) fn to_bytes(model: &ModelResult) -> Vec<u8> {
    let header = Header {
        level: model.level.clone(),
        seed: model.seed,
        test_set: format!("{:016x}", model.clean.test_set),
        examples: model.clean.len(),
        corrupted: model.corrupted.keys().cloned().collect(),
        facts: model.facts.clone(),
    };
    // Strings, finite numbers and lists of them: there is nothing that JSON could not hold.
    let header = serde_json::to_vec(&header).unwrap_or_default();
    let mut bytes = Vec::with_capacity(FIXED + header.len() + 12 * model.clean.len() + 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend(
        model
            .clean
            .labels
            .iter()
            .flat_map(|label| label.to_le_bytes()),
    );
    bytes.extend(
        model
            .clean
            .confidence
            .iter()
            .flat_map(|share| share.to_le_bytes()),
    );
    bytes.extend(model.clean.rank.iter().flat_map(|rank| rank.to_le_bytes()));
    for hits in model.corrupted.values() {
        bytes.extend(hits.words.iter().flat_map(|word| word.to_le_bytes()));
    }
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

pub(super) fn read(file: &Path) -> Result<ModelResult, EvalError> {
    let bytes = std::fs::read(file).map_err(EvalError::io(file))?;
    if let Some(found) = word(&bytes, 8)
        && found > VERSION
        && bytes.starts_with(MAGIC)
    {
        return Err(EvalError::Version {
            file: file.into(),
            found,
            known: VERSION,
        });
    }
    parse(&bytes).map_err(|what| EvalError::Damaged {
        file: file.into(),
        what,
        remedy: "delete it and run this level and seed again",
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*four))
}

fn parse(bytes: &[u8]) -> Result<ModelResult, String> {
    if !bytes.starts_with(MAGIC) {
        return Err("it does not begin with SECEVAL1".into());
    }
    let short = || "it ends too early".to_string();
    let end = bytes.len().saturating_sub(4);
    let header = word(bytes, 12).ok_or_else(short)? as usize;
    if word(bytes, 8) != Some(VERSION) {
        return Err("it names a version that there never was".into());
    }
    if Some(crc32fast::hash(&bytes[..end])) != word(bytes, end) {
        return Err("its checksum does not match".into());
    }
    let body = FIXED.saturating_add(header);
    let json = bytes[..end].get(FIXED..body).ok_or_else(short)?;
    let header: Header = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    header.level.check().map_err(|error| error.to_string())?;
    let test_set = u64::from_str_radix(&header.test_set, 16)
        .map_err(|_| "the checksum of its test set is no number".to_string())?;
    let n = header.examples;
    let words = n.div_ceil(64);
    let length = |values: usize, size: usize| values.checked_mul(size);
    let expected = length(n, 12).and_then(|clean| {
        clean.checked_add(length(words, 8)?.checked_mul(header.corrupted.len())?)
    });
    if expected != Some(end - body) {
        return Err("its length does not fit its header".into());
    }
    let (labels, rest) = bytes[body..end].split_at(4 * n);
    let (confidence, rest) = rest.split_at(4 * n);
    let (rank, mut rest) = rest.split_at(4 * n);
    let mut corrupted = BTreeMap::new();
    for condition in header.corrupted {
        let (hits, after) = rest.split_at(8 * words);
        rest = after;
        let mut hits: Vec<u64> = decode(hits, u64::from_le_bytes);
        if !n.is_multiple_of(64)
            && let Some(last) = hits.last_mut()
        {
            *last &= (1 << (n % 64)) - 1;
        }
        corrupted.insert(
            condition,
            Hits {
                words: hits,
                len: n,
            },
        );
    }
    let confidence: Vec<f32> = decode(confidence, f32::from_le_bytes);
    if let Some(bad) = confidence
        .iter()
        .find(|share| !(0.0..=1.0).contains(*share))
    {
        return Err(format!("it has a confidence of {bad}"));
    }
    let clean = Predictions {
        test_set,
        labels: decode(labels, u32::from_le_bytes),
        confidence,
        rank: decode(rank, u32::from_le_bytes),
    };
    if header.facts.values().any(|value| !value.is_finite()) {
        return Err("one of its facts is no number".into());
    }
    Ok(ModelResult {
        level: header.level,
        seed: header.seed,
        clean,
        corrupted,
        facts: header.facts,
    })
}

fn decode<T, const BYTES: usize>(bytes: &[u8], value: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
    let (values, _) = bytes.as_chunks::<BYTES>();
    values.iter().map(|&bytes| value(bytes)).collect()
}
