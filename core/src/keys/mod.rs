//! Where a wallet's keys come from, and how a wallet is carried to another place (feature `keys`).
//!
//! ```text
//! entropy  ->  Mnemonic  ->  Seed  ->  one channel key per (chain, adjudicator)
//!  (host)      (BIP-39)    (BIP-32)    one key for backups
//! ```
//!
//! The room calls `crypto` and `cbor` and nothing else; a wallet takes any [`Signer`](crate::crypto::Signer) and does
//! not know where it came from. There is no randomness here: entropy, salts and nonces are arguments, from a generator
//! that is fit for keys.
//!
//! # Channel keys
//!
//! A Nitro channel id names neither the chain nor the adjudicator, and neither does a signed state. So every pair of
//! chain and adjudicator has a key of its own, and no state signed for one is valid on another. The key is the BIP-32
//! private key at
//!
//! ```text
//! m / 43' / 60' / 1835625580' / 0' / c1' / c2' / c3' / a1' / a2' / a3' / a4' / a5' / a6'
//! ```
//!
//! - `43'` is BIP-43's own number, `60'` Ether in SLIP-44, as ERC-1581 begins its paths of keys that are no accounts;
//!   `1835625580` is `0x6d696c6c`, "mill" in ASCII, and tells them from everybody else's; `0'` are channel keys.
//! - `c1 c2 c3` are the EIP-155 chain id as a number in base 2^31, most significant digit first: `0' / 0' / 1'` is chain
//!   1. Three digits hold 64 bits.
//! - `a1 … a6` are the adjudicator's address as a 160-bit big-endian number, in the same way.
//!
//! Nothing is hashed or cut off, so two pairs never share a path. Every level is hardened: a channel key that leaks
//! betrays no other key. [`channel_key_path`] writes the path down, and any BIP-32 library makes the same key of it.
//!
//! The key for backups is at [`BACKUP_KEY_PATH`], the branch `1'` beside the channel keys.
//!
//! # Backups
//!
//! | made by            | opened with       | holds                    | for                              |
//! | ------------------ | ----------------- | ------------------------ | -------------------------------- |
//! | [`Backup::export`] | a passphrase      | mnemonic and records     | a file that its owner keeps      |
//! | [`export_records`] | the wallet's seed | records                  | a server that is not trusted     |
//!
//! Records are carried as they are stored: key, version and bytes. A backup is as old as it is: what was paid or
//! received after it was made is not in it, and who keeps it can hand out an older one.
//!
//! A backup is CBOR (RFC 8949), all arrays, byte strings in brackets with their length:
//!
//! ```text
//! file      [ header: bytes, ciphertext: bytes ]
//! header    [ version = 1, lock, nonce: bytes[24] ]
//! lock      [ 0, [ memory in KiB, passes, salt: bytes[16] ] ]    passphrase
//!           [ 1, [ ] ]                                           seed
//! contents  [ entropy: bytes[16 or 32], [ record, ... ] ]        passphrase
//!           [ [ record, ... ] ]                                  seed
//! record    [ key: bytes[32], version, bytes ]
//! ```
//!
//! The ciphertext is the contents under XChaCha20-Poly1305 with the header's bytes as associated data, tag last. The
//! key is Argon2id (RFC 9106, version 0x13, one lane, 32 bytes) of the passphrase in UTF-8 and the salt, or the private
//! key at [`BACKUP_KEY_PATH`].

mod backup;
mod bip32;
mod error;
mod kdf;
mod mnemonic;
mod seed;

pub use backup::{
    BACKUP_ENTROPY_BYTES, Backup, BackupRecord, MAX_BACKUP_BYTES, RECORDS_ENTROPY_BYTES, export_records, import_records,
};
pub use error::{BackupError, MnemonicError};
pub use kdf::KdfParams;
pub use mnemonic::Mnemonic;
pub use seed::{BACKUP_KEY_PATH, SEED_BYTES, Seed, channel_key_path};
