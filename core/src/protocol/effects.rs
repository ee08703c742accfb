//! What follows from a step, held back until the record that allows it is stored.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::channel::{Balances, Channel, Status};
use crate::protocol::SpendRefusal;
use crate::wire::{Message, Payment};
use crate::{Address, B256, Bytes};

/// One thing that follows from a step.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// To the other side of the channel, or to somebody else who takes part in it.
    Send(Option<Address>, Box<Message>),
    Pay(Payment),
    Submit(Transaction),
    Notify(Event),
}

/// What follows from a step, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    list: Vec<Effect>,
    /// Whether the step stays within what was stored before, so that nothing has to be stored for it.
    pub(crate) leased: bool,
}

impl Effects {
    pub(crate) fn send(&mut self, message: Message) {
        self.list.push(Effect::Send(None, Box::new(message)));
    }

    pub(crate) fn send_to(&mut self, peer: Option<Address>, message: Message) {
        self.list.extend(peer.map(|peer| Effect::Send(Some(peer), Box::new(message))));
    }

    pub(crate) fn send_all(&mut self, messages: impl IntoIterator<Item = Message>) {
        self.list.extend(messages.into_iter().map(|message| Effect::Send(None, Box::new(message))));
    }

    pub(crate) fn pay(&mut self, payment: Payment) {
        self.list.push(Effect::Pay(payment));
    }

    pub(crate) fn submit(&mut self, channel: &Channel, kind: TransactionKind, value: u128, data: Bytes) {
        let to = match kind {
            TransactionKind::Approve => channel.terms.asset,
            _ => channel.terms.chain.adjudicator,
        };
        self.list.push(Effect::Submit(Transaction { kind, to, value, data }));
    }

    pub(crate) fn notify(&mut self, event: Event) {
        self.list.push(Effect::Notify(event));
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = alloc::vec::IntoIter<Effect>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

/// What a transaction does. A host knows all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionKind {
    /// Lets the adjudicator take the deposit: ERC-20 `approve`, for exactly the deposit.
    Approve,
    /// `deposit`.
    Deposit,
    /// `checkpoint` with the best state we have: a snapshot, or an answer after which the channel goes on.
    Checkpoint,
    /// `concludeAndTransferAllAssets` with the final state signed by both.
    Conclude,
    /// `challenge` with the best state we have.
    Challenge,
    /// `transferAllAssets` of a finalised outcome.
    Transfer,
    /// `reclaim` of a guarantee of a finalised ledger, by the outcome of the finalised channel that it is for.
    Reclaim,
}

impl TransactionKind {
    /// The kind as a word: `"deposit"`, `"conclude"` ...
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deposit => "deposit",
            Self::Checkpoint => "checkpoint",
            Self::Conclude => "conclude",
            Self::Challenge => "challenge",
            Self::Transfer => "transfer",
            Self::Reclaim => "reclaim",
        }
    }
}

/// A transaction for the host to send from any account: none of them depends on who sends it, except that an approval
/// and a deposit spend the sender's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What it does.
    pub kind: TransactionKind,
    /// The contract called.
    pub to: Address,
    /// Native asset sent along, in wei.
    pub value: u128,
    /// The call's data.
    pub data: Bytes,
}

/// What happened, for whoever shows or records it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The channel came to another status.
    StatusChanged {
        /// The channel.
        channel_id: B256,
        /// Where it is now.
        status: Status,
    },
    /// Payee: a payment was accepted and stored. One that says no more than those before is announced with an
    /// `amount` of zero.
    PaymentReceived {
        /// The channel.
        channel_id: B256,
        /// The voucher's serial.
        serial: u32,
        /// How many of its ticks are paid now.
        ticks: u8,
        /// What is new, in base units.
        amount: u128,
        /// All that was paid on the channel, in base units.
        cumulative_amount: u128,
        /// What it pays for: the hash of a quote, or zero.
        memo: B256,
    },
    /// Both signed a new split of the money.
    Updated {
        /// The channel.
        channel_id: B256,
        /// The turn of the state.
        turn: u64,
        /// What belongs to whom, in base units.
        balances: Balances,
    },
    /// The payee refused a new split. Its turn, and every later one, is given up.
    UpdateRefused {
        /// The channel.
        channel_id: B256,
        /// The turn that was refused.
        turn: u64,
        /// Why, as an error code.
        code: String,
    },
    /// The rest of a withdrawal goes on in another channel.
    Succeeded {
        /// The channel that was concluded.
        channel_id: B256,
        /// The channel that goes on.
        successor: B256,
    },
    /// The other side answered a ping.
    PeerAlive {
        /// The channel.
        channel_id: B256,
    },
    /// The other side did not answer in time. What could be given up was; otherwise the wallet leaves alone, if that is
    /// worth its cost.
    PeerSilent {
        /// The channel.
        channel_id: B256,
    },
    /// A reorganisation took back what was confirmed before. The channel is again where the chain says it is.
    Reorganised {
        /// The channel.
        channel_id: B256,
    },
    /// A challenge stands on chain.
    Challenged {
        /// The channel.
        channel_id: B256,
        /// When it becomes final, in seconds of the chain's clock.
        finalizes_at: u64,
        /// Whether it is ours.
        ours: bool,
    },
    /// The channel was paid out.
    Closed {
        /// The channel.
        channel_id: B256,
        /// To the payee, in base units.
        paid: u128,
        /// Back to the payer, in base units.
        refunded: u128,
        /// On to the successor channel, in base units.
        carried: u128,
    },
    /// The other side refused a message.
    PeerError {
        /// The channel.
        channel_id: B256,
        /// The stable code.
        code: String,
        /// In words.
        text: String,
    },
    /// The adjudicator logged something about the channel that cannot be read. Ask it for the channel's status by hand.
    UnreadableLog {
        /// The channel.
        channel_id: B256,
        /// The block of the log.
        block: u64,
        /// The stable code of what is wrong with it.
        code: String,
    },
    /// The owner of the key declined to sign. What was not signed is given up.
    SignRefused {
        /// The channel.
        channel_id: B256,
    },
    /// Payer: the owner's rules did not allow a payment.
    SpendRefused {
        /// The channel.
        channel_id: B256,
        /// Which rule, and by how much.
        refusal: SpendRefusal,
    },
    /// Storing failed or somebody else wrote first: what was held back is dropped and the record is loaded anew.
    CommitFailed {
        /// The channel.
        channel_id: B256,
    },
}
