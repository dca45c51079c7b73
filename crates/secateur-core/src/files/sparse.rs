//! The inside of a sparse file: values without zeros, and bits that say where they go.
//!
//! The container's text is JSON, a list of the model's tensors ascending by path: path, parameter
//! id, shape and form. Tensor number `i` of the list has these tensors in the container:
//!
//! | form | `i.values` | `i.bits` (bytes, lowest bit first) |
//! | --- | --- | --- |
//! | `dense` | all values, in record order | |
//! | `sparse` | the values that are not +0.0, in order | 1 = value stored |
//! | `bits` | | the elements of a boolean tensor |
//! | `zeros_of: j` | | (a boolean tensor that is true where tensor `j` is +0.0) |
//!
//! A mask says the same as the zeros it makes, so nearly all masks take the last form. "+0.0"
//! means: all bytes are zero. -0.0 is a value, so nothing changes its sign on the way.

use std::collections::BTreeMap;

use burn::tensor::{DType, TensorData};
use serde::{Deserialize, Serialize};

use super::stored::{Stored, read_bools};
use crate::{
    attach::{MASK_NAME, mask_field},
    bits::Bits,
    error::PruneError,
    pack::Container,
};

#[derive(Serialize, Deserialize)]
struct Entry {
    path: String,
    id: Option<u64>,
    shape: Vec<usize>,
    form: Form,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Dense,
    Sparse,
    Bits,
    ZerosOf(usize),
}

/// Fills `container` with the tensors.
pub(super) fn encode(
    tensors: BTreeMap<String, Stored>,
    mut container: Container,
) -> Result<Container, PruneError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(tensors.len());
    // What the masks that follow are compared with.
    let mut zeros: BTreeMap<String, (usize, Bits)> = BTreeMap::new();
    let masked: Vec<String> = tensors.keys().filter_map(|path| owner(path)).collect();
    for (path, Stored { id, data }) in tensors {
        let index = entries.len();
        let shape = data.shape().as_slice().to_vec();
        let form = if matches!(data.dtype(), DType::Bool(_)) {
            let bits: Bits = read_bools(&data).into_iter().collect();
            let same = owner(&path).and_then(|owner| zeros.get(&owner));
            match same {
                Some((of, zeros)) if *zeros == bits => Form::ZerosOf(*of),
                _ => {
                    container.tensors.insert(bits_name(index), to_data(&bits));
                    Form::Bits
                }
            }
        } else {
            let stored = (!matches!(data.dtype(), DType::QFloat(_))).then(|| non_zeros(&data));
            let size = data.dtype().size();
            let smaller =
                |bits: &Bits| bits.count_ones() * size + bits.len().div_ceil(8) < bits.len() * size;
            if let Some(stored) = &stored
                && masked.contains(&path)
            {
                zeros.insert(path.clone(), (index, stored.not()));
            }
            match stored.filter(smaller) {
                Some(stored) => {
                    container
                        .tensors
                        .insert(values_name(index), gather(&data, &stored, &path)?);
                    container.tensors.insert(bits_name(index), to_data(&stored));
                    Form::Sparse
                }
                None => {
                    container.tensors.insert(values_name(index), data);
                    Form::Dense
                }
            }
        };
        entries.push(Entry {
            path,
            id,
            shape,
            form,
        });
    }
    container.body = serde_json::to_string(&entries)
        .map_err(|error| PruneError::custom("the model", error.to_string()))?;
    Ok(container)
}

