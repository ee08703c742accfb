//! Bytes that are no backup of ours: a typed error each, and no work for whoever wrote them.

use std::time::{Duration, Instant};

use millstream_core::keys::{Backup, BackupError, KdfParams, export_records, import_records};
use proptest::prelude::*;

use crate::{cheap, twelve_words, wallet};

const PASSPHRASE: &str = "correct horse";

fn exported() -> Vec<u8> {
    wallet().export(PASSPHRASE, cheap(), &[5; 40]).unwrap()
}

/// A header that asks for this much, on top of a ciphertext that is none.
fn asking_for(memory_kib: u32, passes: u32) -> Vec<u8> {
    let number = |n: u32| [&[0x1a][..], &n.to_be_bytes()].concat();
    let lock = [&[0x82, 0x00, 0x83][..], &number(memory_kib), &number(passes), &[0x50], &[5; 16]].concat();
    let header = [&[0x83, 0x01][..], &lock, &[0x58, 24], &[5; 24]].concat();
    [&[0x82, 0x58, u8::try_from(header.len()).unwrap()][..], &header, &[0x58, 32], &[5; 32]].concat()
}

#[test]
fn a_hostile_header_is_refused_before_any_work() {
    let start = Instant::now();
    for (memory_kib, passes) in [
        (u32::MAX, 1),
        (KdfParams::MAX_MEMORY_KIB + 1, 1),
        (KdfParams::MIN_MEMORY_KIB, u32::MAX),
        (KdfParams::MIN_MEMORY_KIB, KdfParams::MAX_PASSES + 1),
        (u32::MAX, u32::MAX),
        (KdfParams::MIN_MEMORY_KIB - 1, 1),
        (0, 1),
        (KdfParams::MIN_MEMORY_KIB, 0),
        (0, 0),
    ] {
        let refused = BackupError::Parameters { memory_kib, passes };
        assert_eq!(Backup::import(&asking_for(memory_kib, passes), PASSPHRASE).unwrap_err(), refused);
        assert_eq!(KdfParams::new(memory_kib, passes), Err(refused));
    }
    // The least of these would take more than a second: 2^32 passes, or filling 4 TiB.
    assert!(start.elapsed() < Duration::from_millis(500));
    // The same header within the bounds is worked on.
    let worked_on = Backup::import(&asking_for(KdfParams::MIN_MEMORY_KIB, 1), PASSPHRASE);
    assert_eq!(worked_on.unwrap_err(), BackupError::Unreadable);
}

#[test]
fn every_truncation_is_unreadable() {
    let bytes = exported();
    for length in 0..bytes.len() {
        assert_eq!(Backup::import(&bytes[..length], PASSPHRASE).unwrap_err(), BackupError::Unreadable, "{length}");
    }
    let bytes = export_records(&twelve_words(), &wallet().records, &[5; 24]).unwrap();
    for length in 0..bytes.len() {
        assert_eq!(import_records(&twelve_words(), &bytes[..length]), Err(BackupError::Unreadable), "{length}");
    }
}

#[test]
fn bytes_after_the_end_are_unreadable() {
    let bytes = [exported(), vec![0]].concat();
    assert_eq!(Backup::import(&bytes, PASSPHRASE).unwrap_err(), BackupError::Unreadable);
}

#[test]
fn every_flipped_bit_is_a_typed_error() {
    let bytes = exported();
    let mut seen = [0; 4];
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            let kind = match Backup::import(&flipped, PASSPHRASE).unwrap_err() {
                BackupError::Unreadable => 0,
                BackupError::Version { .. } => 1,
                BackupError::Parameters { .. } => 2,
                BackupError::NeedsSeed => 3,
                other => panic!("byte {place}, bit {bit}: {other}"),
            };
            seen[kind] += 1;
        }
    }
    assert!(seen[0] > 8 * 100 && seen[1] > 0 && seen[2] > 0, "{seen:?}");
}

#[test]
fn every_other_byte_in_a_place_is_a_typed_error() {
    let seed = twelve_words();
    let bytes = export_records(&seed, &wallet().records, &[5; 24]).unwrap();
    for place in 0..bytes.len() {
        for change in 1..=255 {
            let mut changed = bytes.clone();
            changed[place] ^= change;
            let error = import_records(&seed, &changed).unwrap_err();
            let expected =
                matches!(error, BackupError::Unreadable | BackupError::Version { .. } | BackupError::NeedsPassphrase);
            assert!(expected, "byte {place}, change {change}: {error}");
        }
    }
}

#[test]
fn another_version_is_named_even_if_its_header_is_unknown() {
    // A header of version 2 that begins with its version and goes on as this version does not know.
    for rest in [&[][..], &[0x61, b'x'], &[0xf6], &[0x9f, 0x01, 0xff]] {
        let count = u8::from(!rest.is_empty());
        let header = [&[0x81 + count, 0x02][..], rest].concat();
        let file = [&[0x82, 0x40 + u8::try_from(header.len()).unwrap()][..], &header, &[0x40]].concat();
        let other = BackupError::Version { version: 2 };
        assert_eq!(Backup::import(&file, PASSPHRASE).unwrap_err(), other);
        assert_eq!(import_records(&twelve_words(), &file), Err(other));
    }
}

#[test]
fn a_length_that_is_not_there_allocates_nothing() {
    // A byte string that claims 2^64 - 1 bytes, as header and as ciphertext.
    let claim = [&[0x5b][..], &[0xff; 8]].concat();
    for file in [[&[0x82][..], &claim].concat(), [&[0x82, 0x40][..], &claim].concat()] {
        assert_eq!(Backup::import(&file, PASSPHRASE).unwrap_err(), BackupError::Unreadable);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_typed_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Backup::import(&bytes, PASSPHRASE).is_err());
        prop_assert!(import_records(&twelve_words(), &bytes).is_err());
    }
}
