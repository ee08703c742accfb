//! Why no money moves: payments, and new splits that both sign.

use crate::channel::{Balances, Status};
use crate::crypto::{SignError, SignatureError};
use crate::payment::ClaimError;
use crate::protocol::SpendRefusal;
use crate::wire::WireError;

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
    /// The owner's rules do not allow it.
    #[error(transparent)]
    Refused(#[from] SpendRefusal),
    /// The owner stopped all payments.
    #[error("payments are on hold")]
    Held,
    /// Other questions wait for the owner's answer.
    #[error("too many questions wait for the owner's answer")]
    TooManyQuestions,
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
            Self::Refused(_) => "SPEND_LIMIT",
            Self::Held => "SPEND_HELD",
            Self::TooManyQuestions => "SPEND_QUESTIONS",
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
    /// A virtual channel is what it was opened with until it is closed: its vouchers stand on what the hubs signed too.
    #[error("a virtual channel is not updated: close it, and open another one")]
    Virtual,
    /// The guarantee is for no virtual channel that waits for it, or on other terms than that one's.
    #[error("no virtual channel of ours waits for this guarantee")]
    UnknownGuarantee,
    /// The ledger sets aside for as many channels as can be put on chain.
    #[error("the ledger has {limit} guarantees already")]
    TooManyGuarantees {
        /// The limit.
        limit: usize,
    },
    /// The guarantee would not be split as its channel says.
    #[error("{paid} of the guarantee for the downstream side is not between {least} and {most}")]
    GuaranteeSplit {
        /// Base units for the downstream side.
        paid: u128,
        /// What the downstream side may owe itself.
        least: u128,
        /// What the upstream side is sure of.
        most: u128,
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
            Self::Virtual => "UPDATE_VIRTUAL",
            Self::UnknownGuarantee => "GUARANTEE_UNKNOWN",
            Self::TooManyGuarantees { .. } => "GUARANTEE_TOO_MANY",
            Self::GuaranteeSplit { .. } => "GUARANTEE_SPLIT",
            Self::Signature(error) => error.code(),
            Self::Sign(error) => error.code(),
        }
    }
}
