//! Bytes that are no backup of ours: a typed error each, and no work for whoever wrote them.

use std::collections::BTreeMap;
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
    // 2^32 passes, or filling 4 TiB, would take hours.
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

/// How often each kind of error comes when the bits are flipped one by one.
fn flip_every_bit(bytes: &[u8], import: impl Fn(&[u8]) -> BackupError) -> BTreeMap<&'static str, usize> {
    let mut seen = BTreeMap::new();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= 1 << bit;
            *seen.entry(import(&flipped).code()).or_default() += 1;
        }
    }
    seen
}

#[test]
fn every_flipped_bit_is_a_typed_error() {
    let bytes = exported();
    let seen = flip_every_bit(&bytes, |flipped| Backup::import(flipped, PASSPHRASE).unwrap_err());
    // The version's byte has eight bits; those that make it a number above 23 make the header unreadable.
    assert_eq!(seen["BACKUP_VERSION"], 5);
    // Memory of 8 KiB becomes 0, and one pass becomes 0, 9 or 17.
    assert_eq!(seen["BACKUP_PARAMETERS"], 4);
    // The lock becomes the other one.
    assert_eq!(seen["BACKUP_NEEDS_SEED"], 1);
    assert_eq!(seen["BACKUP_UNREADABLE"], bytes.len() * 8 - 10, "{seen:?}");

    let bytes = export_records(&twelve_words(), &wallet().records, &[5; 24]).unwrap();
    let seen = flip_every_bit(&bytes, |flipped| import_records(&twelve_words(), flipped).unwrap_err());
    assert_eq!(seen["BACKUP_VERSION"], 5);
    assert_eq!(seen["BACKUP_UNREADABLE"], bytes.len() * 8 - 5, "{seen:?}");
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
