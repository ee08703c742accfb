//! Why a step is refused. Nothing changes on error.

use crate::channel::{Balances, Status, TermsError};
use crate::crypto::{SignError, SignatureError};
use crate::payment::ClaimError;
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
    /// A new split, or the signature of the last payment, is under way.
    #[error("another step of the channel is under way")]
    Busy,
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
    /// In a ledger, a payment is a new split, and that is refused.
    #[error(transparent)]
    Update(#[from] UpdateError),
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
            Self::Busy => "CHANNEL_BUSY",
            Self::ZeroAmount => "PAY_ZERO_AMOUNT",
            Self::InsufficientBalance { .. } => "INSUFFICIENT_BALANCE",
            Self::SerialsExhausted => "PAY_SERIALS_EXHAUSTED",
            Self::Update(error) => error.code(),
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
    /// A serial so high that the turn of its redemption does not fit the chain.
    #[error("voucher {serial} leaves no turn for its redemption")]
    SerialTooHigh {
        /// The serial that came.
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
    /// More than the payer has left in the base, less its reserve, or more than is deposited.
    #[error("cumulative amount of {amount} is above the {deposit} that covers it")]
    AboveDeposit {
        /// Base units in the voucher.
        amount: u128,
        /// Base units that the base and the deposit cover.
        deposit: u128,
    },
    /// A tick of a voucher that did not come yet: the payer shows the voucher with it.
    #[error("tick of voucher {serial}, which is not known")]
    UnknownVoucher {
        /// The serial that came.
        serial: u32,
    },
    /// The ticks are not those of the voucher.
    #[error(transparent)]
    Ticks(#[from] ClaimError),
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
            Self::SerialTooHigh { .. } => "VOUCHER_SERIAL_TOO_HIGH",
            Self::Decreasing { .. } => "VOUCHER_DECREASING",
            Self::AboveDeposit { .. } => "VOUCHER_ABOVE_DEPOSIT",
            Self::UnknownVoucher { .. } => "VOUCHER_UNKNOWN",
            Self::Ticks(error) => error.code(),
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
    /// The final state pays more than is there.
    #[error("final state pays {claimed}, above the {deposit} deposited")]
    AboveDeposit {
        /// Base units that are ours in the final state.
        claimed: u128,
        /// Base units deposited.
        deposit: u128,
    },
    /// The final state pays into a channel that we did not agree on.
    #[error("final state pays into another channel than agreed")]
    WrongSuccessor,
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
            Self::WrongSuccessor => "CLOSE_WRONG_SUCCESSOR",
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
    /// Nothing of what the chain holds is ours.
    #[error("nothing of the deposit is ours")]
    NothingToClaim,
    /// The chain has this turn already, or a higher one.
    #[error("turn {turn} is not newer than what the chain has")]
    NotNewer {
        /// The turn of our best state.
        turn: u64,
    },
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
            Self::NotNewer { .. } => "CHECKPOINT_NOT_NEWER",
            Self::Sign(error) => error.code(),
        }
    }
}

