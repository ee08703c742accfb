//! BIP-39.

use alloy_primitives::hex;
use millstream_core::keys::{Mnemonic, MnemonicError};
use proptest::prelude::*;

use crate::{TWELVE_WORDS, TWENTY_FOUR_WORDS};

/// The English vectors that BIP-39 names (trezor/python-mnemonic, `vectors.json`) of 12 and 24 words: entropy, words
/// and the seed under the passphrase "TREZOR".
fn vectors() -> Vec<[String; 3]> {
    let vectors: Vec<[String; 3]> = serde_json::from_str(include_str!("bip39.json")).unwrap();
    assert_eq!(vectors.len(), 16);
    vectors
}

#[test]
fn entropy_words_and_seed_are_those_of_the_vectors() {
    for [entropy, words, seed] in vectors() {
        let entropy = hex::decode(entropy).unwrap();
        let made = Mnemonic::from_entropy(&entropy).unwrap();
        assert_eq!(*made.phrase(), words);
        assert_eq!(hex::encode(made.derive_seed("TREZOR").unwrap().as_bytes()), seed, "{words}");

        let parsed = Mnemonic::parse(&words).unwrap();
        assert_eq!(*parsed.phrase(), words);
        assert_eq!(*parsed.entropy(), entropy);
    }
}

#[test]
fn words_are_read_as_a_person_writes_them() {
    for written in [
        format!("  {TWELVE_WORDS}\n"),
        TWELVE_WORDS.to_uppercase(),
        TWELVE_WORDS.replacen("abandon", "Abandon", 1),
        TWELVE_WORDS.replace(' ', "\r\n\t "),
        // An ideographic space.
        TWELVE_WORDS.replace(' ', "\u{3000}"),
    ] {
        assert_eq!(*Mnemonic::parse(&written).unwrap().phrase(), TWELVE_WORDS, "{written:?}");
    }
}

#[test]
fn an_unknown_word_is_named_by_its_place() {
    let words: Vec<&str> = TWENTY_FOUR_WORDS.split(' ').collect();
    for wrong in ["abandonx", "aban", "ábandon", "abandonabandonabandon", "İ", "-", "0"] {
        for place in 0..words.len() {
            let mut typed = words.clone();
            typed[place] = wrong;
            let error = Mnemonic::parse(&typed.join(" ")).unwrap_err();
            assert_eq!(error, MnemonicError::UnknownWord { position: place + 1 }, "{wrong}");
            assert_eq!(error.to_string(), format!("word {} is not in the list", place + 1));
        }
    }
}

#[test]
fn the_first_of_several_unknown_words_is_named() {
    for [first, second] in [["x", "abandonabandon"], ["abandonabandon", "x"]] {
        let typed =
            TWELVE_WORDS.replacen("abandon", "zoo", 2).replacen("abandon", first, 1).replacen("abandon ", "", 1);
        let typed = format!("{typed} {second}");
        assert_eq!(Mnemonic::parse(&typed).unwrap_err(), MnemonicError::UnknownWord { position: 3 }, "{typed}");
    }
}

#[test]
fn the_number_of_words_is_checked_first() {
    for (count, seen) in [(0, 0), (1, 1), (11, 11), (13, 13), (15, 15), (18, 18), (23, 23), (25, 25), (100_000, 25)] {
        let words = "nonsense ".repeat(count);
        assert_eq!(Mnemonic::parse(&words).unwrap_err(), MnemonicError::WordCount { count: seen });
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    // The last word of twelve carries 4 bits of checksum: of 2,048 last words 128 fit. The same of 24 and 8 bits: 8.
    let fitting = |words: &str, last: &[String]| {
        let start = words.rsplit_once(' ').unwrap().0;
        let results = last.iter().map(|last| Mnemonic::parse(&format!("{start} {last}")));
        results
            .filter(|result| result.as_ref().map_err(|&error| assert_eq!(error, MnemonicError::Checksum)).is_ok())
            .count()
    };
    let list = word_list();
    assert_eq!(fitting(TWELVE_WORDS, &list), 128);
    assert_eq!(fitting(TWENTY_FOUR_WORDS, &list), 8);
}

/// The English list: the first word of a mnemonic is the first 11 bits of its entropy.
fn word_list() -> Vec<String> {
    let first_word = |index: u16| {
        let mut entropy = [0; 16];
        entropy[..2].copy_from_slice(&(index << 5).to_be_bytes());
        let phrase = Mnemonic::from_entropy(&entropy).unwrap().phrase();
        phrase.split(' ').next().unwrap().to_owned()
    };
    (0..2048).map(first_word).collect()
}

#[test]
fn entropy_has_sixteen_or_thirty_two_bytes() {
    for length in (0..=70).filter(|length| ![16, 32].contains(length)) {
        let error = Mnemonic::from_entropy(&vec![7; length]).unwrap_err();
        assert_eq!(error, MnemonicError::EntropyLength { length });
    }
}

#[test]
fn a_passphrase_outside_ascii_is_refused_and_another_one_is_another_seed() {
    let mnemonic = Mnemonic::parse(TWELVE_WORDS).unwrap();
    // The same letter, composed and decomposed.
    for passphrase in ["caf\u{e9}", "cafe\u{301}"] {
        assert_eq!(mnemonic.derive_seed(passphrase).unwrap_err(), MnemonicError::PassphraseNotAscii);
    }
    assert_ne!(mnemonic.derive_seed("").unwrap().as_bytes(), mnemonic.derive_seed(" ").unwrap().as_bytes());
}

proptest! {
    #[test]
    fn entropy_survives_the_words(entropy in prop_oneof![prop::collection::vec(any::<u8>(), 16), prop::collection::vec(any::<u8>(), 32)]) {
        let phrase = Mnemonic::from_entropy(&entropy).unwrap().phrase();
        prop_assert_eq!(phrase.split(' ').count(), entropy.len() * 3 / 4);
        prop_assert_eq!(&*Mnemonic::parse(&phrase).unwrap().entropy(), &entropy);
    }

    #[test]
    fn any_text_is_words_or_a_typed_error(text in "\\PC{0,200}") {
        let _ = Mnemonic::parse(&text);
    }
}
