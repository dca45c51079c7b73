//! Engines in files.

use burn::prelude::*;
use secateur::sparse::{SparseEngine, SparseError};

use crate::nets::{Mlp, Residual, Words, pruned, random};

#[test]
fn an_engine_comes_back_without_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.engine");
    let x = random([2, 3, 16, 16]);
    let model = pruned(Residual::new(), 0.9).valid();
    let engine = SparseEngine::compile(&model, x.clone(), Residual::forward).unwrap();
    engine.save(&path).unwrap();
    let loaded = SparseEngine::load(&path).unwrap();
    for x in [x, random([5, 3, 16, 16])] {
        let [a, b]: [TensorData; 2] = [&engine, &loaded].map(|e| e.run(x.clone()).unwrap());
        a.assert_approx_eq::<f32>(&b, burn::tensor::Tolerance::relative(1e-6));
    }
    // Steps of Burn's and constants of theirs as well.
    let words = Tensor::<2, Int>::from_ints([[1, 2, 3, 4]], &Device::flex());
    let model = pruned(Words::new(), 0.5);
    let engine = SparseEngine::compile(&model, words.clone(), Words::forward).unwrap();
    engine.save(&path).unwrap();
    let loaded = SparseEngine::load(&path).unwrap();
    let [a, b]: [Vec<TensorData>; 2] = [&engine, &loaded].map(|e| e.run(words.clone()).unwrap());
    a[0].assert_approx_eq::<f32>(&b[0], burn::tensor::Tolerance::relative(1e-6));
    assert_eq!(a[1], b[1]);
}

#[test]
fn a_sparse_file_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.engine");
    let model = pruned(Mlp::new(&[784, 300, 100, 10]), 0.9);
    let engine = SparseEngine::compile(&model, random([1, 784]), Mlp::forward).unwrap();
    engine.save(&path).unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len() as f64;
    assert!(bytes < 0.2 * 4.0 * 266_200.0, "{bytes}");
}

#[test]
fn damage_is_an_error_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.engine");
    let model = pruned(Mlp::new(&[6, 5, 4]), 0.5);
    let engine = SparseEngine::compile(&model, random([2, 6]), Mlp::forward).unwrap();
    engine.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x15;
        std::fs::write(&path, &bytes).unwrap();
        let error = SparseEngine::load(&path).unwrap_err();
        assert!(matches!(error, SparseError::File { .. }), "{at}: {error}");
    }
    for len in [0, 7, 23, 24, whole.len() - 1] {
        std::fs::write(&path, &whole[..len]).unwrap();
        let error = SparseEngine::load(&path).unwrap_err();
        assert!(matches!(error, SparseError::File { .. }), "{len}: {error}");
    }
    // A file of nonsense with the right checksum.
    for fill in [0_u8, 1, 0x7f, 0xff] {
        let mut bytes = whole.clone();
        bytes[24..].fill(fill);
        let checksum = crc32fast::hash(&bytes[24..]).to_le_bytes();
        bytes[12..16].copy_from_slice(&checksum);
        std::fs::write(&path, &bytes).unwrap();
        let error = SparseEngine::load(&path).unwrap_err();
        assert!(matches!(error, SparseError::File { .. }), "{fill}: {error}");
    }
    std::fs::remove_file(&path).unwrap();
    let error = SparseEngine::load(&path).unwrap_err();
    assert!(matches!(error, SparseError::Io { .. }), "{error}");
}
