//! Why nobody is paid out: closing together, leaving alone, withdrawing.

use crate::channel::{Balances, Status, TermsError};
use crate::crypto::{SignError, SignatureError};

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
    /// A ledger still sets money aside: the virtual channels through it have to be closed first.
    #[error("{count} virtual channels run through the ledger: close them first")]
    Guarantees {
        /// How many.
        count: usize,
    },
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
            Self::Guarantees { .. } => "CLOSE_GUARANTEES",
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
    /// A virtual channel, or a ledger that sets money aside for one: the chain holds nothing that could be taken out by itself.
    #[error("virtual channels run through the ledger, or the channel is one: close it first")]
    Virtual,
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
            Self::Virtual => "WITHDRAW_VIRTUAL",
            Self::Terms => "WITHDRAW_TERMS",
            Self::InvalidTerms(error) => error.code(),
            Self::Underpays { .. } => "WITHDRAW_UNDERPAYS",
            Self::Signature(error) => error.code(),
            Self::Sign(error) => error.code(),
        }
    }
}
