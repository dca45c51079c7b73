//! The results folder: several processes, kills, damage.

use std::fs;
use std::time::Duration;

use secateur_eval::{EvalError, Jobs, Level, ModelResult, ResultsFolder, Study};

use crate::synthetic::{answers, models, test_set};

fn model(level: Level, seed: u64) -> ModelResult {
    let set = test_set(50);
    let clean = answers(&set, level.name(), seed, &[0.0; 5]);
    let noisy = answers(&set, level.name(), seed + 1000, &[1.0; 5]);
    ModelResult::new(level, seed, clean)
        .with_corrupted("fog", 3, &noisy)
        .unwrap()
        .with_fact("seconds", 1.5)
        .unwrap()
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ResultsFolder::create(dir.path().join("r"), &test_set(50)).unwrap();
    let level = Level::named("agp 90 %/α", 0.9).unwrap();
    let written = model(level.clone(), 7);
    folder.write(&written).unwrap();
    assert_eq!(folder.read(&level, 7).unwrap().unwrap(), written);
    assert_eq!(folder.read(&level, 8).unwrap(), None);
    assert_eq!(folder.models().unwrap(), std::slice::from_ref(&written));
    // Once more is nothing; with other answers it is an error; the seconds may differ.
    folder.write(&written).unwrap();
    folder
        .write(&written.clone().with_fact("seconds", 9.0).unwrap())
        .unwrap();
    let other = model(level.clone(), 8);
    let other = ModelResult::new(level, 7, other.clean().clone());
    assert!(matches!(
        folder.write(&other),
        Err(EvalError::Differs { .. })
    ));
    let again = ResultsFolder::open(folder.path()).unwrap();
    assert_eq!(again.test_set(), folder.test_set());
}

#[test]
fn levels_with_alike_names_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ResultsFolder::create(dir.path(), &test_set(50)).unwrap();
    let [a, b] = ["a/b", "a b"].map(|name| Level::named(name, 0.5).unwrap());
    assert_ne!(folder.file_of(&a, 1), folder.file_of(&b, 1));
}

#[test]
fn resuming_asks_for_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ResultsFolder::create(dir.path(), &test_set(50)).unwrap();
    let jobs = Jobs::disjoint([Level::dense(), Level::control()], 3);
    assert_eq!(folder.missing(&jobs).unwrap().len(), 6);
    folder.write(&model(Level::control(), 4)).unwrap();
    let missing = folder.missing(&jobs).unwrap();
    assert_eq!(
        missing.iter().map(|job| job.seed).collect::<Vec<_>>(),
        [0, 1, 2, 3, 5]
    );
    assert_eq!(jobs.share(1, 0).len(), 0);
}

#[test]
fn every_damage_is_an_error_that_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ResultsFolder::create(dir.path(), &test_set(50)).unwrap();
    folder.write(&model(Level::dense(), 1)).unwrap();
    let file = folder.file_of(&Level::dense(), 1);
    let bytes = fs::read(&file).unwrap();
    for cut in 0..bytes.len() {
        fs::write(&file, &bytes[..cut]).unwrap();
        let error = folder.models().unwrap_err();
        assert!(
            matches!(&error, EvalError::Damaged { .. }),
            "{cut}: {error}"
        );
        assert!(error.to_string().contains("seed-1.model"), "{error}");
    }
    for at in 0..bytes.len() {
        let mut turned = bytes.clone();
        turned[at] ^= 0x10;
        fs::write(&file, &turned).unwrap();
        assert!(folder.models().is_err(), "byte {at}");
    }
    let mut later = bytes.clone();
    later[8] = 2;
    fs::write(&file, &later).unwrap();
    assert!(matches!(
        folder.models(),
        Err(EvalError::Version { found: 2, .. })
    ));
    assert_eq!(folder.damaged().unwrap().len(), 1);
    // The remedy works.
    fs::remove_file(&file).unwrap();
    folder.write(&model(Level::dense(), 1)).unwrap();
    assert_eq!(folder.models().unwrap().len(), 1);
}

