//! A recoverable secp256k1 signature in its one accepted form.

use super::{PublicKey, SignatureError};
use alloy_primitives::{Address, B256};
use k256::ecdsa::{self, RecoveryId, VerifyingKey};

/// A recoverable ECDSA signature over secp256k1 in canonical form: `r` and `s` in `1..n`, `s` at most `n / 2`, `v` 27
/// or 28.
///
/// The form is canonical so that there is one signature per key, digest and nonce: the twin with `n - s` that
/// `ecrecover` also accepts cannot be built. Values of this type are well formed and not yet verified; [`Self::verify`]
/// says whose they are.
///
/// Encoded it is 65 bytes, `r ‖ s ‖ v`, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Signature {
    r: B256,
    s: B256,
    v: u8,
}

impl Signature {
    /// The length of an encoded signature, in bytes.
    pub const LENGTH: usize = 65;

    /// One that stands where none could be read: of the right form, and nobody's.
    pub(crate) const BLANK: Self = Self { r: B256::with_last_byte(1), s: B256::with_last_byte(1), v: 27 };

    /// Parses the 65 bytes `r ‖ s ‖ v`.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Length`] unless there are exactly 65 bytes; [`SignatureError::RecoveryId`] unless `v` is 27 or
    /// 28; [`SignatureError::Invalid`] if `r` or `s` is outside `1..n`; [`SignatureError::HighS`] if `s` is above `n / 2`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let (r, s, v) = split(bytes)?;
        let signature = parse(r, s, v)?;
        if signature.normalize_s() != signature {
            return Err(SignatureError::HighS);
        }
        Ok(Self { r, s, v })
    }

    /// Builds the canonical signature from one in a form that only the chain accepts.
    ///
    /// Contracts take a high `s` through `ecrecover`, so logs and calldata can contain one. It is replaced by its low
    /// twin (`n - s`, the other `v`), which recovers to the same signer. Not for bytes from peers: those go through
    /// [`Self::from_bytes`].
    ///
    /// # Errors
    ///
    /// [`SignatureError::RecoveryId`] unless `v` is 27 or 28; [`SignatureError::Invalid`] if `r` or `s` is outside `1..n`.
    pub fn from_chain(r: B256, s: B256, v: u8) -> Result<Self, SignatureError> {
        let signature = parse(r, s, v)?;
        let normalized = signature.normalize_s();
        if normalized == signature {
            return Ok(Self { r, s, v });
        }
        let (r, s) = scalars(&normalized);
        // 27 <-> 28: -s belongs to the point with the other parity of y.
        Ok(Self { r, s, v: if v == 27 { 28 } else { 27 } })
    }

    /// Takes over what `k256` signed, which is already low-`s`.
    pub(super) fn from_k256(signature: &ecdsa::Signature, id: RecoveryId) -> Self {
        let (r, s) = scalars(signature);
        Self { r, s, v: if id.is_y_odd() { 28 } else { 27 } }
    }

    /// Returns the 65 bytes `r ‖ s ‖ v`.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        for (to, from) in bytes.iter_mut().zip(self.r.iter().chain(self.s.iter()).chain([&self.v])) {
            *to = *from;
        }
        bytes
    }

    /// Returns `r`, big-endian.
    pub const fn r(&self) -> B256 {
        self.r
    }

    /// Returns `s`, big-endian; at most half of the group order.
    pub const fn s(&self) -> B256 {
        self.s
    }

    /// Returns the recovery id, 27 or 28.
    pub const fn v(&self) -> u8 {
        self.v
    }

    /// Returns the address of the key that made this signature if `digest` is what it signed.
    ///
    /// The result is what `ecrecover` returns on chain. `digest` must be the output of a hash function over content
    /// that the caller knows: for a digest chosen by someone else any address can be arranged.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Invalid`] if no key can be recovered (`ecrecover` returns zero).
    pub fn recover(&self, digest: &B256) -> Result<Address, SignatureError> {
        Ok(self.recover_key(digest)?.address())
    }

    /// Recovers the whole public key; see [`Self::recover`].
    pub(super) fn recover_key(&self, digest: &B256) -> Result<PublicKey, SignatureError> {
        let signature = parse(self.r, self.s, self.v)?;
        // x is never reduced: EIP-155 and `ecrecover` have no v for r + n.
        let id = RecoveryId::new(self.v == 28, false);
        VerifyingKey::recover_from_prehash(digest.as_slice(), &signature, id)
            .map(PublicKey::from_k256)
            .map_err(|_| SignatureError::Invalid)
    }

    /// Checks that `signer` signed `digest`.
    ///
    /// # Errors
    ///
    /// [`SignatureError::WrongSigner`] if another address is recovered; [`SignatureError::Invalid`] if none is.
    pub fn verify(&self, digest: &B256, signer: Address) -> Result<(), SignatureError> {
        let recovered = self.recover(digest)?;
        if recovered == signer { Ok(()) } else { Err(SignatureError::WrongSigner { expected: signer, recovered }) }
    }
}

fn split(bytes: &[u8]) -> Result<(B256, B256, u8), SignatureError> {
    let error = SignatureError::Length { length: bytes.len() };
    let (r, rest) = bytes.split_first_chunk::<32>().ok_or(error)?;
    let (s, rest) = rest.split_first_chunk::<32>().ok_or(error)?;
    let &[v] = rest else { return Err(error) };
    Ok((B256::from(*r), B256::from(*s), v))
}

/// Checks `v` and the ranges of `r` and `s`.
fn parse(r: B256, s: B256, v: u8) -> Result<ecdsa::Signature, SignatureError> {
    if !matches!(v, 27 | 28) {
        return Err(SignatureError::RecoveryId { v });
    }
    ecdsa::Signature::from_scalars(r.0, s.0).map_err(|_| SignatureError::Invalid)
}

fn scalars(signature: &ecdsa::Signature) -> (B256, B256) {
    let (r, s) = signature.split_bytes();
    (B256::from(<[u8; 32]>::from(r)), B256::from(<[u8; 32]>::from(s)))
}
