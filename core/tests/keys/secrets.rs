//! Secrets are not printed and do not outlive their owner in memory.

// The test looks at memory that a dropped value leaves behind, which safe code cannot.
#![allow(unsafe_code)]

use core::mem::{MaybeUninit, size_of};

use millstream_core::keys::{Backup, Mnemonic, Seed};

use crate::{TWELVE_WORDS, cheap, wallet};

#[test]
fn debug_output_shows_nothing_secret() {
    let mnemonic = Mnemonic::parse(TWELVE_WORDS).unwrap();
    assert_eq!(format!("{mnemonic:?}"), "Mnemonic { words: 12, .. }");
    assert_eq!(format!("{:?}", mnemonic.derive_seed("").unwrap()), "Seed { .. }");
    assert!(format!("{:?}", wallet()).starts_with("Backup { mnemonic: Mnemonic { words: 12, .. }, records: ["));
}

#[test]
fn no_error_repeats_what_was_typed() {
    let typed = TWELVE_WORDS.replacen("about", "hunter2", 1);
    let error = Mnemonic::parse(&typed).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let bytes = wallet().export("correct horse", cheap(), &[5; 40]).unwrap();
    let error = Backup::import(&bytes, "hunter2").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

/// The bytes of a value before and after it is dropped.
fn around_drop<T>(value: T) -> [Vec<u8>; 2] {
    let mut place = Box::new(MaybeUninit::<T>::zeroed());
    place.write(value);
    let snapshot = |place: *const T| -> Vec<u8> {
        let first = place.cast::<u8>();
        // SAFETY: the place is allocated, was zeroed as a whole, and is alive during the call.
        (0..size_of::<T>()).map(|i| unsafe { first.add(i).read_volatile() }).collect()
    };
    let before = snapshot(place.as_ptr());
    // SAFETY: the value was written above and is not used again.
    unsafe { place.as_mut_ptr().drop_in_place() };
    [before, snapshot(place.as_ptr())]
}

#[test]
fn dropping_a_seed_overwrites_it() {
    let [before, after] = around_drop(Seed::from_bytes(&[0xA5; 64]));
    assert_eq!(before, [0xA5; 64]);
    assert_eq!(after, [0; 64]);
}

#[test]
fn dropping_a_mnemonic_overwrites_its_words() {
    // All bits set: every word but the last is the 2,048th, 0x07ff.
    let zoo = |memory: &[u8]| memory.windows(2).filter(|pair| u16::from_ne_bytes([pair[0], pair[1]]) == 0x07ff).count();
    let [before, after] = around_drop(Mnemonic::from_entropy(&[0xff; 32]).unwrap());
    assert!(zoo(&before) >= 23, "the test must be able to find the words");
    assert_eq!(zoo(&after), 0);
}
