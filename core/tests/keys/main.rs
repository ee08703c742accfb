//! Mnemonics against BIP-39's vectors, channel keys against ethers, and backups against everything that can be wrong
//! with them.

mod backups;
mod channel_keys;
mod hostile_backups;
mod mnemonics;
mod secrets;

use std::sync::OnceLock;

use millstream_core::B256;
use millstream_core::keys::{Backup, BackupRecord, KdfParams, Mnemonic, Seed};

pub(crate) const TWELVE_WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

/// Of the vectors of BIP-39, where its passphrase is "TREZOR".
pub(crate) const TWENTY_FOUR_WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank year \
    wave sausage worth useful legal winner thank year wave sausage worth title";

/// The seed of the twelve words, derived once.
pub(crate) fn twelve_words() -> Seed {
    static SEED: OnceLock<[u8; 64]> = OnceLock::new();
    let derive = || *Mnemonic::parse(TWELVE_WORDS).unwrap().derive_seed("").unwrap().as_bytes();
    Seed::from_bytes(SEED.get_or_init(derive))
}

pub(crate) fn twenty_four_words() -> Seed {
    Mnemonic::parse(TWENTY_FOUR_WORDS).unwrap().derive_seed("TREZOR").unwrap()
}

/// The cheapest there are, so that tests are fast.
pub(crate) fn cheap() -> KdfParams {
    KdfParams::new(KdfParams::MIN_MEMORY_KIB, 1).unwrap()
}

pub(crate) fn record(n: u8, length: usize) -> BackupRecord {
    BackupRecord { key: B256::repeat_byte(n), version: u64::from(n) << 40, bytes: vec![n; length] }
}

pub(crate) fn wallet() -> Backup {
    Backup { mnemonic: Mnemonic::parse(TWELVE_WORDS).unwrap(), records: vec![record(1, 20), record(2, 0)] }
}
