//! What the wallet asks of its host.

use alloc::vec::Vec;

use crate::protocol::{Event, Purpose, SpendRefusal, Transaction};
use crate::{Address, B256};

/// One output of the machine, to be carried out in order. A host knows all of them: one that it leaves undone may be money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Make all these writes durable, or none of them, then say [`Input::Committed`](super::Input::Committed) or
    /// [`Input::CommitFailed`](super::Input::CommitFailed).
    Commit {
        /// Names the commit.
        id: u64,
        /// The writes.
        writes: Vec<Write>,
    },
    /// Read these records and say [`Input::Loaded`](super::Input::Loaded).
    Load {
        /// The keys: channel ids.
        keys: Vec<B256>,
    },
    /// Bring this message to a peer. It may be lost: [`Command::Resume`](super::Command::Resume) sends it again.
    Send {
        /// The peer's channel key.
        peer: Address,
        /// The channel.
        channel_id: B256,
        /// The message, at most [`MAX_MESSAGE_BYTES`](crate::wire::MAX_MESSAGE_BYTES).
        bytes: Vec<u8>,
    },
    /// Payer: hand over this payment, with the request that it pays for.
    Payment {
        /// The channel.
        channel_id: B256,
        /// The voucher's serial.
        serial: u32,
        /// How many of its ticks are paid with this; zero if it is the voucher.
        ticks: u8,
        /// What it pays beyond the voucher before, in base units.
        amount: u128,
        /// All that was paid on the channel with it, in base units.
        cumulative_amount: u128,
        /// The payment, at most [`MAX_PAYMENT_BYTES`](crate::wire::MAX_PAYMENT_BYTES).
        bytes: Vec<u8>,
    },
    /// Ask the outside signer for its signature of this digest, then say [`Input::Signed`](super::Input::Signed) or
    /// [`Input::SignRefused`](super::Input::SignRefused). What is signed is stored already, so that asking again after a
    /// crash asks for the same.
    Sign {
        /// The channel.
        channel_id: B256,
        /// What is signed, as it is.
        digest: B256,
        /// What it is for.
        purpose: Purpose,
    },
    /// Ask the owner whether a payment above a rule that asks may be made, then say
    /// [`Input::Answered`](super::Input::Answered). A question does not outlive the process.
    Ask {
        /// Names the question.
        id: u64,
        /// The channel that would pay.
        channel_id: B256,
        /// The rule, and by how much the payment is above it.
        question: SpendRefusal,
    },
    /// Send this transaction from any account. Transactions of one channel go one after the other.
    Submit {
        /// The channel.
        channel_id: B256,
        /// The transaction.
        transaction: Transaction,
    },
    /// Something happened.
    Notify(Event),
    /// Send [`Input::Tick`](super::Input::Tick) at this time, in seconds since 1970, or later.
    WakeAt(u64),
}

/// One write of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key: a channel id, or [`SPEND_LOG_KEY`](super::SPEND_LOG_KEY).
    pub key: B256,
    /// The version that the record must have now; zero if there must be none. It becomes this plus one.
    pub expected_version: u64,
    /// The record; `None` deletes it.
    pub bytes: Option<Vec<u8>>,
    /// When the channel next needs attention, in seconds since 1970; `None` if it can rest until it is named. A store
    /// that can find records by it spares a wallet from loading all of them at its start.
    pub wake_at: Option<u64>,
}
