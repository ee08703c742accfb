//! Public keys and their addresses.

use super::{PublicKeyError, Signature, SignatureError, keccak256};
use alloy_primitives::{Address, B256};
use k256::ecdsa::VerifyingKey;

/// A secp256k1 public key: a point on the curve, never the point at infinity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey {
    key: VerifyingKey,
}

impl PublicKey {
    /// Parses a key in SEC1 form: 33 bytes compressed or 65 uncompressed, the form told by the first byte.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError::Invalid`] if the length or the first byte is another, or the point is not on the curve.
    pub fn from_sec1_bytes(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        // k256 reads further SEC1 forms (identity, compact), which no peer has a reason to send.
        match (bytes.first(), bytes.len()) {
            (Some(2 | 3), 33) | (Some(4), 65) => {}
            _ => return Err(PublicKeyError::Invalid),
        }
        VerifyingKey::from_sec1_bytes(bytes).map(Self::from_k256).map_err(|_| PublicKeyError::Invalid)
    }

    pub(super) const fn from_k256(key: VerifyingKey) -> Self {
        Self { key }
    }

    /// Returns the compressed SEC1 form: `0x02` or `0x03` by the parity of y, then x, 33 bytes in all.
    pub fn to_sec1_bytes(&self) -> [u8; 33] {
        let point = self.key.to_sec1_point(true);
        let mut bytes = [0; 33];
        for (to, from) in bytes.iter_mut().zip(point.as_bytes()) {
            *to = *from;
        }
        bytes
    }

    /// Returns the Ethereum address of the key: the last 20 bytes of the Keccak-256 hash of x ‖ y.
    pub fn address(&self) -> Address {
        let point = self.key.to_sec1_point(false);
        // The first byte is the SEC1 tag, which is not hashed.
        let coordinates = point.as_bytes().get(1..).unwrap_or_default();
        Address::from_word(keccak256(coordinates))
    }

    /// Checks that this key signed `digest`, by the rule of `ecrecover`.
    ///
    /// A signature whose `v` names the wrong point is refused although its `r` and `s` are right, because no contract
    /// would attribute it to this key.
    ///
    /// # Errors
    ///
    /// [`SignatureError::WrongSigner`] if another key is recovered; [`SignatureError::Invalid`] if none is.
    pub fn verify(&self, digest: &B256, signature: &Signature) -> Result<(), SignatureError> {
        let recovered = signature.recover_key(digest)?;
        if recovered == *self {
            Ok(())
        } else {
            Err(SignatureError::WrongSigner { expected: self.address(), recovered: recovered.address() })
        }
    }
}
