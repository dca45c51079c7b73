//! Whole files come back; damaged and made-up ones are errors.

use std::fs;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use tempfile::tempdir;

use super::*;

fn seal(version: u32, payload: &[u8]) -> Vec<u8> {
    crate::seal::seal(MAGIC, version, payload)
}

fn mask() -> impl Strategy<Value = Mask> {
    [0..4_usize, 0..5, 0..10].prop_flat_map(|shape| {
        vec(any::<bool>(), shape.iter().product::<usize>())
            .prop_map(move |kept| Mask::from_bools(shape, &kept).unwrap())
    })
}

fn masks() -> impl Strategy<Value = MaskSet> {
    btree_map("[a-zβ.]{0,6}", mask(), 0..5).prop_map(MaskSet::from_iter)
}

/// One mask of two words and one without elements.
fn sample() -> MaskSet {
    MaskSet::from_iter([
        (
            "fc.weight",
            Mask::from_fn([5, 3, 7], |index| index % 3 == 0).unwrap(),
        ),
        ("head.weight", Mask::keep_all([0, 4, 1]).unwrap()),
    ])
}

/// The payload of a file with one mask, `path` and `shape` as announced, then `rest`.
fn payload(path: &[u8], shape: [u64; 3], rest: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    put(&mut payload, [1, path.len() as u64]);
    payload.extend(path);
    put(&mut payload, shape);
    payload.extend(rest);
    payload
}

fn why(bytes: &[u8]) -> String {
    match MaskSet::from_bytes(bytes) {
        Err(PruneError::CorruptFile { why, .. }) => why,
        other => panic!("{other:?} instead of a corrupt file"),
    }
}

fn why_payload(payload: &[u8]) -> String {
    why(&seal(FORMAT_VERSION, payload))
}