#[test]
fn headers_that_lie_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ResultsFolder::create(dir.path(), &test_set(50)).unwrap();
    folder.write(&model(Level::dense(), 1)).unwrap();
    let file = folder.file_of(&Level::dense(), 1);
    let bytes = fs::read(&file).unwrap();
    let header = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let text = String::from_utf8(bytes[16..16 + header].to_vec()).unwrap();
    for (from, to) in [
        ("\"examples\":50", "\"examples\":18446744073709551615"),
        ("\"examples\":50", "\"examples\":51"),
        ("\"sparsity\":0.0", "\"sparsity\":0.5"),
        ("\"seed\":1", "\"seed\":-1"),
        ("\"fog\"", "fog"),
    ] {
        assert!(text.contains(from), "{text}");
        let lie = text.replace(from, to);
        let mut forged = bytes[..12].to_vec();
        forged.extend((lie.len() as u32).to_le_bytes());
        forged.extend(lie.bytes());
        forged.extend(&bytes[16 + header..bytes.len() - 4]);
        let sum = crc32fast::hash(&forged);
        forged.extend(sum.to_le_bytes());
        fs::write(&file, &forged).unwrap();
        let error = folder.models().unwrap_err();
        assert!(matches!(error, EvalError::Damaged { .. }), "{to}: {error}");
    }
}

#[test]
fn other_test_sets_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ResultsFolder::create(dir.path(), &test_set(50)).unwrap();
    let error = ResultsFolder::create(dir.path(), &test_set(60)).unwrap_err();
    assert!(
        matches!(error, EvalError::UnequalTestSets { .. }),
        "{error}"
    );
    let set = test_set(60);
    let other = ModelResult::new(Level::dense(), 1, answers(&set, "dense", 1, &[0.0; 5]));
    assert!(matches!(
        folder.write(&other),
        Err(EvalError::UnequalTestSets { .. })
    ));
    fs::write(dir.path().join("test_set.json"), "{").unwrap();
    assert!(matches!(
        ResultsFolder::open(dir.path()),
        Err(EvalError::Damaged { .. })
    ));
    assert!(matches!(
        ResultsFolder::open(dir.path().join("none")),
        Err(EvalError::Io { .. })
    ));
}

#[test]
fn many_writers_and_what_the_killed_leave() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shared");
    std::thread::scope(|scope| {
        for worker in 0..4_u64 {
            let path = &path;
            scope.spawn(move || {
                let folder = ResultsFolder::create(path, &test_set(50)).unwrap();
                // Each writes its own, and all write seed 100.
                for seed in [worker, worker + 10, 100] {
                    folder.write(&model(Level::dense(), seed)).unwrap();
                }
            });
        }
    });
    let folder = ResultsFolder::open(&path).unwrap();
    fs::write(path.join(".dense.seed-5.model.99.tmp"), "half").unwrap();
    assert_eq!(folder.models().unwrap().len(), 9);
    assert_eq!(folder.sweep(Duration::from_secs(3600)).unwrap(), 0);
    assert_eq!(folder.sweep(Duration::ZERO).unwrap(), 1);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 10);
}

#[test]
fn folders_merge_by_copying() {
    let dir = tempfile::tempdir().unwrap();
    let set = test_set(50);
    let [a, b] = ["a", "b"].map(|name| ResultsFolder::create(dir.path().join(name), &set).unwrap());
    let levels = [
        Level::dense(),
        Level::control(),
        Level::pruned(0.5).unwrap(),
    ];
    for (at, level) in levels.iter().enumerate() {
        let first = 10 * at as u64;
        for (folder, seeds) in [(&a, first..first + 2), (&b, first + 2..first + 4)] {
            for model in models(&set, level, seeds, &[0.0; 5]) {
                folder.write(&model).unwrap();
            }
        }
    }
    for entry in fs::read_dir(b.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), a.path().join(entry.file_name())).unwrap();
    }
    let study = Study::of(&a).unwrap();
    assert!(
        study
            .populations()
            .iter()
            .all(|population| population.len() == 4)
    );
}
