//! What can be wrong with a key or a signature.

use alloy_primitives::Address;

/// Why a signature was refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes are not exactly 65.
    #[error("a signature has 65 bytes, not {length}")]
    Length {
        /// The number of bytes given.
        length: usize,
    },
    /// The last byte is neither 27 nor 28. The adjudicator reverts on 0 and 1.
    #[error("the recovery id is {v}, not 27 or 28")]
    RecoveryId {
        /// The byte given.
        v: u8,
    },
    /// `s` is above half of the group order: the malleable twin of a valid signature.
    #[error("s is in the upper half of the group order")]
    HighS,
    /// `r` or `s` is zero or not below the group order, or `r` belongs to no point from which a key can be recovered.
    #[error("r and s are not a secp256k1 signature")]
    Invalid,
    /// The signature is well formed and was made by another key, or over another digest.
    #[error("signed by {recovered}, expected {expected}")]
    WrongSigner {
        /// Whose signature was wanted.
        expected: Address,
        /// Whose it is, if the digest is the one that was signed.
        recovered: Address,
    },
}

impl SignatureError {
    /// Returns the stable name of the error, the same in every language.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "SIGNATURE_LENGTH",
            Self::RecoveryId { .. } => "SIGNATURE_RECOVERY_ID",
            Self::HighS => "SIGNATURE_HIGH_S",
            Self::Invalid => "SIGNATURE_INVALID",
            Self::WrongSigner { .. } => "SIGNATURE_WRONG_SIGNER",
        }
    }
}

/// Why bytes are not a public key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The bytes are not a SEC1 encoding (33 bytes compressed, 65 uncompressed) of a point on the curve other than
    /// the point at infinity.
    #[error("not a secp256k1 public key in SEC1 form")]
    Invalid,
}

impl PublicKeyError {
    /// Returns the stable name of the error, the same in every language.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "PUBLIC_KEY_INVALID",
        }
    }
}

/// Why nothing was signed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The secret is zero or not below the order of the group.
    #[error("the secret is not a secp256k1 key")]
    InvalidSecret,
    /// The signer cannot sign now: it is locked, gone, or its owner declined.
    #[error("the signer did not sign")]
    Unavailable,
}

impl SignError {
    /// Returns the stable name of the error, the same in every language.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidSecret => "SIGN_INVALID_SECRET",
            Self::Unavailable => "SIGN_UNAVAILABLE",
        }
    }
}
