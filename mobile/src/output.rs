//! What the core asks of its host and says about its channels, and the conversion from the core's own types.
//!
//! The core's enums may grow without notice, so each conversion has an answer for a variant that it does not know.

use millstream_core::channel::{self, Channel};
use millstream_core::{protocol, wallet};

use crate::input::TransactionKind;
use crate::values::{Address, Amount, Bytes32};

/// One output of the machine, to be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Output {
    /// Make all these writes durable, or none of them, then say `Committed` or `CommitFailed`.
    Commit {
        /// Names the commit.
        id: u64,
        /// The writes.
        writes: Vec<Write>,
    },
    /// Read these records and say `Loaded`.
    Load {
        /// The keys.
        keys: Vec<Bytes32>,
    },
    /// Bring this message to a peer. It may be lost: `Resume` sends it again.
    Send {
        /// The peer's channel key.
        peer: Address,
        /// The channel.
        channel_id: Bytes32,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Payer: hand over this payment, with the request that it pays for.
    Payment {
        /// The channel.
        channel_id: Bytes32,
        /// The voucher's serial.
        serial: u32,
        /// What it pays beyond the voucher before, in base units.
        amount: Amount,
        /// All that was paid on the channel with it, in base units.
        cumulative_amount: Amount,
        /// The payment.
        bytes: Vec<u8>,
    },
    /// Send this transaction from any account. Transactions of one channel go one after the other.
    Submit {
        /// The channel.
        channel_id: Bytes32,
        /// The transaction.
        transaction: Transaction,
    },
    /// Something happened.
    Notify {
        /// What.
        event: Event,
    },
    /// Send `Tick` at this time, in seconds since 1970, or later.
    WakeAt {
        /// The time.
        time: u64,
    },
    /// An output that this binding does not know. Pass over it.
    Unknown,
}

impl From<wallet::Output> for Output {
    fn from(output: wallet::Output) -> Self {
        use wallet::Output as From;
        match output {
            From::Commit { id, writes } => Self::Commit { id, writes: writes.into_iter().map(Into::into).collect() },
            From::Load { keys } => Self::Load { keys },
            From::Send { peer, channel_id, bytes } => Self::Send { peer, channel_id, bytes },
            From::Payment { channel_id, serial, amount, cumulative_amount, bytes } => {
                Self::Payment { channel_id, serial, amount, cumulative_amount, bytes }
            }
            From::Submit { channel_id, transaction } => Transaction::known(transaction)
                .map_or(Self::Unknown, |transaction| Self::Submit { channel_id, transaction }),
            From::Notify(event) => Self::Notify { event: event.into() },
            From::WakeAt(time) => Self::WakeAt { time },
            _ => Self::Unknown,
        }
    }
}

/// One write of a commit.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Write {
    /// The key.
    pub key: Bytes32,
    /// The version that the record must have now; zero if there must be none. It becomes this plus one.
    pub expected_version: u64,
    /// The record; none deletes it.
    pub bytes: Option<Vec<u8>>,
}

impl From<wallet::Write> for Write {
    fn from(wallet::Write { key, expected_version, bytes }: wallet::Write) -> Self {
        Self { key, expected_version, bytes }
    }
}

/// A transaction to send from any account: none depends on who sends it, except that an approval and a deposit spend the
/// sender's money.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Transaction {
    /// What it does.
    pub kind: TransactionKind,
    /// The contract called.
    pub to: Address,
    /// Native asset sent along, in wei.
    pub value: Amount,
    /// The call's data.
    pub data: Vec<u8>,
}

