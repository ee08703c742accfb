//! Where a wallet's key comes from, and backups.

use std::sync::Arc;

use millstream_core::crypto::{LocalSigner, SignError};
use millstream_core::keys;
use zeroize::Zeroizing;

use crate::core::random;
use crate::error::MillstreamError;
use crate::input::StoredRecord;
use crate::values::Address;

/// 12 or 24 English words (BIP-39) that a wallet's keys come from. Overwritten with zeros when it is dropped; what it
/// returns is the host's to keep secret.
#[derive(Debug, uniffi::Object)]
pub struct Mnemonic {
    words: keys::Mnemonic,
}

#[uniffi::export]
impl Mnemonic {
    /// Makes 12 words of 16 bytes or 24 words of 32 bytes, which must come from a generator fit for keys.
    ///
    /// Errors: `MNEMONIC_ENTROPY_LENGTH`.
    #[uniffi::constructor]
    pub fn from_entropy(entropy: Vec<u8>) -> Result<Arc<Self>, MillstreamError> {
        Ok(Arc::new(Self { words: keys::Mnemonic::from_entropy(&Zeroizing::new(entropy))? }))
    }

    /// Reads words as a person writes them: in upper or lower case, with any white space around them.
    ///
    /// Errors: `MNEMONIC_WORD_COUNT`; `MNEMONIC_UNKNOWN_WORD`, which names the position of the word; `MNEMONIC_CHECKSUM`.
    #[uniffi::constructor]
    pub fn parse(words: String) -> Result<Arc<Self>, MillstreamError> {
        Ok(Arc::new(Self { words: keys::Mnemonic::parse(&Zeroizing::new(words))? }))
    }

    /// The words in lower case with one space between them. This is the whole secret.
    pub fn phrase(&self) -> String {
        self.words.phrase().to_string()
    }

    /// Derives the seed. Every passphrase gives another one, so a mistyped one is not noticed, and it is in no backup;
    /// without one it is `""`.
    ///
    /// Errors: `MNEMONIC_PASSPHRASE_NOT_ASCII`.
    pub fn derive_seed(&self, passphrase: String) -> Result<Arc<Seed>, MillstreamError> {
        Ok(Arc::new(Seed { seed: self.words.derive_seed(&Zeroizing::new(passphrase))? }))
    }

    /// Encrypts the words and the records of all channels under a passphrase, for a file that its owner keeps. Records
    /// without bytes are left out. It takes some tenths of a second, and 64 MiB, with the default parameters.
    ///
    /// A backup is as old as it is: what was paid after it was made, the wallet learns from its peers after a `restore`.
    /// A passphrase with more than ASCII is brought into one form of Unicode (NFKD) by the host, here and when it is read.
    ///
    /// Errors: `BACKUP_PASSPHRASE_EMPTY`, `BACKUP_PARAMETERS`, `BACKUP_OUT_OF_MEMORY`, `BACKUP_TOO_LARGE`,
    /// `RANDOM_UNAVAILABLE`.
    #[uniffi::method(default(params = None))]
    pub fn export_backup(
        &self,
        records: Vec<StoredRecord>,
        passphrase: String,
        params: Option<KdfParams>,
    ) -> Result<Vec<u8>, MillstreamError> {
        let passphrase = Zeroizing::new(passphrase);
        let params = params.map_or(Ok(keys::KdfParams::default()), TryInto::try_into)?;
        let mnemonic = keys::Mnemonic::from_entropy(&self.words.entropy())?;
        let backup = keys::Backup { mnemonic, records: stored(records) };
        let mut entropy = [0; keys::BACKUP_ENTROPY_BYTES];
        random(&mut entropy)?;
        Ok(backup.export(&passphrase, params, &entropy)?)
    }
}

/// What all keys of a wallet come from (BIP-32). Overwritten with zeros when it is dropped.
#[derive(Debug, uniffi::Object)]
pub struct Seed {
    seed: keys::Seed,
}

impl Seed {
    pub(crate) fn derive_channel_key(&self, chain_id: u64, adjudicator: Address) -> Result<LocalSigner, SignError> {
        self.seed.derive_channel_key(chain_id, adjudicator)
    }
}