/// Why a new split is not proposed, or not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The step does not fit the channel's status.
    #[error("channel is {}", .status.name())]
    WrongStatus {
        /// Where the channel is.
        status: Status,
    },
    /// The step belongs to the other side.
    #[error("step is not for this side of the channel")]
    WrongRole,
    /// As many splits as may wait for the other side do.
    #[error("another update of the channel is under way")]
    Busy,
    /// Nothing is to change.
    #[error("amount is zero")]
    ZeroAmount,
    /// The split adds up to less than before, or to more than 2^128 - 1, or somebody would pay more than it has.
    #[error("split of {} to the payer and {} to the payee does not follow", .balances.payer, .balances.payee)]
    Balance {
        /// The split proposed, or the one that cannot pay.
        balances: Balances,
    },
    /// A side would have less than its reserve.
    #[error("split leaves {left}, less than the reserve of {reserve}")]
    Reserve {
        /// Base units left.
        left: u128,
        /// Base units that have to stay.
        reserve: u128,
    },
    /// The split takes from us what we did not offer.
    #[error("split leaves us {offered} of {owed}")]
    Underpays {
        /// Base units for us in the split.
        offered: u128,
        /// Base units that are ours.
        owed: u128,
    },
    /// More would be ours than the chain holds.
    #[error("{payee} for us is more than the {holdings} deposited")]
    NotCovered {
        /// Base units for us in the split.
        payee: u128,
        /// Base units on chain.
        holdings: u128,
    },
    /// The turn is one that was signed or given up before.
    #[error("turn {turn} is not newer than turn {newest}")]
    Stale {
        /// The turn that came.
        turn: u64,
        /// The newest we have.
        newest: u64,
    },
    /// We gave the turn up before we signed it, and may not use it again.
    #[error("turn {turn} was given up unsigned")]
    GivenUp {
        /// The turn.
        turn: u64,
    },
    /// The turn is not above every voucher, or uses up the turns of the channel.
    #[error("turn {turn} is out of range")]
    Turn {
        /// The turn.
        turn: u64,
    },
    /// The other side's signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The channel key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl UpdateError {
    /// Whether the split may be one that we signed before.
    pub(crate) const fn may_be_signed(&self) -> bool {
        matches!(self, Self::Stale { .. } | Self::WrongRole | Self::WrongStatus { .. })
    }

    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongStatus { .. } => "CHANNEL_WRONG_STATUS",
            Self::WrongRole => "UPDATE_WRONG_ROLE",
            Self::Busy => "CHANNEL_BUSY",
            Self::ZeroAmount => "UPDATE_ZERO_AMOUNT",
            Self::Balance { .. } => "UPDATE_BALANCE",
            Self::Reserve { .. } => "UPDATE_RESERVE",
            Self::Underpays { .. } => "UPDATE_UNDERPAYS",
            Self::NotCovered { .. } => "UPDATE_NOT_COVERED",
            Self::Stale { .. } => "UPDATE_STALE",
            Self::GivenUp { .. } => "UPDATE_GIVEN_UP",
            Self::Turn { .. } => "UPDATE_TURN",
            Self::Signature(error) => error.code(),
            Self::Sign(error) => error.code(),
        }
    }
}

/// Why nothing is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WithdrawError {
    /// The step does not fit the channel's status.
    #[error("channel is {}", .status.name())]
    WrongStatus {
        /// Where the channel is.
        status: Status,
    },
    /// The step belongs to the other side.
    #[error("step is not for this side of the channel")]
    WrongRole,
    /// Another step has to end first.
    #[error("another update of the channel is under way")]
    Busy,
    /// Nothing is to be taken out.
    #[error("amount is zero")]
    ZeroAmount,
    /// More than there is.
    #[error("cannot take {amount} out of {} and {}", .balances.payer, .balances.payee)]
    Balance {
        /// Base units to take out.
        amount: u128,
        /// What belongs to whom.
        balances: Balances,
    },
    /// A top up is not deposited yet.
    #[error("what was pledged is not deposited yet")]
    NotDeposited,
    /// The successor's terms are not ours with another nonce, or were proposed too long ago, or its id is taken.
    #[error("terms of the successor do not follow from the channel's")]
    Terms,
    /// The rest makes no channel.
    #[error(transparent)]
    InvalidTerms(#[from] TermsError),
    /// The successor leaves us less than we have.
    #[error("successor leaves us {offered} of {owed}")]
    Underpays {
        /// Base units for us in the successor.
        offered: u128,
        /// Base units that are ours.
        owed: u128,
    },
    /// The other side's signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The channel key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl WithdrawError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongStatus { .. } => "CHANNEL_WRONG_STATUS",
            Self::WrongRole => "WITHDRAW_WRONG_ROLE",
            Self::Busy => "CHANNEL_BUSY",
            Self::ZeroAmount => "WITHDRAW_ZERO_AMOUNT",
            Self::Balance { .. } => "WITHDRAW_BALANCE",
            Self::NotDeposited => "WITHDRAW_NOT_DEPOSITED",
            Self::Terms => "WITHDRAW_TERMS",
            Self::InvalidTerms(error) => error.code(),
            Self::Underpays { .. } => "WITHDRAW_UNDERPAYS",
            Self::Signature(error) => error.code(),
            Self::Sign(error) => error.code(),
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
