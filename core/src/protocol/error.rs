//! Why a step is refused. Nothing changes on error.

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
            Self::Signature(error) => error.code(),
            Self::Sign(error) => error.code(),
            Self::WrongStatus { .. } => "CHANNEL_WRONG_STATUS",
        }
    }
}

/// Why nothing is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayError {
    /// Only the payer pays.
    #[error("this side of the channel is the payee")]
    NotPayer,
    /// The channel is not open.
    #[error("channel is {}, not open", .status.name())]
    NotOpen {
        /// Where the channel is.
        status: Status,
    },
    /// A payment of nothing.
    #[error("amount is zero")]
    ZeroAmount,
    /// The channel holds less.
    #[error("amount of {amount} is above the remaining {remaining}")]
    InsufficientBalance {
        /// Base units to pay.
        amount: u128,
        /// Base units left for the payer.
        remaining: u128,
    },
    /// 2^32 - 1 vouchers were signed on this base.
    #[error("no serial is left on this base")]
    SerialsExhausted,
    /// The channel key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl PayError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotPayer => "PAY_NOT_PAYER",
            Self::NotOpen { .. } => "CHANNEL_NOT_OPEN",
            Self::ZeroAmount => "PAY_ZERO_AMOUNT",
            Self::InsufficientBalance { .. } => "INSUFFICIENT_BALANCE",
            Self::SerialsExhausted => "PAY_SERIALS_EXHAUSTED",
            Self::Sign(error) => error.code(),
        }
    }
}

/// Why a payment that came in is refused. The payer owes what it owed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaymentError {
    /// The bytes are no payment.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Only the payee is paid.
    #[error("this side of the channel is the payer")]
    NotPayee,
    /// The channel is not open.
    #[error("channel is {}, not open", .status.name())]
    NotOpen {
        /// Where the channel is.
        status: Status,
    },
    /// The voucher stands on another base.
    #[error("voucher on base turn {actual}, expected {expected}")]
    WrongBaseTurn {
        /// The channel's base turn.
        expected: u64,
        /// The voucher's.
        actual: u64,
    },
    /// An older voucher than the one we have, or serial zero.
    #[error("voucher {serial} is not newer than voucher {best}")]
    Stale {
        /// The serial that came.
        serial: u32,
        /// The serial we have.
        best: u32,
    },
    /// The serial we have, with other content: the payer signed twice.
    #[error("voucher {serial} was signed before with other content")]
    Conflict {
        /// The serial.
        serial: u32,
    },
    /// A newer voucher that owes less.
    #[error("cumulative amount of {amount} is below the {previous} paid before")]
    Decreasing {
        /// Base units in the voucher.
        amount: u128,
        /// Base units in the best one we have.
        previous: u128,
    },
    /// More than the payer deposited.
    #[error("cumulative amount of {amount} is above the deposit of {deposit}")]
    AboveDeposit {
        /// Base units in the voucher.
        amount: u128,
        /// Base units deposited.
        deposit: u128,
    },
    /// The payer did not sign it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl PaymentError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Wire(error) => error.code(),
            Self::NotPayee => "PAYMENT_NOT_PAYEE",
            Self::NotOpen { .. } => "CHANNEL_NOT_OPEN",
            Self::WrongBaseTurn { .. } => "VOUCHER_WRONG_BASE_TURN",
            Self::Stale { .. } => "VOUCHER_STALE",
            Self::Conflict { .. } => "VOUCHER_CONFLICT",
            Self::Decreasing { .. } => "VOUCHER_DECREASING",
            Self::AboveDeposit { .. } => "VOUCHER_ABOVE_DEPOSIT",
            Self::Signature(error) => error.code(),
        }
    }
}

/// Why a close is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// The step does not fit the channel's status.
    #[error("channel is {}", .status.name())]
    WrongStatus {
        /// Where the channel is.
        status: Status,
    },
    /// The step belongs to the other side.
    #[error("message is not for this side of the channel")]
    WrongRole,
    /// The final state pays less than the best voucher.
    #[error("final state pays {claimed}, less than the {owed} owed")]
    Underpays {
        /// Base units in the final state.
        claimed: u128,
        /// Base units in the best voucher.
        owed: u128,
    },
    /// The final state pays more than the deposit.
    #[error("final state pays {claimed}, above the deposit of {deposit}")]
    AboveDeposit {
        /// Base units in the final state.
        claimed: u128,
        /// Base units deposited.
        deposit: u128,
    },
    /// The final state's turn is not above every voucher.
    #[error("final state at turn {turn}, expected at least {minimum}")]
    Turn {
        /// The turn that came.
        turn: u64,
        /// The lowest turn that is above the best voucher.
        minimum: u64,
    },
    /// Another final state was signed already.
    #[error("another final state was signed already")]
    Conflict,
    /// The other side's signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The channel key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl CloseError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongStatus { .. } => "CHANNEL_WRONG_STATUS",
            Self::WrongRole => "CLOSE_WRONG_ROLE",
            Self::Underpays { .. } => "CLOSE_UNDERPAYS",
            Self::AboveDeposit { .. } => "CLOSE_ABOVE_DEPOSIT",
            Self::Turn { .. } => "CLOSE_TURN",
            Self::Conflict => "CLOSE_CONFLICT",
            Self::Signature(error) => error.code(),
            Self::Sign(error) => error.code(),
        }
    }
}

/// Why a side cannot leave alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveError {
    /// The channel is over, or was never signed.
    #[error("channel is {}", .status.name())]
    WrongStatus {
        /// Where the channel is.
        status: Status,
    },
    /// The chain holds nothing for the channel.
    #[error("nothing is deposited")]
    NothingDeposited,
    /// The payee has no voucher: all the money is the payer's.
    #[error("nothing was paid yet")]
    NothingToClaim,
    /// The channel key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl LeaveError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongStatus { .. } => "CHANNEL_WRONG_STATUS",
            Self::NothingDeposited => "LEAVE_NOTHING_DEPOSITED",
            Self::NothingToClaim => "LEAVE_NOTHING_TO_CLAIM",
            Self::Sign(error) => error.code(),
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
        }
    }
}
