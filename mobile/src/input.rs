//! What a host tells the core, and the conversion to the core's own types.

use millstream_core::{protocol, wallet};

use crate::values::{Address, Amount, Bytes32};

/// One input of the machine.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Input {
    /// The owner wants something.
    Command {
        /// What.
        command: Command,
    },
    /// A message came from a peer, by whatever transport.
    Message {
        /// As it came.
        bytes: Vec<u8>,
    },
    /// A payment came from a payer, by whatever transport.
    Payment {
        /// As it came.
        bytes: Vec<u8>,
    },
    /// The chain went on.
    Chain {
        /// How.
        update: ChainUpdate,
    },
    /// A transaction was not sent, or failed; nothing is sent again until `Resume`.
    TransactionFailed {
        /// The channel.
        channel_id: Bytes32,
        /// What it would have done.
        kind: TransactionKind,
    },
    /// The writes of a commit are durable.
    Committed {
        /// The commit.
        id: u64,
    },
    /// The writes of a commit were refused. None of them took effect.
    CommitFailed {
        /// The commit.
        id: u64,
    },
    /// Records from the store: at the start those with a `wakeAt` (or all, if there are few), later those that a load
    /// names.
    Loaded {
        /// The records.
        records: Vec<StoredRecord>,
    },
    /// Records of a backup. Those that the wallet does not have are stored; before anything is signed on them, the other
    /// side is asked how far it got.
    Restore {
        /// The records; those without bytes are passed over.
        records: Vec<StoredRecord>,
    },
    /// The signature that `Output.Sign` asked for: 65 bytes, `r ‖ s ‖ v`.
    Signed {
        /// The digest.
        digest: Bytes32,
        /// The signature.
        signature: Vec<u8>,
    },
    /// The owner of the key declined to sign, and never will.
    SignRefused {
        /// The digest.
        digest: Bytes32,
    },
    /// The owner answered the question of `Output.Ask`. With a yes the payment is made, or refused for another reason.
    Answered {
        /// The question.
        id: u64,
        /// Whether the payment may be made.
        granted: bool,
    },
    /// Time went on.
    Tick,
}

impl From<Input> for wallet::Input {
    fn from(input: Input) -> Self {
        match input {
            Input::Command { command } => Self::Command(command.into()),
            Input::Message { bytes } => Self::Message(bytes),
            Input::Payment { bytes } => Self::Payment(bytes),
            Input::Chain { update } => Self::Chain(update.into()),
            Input::TransactionFailed { channel_id, kind } => Self::TransactionFailed { channel_id, kind: kind.into() },
            Input::Committed { id } => Self::Committed { id },
            Input::CommitFailed { id } => Self::CommitFailed { id },
            Input::Loaded { records } => Self::Loaded(records.into_iter().map(Into::into).collect()),
            Input::Restore { records } => {
                Self::Restore(records.into_iter().filter_map(|record| Some((record.key, record.bytes?))).collect())
            }
            Input::Signed { digest, signature } => Self::Signed { digest, signature },
            Input::SignRefused { digest } => Self::SignRefused { digest },
            Input::Answered { id, granted } => Self::Answered { id, granted },
            Input::Tick => Self::Tick,
        }
    }
}

/// What the owner wants of a channel. Opening one is `Core.openChannel`, which returns its id.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Command {
    /// Pays `amount` more base units: the payer in a stream, either side in a ledger.
    Pay {
        /// The channel.
        channel_id: Bytes32,
        /// In base units, above zero.
        amount: Amount,
        /// What is paid for.
        purchase: Purchase,
        /// For how many more payments of the same amount and memo to prepare.
        #[uniffi(default = 0)]
        ticks: u8,
    },
    /// Stops all payments, or lets them go on. It is not stored.
    Hold {
        /// Whether they stop.
        held: bool,
    },
    /// Payer: raises its part by `amount` base units. Both sign, then the deposit is submitted.
    TopUp {
        /// The channel.
        channel_id: Bytes32,
        /// In base units, above zero.
        amount: Amount,
    },
    /// Makes what was paid part of a new base, on which vouchers start again.
    Fold {
        /// The channel.
        channel_id: Bytes32,
    },
    /// Payee: gives `amount` base units back to the payer.
    GiveBack {
        /// The channel.
        channel_id: Bytes32,
        /// In base units, above zero.
        amount: Amount,
    },
    /// Takes `amount` base units of ours out with one transaction; the rest goes on in a successor channel.
    Withdraw {
        /// The channel.
        channel_id: Bytes32,
        /// In base units, above zero.
        amount: Amount,
    },
    /// Puts our best state on chain while the channel goes on.
    Snapshot {
        /// The channel.
        channel_id: Bytes32,
    },
    /// Answers a challenge with a newer state, after which the channel goes on; takes a decision to leave back.
    ClearChallenge {
        /// The channel.
        channel_id: Bytes32,
    },
    /// Asks whether the other side is there.
    Ping {
        /// The channel.
        channel_id: Bytes32,
    },
    /// Closes together with the other side, with one transaction.
    CloseChannel {
        /// The channel.
        channel_id: Bytes32,
    },
    /// Leaves without the other side: challenge, wait, pay out.
    LeaveChannel {
        /// The channel.
        channel_id: Bytes32,
    },
    /// Gives up a channel before it is funded.
    AbortChannel {
        /// The channel.
        channel_id: Bytes32,
    },
    /// Stores what was paid and is not stored yet: for the last moment before a stop.
    Settle,
    /// Sends again what the other side or the chain may still wait for: after a restart, a lost message or a failed
    /// transaction.
    Resume {
        /// The channel.
        channel_id: Bytes32,
    },
}