proptest! {
    #[test]
    fn bytes_round_trip(set in masks()) {
        prop_assert_eq!(MaskSet::from_bytes(&set.to_bytes()).unwrap(), set);
    }

    #[test]
    fn a_damaged_byte_is_found(set in masks(), at: prop::sample::Index, flip in 1..=255_u8) {
        let mut bytes = set.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        why(&bytes);
    }

    #[test]
    fn a_made_up_payload_is_read_exactly_or_refused(noise in vec(any::<u8>(), 0..200)) {
        let bytes = seal(FORMAT_VERSION, &noise);
        if let Ok(set) = MaskSet::from_bytes(&bytes) {
            prop_assert_eq!(set.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_doctored_payload_is_read_exactly_or_refused(
        set in masks(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut payload = encode(&set);
        for (at, byte) in edits {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let bytes = seal(FORMAT_VERSION, &payload);
        if let Ok(set) = MaskSet::from_bytes(&bytes) {
            prop_assert_eq!(set.to_bytes(), bytes);
        }
    }
}

#[test]
fn the_format_is_as_documented() {
    let set = MaskSet::from_iter([(
        "w",
        Mask::from_fn([1, 2, 5], |index| index == 0 || index == 9).unwrap(),
    )]);
    let mut expected = b"SECMASK1".to_vec();
    expected.extend([1, 0, 0, 0]);
    expected.extend([49, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0, b'w']);
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([5, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([0b0000_0001, 0b0000_0010, 0, 0, 0, 0, 0, 0]);
    // Python: zlib.crc32(the bytes above)
    expected.extend(0x1A1E_30A4_u32.to_le_bytes());
    assert_eq!(set.to_bytes(), expected);
}

#[test]
fn every_flipped_bit_is_found() {
    let whole = sample().to_bytes();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        why(&bytes);
    }
}

#[test]
fn every_truncation_and_any_extra_byte_is_found() {
    let mut bytes = sample().to_bytes();
    for length in 0..bytes.len() {
        why(&bytes[..length]);
    }
    bytes.push(0);
    assert!(why(&bytes).contains("bytes where"));
}

#[test]
fn other_files_are_refused() {
    assert_eq!(why(b""), "it does not begin with `SECMASK1`");
    assert_eq!(why(b"SECM"), "it does not begin with `SECMASK1`");
    assert_eq!(
        why(b"BURN, and much more of it"),
        "it does not begin with `SECMASK1`"
    );
    assert_eq!(
        why(b"SECMASK1\x01\0\0"),
        "it ends after 11 bytes, within its header"
    );
}

#[test]
fn a_later_version_is_told_from_damage() {
    let later = seal(7, b"whatever a later Secateur writes");
    assert_eq!(
        MaskSet::from_bytes(&later),
        Err(PruneError::FileVersion {
            file: "bytes in memory".into(),
            found: 7,
            supported: 1,
        })
    );
    assert!(why(&seal(0, &encode(&sample()))).contains("version 0"));
}

#[test]
fn absurd_lengths_are_refused_without_allocating() {
    const MORE: &str = "it announces more than it holds";
    assert_eq!(why_payload(&u64::MAX.to_le_bytes()), MORE);
    assert_eq!(why_payload(b"1234567"), MORE);

    let mut long_path = 1_u64.to_le_bytes().to_vec();
    long_path.extend(u64::MAX.to_le_bytes());
    assert_eq!(why_payload(&long_path), MORE);

    assert_eq!(
        why_payload(&payload(b"w", [1 << 40, 1 << 20, 1], &[0; 64])),
        MORE
    );
    assert_eq!(
        why_payload(&payload(b"w", [u64::MAX, 1, 1], &[0; 64])),
        MORE
    );
    assert!(why_payload(&payload(b"w", [1 << 40, 1 << 40, 1], &[])).contains("fits no memory"));
    assert!(why_payload(&payload(b"w", [u64::MAX, 2, 1], &[0; 64])).contains("fits no memory"));
}

#[test]
fn made_up_contents_are_refused() {
    assert!(why_payload(&payload(&[0xFF], [0, 0, 0], &[])).contains("UTF-8"));
    assert!(
        why_payload(&payload(b"w", [1, 1, 1], &[2, 0, 0, 0, 0, 0, 0, 0])).contains("bits past")
    );
    assert!(why_payload(&payload(b"w", [1, 0, 1], &[0; 3])).contains("3 bytes follow"));

    let mut twice = 2_u64.to_le_bytes().to_vec();
    for _ in 0..2 {
        twice.extend(&payload(b"w", [0, 0, 0], &[])[8..]);
    }
    assert!(why_payload(&twice).contains("out of order"));
}

#[test]
fn files_round_trip_and_replace_each_other() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("lenet.masks");
    for set in [sample(), MaskSet::new(), sample()] {
        set.save(&file).unwrap();
        assert_eq!(MaskSet::load(&file), Ok(set));
    }
    assert_eq!(
        fs::read_dir(&directory).unwrap().count(),
        1,
        "no scratch file stays"
    );
}

#[test]
fn a_failed_save_leaves_the_old_file() {
    let directory = tempdir().unwrap();
    // The scratch file takes a longer name than this one, longer than file systems allow.
    let file = directory.path().join("m".repeat(250));
    fs::write(&file, sample().to_bytes()).unwrap();

    let error = MaskSet::new().save(&file).unwrap_err();
    assert!(
        matches!(
            error,
            PruneError::Io {
                action: "write",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(MaskSet::load(&file), Ok(sample()));
}

#[test]
fn a_save_that_fails_at_the_last_leaves_no_scratch_file() {
    let directory = tempdir().unwrap();
    let taken = directory.path().join("taken");
    fs::create_dir(&taken).unwrap();

    let error = sample().save(&taken).unwrap_err();
    assert!(
        matches!(
            error,
            PruneError::Io {
                action: "write",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);

    assert!(matches!(sample().save(""), Err(PruneError::Io { .. })));
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("lenet.masks");
    let large = MaskSet::from_iter([("w", Mask::keep_all([1000, 1000, 9]).unwrap())]);
    sample().save(&file).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..4 {
                large.save(&file).unwrap();
                sample().save(&file).unwrap();
            }
        });
        while !writer.is_finished() {
            let seen = MaskSet::load(&file).unwrap();
            assert!(seen == large || seen == sample());
        }
    });
}

#[test]
fn errors_name_the_file() {
    let directory = tempdir().unwrap();
    let missing = directory.path().join("missing.masks");
    let error = MaskSet::load(&missing).unwrap_err();
    assert!(matches!(&error, PruneError::Io { action: "read", file, .. } if *file == missing));
    assert!(matches!(
        MaskSet::load(&directory),
        Err(PruneError::Io { .. })
    ));

    let model = directory.path().join("model.bpk");
    fs::write(&model, b"BURN, and much more of it").unwrap();
    let message = MaskSet::load(&model).unwrap_err().to_string();
    assert!(
        message.contains("model.bpk is not a sound mask file"),
        "{message}"
    );
}
