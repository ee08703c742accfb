//! What a host tells the wallet.

use alloc::vec::Vec;

use crate::channel::{Route, Terms};
use crate::protocol::TransactionKind;
use crate::{Address, B256, Bytes};

/// One input of the machine.
#[expect(clippy::large_enum_variant, reason = "an input is handed over once, and most are of the size of a payment")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// The owner wants something.
    Command(Command),
    /// A message came from a peer, by whatever transport.
    Message(Vec<u8>),
    /// A payment came from a payer, by whatever transport.
    Payment(Vec<u8>),
    /// The chain went on.
    Chain(ChainUpdate),
    /// A transaction was not sent, or failed; nothing is sent again until [`Command::Resume`].
    TransactionFailed {
        /// The channel.
        channel_id: B256,
        /// What it would have done.
        kind: TransactionKind,
    },
    /// The writes of a commit are durable.
    Committed {
        /// The commit.
        id: u64,
    },
    /// The writes of a commit were refused, because a version did not match or storing failed. None of them took effect.
    CommitFailed {
        /// The commit.
        id: u64,
    },
    /// Records from the store: at the start those whose `wake_at` is set (or all, if there are few), later those that
    /// [`Output::Load`](super::Output::Load) names.
    Loaded(Vec<StoredRecord>),
    /// Records of a backup, by channel id. Those that the wallet does not have are stored; before anything is signed on
    /// them, the other side is asked how far it got. The next [`Input::Chain`] has to reach back to before the backup was
    /// made: until it comes no deposit is. Proposals of channels that were made up to now, by whatever clock, are refused:
    /// one may have been accepted after the backup. A wallet that is started anew before all of those are too
    /// old to be accepted, the policy's funding timeout and ten minutes after, is told so by a restore without records.
    Restore(Vec<(B256, Vec<u8>)>),
    /// The signature that [`Output::Sign`](super::Output::Sign) asked for: 65 bytes, `r ‖ s ‖ v`.
    Signed {
        /// The digest.
        digest: B256,
        /// The signature.
        signature: Vec<u8>,
    },
    /// The owner of the key declined to sign, and never will.
    SignRefused {
        /// The digest.
        digest: B256,
    },
    /// The owner answered a question of [`Output::Ask`](super::Output::Ask). With a yes the payment is made, or refused for
    /// another reason: an error. With a no it is not, and the refusal is an event.
    Answered {
        /// The question.
        id: u64,
        /// Whether the payment may be made.
        granted: bool,
    },
    /// Time went on.
    Tick,
}

/// What the owner wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Payer: proposes a channel on these terms. The nonce, by [`derive_nonce`](crate::channel::derive_nonce), is where
    /// the host's randomness comes in.
    OpenChannel(Terms),
    /// Payer: proposes a virtual channel. The first ledger of the route is ours and open.
    OpenVirtual {
        /// The terms, with the hubs on the way.
        terms: Terms,
        /// The ledgers between payer, hubs and payee, and what each hub earns.
        route: Route,
    },
    /// Pays `amount` more base units: the payer in a stream, either side in a ledger.
    Pay {
        /// The channel.
        channel_id: B256,
        /// In base units, above zero.
        amount: u128,
        /// What is paid for.
        purchase: Purchase,
        /// Streams: for how many more payments of the same amount and memo to prepare. Each of them is then a tick, which
        /// needs no signature and no write, and for that the wallet has to be the only one on its store. Zero for a payment
        /// that stands alone.
        ticks: u8,
    },
    /// Stops all payments of the wallet, or lets them go on. It is not stored.
    Hold(bool),
    /// Payer: raises its part by `amount` base units. Both sign, then the deposit is submitted.
    TopUp {
        /// The channel.
        channel_id: B256,
        /// In base units, above zero.
        amount: u128,
    },
    /// Makes what was paid part of a new base, on which vouchers start again.
    Fold {
        /// The channel.
        channel_id: B256,
    },
    /// Payee: gives `amount` base units back to the payer.
    GiveBack {
        /// The channel.
        channel_id: B256,
        /// In base units, above zero.
        amount: u128,
    },
    /// Takes `amount` base units of ours out with one transaction; the rest goes on in a successor channel.
    Withdraw {
        /// The channel.
        channel_id: B256,
        /// In base units, above zero.
        amount: u128,
    },
    /// Puts our best state on chain while the channel goes on.
    Snapshot {
        /// The channel.
        channel_id: B256,
    },
    /// Answers a challenge with a newer state, after which the channel goes on; takes a decision to leave back.
    ClearChallenge {
        /// The channel.
        channel_id: B256,
    },
    /// Asks whether the other side is there.
    Ping {
        /// The channel.
        channel_id: B256,
    },
    /// Closes together with the other side, with one transaction.
    CloseChannel {
        /// The channel.
        channel_id: B256,
    },
    /// Leaves without the other side: challenge, wait, pay out.
    LeaveChannel {
        /// The channel.
        channel_id: B256,
    },
    /// Gives up a channel before it is funded.
    AbortChannel {
        /// The channel.
        channel_id: B256,
    },
    /// Stores what was paid under leases and by ticks and is not stored yet: for the last moment before a stop. The next start
    /// then knows what left this one, also what is still on its way to a payee, and need not ask.
    Settle,
    /// Sends again what the other side may still wait for, and submits what the chain may, unless it was submitted since
    /// the start and did not fail. For after a restart, a lost message or a failed transaction.
    Resume {
        /// The channel.
        channel_id: B256,
    },
}

/// What a payment is for. All zeros: nothing that the wallet is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purchase {
    /// What the voucher says: the hash of a quote.
    pub memo: B256,
    /// Where it is bought, for the owner's rules: any hash of that. Zero: the payee.
    pub origin: B256,
    /// Which content it is, for the owner's rules: any hash of that. Zero: what the memo says.
    pub file: B256,
}

impl Purchase {
    /// For the quote with the hash `memo`.
    pub const fn of(memo: B256) -> Self {
        Self { memo, origin: B256::ZERO, file: B256::ZERO }
    }
}

/// The chain from a block on: its head, and every log of the adjudicator since then.
///
/// A host that passes each time what happened since the last update, and again everything that was not yet deep enough,
/// never leaves a reorganisation unnoticed: what is no longer reported is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainUpdate {
    /// The first block that `logs` covers.
    pub from_block: u64,
    /// The newest block.
    pub head_block: u64,
    /// The time of the newest block, in seconds since 1970.
    pub head_time: u64,
    /// The logs of the blocks `from_block..=head_block`, in order. Logs of other contracts and channels are ignored.
    pub logs: Vec<Log>,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// The topics.
    pub topics: Vec<B256>,
    /// The data.
    pub data: Bytes,
    /// The block.
    pub block: u64,
    /// The index in the block.
    pub log_index: u64,
    /// The data of the call that logged it, wanted for `Checkpointed`, `ChallengeCleared`, `Concluded` and `Reclaimed` only:
    /// these logs do not say the state, and a restored wallet may not know it. Of a call through another contract, the data that reached
    /// the adjudicator, from a trace.
    pub call: Option<Bytes>,
}

/// One record as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The key: the channel id.
    pub key: B256,
    /// The version, counted by the store: 1 for the first write.
    pub version: u64,
    /// The bytes; `None` if there is no record under the key.
    pub bytes: Option<Vec<u8>>,
}
