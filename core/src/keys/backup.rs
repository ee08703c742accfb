//! A wallet as encrypted bytes.

use alloc::vec::Vec;

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::error::BackupError;
use super::kdf::KdfParams;
use super::mnemonic::Mnemonic;
use super::seed::Seed;
use crate::B256;

/// The largest backup that is made or read, in bytes: 16 MiB, some 10,000 channels.
pub const MAX_BACKUP_BYTES: usize = 16 * 1024 * 1024;

/// How much entropy a backup of a wallet takes, in bytes: a salt of 16 and a nonce of 24.
pub const BACKUP_ENTROPY_BYTES: usize = SALT_BYTES + NONCE_BYTES;

/// How much entropy a backup of records takes, in bytes: a nonce of 24.
pub const RECORDS_ENTROPY_BYTES: usize = NONCE_BYTES;

/// The version that backups are written in, and the only one that is read.
pub(super) const BACKUP_VERSION: u8 = 1;

const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// More than what CBOR adds to a record, or to all of them together with the entropy.
const FRAMING_BYTES: usize = 64;
/// More than what header and tag add to the contents.
const OVERHEAD_BYTES: usize = 128;

/// The record of one channel, as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BackupRecord {
    /// The key: the channel id.
    #[cbor(n(0), with = "key")]
    pub key: B256,
    /// The version, counted by the store.
    #[n(1)]
    pub version: u64,
    /// The bytes. They are not looked into.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// How a key stands in a backup: 32 bytes.
mod key {
    use minicbor::bytes::ByteArray;
    use minicbor::{Decoder, Encoder};

    use crate::B256;

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        key: &B256,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(key.as_slice())?.ok()
    }

    pub(super) fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<B256, minicbor::decode::Error> {
        decoder.decode().map(|key: ByteArray<32>| B256::new(key.into()))
    }
}

/// A whole wallet: what its keys come from, and its channels.
///
/// A passphrase of the mnemonic is not part of it.
#[derive(Debug)]
pub struct Backup {
    /// The words.
    pub mnemonic: Mnemonic,
    /// The records of all channels.
    pub records: Vec<BackupRecord>,
}

impl Backup {
    /// Encrypts the wallet under a passphrase.
    ///
    /// `entropy` must be fresh for every backup, from a generator fit for keys. The passphrase is taken byte for byte:
    /// a host that lets people type more than ASCII brings it into one form of Unicode first (NFKD), here and in
    /// [`import`](Self::import).
    ///
    /// It takes the memory that `params` names, and some tenths of a second with the default parameters.
    ///
    /// # Errors
    ///
    /// [`BackupError::PassphraseEmpty`], [`BackupError::OutOfMemory`]; [`BackupError::TooLarge`] above
    /// [`MAX_BACKUP_BYTES`].
    pub fn export(
        &self,
        passphrase: &str,
        params: KdfParams,
        entropy: &[u8; BACKUP_ENTROPY_BYTES],
    ) -> Result<Vec<u8>, BackupError> {
        let (salt, nonce) = split_entropy(entropy);
        let key = params.derive_key(passphrase, &salt)?;
        let secret = self.mnemonic.entropy();
        let contents = encode(&Wallet { entropy: &secret, records: self.records.as_slice() }, &self.records);
        let lock = Lock::Passphrase { memory_kib: params.memory_kib(), passes: params.passes(), salt: salt.into() };
        seal(lock, &key, nonce, contents)
    }

    /// Reads a backup that [`export`](Self::export) made.
    ///
    /// What the bytes ask for is checked before it is done: whoever wrote them, reading takes at most
    /// [`KdfParams::MAX_MEMORY_KIB`] and [`KdfParams::MAX_PASSES`], and a few times their own size.
    ///
    /// # Errors
    ///
    /// [`BackupError`] for the first thing that is wrong. A wrong passphrase and damaged bytes are both
    /// [`BackupError::Unreadable`].
    pub fn import(bytes: &[u8], passphrase: &str) -> Result<Self, BackupError> {
        let sealed = Sealed::parse(bytes)?;
        let Lock::Passphrase { memory_kib, passes, salt } = sealed.lock else {
            return Err(BackupError::NeedsSeed);
        };
        let key = KdfParams::new(memory_kib, passes)?.derive_key(passphrase, &salt.into())?;
        let contents = sealed.open(&key)?;
        let Wallet { entropy, records }: Wallet<'_, Vec<BackupRecord>> = decode(&contents)?;
        let mnemonic = Mnemonic::from_entropy(entropy).map_err(|_| BackupError::Unreadable)?;
        Ok(Self { mnemonic, records })
    }
}

/// Encrypts records under the seed's own backup key, for a place that is not trusted with the wallet.
///
/// The mnemonic is not in it: who can read it has the seed. `entropy` must be fresh for every backup, from a generator
/// fit for keys.
///
/// # Errors
///
/// [`BackupError::TooLarge`] above [`MAX_BACKUP_BYTES`]; [`BackupError::Key`] if the seed has no key for backups.
pub fn export_records(
    seed: &Seed,
    records: &[BackupRecord],
    entropy: &[u8; RECORDS_ENTROPY_BYTES],
) -> Result<Vec<u8>, BackupError> {
    let key = seed.derive_backup_key()?;
    seal(Lock::Seed, &key, *entropy, encode(&Records { records }, records))
}

