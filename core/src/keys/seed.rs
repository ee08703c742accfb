//! The seed, and the paths along which keys come from it.

use alloc::string::String;
use core::fmt::{self, Write};

use zeroize::Zeroizing;

use super::bip32::ExtendedKey;
use crate::crypto::{LocalSigner, SignError};
use crate::{Address, U256};

/// The size of a seed, in bytes.
pub const SEED_BYTES: usize = 64;

/// Where all keys of this room are: BIP-43, Ether, and "mill" in ASCII.
const ROOT: [u32; 3] = [43, 60, 0x6d69_6c6c];
const CHANNEL_KEYS: u32 = 0;
const BACKUP_KEY: u32 = 1;

/// The path of the key that encrypts backups.
pub const BACKUP_KEY_PATH: &str = "m/43'/60'/1835625580'/1'";

/// How many bits of a number a hardened level holds.
const LEVEL_BITS: usize = 31;
const LEVEL_MASK: u32 = (1 << LEVEL_BITS) - 1;

/// A BIP-32 seed: the secret that all keys of a wallet come from.
///
/// It cannot be cloned, is overwritten with zeros when dropped, and its `Debug` form shows nothing.
pub struct Seed {
    bytes: Zeroizing<[u8; SEED_BYTES]>,
}

impl Seed {
    /// Takes a seed that was derived before.
    ///
    /// The bytes are copied; the caller overwrites its own copy.
    pub fn from_bytes(bytes: &[u8; SEED_BYTES]) -> Self {
        Self { bytes: Zeroizing::new(*bytes) }
    }

    /// Returns the seed, for a host that keeps it sealed. This is the whole secret.
    pub fn as_bytes(&self) -> &[u8; SEED_BYTES] {
        &self.bytes
    }

    /// Derives the channel key for one chain and one adjudicator, the key at [`channel_key_path`].
    ///
    /// `chain_id` is the EIP-155 chain id. Keys for different pairs are different and tell nothing of each other.
    ///
    /// # Errors
    ///
    /// [`SignError::InvalidSecret`] if the path has no key. The probability is below 2^-120, and the answer for a seed
    /// and a pair never changes.
    pub fn derive_channel_key(&self, chain_id: u64, adjudicator: Address) -> Result<LocalSigner, SignError> {
        let key = ExtendedKey::derive(&*self.bytes, channel_key_levels(chain_id, adjudicator))?;
        LocalSigner::from_secret_bytes(&key.secret())
    }

    pub(super) fn derive_backup_key(&self) -> Result<Zeroizing<[u8; 32]>, SignError> {
        Ok(ExtendedKey::derive(&*self.bytes, ROOT.into_iter().chain([BACKUP_KEY]))?.secret())
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").finish_non_exhaustive()
    }
}

/// Returns the path of the channel key for one chain and one adjudicator: `m/43'/60'/1835625580'/0'/…`, as the
/// [room](super) describes it.
///
/// Different pairs have different paths.
pub fn channel_key_path(chain_id: u64, adjudicator: Address) -> String {
    let mut path = String::from("m");
    for level in channel_key_levels(chain_id, adjudicator) {
        // Writing to a string cannot fail.
        let _ = write!(path, "/{level}'");
    }
    path
}

fn channel_key_levels(chain_id: u64, adjudicator: Address) -> impl Iterator<Item = u32> {
    let chain = digits::<3>(U256::from(chain_id));
    let adjudicator = digits::<6>(U256::from_be_bytes(adjudicator.into_word().0));
    ROOT.into_iter().chain([CHANNEL_KEYS]).chain(chain).chain(adjudicator)
}

/// The last `N` digits of `number` in base 2^31, most significant first.
fn digits<const N: usize>(number: U256) -> [u32; N] {
    let mut rest = number;
    let mut digits = [0; N];
    for digit in digits.iter_mut().rev() {
        *digit = rest.wrapping_to::<u32>() & LEVEL_MASK;
        rest = rest.wrapping_shr(LEVEL_BITS);
    }
    digits
}