/// Takes the tensors out of a container, or says what is wrong with it.
pub(super) fn decode(mut container: Container) -> Result<BTreeMap<String, Stored>, String> {
    let entries: Vec<Entry> =
        serde_json::from_str(&container.body).map_err(|error| error.to_string())?;
    let mut zeros: BTreeMap<usize, Bits> = BTreeMap::new();
    let wanted: Vec<usize> = (entries.iter())
        .filter_map(|entry| match entry.form {
            Form::ZerosOf(of) => Some(of),
            _ => None,
        })
        .collect();
    let mut tensors = BTreeMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let wrong = |why: &str| format!("`{}`: {why}", entry.path);
        let mut take = |name: String| {
            container
                .tensors
                .remove(&name)
                .ok_or_else(|| wrong(&format!("its `{name}` is missing")))
        };
        let len = (entry.shape.iter())
            .try_fold(1_usize, |len, dim| len.checked_mul(*dim))
            .ok_or_else(|| wrong("its shape fits no memory"))?;
        let data = match entry.form {
            Form::Dense => {
                let data = take(values_name(index))?;
                if data.shape().as_slice() != entry.shape {
                    return Err(wrong("its values have another shape"));
                }
                data
            }
            Form::Sparse => {
                let values = take(values_name(index))?;
                let bits = from_data(&take(bits_name(index))?, len)
                    .ok_or_else(|| wrong("its bits do not fit"))?;
                scatter(&values, &bits, &entry.shape)
                    .ok_or_else(|| wrong("its values do not fit its bits"))?
            }
            Form::Bits => {
                let bits = from_data(&take(bits_name(index))?, len)
                    .ok_or_else(|| wrong("its bits do not fit"))?;
                to_bools(&bits, &entry.shape)
            }
            Form::ZerosOf(of) => match zeros.get(&of) {
                Some(bits) if bits.len() == len => to_bools(bits, &entry.shape),
                _ => return Err(wrong("it refers to a tensor that it does not fit")),
            },
        };
        if wanted.contains(&index) && !matches!(data.dtype(), DType::QFloat(_)) {
            zeros.insert(index, non_zeros(&data).not());
        }
        let stored = Stored { id: entry.id, data };
        if tensors.insert(entry.path.clone(), stored).is_some() {
            return Err(wrong("it is there twice"));
        }
    }
    Ok(tensors)
}

fn values_name(index: usize) -> String {
    format!("{index}.values")
}

fn bits_name(index: usize) -> String {
    format!("{index}.bits")
}

/// The parameter that a tensor at `path` would be a mask of.
fn owner(path: &str) -> Option<String> {
    let mask = format!(".{MASK_NAME}.");
    path.contains(&mask).then_some(())?;
    let components: Vec<String> = path.split('.').map(String::from).collect();
    mask_field(&components).map(|(owner, _)| owner)
}

/// Which elements have a byte that is not zero.
fn non_zeros(data: &TensorData) -> Bits {
    let elements = data.as_bytes().chunks_exact(data.dtype().size().max(1));
    elements
        .map(|bytes| bytes.iter().any(|byte| *byte != 0))
        .collect()
}

/// The elements that `stored` names.
fn gather(data: &TensorData, stored: &Bits, path: &str) -> Result<TensorData, PruneError> {
    let (bytes, size) = (data.as_bytes(), data.dtype().size());
    let mut kept = Vec::with_capacity(stored.count_ones() * size);
    for index in stored.iter_ones() {
        kept.extend_from_slice(&bytes[index * size..][..size]);
    }
    TensorData::try_from_bytes_vec(kept, [stored.count_ones()], data.dtype())
        .map_err(|error| PruneError::custom(path, format!("{error:?}")))
}

/// The inverse of [`gather`], with zeros elsewhere; `None` if the numbers do not match.
fn scatter(values: &TensorData, stored: &Bits, shape: &[usize]) -> Option<TensorData> {
    let size = values.dtype().size();
    if matches!(values.dtype(), DType::QFloat(_)) || values.num_elements() != stored.count_ones() {
        return None;
    }
    let mut bytes = vec![0; stored.len().checked_mul(size)?];
    for (index, value) in stored.iter_ones().zip(values.as_bytes().chunks_exact(size)) {
        bytes[index * size..][..size].copy_from_slice(value);
    }
    TensorData::try_from_bytes_vec(bytes, shape.to_vec(), values.dtype()).ok()
}

fn to_data(bits: &Bits) -> TensorData {
    let mut bytes: Vec<u8> = bits
        .words()
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes.truncate(bits.len().div_ceil(8));
    let len = bytes.len();
    TensorData::new(bytes, [len])
}

/// `len` bits from bytes; `None` if they are too few, too many, or set past the end.
fn from_data(data: &TensorData, len: usize) -> Option<Bits> {
    if data.dtype() != DType::U8 || data.as_bytes().len() != len.div_ceil(8) {
        return None;
    }
    let words = data.as_bytes().chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    Bits::from_words(len, words.collect())
}

fn to_bools(bits: &Bits, shape: &[usize]) -> TensorData {
    TensorData::new(bits.iter().collect::<Vec<bool>>(), shape.to_vec())
}
