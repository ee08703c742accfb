//! Why an input is refused. Nothing changes on error.

use crate::B256;
use crate::channel::RecordError;
use crate::crypto::{SignError, SignatureError};
use crate::protocol::{
    CloseError, LeaveError, MessageError, OpenError, PayError, PaymentError, UpdateError, WithdrawError,
};

/// Why [`Wallet::handle`](crate::wallet::Wallet::handle) refuses an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such channel in this wallet.
    #[error("no channel {channel_id}")]
    UnknownChannel {
        /// The channel named.
        channel_id: B256,
    },
    /// The channel's record is being loaded: the host answers [`Output::Load`](crate::wallet::Output::Load) and then feeds
    /// the same input again.
    #[error("channel {channel_id} is being loaded")]
    Loading {
        /// The channel named.
        channel_id: B256,
    },
    /// The wallet waits for no such commit.
    #[error("no commit {id} is waited for")]
    UnknownCommit {
        /// The commit named.
        id: u64,
    },
    /// The wallet waits for no such signature.
    #[error("no signature of {digest} is waited for")]
    UnknownSignature {
        /// The digest named.
        digest: B256,
    },
    /// The owner was asked no such question.
    #[error("no question {id} waits for an answer")]
    UnknownQuestion {
        /// The question named.
        id: u64,
    },
    /// A channel is not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nothing is paid.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// A payment is refused.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// A message is refused.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A close is refused.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// Leaving alone is refused.
    #[error(transparent)]
    Leave(#[from] LeaveError),
    /// A new split is not proposed.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// Nothing is withdrawn.
    #[error(transparent)]
    Withdraw(#[from] WithdrawError),
    /// A signature from outside is not one of our key.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A stored record cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A stored record is of another wallet: its channel key is not ours.
    #[error("record of channel {channel_id} belongs to another key")]
    ForeignRecord {
        /// The channel of the record.
        channel_id: B256,
    },
    /// The channel key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Error {
    /// The stable code of the error, the same in every language.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownChannel { .. } => "UNKNOWN_CHANNEL",
            Self::Loading { .. } => "CHANNEL_LOADING",
            Self::UnknownCommit { .. } => "UNKNOWN_COMMIT",
            Self::UnknownSignature { .. } => "UNKNOWN_SIGNATURE",
            Self::UnknownQuestion { .. } => "UNKNOWN_QUESTION",
            Self::Open(error) => error.code(),
            Self::Pay(error) => error.code(),
            Self::Payment(error) => error.code(),
            Self::Message(error) => error.code(),
            Self::Close(error) => error.code(),
            Self::Leave(error) => error.code(),
            Self::Update(error) => error.code(),
            Self::Withdraw(error) => error.code(),
            Self::Signature(error) => error.code(),
            Self::Record(error) => error.code(),
            Self::ForeignRecord { .. } => "RECORD_FOREIGN",
            Self::Sign(error) => error.code(),
        }
    }
}