#[uniffi::export]
impl Seed {
    /// Takes a seed that was derived before.
    ///
    /// Errors: `SEED_LENGTH` if there are not 64 bytes.
    #[uniffi::constructor]
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Arc<Self>, MillstreamError> {
        let bytes = Zeroizing::new(bytes);
        let bytes: &[u8; keys::SEED_BYTES] = bytes.as_slice().try_into().map_err(|_| {
            MillstreamError::new("SEED_LENGTH", format!("a seed has {} bytes, not {}", keys::SEED_BYTES, bytes.len()))
        })?;
        Ok(Arc::new(Self { seed: keys::Seed::from_bytes(bytes) }))
    }

    /// The 64 bytes, for the platform's key store. This is the whole secret.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.seed.as_bytes().to_vec()
    }

    /// Encrypts records under the seed's own backup key, for a server that is not trusted. Records without bytes are left
    /// out.
    ///
    /// Errors: `BACKUP_TOO_LARGE`, `RANDOM_UNAVAILABLE`.
    pub fn export_records(&self, records: Vec<StoredRecord>) -> Result<Vec<u8>, MillstreamError> {
        let mut entropy = [0; keys::RECORDS_ENTROPY_BYTES];
        random(&mut entropy)?;
        Ok(keys::export_records(&self.seed, &stored(records), &entropy)?)
    }

    /// Reads what `exportRecords` made.
    ///
    /// Errors: `BACKUP_...`; another seed and damaged bytes are both `BACKUP_UNREADABLE`.
    pub fn import_records(&self, bytes: Vec<u8>) -> Result<Vec<StoredRecord>, MillstreamError> {
        Ok(keys::import_records(&self.seed, &bytes)?.into_iter().map(Into::into).collect())
    }
}

/// A whole wallet: what its keys come from, and its channels. The passphrase of the mnemonic is not part of it.
#[derive(Debug, uniffi::Record)]
pub struct Backup {
    /// The words.
    pub mnemonic: Arc<Mnemonic>,
    /// The records of all channels, for `Wallet.restore`.
    pub records: Vec<StoredRecord>,
}

/// Reads a backup that `Mnemonic.exportBackup` made.
///
/// Errors: `BACKUP_...`; a wrong passphrase and damaged bytes are both `BACKUP_UNREADABLE`.
#[uniffi::export]
pub fn import_backup(bytes: Vec<u8>, passphrase: String) -> Result<Backup, MillstreamError> {
    let keys::Backup { mnemonic, records } = keys::Backup::import(&bytes, &Zeroizing::new(passphrase))?;
    let mnemonic = Arc::new(Mnemonic { words: mnemonic });
    Ok(Backup { mnemonic, records: records.into_iter().map(Into::into).collect() })
}

/// The path of the channel key for one chain and one adjudicator, from which any BIP-32 library makes the same key:
/// `m/43'/60'/…`.
///
/// Errors: those of arguments.
#[uniffi::export]
pub fn channel_key_path(chain_id: u64, adjudicator: Address) -> Result<String, MillstreamError> {
    Ok(keys::channel_key_path(chain_id, adjudicator))
}

/// What guessing a passphrase costs. The default is 64 MiB and 3 passes; less is for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct KdfParams {
    /// Memory in KiB, 8 to 131,072.
    pub memory_kib: u32,
    /// Passes over it, 1 to 8.
    pub passes: u32,
}

impl TryFrom<KdfParams> for keys::KdfParams {
    type Error = keys::BackupError;

    fn try_from(KdfParams { memory_kib, passes }: KdfParams) -> Result<Self, keys::BackupError> {
        Self::new(memory_kib, passes)
    }
}

fn stored(records: Vec<StoredRecord>) -> Vec<keys::BackupRecord> {
    let record = |StoredRecord { key, version, bytes }| Some(keys::BackupRecord { key, version, bytes: bytes? });
    records.into_iter().filter_map(record).collect()
}

impl From<keys::BackupRecord> for StoredRecord {
    fn from(keys::BackupRecord { key, version, bytes }: keys::BackupRecord) -> Self {
        Self { key, version, bytes: Some(bytes) }
    }
}