/// Reads a backup that [`export_records`] made.
///
/// # Errors
///
/// [`BackupError`] for the first thing that is wrong. Another seed and damaged bytes are both
/// [`BackupError::Unreadable`].
pub fn import_records(seed: &Seed, bytes: &[u8]) -> Result<Vec<BackupRecord>, BackupError> {
    let sealed = Sealed::parse(bytes)?;
    let Lock::Seed = sealed.lock else {
        return Err(BackupError::NeedsPassphrase);
    };
    let key = seed.derive_backup_key()?;
    let contents = sealed.open(&key)?;
    let Records { records } = decode(&contents)?;
    Ok(records)
}

// ---- the format -----------------------------------------------------------------------------------------------------

#[derive(Encode, Decode)]
struct File<'b> {
    #[cbor(b(0), with = "minicbor::bytes")]
    header: &'b [u8],
    #[cbor(b(1), with = "minicbor::bytes")]
    ciphertext: &'b [u8],
}

#[derive(Encode, Decode)]
struct Header {
    #[n(0)]
    version: u8,
    #[n(1)]
    lock: Lock,
    #[n(2)]
    nonce: ByteArray<NONCE_BYTES>,
}

/// What every version of the header begins with.
#[derive(Decode)]
struct HeaderVersion {
    #[n(0)]
    version: u8,
}

/// Where the key comes from.
#[derive(Clone, Copy, Encode, Decode)]
enum Lock {
    #[n(0)]
    Passphrase {
        #[n(0)]
        memory_kib: u32,
        #[n(1)]
        passes: u32,
        #[n(2)]
        salt: ByteArray<SALT_BYTES>,
    },
    #[n(1)]
    Seed,
}

#[derive(Encode, Decode)]
struct Wallet<'b, R> {
    #[cbor(b(0), with = "minicbor::bytes")]
    entropy: &'b [u8],
    #[n(1)]
    records: R,
}

#[derive(Encode, Decode)]
struct Records<R> {
    #[n(0)]
    records: R,
}

/// A backup whose form was checked, and nothing else.
struct Sealed<'b> {
    header: &'b [u8],
    lock: Lock,
    nonce: [u8; NONCE_BYTES],
    ciphertext: &'b [u8],
}

impl<'b> Sealed<'b> {
    fn parse(bytes: &'b [u8]) -> Result<Self, BackupError> {
        check_size(bytes.len())?;
        let File { header, ciphertext } = decode(bytes)?;
        let HeaderVersion { version } = decode(header)?;
        if version != BACKUP_VERSION {
            return Err(BackupError::Version { version });
        }
        let Header { lock, nonce, .. } = decode(header)?;
        Ok(Self { header, lock, nonce: nonce.into(), ciphertext })
    }

    fn open(&self, key: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        let mut contents = Zeroizing::new(Vec::from(self.ciphertext));
        XChaCha20Poly1305::new(key.into())
            .decrypt_in_place(&self.nonce.into(), self.header, &mut *contents)
            .map_err(|_| BackupError::Unreadable)?;
        Ok(contents)
    }
}

fn seal(
    lock: Lock,
    key: &[u8; 32],
    nonce: [u8; NONCE_BYTES],
    mut contents: Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>, BackupError> {
    let length = contents.len().saturating_add(OVERHEAD_BYTES);
    check_size(length)?;
    let header = to_vec(&Header { version: BACKUP_VERSION, lock, nonce: nonce.into() });
    XChaCha20Poly1305::new(key.into())
        .encrypt_in_place(&nonce.into(), &header, &mut *contents)
        // The cipher's only limit is on the length, and far above ours.
        .map_err(|_| BackupError::TooLarge { length, limit: MAX_BACKUP_BYTES })?;
    Ok(to_vec(&File { header: &header, ciphertext: &contents }))
}

fn check_size(length: usize) -> Result<(), BackupError> {
    let limit = MAX_BACKUP_BYTES;
    if length > limit { Err(BackupError::TooLarge { length, limit }) } else { Ok(()) }
}

/// Encodes into memory that has room for all of it and the tag: growing would leave a part of the secret behind.
fn encode<T: Encode<()>>(contents: &T, records: &[BackupRecord]) -> Zeroizing<Vec<u8>> {
    let room = records.iter().fold(FRAMING_BYTES.saturating_add(TAG_BYTES), |room, record| {
        room.saturating_add(record.bytes.len()).saturating_add(FRAMING_BYTES)
    });
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    // Writing to a vector cannot fail, and no codec of this crate refuses a value.
    let written = minicbor::encode(contents, &mut *bytes);
    debug_assert!(written.is_ok() && bytes.len().saturating_add(TAG_BYTES) <= room);
    bytes
}

fn to_vec<T: Encode<()>>(value: &T) -> Vec<u8> {
    // Writing to a vector cannot fail, and no codec of this crate refuses a value.
    minicbor::to_vec(value).unwrap_or_default()
}

/// Decodes exactly one `T`: nothing may follow it.
fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, BackupError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|_| BackupError::Unreadable)?;
    if decoder.position() == bytes.len() { Ok(value) } else { Err(BackupError::Unreadable) }
}

fn split_entropy(entropy: &[u8; BACKUP_ENTROPY_BYTES]) -> ([u8; SALT_BYTES], [u8; NONCE_BYTES]) {
    let mut bytes = entropy.iter().copied();
    let mut next = || bytes.next().unwrap_or_default();
    (core::array::from_fn(|_| next()), core::array::from_fn(|_| next()))
}
