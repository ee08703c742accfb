//! What the core asks of its host and says about its channels, and the conversion from the core's own types.

use millstream_core::{protocol, wallet};

use crate::channel::{Balances, ChannelStatus};
use crate::input::TransactionKind;
use crate::spending::SpendRefusal;
use crate::values::{Address, Amount, Bytes32};

/// One output of the machine, to be carried out in order. A host knows all of them: one that it leaves undone may be money.
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
        /// How many of its ticks are paid with it.
        ticks: u8,
        /// What it pays beyond the voucher before, in base units.
        amount: Amount,
        /// All that was paid on the channel with it, in base units.
        cumulative_amount: Amount,
        /// The payment.
        bytes: Vec<u8>,
    },
    /// Ask the outside signer for its signature of this digest, then say `Signed` or `SignRefused`. What is signed is stored
    /// already, so that asking again after a crash asks for the same.
    Sign {
        /// The channel.
        channel_id: Bytes32,
        /// What is signed, as it is.
        digest: Bytes32,
        /// What it is for.
        purpose: Purpose,
    },
    /// Ask the owner whether a payment above a rule that asks may be made, then say `Answered`. A question does not outlive
    /// the process.
    Ask {
        /// Names the question.
        id: u64,
        /// The channel that would pay.
        channel_id: Bytes32,
        /// The rule, and by how much the payment is above it.
        question: SpendRefusal,
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
}

