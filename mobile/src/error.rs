//! What is thrown.

use millstream_core::keys::{BackupError, MnemonicError};
use millstream_core::payment::QuoteError;
use millstream_core::{crypto, wallet, wire};

/// Why a call is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum MillstreamError {
    /// The only kind there is: what tells refusals apart is the code.
    #[error("{code}: {reason}")]
    Refused {
        /// The stable code, the same in every language: `INSUFFICIENT_BALANCE`.
        code: String,
        /// In words.
        // Not `message`: Kotlin's exceptions have one already.
        reason: String,
    },
}

impl MillstreamError {
    pub(crate) fn new(code: &str, reason: impl Into<String>) -> Self {
        Self::Refused { code: code.to_owned(), reason: reason.into() }
    }
}

macro_rules! from_core {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for MillstreamError {
            fn from(error: $error) -> Self {
                Self::new(error.code(), error.to_string())
            }
        }
    )+};
}

from_core!(wallet::Error, QuoteError, wire::WireError, crypto::SignError, MnemonicError, BackupError);
