//! What can be wrong with a mnemonic or a backup. No error carries anything secret.

use super::backup::BACKUP_VERSION;
use super::kdf::KdfParams;
use crate::crypto::SignError;

/// Why there is no mnemonic, or no seed of it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MnemonicError {
    /// The entropy has neither 16 nor 32 bytes.
    #[error("a mnemonic is made of 16 or 32 bytes, not {length}")]
    EntropyLength {
        /// The number of bytes given.
        length: usize,
    },
    /// There are neither 12 nor 24 words.
    #[error("a mnemonic has 12 or 24 words, not {count}")]
    WordCount {
        /// The number of words given; no more than 25 are counted.
        count: usize,
    },
    /// A word is not in the English list.
    #[error("word {position} is not in the list")]
    UnknownWord {
        /// Which word it is, the first being 1.
        position: usize,
    },
    /// Every word is in the list and the checksum is wrong: words were swapped, or one was mistaken for another.
    #[error("the words do not fit together")]
    Checksum,
    /// The passphrase has characters outside ASCII.
    #[error("the mnemonic's passphrase is not ascii")]
    PassphraseNotAscii,
}

impl MnemonicError {
    /// Returns the stable name of the error, the same in every language.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EntropyLength { .. } => "MNEMONIC_ENTROPY_LENGTH",
            Self::WordCount { .. } => "MNEMONIC_WORD_COUNT",
            Self::UnknownWord { .. } => "MNEMONIC_UNKNOWN_WORD",
            Self::Checksum => "MNEMONIC_CHECKSUM",
            Self::PassphraseNotAscii => "MNEMONIC_PASSPHRASE_NOT_ASCII",
        }
    }
}

/// Why a backup was not made, or not read.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// More bytes than a backup may have.
    #[error("backup of {length} bytes is above the limit of {limit}")]
    TooLarge {
        /// How many bytes it has.
        length: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Another version of the format.
    #[error("backup of version {version}, expected {BACKUP_VERSION}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// It asks for more work or memory than is done for a backup, or for none. Nothing was computed.
    #[error(
        "{memory_kib} KiB and {passes} passes are not within {} to {} KiB and 1 to {} passes",
        KdfParams::MIN_MEMORY_KIB,
        KdfParams::MAX_MEMORY_KIB,
        KdfParams::MAX_PASSES
    )]
    Parameters {
        /// The memory asked for, in KiB.
        memory_kib: u32,
        /// The passes asked for.
        passes: u32,
    },
    /// The memory that the passphrase is stretched in cannot be had now.
    #[error("{memory_kib} KiB of memory cannot be had")]
    OutOfMemory {
        /// The memory asked for, in KiB.
        memory_kib: u32,
    },
    /// The passphrase is empty.
    #[error("the passphrase is empty")]
    PassphraseEmpty,
    /// The backup opens with a passphrase: it is one of a whole wallet.
    #[error("the backup opens with a passphrase")]
    NeedsPassphrase,
    /// The backup opens with the wallet's seed: it is one of records alone.
    #[error("the backup opens with the wallet's seed")]
    NeedsSeed,
    /// The passphrase or the seed is another one, or the bytes are damaged or no backup at all: these cannot be told
    /// apart.
    #[error("wrong passphrase or seed, or the backup is damaged")]
    Unreadable,
    /// The seed has no key for backups.
    #[error(transparent)]
    Key(#[from] SignError),
}

impl BackupError {
    /// Returns the stable name of the error, the same in every language.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "BACKUP_TOO_LARGE",
            Self::Version { .. } => "BACKUP_VERSION",
            Self::Parameters { .. } => "BACKUP_PARAMETERS",
            Self::OutOfMemory { .. } => "BACKUP_OUT_OF_MEMORY",
            Self::PassphraseEmpty => "BACKUP_PASSPHRASE_EMPTY",
            Self::NeedsPassphrase => "BACKUP_NEEDS_PASSPHRASE",
            Self::NeedsSeed => "BACKUP_NEEDS_SEED",
            Self::Unreadable => "BACKUP_UNREADABLE",
            Self::Key(error) => error.code(),
        }
    }
}