impl From<wallet::Output> for Output {
    fn from(output: wallet::Output) -> Self {
        use wallet::Output as From;
        match output {
            From::Commit { id, writes } => Self::Commit { id, writes: writes.into_iter().map(Into::into).collect() },
            From::Load { keys } => Self::Load { keys },
            From::Send { peer, channel_id, bytes } => Self::Send { peer, channel_id, bytes },
            From::Payment { channel_id, serial, ticks, amount, cumulative_amount, bytes } => {
                Self::Payment { channel_id, serial, ticks, amount, cumulative_amount, bytes }
            }
            From::Sign { channel_id, digest, purpose } => Self::Sign { channel_id, digest, purpose: purpose.into() },
            From::Ask { id, channel_id, question } => Self::Ask { id, channel_id, question: question.into() },
            From::Submit { channel_id, transaction } => Self::Submit { channel_id, transaction: transaction.into() },
            From::Notify(event) => Self::Notify { event: event.into() },
            From::WakeAt(time) => Self::WakeAt { time },
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
    /// When the channel next needs attention, in seconds since 1970; none if it can rest until it is named. A store that
    /// can find records by it spares a wallet from loading all of them at its start.
    pub wake_at: Option<u64>,
}

impl From<wallet::Write> for Write {
    fn from(wallet::Write { key, expected_version, bytes, wake_at }: wallet::Write) -> Self {
        Self { key, expected_version, bytes, wake_at }
    }
}

/// What a signature is for. A signer that asks its owner can show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Purpose {
    /// A state of a channel: prefund, postfund, update, final state or redemption.
    State,
    /// A voucher.
    Voucher,
    /// That we are the one who challenges.
    Challenge,
    /// A message to the other side.
    Message,
}

impl From<protocol::Purpose> for Purpose {
    fn from(purpose: protocol::Purpose) -> Self {
        use protocol::Purpose as From;
        match purpose {
            From::State => Self::State,
            From::Voucher => Self::Voucher,
            From::Challenge => Self::Challenge,
            From::Message => Self::Message,
        }
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

impl From<protocol::Transaction> for Transaction {
    fn from(protocol::Transaction { kind, to, value, data }: protocol::Transaction) -> Self {
        Self { kind: kind.into(), to, value, data: data.into() }
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
        /// How many of its ticks are paid with it.
        ticks: u8,
        /// What is new, in base units.
        amount: Amount,
        /// All that was paid on the channel, in base units.
        cumulative_amount: Amount,
        /// What it pays for: the hash of a quote, or zero.
        memo: Bytes32,
    },
    /// Both signed a new split of the money.
    Updated {
        /// The channel.
        channel_id: Bytes32,
        /// The turn of the state.
        turn: u64,
        /// What belongs to whom.
        balances: Balances,
    },
    /// The payee refused a new split. Its turn, and every later one, is given up.
    UpdateRefused {
        /// The channel.
        channel_id: Bytes32,
        /// The turn that was refused.
        turn: u64,
        /// Why, as an error code.
        code: String,
    },
    /// The rest of a withdrawal goes on in another channel.
    Succeeded {
        /// The channel that was concluded.
        channel_id: Bytes32,
        /// The channel that goes on.
        successor: Bytes32,
    },
    /// The other side answered a ping.
    PeerAlive {
        /// The channel.
        channel_id: Bytes32,
    },
    /// The other side did not answer in time. What could be given up was; otherwise the wallet leaves alone, if that is
    /// worth its cost.
    PeerSilent {
        /// The channel.
        channel_id: Bytes32,
    },
    /// A reorganisation took back what was confirmed before. The channel is again where the chain says it is.
    Reorganised {
        /// The channel.
        channel_id: Bytes32,
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
        /// On to the successor, in base units.
        carried: Amount,
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
    /// The adjudicator logged something about the channel that cannot be read. Ask it for the channel's status by hand.
    UnreadableLog {
        /// The channel.
        channel_id: Bytes32,
        /// The block of the log.
        block: u64,
        /// The stable code of what is wrong with it.
        code: String,
    },
    /// The owner of the key declined to sign. What was not signed is given up.
    SignRefused {
        /// The channel.
        channel_id: Bytes32,
    },
    /// A payment was not made, because of a rule of the owner or the owner's no.
    SpendRefused {
        /// The channel.
        channel_id: Bytes32,
        /// The rule, and by how much the payment was above it.
        refusal: SpendRefusal,
    },
    /// Storing failed or somebody else wrote first: what was held back is dropped and the record is loaded anew.
    CommitFailed {
        /// The channel.
        channel_id: Bytes32,
    },
    /// An event that this binding does not know. Pass over it.
    Unknown,
}

impl From<protocol::Event> for Event {
    fn from(event: protocol::Event) -> Self {
        use protocol::Event as From;
        match event {
            From::StatusChanged { channel_id, status } => Self::StatusChanged { channel_id, status: status.into() },
            From::PaymentReceived { channel_id, serial, ticks, amount, cumulative_amount, memo } => {
                Self::PaymentReceived { channel_id, serial, ticks, amount, cumulative_amount, memo }
            }
            From::Updated { channel_id, turn, balances } => {
                Self::Updated { channel_id, turn, balances: balances.into() }
            }
            From::UpdateRefused { channel_id, turn, code } => Self::UpdateRefused { channel_id, turn, code },
            From::Succeeded { channel_id, successor } => Self::Succeeded { channel_id, successor },
            From::PeerAlive { channel_id } => Self::PeerAlive { channel_id },
            From::PeerSilent { channel_id } => Self::PeerSilent { channel_id },
            From::Reorganised { channel_id } => Self::Reorganised { channel_id },
            From::Challenged { channel_id, finalizes_at, ours } => Self::Challenged { channel_id, finalizes_at, ours },
            From::Closed { channel_id, paid, refunded, carried } => {
                Self::Closed { channel_id, paid, refunded, carried }
            }
            From::PeerError { channel_id, code, text } => Self::PeerError { channel_id, code, text },
            From::UnreadableLog { channel_id, block, code } => Self::UnreadableLog { channel_id, block, code },
            From::SignRefused { channel_id } => Self::SignRefused { channel_id },
            From::SpendRefused { channel_id, refusal } => Self::SpendRefused { channel_id, refusal: refusal.into() },
            From::CommitFailed { channel_id } => Self::CommitFailed { channel_id },
            _ => Self::Unknown,
        }
    }
}
