//! What is exported can be imported, here and by another implementation.

use millstream_core::B256;
use millstream_core::keys::{
    Backup, BackupError, BackupRecord, KdfParams, MAX_BACKUP_BYTES, Mnemonic, export_records, import_records,
};
use proptest::prelude::*;

use crate::{TWELVE_WORDS, TWENTY_FOUR_WORDS, cheap, record, twelve_words, twenty_four_words, wallet};

#[test]
fn a_wallet_comes_back() {
    for words in [TWELVE_WORDS, TWENTY_FOUR_WORDS] {
        let wallet = Backup { mnemonic: Mnemonic::parse(words).unwrap(), ..wallet() };
        let bytes = wallet.export("correct horse", cheap(), &[5; 40]).unwrap();
        let read = Backup::import(&bytes, "correct horse").unwrap();
        assert_eq!(*read.mnemonic.phrase(), words);
        assert_eq!(read.records, wallet.records);
    }
}

#[test]
fn records_come_back_under_the_seed() {
    let records = wallet().records;
    let bytes = export_records(&twelve_words(), &records, &[5; 24]).unwrap();
    assert_eq!(import_records(&twelve_words(), &bytes).unwrap(), records);
    assert_eq!(import_records(&twenty_four_words(), &bytes), Err(BackupError::Unreadable));
}

#[test]
fn the_default_parameters_work() {
    let bytes = wallet().export("correct horse", KdfParams::default(), &[5; 40]).unwrap();
    assert_eq!(*Backup::import(&bytes, "correct horse").unwrap().mnemonic.phrase(), TWELVE_WORDS);
}

#[test]
fn another_passphrase_does_not_open_it() {
    let bytes = wallet().export("correct horse", cheap(), &[5; 40]).unwrap();
    for passphrase in ["correct horsE", "correct horse ", "correct", "x", "correct\u{a0}horse"] {
        assert_eq!(Backup::import(&bytes, passphrase).unwrap_err(), BackupError::Unreadable, "{passphrase}");
    }
    assert_eq!(Backup::import(&bytes, "").unwrap_err(), BackupError::PassphraseEmpty);
    assert_eq!(wallet().export("", cheap(), &[5; 40]).unwrap_err(), BackupError::PassphraseEmpty);
}

#[test]
fn each_kind_says_what_it_opens_with() {
    let with_passphrase = wallet().export("correct horse", cheap(), &[5; 40]).unwrap();
    assert_eq!(import_records(&twelve_words(), &with_passphrase), Err(BackupError::NeedsPassphrase));
    let with_seed = export_records(&twelve_words(), &[], &[5; 24]).unwrap();
    assert_eq!(Backup::import(&with_seed, "correct horse").unwrap_err(), BackupError::NeedsSeed);
}

#[test]
fn salt_and_nonce_change_everything_that_is_encrypted() {
    let export = |entropy: [u8; 40]| wallet().export("correct horse", cheap(), &entropy).unwrap();
    let plain = export([5; 40]);
    assert_eq!(plain, export([5; 40]));
    for place in 0..40 {
        let mut entropy = [5; 40];
        entropy[place] = 6;
        let other = export(entropy);
        assert_eq!(plain.len(), other.len());
        let start = plain.len() - 100;
        let same = plain[start..].iter().zip(&other[start..]).filter(|(a, b)| a == b).count();
        // 100 bytes agree in one of 256 by chance.
        assert!(same < 10, "byte {place}: {same} bytes are the same");
    }
}

#[test]
fn what_is_above_the_limit_is_neither_made_nor_read() {
    // The overhead that is allowed for is not less than the real one, so what is made can be read.
    let small = export_records(&twelve_words(), &[record(1, 70_000)], &[5; 24]).unwrap();
    assert!(small.len() < 70_000 + 128);

    let error = export_records(&twelve_words(), &[record(1, MAX_BACKUP_BYTES - 128)], &[5; 24]).unwrap_err();
    assert!(matches!(error, BackupError::TooLarge { length, limit: MAX_BACKUP_BYTES } if length > MAX_BACKUP_BYTES));

    let mut bytes = vec![0x82; MAX_BACKUP_BYTES];
    assert_eq!(import_records(&twelve_words(), &bytes), Err(BackupError::Unreadable));
    bytes.push(0x82);
    let too_large = BackupError::TooLarge { length: MAX_BACKUP_BYTES + 1, limit: MAX_BACKUP_BYTES };
    assert_eq!(import_records(&twelve_words(), &bytes), Err(too_large));
    assert_eq!(Backup::import(&bytes, "correct horse").unwrap_err(), too_large);
}