impl Transaction {
    fn known(transaction: protocol::Transaction) -> Option<Self> {
        use protocol::TransactionKind as From;
        let kind = match transaction.kind {
            From::Approve => TransactionKind::Approve,
            From::Deposit => TransactionKind::Deposit,
            From::Conclude => TransactionKind::Conclude,
            From::Challenge => TransactionKind::Challenge,
            From::Transfer => TransactionKind::Transfer,
            _ => return None,
        };
        let protocol::Transaction { to, value, data, .. } = transaction;
        Some(Self { kind, to, value, data: data.into() })
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Event {
    /// The channel came to another status.
    StatusChanged {
        /// The channel.
        channel_id: Bytes32,
        /// Where it is now.
        status: ChannelStatus,
    },
    /// Payee: a payment was accepted and stored. The same payment again is announced with an `amount` of zero.
    PaymentReceived {
        /// The channel.
        channel_id: Bytes32,
        /// The voucher's serial.
        serial: u32,
        /// What is new, in base units.
        amount: Amount,
        /// All that was paid on the channel, in base units.
        cumulative_amount: Amount,
        /// What it pays for: the hash of a quote, or zero.
        memo: Bytes32,
    },
    /// A challenge stands on chain.
    Challenged {
        /// The channel.
        channel_id: Bytes32,
        /// When it becomes final, in seconds of the chain's clock.
        finalizes_at: u64,
        /// Whether it is ours.
        ours: bool,
    },
    /// The channel was paid out.
    Closed {
        /// The channel.
        channel_id: Bytes32,
        /// To the payee, in base units.
        paid: Amount,
        /// Back to the payer, in base units.
        refunded: Amount,
    },
    /// The other side refused a message.
    PeerError {
        /// The channel.
        channel_id: Bytes32,
        /// The stable code.
        code: String,
        /// In words.
        text: String,
    },
    /// The adjudicator logged something about the channel that cannot be read.
    UnreadableLog {
        /// The channel.
        channel_id: Bytes32,
        /// The block of the log.
        block: u64,
        /// The stable code of what is wrong with it.
        code: String,
    },
    /// Storing failed or somebody else wrote first: what was held back is dropped and the record is loaded anew.
    CommitFailed {
        /// The channel.
        channel_id: Bytes32,
    },
    /// An event that this binding does not know.
    Unknown,
}

impl From<protocol::Event> for Event {
    fn from(event: protocol::Event) -> Self {
        use protocol::Event as From;
        match event {
            From::StatusChanged { channel_id, status } => Self::StatusChanged { channel_id, status: status.into() },
            From::PaymentReceived { channel_id, serial, amount, cumulative_amount, memo } => {
                Self::PaymentReceived { channel_id, serial, amount, cumulative_amount, memo }
            }
            From::Challenged { channel_id, finalizes_at, ours } => Self::Challenged { channel_id, finalizes_at, ours },
            From::Closed { channel_id, paid, refunded } => Self::Closed { channel_id, paid, refunded },
            From::PeerError { channel_id, code, text } => Self::PeerError { channel_id, code, text },
            From::UnreadableLog { channel_id, block, code } => Self::UnreadableLog { channel_id, block, code },
            From::CommitFailed { channel_id } => Self::CommitFailed { channel_id },
            _ => Self::Unknown,
        }
    }
}

/// Where a channel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ChannelStatus {
    /// Proposed.
    Initialized,
    /// Signed by both; waits for its deposit.
    Signed,
    /// Funded: it can be paid on.
    Open,
    /// Being closed; no more payments.
    Closing,
    /// A challenge runs on chain.
    Challenged,
    /// Paid out.
    Closed,
    /// Given up before any deposit.
    Aborted,
    /// A status that this binding does not know.
    Unknown,
}

impl From<channel::Status> for ChannelStatus {
    fn from(status: channel::Status) -> Self {
        use channel::Status as From;
        match status {
            From::Initialized => Self::Initialized,
            From::Signed => Self::Signed,
            From::Open => Self::Open,
            From::Closing => Self::Closing,
            From::Challenged => Self::Challenged,
            From::Closed => Self::Closed,
            From::Aborted => Self::Aborted,
            _ => Self::Unknown,
        }
    }
}

/// Which side of a channel a wallet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Role {
    /// Deposits and signs vouchers.
    Payer,
    /// Collects vouchers and redeems the best one.
    Payee,
}

impl From<channel::Role> for Role {
    fn from(role: channel::Role) -> Self {
        match role {
            channel::Role::Payer => Self::Payer,
            channel::Role::Payee => Self::Payee,
        }
    }
}

/// What is known about a channel. Amounts in base units.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ChannelInfo {
    /// The channel's id.
    pub id: Bytes32,
    /// Which side this wallet is.
    pub role: Role,
    /// Where it is in its life.
    pub status: ChannelStatus,
    /// The other side's channel key.
    pub peer: Address,
    /// The payer's channel key.
    pub payer: Address,
    /// The payee's channel key.
    pub payee: Address,
    /// Token contract, or zero for the native asset.
    pub asset: Address,
    /// What the payer deposits.
    pub deposit: Amount,
    /// Paid so far.
    pub cumulative_amount: Amount,
    /// What the payer can still pay.
    pub remaining: Amount,
    /// Of the last voucher; 0 before the first.
    pub serial: u32,
    /// What the adjudicator holds for the channel, as far as confirmed.
    pub holdings: Amount,
    /// The time to answer a challenge, in seconds.
    pub challenge_duration: u64,
    /// How many blocks deep the deposit must be.
    pub confirmations: u32,
    /// The final state that the payer proposed, if it did.
    pub closing: Option<Closing>,
    /// Whether this side decided to leave without the other.
    pub leaving: bool,
    /// What stands on chain against the channel.
    pub dispute: Option<Dispute>,
    /// What each side was paid out, once it was.
    pub payout: Option<Payout>,
    /// The block of the last chain event that was taken in.
    pub seen_block: Option<u64>,
    /// Why the channel was given up: an error code.
    pub aborted: Option<String>,
}

impl ChannelInfo {
    pub(crate) fn of(id: Bytes32, channel: &Channel) -> Self {
        let terms = &channel.terms;
        Self {
            id,
            role: channel.role.into(),
            status: channel.status().into(),
            peer: channel.peer(),
            payer: terms.payer,
            payee: terms.payee,
            asset: terms.asset,
            deposit: terms.deposit,
            cumulative_amount: channel.cumulative_amount(),
            remaining: channel.remaining(),
            serial: channel.last_serial(),
            holdings: channel.holdings,
            challenge_duration: terms.challenge_duration,
            confirmations: terms.confirmations,
            closing: channel
                .closing
                .map(|closing| Closing { claimed: closing.claimed, agreed: closing.signatures.both().is_some() }),
            leaving: channel.leaving,
            dispute: channel.dispute.as_ref().map(|dispute| Dispute {
                finalizes_at: dispute.finalizes_at,
                ours: dispute.ours,
                turn: dispute.turn,
            }),
            payout: channel.payout.map(|payout| Payout { paid: payout.paid, refunded: payout.refunded }),
            seen_block: channel.seen.map(|seen| seen.block),
            aborted: channel.aborted.clone(),
        }
    }
}

/// A proposed final state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Closing {
    /// What it pays the payee, in base units.
    pub claimed: Amount,
    /// Whether both signed it.
    pub agreed: bool,
}

/// A challenge that stands on chain, or the outcome that was finalised there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Dispute {
    /// When it becomes final, in seconds of the chain's clock.
    pub finalizes_at: u64,
    /// Whether it is ours.
    pub ours: bool,
    /// The turn of the state on chain.
    pub turn: u64,
}

/// What each side was paid out, in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Payout {
    /// To the payee.
    pub paid: Amount,
    /// Back to the payer.
    pub refunded: Amount,
}