/// What a payment is for. Whatever is missing is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct Purchase {
    /// The hash of the quote, which the voucher names.
    #[uniffi(default = None)]
    pub memo: Option<Bytes32>,
    /// For the owner's rules: any hash of where it is bought. Missing: the payee.
    #[uniffi(default = None)]
    pub origin: Option<Bytes32>,
    /// For the owner's rules: any hash of which content it is. Missing: the memo.
    #[uniffi(default = None)]
    pub file: Option<Bytes32>,
}

impl From<Purchase> for wallet::Purchase {
    fn from(Purchase { memo, origin, file }: Purchase) -> Self {
        Self { memo: memo.unwrap_or_default(), origin: origin.unwrap_or_default(), file: file.unwrap_or_default() }
    }
}

impl From<Command> for wallet::Command {
    fn from(command: Command) -> Self {
        match command {
            Command::Pay { channel_id, amount, purchase, ticks } => {
                Self::Pay { channel_id, amount, purchase: purchase.into(), ticks }
            }
            Command::Hold { held } => Self::Hold(held),
            Command::TopUp { channel_id, amount } => Self::TopUp { channel_id, amount },
            Command::Fold { channel_id } => Self::Fold { channel_id },
            Command::GiveBack { channel_id, amount } => Self::GiveBack { channel_id, amount },
            Command::Withdraw { channel_id, amount } => Self::Withdraw { channel_id, amount },
            Command::Snapshot { channel_id } => Self::Snapshot { channel_id },
            Command::ClearChallenge { channel_id } => Self::ClearChallenge { channel_id },
            Command::Ping { channel_id } => Self::Ping { channel_id },
            Command::CloseChannel { channel_id } => Self::CloseChannel { channel_id },
            Command::LeaveChannel { channel_id } => Self::LeaveChannel { channel_id },
            Command::AbortChannel { channel_id } => Self::AbortChannel { channel_id },
            Command::Settle => Self::Settle,
            Command::Resume { channel_id } => Self::Resume { channel_id },
        }
    }
}

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum TransactionKind {
    /// Lets the adjudicator take the deposit: ERC-20 `approve`, for exactly the deposit.
    Approve,
    /// Deposits for the channel.
    Deposit,
    /// Puts the best state on chain while the channel goes on.
    Checkpoint,
    /// Pays out the final state signed by both.
    Conclude,
    /// Puts the best state on chain, to leave alone or to answer.
    Challenge,
    /// Pays out a finalised outcome.
    Transfer,
    /// Splits a guarantee of a finalised ledger as the channel that it is for says.
    Reclaim,
}

impl From<TransactionKind> for protocol::TransactionKind {
    fn from(kind: TransactionKind) -> Self {
        match kind {
            TransactionKind::Approve => Self::Approve,
            TransactionKind::Deposit => Self::Deposit,
            TransactionKind::Checkpoint => Self::Checkpoint,
            TransactionKind::Conclude => Self::Conclude,
            TransactionKind::Challenge => Self::Challenge,
            TransactionKind::Transfer => Self::Transfer,
            TransactionKind::Reclaim => Self::Reclaim,
        }
    }
}

impl From<protocol::TransactionKind> for TransactionKind {
    fn from(kind: protocol::TransactionKind) -> Self {
        use protocol::TransactionKind as From;
        match kind {
            From::Approve => Self::Approve,
            From::Deposit => Self::Deposit,
            From::Checkpoint => Self::Checkpoint,
            From::Conclude => Self::Conclude,
            From::Challenge => Self::Challenge,
            From::Transfer => Self::Transfer,
            From::Reclaim => Self::Reclaim,
        }
    }
}

/// The chain from a block on: its head, and every log of the adjudicator since then.
///
/// A host that passes each time what happened since the last update, and again everything that was not yet deep enough,
/// never leaves a reorganisation unnoticed: what is no longer reported is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
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

impl From<ChainUpdate> for wallet::ChainUpdate {
    fn from(update: ChainUpdate) -> Self {
        let ChainUpdate { from_block, head_block, head_time, logs } = update;
        Self { from_block, head_block, head_time, logs: logs.into_iter().map(Into::into).collect() }
    }
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// The topics.
    pub topics: Vec<Bytes32>,
    /// The data.
    pub data: Vec<u8>,
    /// The block.
    pub block: u64,
    /// The index in the block.
    pub log_index: u64,
    /// The data of the call that logged it, wanted for `Checkpointed` and `ChallengeCleared` only: these logs name a turn
    /// and not the state. Of a call through another contract, the data that reached the adjudicator, from a trace.
    #[uniffi(default = None)]
    pub call: Option<Vec<u8>>,
}

impl From<Log> for wallet::Log {
    fn from(log: Log) -> Self {
        let Log { address, topics, data, block, log_index, call } = log;
        Self { address, topics, data: data.into(), block, log_index, call: call.map(Into::into) }
    }
}

/// One record as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct StoredRecord {
    /// The key.
    pub key: Bytes32,
    /// The version, counted by the store: 1 for the first write, 0 if there is no record under the key.
    pub version: u64,
    /// The bytes; none if there is no record under the key.
    pub bytes: Option<Vec<u8>>,
}

impl From<StoredRecord> for wallet::StoredRecord {
    fn from(StoredRecord { key, version, bytes }: StoredRecord) -> Self {
        Self { key, version, bytes }
    }
}