#[test]
fn nothing_readable_is_left_in_the_bytes() {
    let wallet = Backup { mnemonic: Mnemonic::from_entropy(&[0xA5; 32]).unwrap(), records: vec![record(0x5A, 64)] };
    for bytes in [
        wallet.export("correct horse", cheap(), &[5; 40]).unwrap(),
        export_records(&twelve_words(), &wallet.records, &[5; 24]).unwrap(),
    ] {
        assert!(!bytes.windows(4).any(|window| window == [0xA5; 4] || window == [0x5A; 4]));
    }
}

/// Made with @noble/hashes (`argon2id`), @noble/ciphers (`xchacha20poly1305`) and CBOR written by hand, from the
/// description of the room: the mnemonic of all zeros, one record of key `0x07…`, version 3 and bytes `010203`.
const FOREIGN_WALLET: &str = "825833830182008318400250000102030405060708090a0b0c0d0e0f5818101112131415161718191a1b1c1d1e1f2021222324252627584b6dd0b5036cb23e0353a2f7abcbc05fd537387a32e87d5343d20d75ea6c8214598b198d904f2beb2f8cd674cbf7c40f0063ab3a73ad2b01d51ebc2bbc707c4be692927194e46c6d18817e18";

/// The same record, under the seed of the twelve words.
const FOREIGN_RECORDS: &str = "82581f83018201805818000102030405060708090a0b0c0d0e0f1011121314151617583a820716587fc3ff275381bbde013cc7ba79c216ef6d9a8a794234c3c71106bd5fea631ccd1f71acf7e9e63b0ae669a28f47cb84017a50ad0e5d4b";

fn foreign_record() -> BackupRecord {
    BackupRecord { key: B256::repeat_byte(7), version: 3, bytes: vec![1, 2, 3] }
}

fn counting<const N: usize>() -> [u8; N] {
    core::array::from_fn(|i| u8::try_from(i).unwrap())
}

#[test]
fn the_format_is_that_of_another_implementation() {
    let wallet = Backup { mnemonic: Mnemonic::parse(TWELVE_WORDS).unwrap(), records: vec![foreign_record()] };
    let params = KdfParams::new(64, 2).unwrap();
    let bytes = wallet.export("correct horse", params, &counting()).unwrap();
    assert_eq!(alloy_primitives::hex::encode(bytes), FOREIGN_WALLET);

    let bytes = export_records(&twelve_words(), &[foreign_record()], &counting()).unwrap();
    assert_eq!(alloy_primitives::hex::encode(bytes), FOREIGN_RECORDS);
}

fn any_record() -> impl Strategy<Value = BackupRecord> {
    (any::<[u8; 32]>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..500))
        .prop_map(|(key, version, bytes)| BackupRecord { key: B256::from(key), version, bytes })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_wallet_comes_back(
        entropy: [u8; 32],
        records in prop::collection::vec(any_record(), 0..20),
        passphrase in "\\PC{1,30}",
        salt_and_nonce: [[u8; 20]; 2],
    ) {
        let fresh: [u8; 40] = core::array::from_fn(|i| salt_and_nonce[i / 20][i % 20]);
        let wallet = Backup { mnemonic: Mnemonic::from_entropy(&entropy).unwrap(), records };
        let read = Backup::import(&wallet.export(&passphrase, cheap(), &fresh).unwrap(), &passphrase).unwrap();
        prop_assert_eq!(&**read.mnemonic.entropy(), &entropy);
        prop_assert_eq!(read.records, wallet.records);
    }
}
