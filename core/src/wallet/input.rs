//! What a host tells the wallet.

use alloc::vec::Vec;

use crate::channel::Terms;
use crate::protocol::TransactionKind;
use crate::{Address, B256, Bytes};

/// One input of the machine.
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
    /// Records from the store: all of them at the start, later those that [`Output::Load`](super::Output::Load) names.
    Loaded(Vec<StoredRecord>),
    /// Time went on.
    Tick,
}

/// What the owner wants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Payer: proposes a channel on these terms. The nonce must be random.
    OpenChannel(Terms),
    /// Payer: pays `amount` more base units.
    Pay {
        /// The channel.
        channel_id: B256,
        /// In base units, above zero.
        amount: u128,
        /// What is paid for: the hash of a quote, or zero.
        memo: B256,
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
    /// Sends again what the other side may still wait for, and submits what the chain may, unless it was submitted since
    /// the start and did not fail. For after a restart, a lost message or a failed transaction.
    Resume {
        /// The channel.
        channel_id: B256,
    },
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
