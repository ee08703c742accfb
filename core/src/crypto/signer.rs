//! Whoever holds a secret key, and the one kind of signer this crate brings along.

use super::{PublicKey, SignError, Signature, keccak256};
use alloy_primitives::{Address, B256};
use core::fmt;
use k256::ecdsa::SigningKey;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Sets derived secrets apart from everything else that is hashed with the key.
const SECRET_LABEL: &[u8] = b"millstream derived secret\n";

/// Something that signs digests with one secp256k1 key.
///
/// An implementation must sign deterministically (RFC 6979), so that asking twice for the same digest reveals nothing
/// new, and must return signatures that recover to [`Self::address`].
pub trait Signer {
    /// Returns the address of the key.
    fn address(&self) -> Address;

    /// Signs a 32-byte `digest` as it is: no prefix is added and nothing is hashed.
    ///
    /// What the digest means, and whether it may be signed, is for the caller to know.
    ///
    /// # Errors
    ///
    /// [`SignError::Unavailable`] if the signer cannot sign now.
    fn sign_digest(&self, digest: &B256) -> Result<Signature, SignError>;

    /// A 32-byte secret that belongs to the key and `context`, and that nobody else can compute: the seed of a tick chain.
    /// `None` if the key does not lend itself to it; then every payment is a voucher.
    fn derive_secret(&self, context: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let _ = context;
        None
    }
}

/// A signer that holds its secret key in memory and overwrites it with zeros when dropped.
///
/// It cannot be cloned, so there is one copy of the secret, and its `Debug` form shows only the address. Signatures
/// are deterministic (RFC 6979 with HMAC-SHA-256) and have a low `s`.
pub struct LocalSigner {
    key: SigningKey,
    address: Address,
}

// `k256` overwrites the key when it is dropped; this stops the build if a later version no longer says so.
const _: fn() = || {
    fn assert_zeroized_on_drop<T: ZeroizeOnDrop>() {}
    assert_zeroized_on_drop::<SigningKey>();
};

impl LocalSigner {
    /// Takes a secret key: 32 bytes, big-endian, in `1..n`.
    ///
    /// The bytes are copied; the caller overwrites its own copy.
    ///
    /// # Errors
    ///
    /// [`SignError::InvalidSecret`] if the value is zero or not below the group order.
    pub fn from_secret_bytes(secret: &[u8; 32]) -> Result<Self, SignError> {
        let key = SigningKey::from_slice(secret).map_err(|_| SignError::InvalidSecret)?;
        let address = PublicKey::from_k256(*key.verifying_key()).address();
        Ok(Self { key, address })
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::from_k256(*self.key.verifying_key())
    }
}

impl Signer for LocalSigner {
    fn address(&self) -> Address {
        self.address
    }

    fn sign_digest(&self, digest: &B256) -> Result<Signature, SignError> {
        let (signature, id) = self.key.sign_prehash_recoverable(digest.as_slice());
        Ok(Signature::from_k256(&signature, id))
    }

    /// Keccak-256 of a label, the key and the context: a sponge needs no more to be keyed.
    fn derive_secret(&self, context: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let mut key: [u8; 32] = self.key.to_bytes().into();
        let parts = Zeroizing::new([SECRET_LABEL, &key, context].concat());
        key.zeroize();
        Some(Zeroizing::new(keccak256(parts.as_slice()).0))
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner").field("address", &self.address).finish_non_exhaustive()
    }
}
