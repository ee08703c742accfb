//! Why a step is refused. Nothing changes on error.

mod ending;
mod money;

pub use ending::{CloseError, LeaveError, WithdrawError};
pub use money::{PayError, PaymentError, UpdateError};

use crate::channel::{Status, TermsError};
use crate::crypto::{SignError, SignatureError};
use crate::protocol::policy::PolicyError;
use crate::wire::WireError;

/// Why a channel is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The terms make no channel.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The policy refuses the terms.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The terms name other keys or destinations than ours.
    #[error("terms are not for this wallet")]
    NotOurs,
    /// There is a channel with this id, on other terms.
    #[error("channel exists already")]
    Exists,
    /// Too many channels wait for their deposit.
    #[error("{limit} channels wait for their deposit already")]
    TooManyUnfunded {
        /// The policy's limit.
        limit: u32,
    },
    /// A virtual channel whose route does not fit its hubs, or leads through ledgers that are not between them.
    #[error("route does not lead through ledgers between the participants")]
    Route,
    /// The ledger cannot take the channel now.
    #[error("ledger on the way is {}", .status.name())]
    Ledger {
        /// Where the ledger is.
        status: Status,
    },
    /// We are no hub, or none for this peer or this amount.
    #[error("not a hub for this channel")]
    NotServed,
    /// The hub asks for more.
    #[error("fee of {offered} is below the {asked} that the hub asks for")]
    Fee {
        /// What the route offers, in base units.
        offered: u128,
        /// What the hub asks for, in base units.
        asked: u128,
    },
    /// The ledger has too little that is not promised to others.
    #[error("ledger has {available} of the {needed} that the channel takes")]
    Liquidity {
        /// What the channel takes, fees included, in base units.
        needed: u128,
        /// What is there, in base units.
        available: u128,
    },
    /// The ledger sets aside for as many channels as it can.
    #[error("the ledger has {limit} guarantees already")]
    TooManyGuarantees {
        /// The limit.
        limit: usize,
    },
    /// The other side's signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The channel key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The step does not fit the channel's status.
    #[error("channel is {}", .status.name())]
    WrongStatus {
        /// Where the channel is.
        status: Status,
    },
}

impl OpenError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Terms(error) => error.code(),
            Self::Policy(error) => error.code(),
            Self::NotOurs => "OPEN_NOT_OURS",
            Self::Exists => "CHANNEL_EXISTS",
            Self::TooManyUnfunded { .. } => "OPEN_TOO_MANY_UNFUNDED",
            Self::Route => "OPEN_ROUTE",
            Self::Ledger { .. } => "OPEN_LEDGER",
            Self::NotServed => "HUB_NOT_SERVED",
            Self::Fee { .. } => "HUB_FEE",
            Self::Liquidity { .. } => "HUB_LIQUIDITY",
            Self::TooManyGuarantees { .. } => "GUARANTEE_TOO_MANY",
            Self::Signature(error) => error.code(),
            Self::Sign(error) => error.code(),
            Self::WrongStatus { .. } => "CHANNEL_WRONG_STATUS",
        }
    }
}

/// Why what the other side says it has is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReestablishError {
    /// The channel is over.
    #[error("channel is {}", .status.name())]
    WrongStatus {
        /// Where the channel is.
        status: Status,
    },
    /// A signature of the state is missing.
    #[error("state is not signed by both")]
    NotSigned,
    /// A signature of the state is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The voucher is refused.
    #[error(transparent)]
    Payment(#[from] PaymentError),
}

impl ReestablishError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongStatus { .. } => "CHANNEL_WRONG_STATUS",
            Self::NotSigned => "REESTABLISH_NOT_SIGNED",
            Self::Signature(error) => error.code(),
            Self::Payment(error) => error.code(),
        }
    }
}

/// Why a message from a peer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The bytes are no message for us.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Signed by somebody who is not the other side of the channel.
    #[error("sender is not the other side of the channel")]
    WrongSender,
    /// An older message than the last one.
    #[error("message {sequence} is older than message {last}")]
    Stale {
        /// The sequence that came.
        sequence: u64,
        /// The last one.
        last: u64,
    },
    /// An opening step is refused.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A closing step is refused.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// A new split is refused.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// A withdrawal is refused.
    #[error(transparent)]
    Withdraw(#[from] WithdrawError),
    /// What the other side says it has is refused.
    #[error(transparent)]
    Reestablish(#[from] ReestablishError),
}

impl MessageError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Wire(error) => error.code(),
            Self::WrongSender => "MESSAGE_WRONG_SENDER",
            Self::Stale { .. } => "MESSAGE_STALE",
            Self::Open(error) => error.code(),
            Self::Close(error) => error.code(),
            Self::Update(error) => error.code(),
            Self::Withdraw(error) => error.code(),
            Self::Reestablish(error) => error.code(),
        }
    }
}
