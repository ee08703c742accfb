//! What a host tells the core, and the conversion to the core's own types.

use millstream_core::channel;
use millstream_core::{nitro, protocol, wallet};

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
    /// A transaction was not sent, or failed.
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
    /// Records from the store: all of them at the start, later those that a load names.
    Loaded {
        /// The records.
        records: Vec<StoredRecord>,
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
            Input::Tick => Self::Tick,
        }
    }
}

/// What the owner wants of a channel. Opening one is `Core.openChannel`, which returns its id.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Command {
    /// Payer: pays `amount` more base units.
    Pay {
        /// The channel.
        channel_id: Bytes32,
        /// In base units, above zero.
        amount: Amount,
        /// What is paid for: the hash of a quote, or zero.
        memo: Bytes32,
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
    /// Sends again what the other side or the chain may still wait for: after a restart, a lost message or a failed
    /// transaction.
    Resume {
        /// The channel.
        channel_id: Bytes32,
    },
}

impl From<Command> for wallet::Command {
    fn from(command: Command) -> Self {
        match command {
            Command::Pay { channel_id, amount, memo } => Self::Pay { channel_id, amount, memo },
            Command::CloseChannel { channel_id } => Self::CloseChannel { channel_id },
            Command::LeaveChannel { channel_id } => Self::LeaveChannel { channel_id },
            Command::AbortChannel { channel_id } => Self::AbortChannel { channel_id },
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
    /// Pays out the final state signed by both.
    Conclude,
    /// Puts the best state on chain.
    Challenge,
    /// Pays out a finalised outcome.
    Transfer,
}

impl From<TransactionKind> for protocol::TransactionKind {
    fn from(kind: TransactionKind) -> Self {
        match kind {
            TransactionKind::Approve => Self::Approve,
            TransactionKind::Deposit => Self::Deposit,
            TransactionKind::Conclude => Self::Conclude,
            TransactionKind::Challenge => Self::Challenge,
            TransactionKind::Transfer => Self::Transfer,
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
}

impl From<Log> for wallet::Log {
    fn from(log: Log) -> Self {
        let Log { address, topics, data, block, log_index } = log;
        Self { address, topics, data: data.into(), block, log_index }
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

/// What a core is made of.
// No `Debug`: it holds the secret.
#[derive(Clone, uniffi::Record)]
#[allow(missing_debug_implementations)]
pub struct CoreConfig {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The adjudicator.
    pub adjudicator: Address,
    /// The app contract of its channels.
    pub stream_app: Address,
    /// The address that this wallet's part of every channel is paid out to.
    pub destination: Address,
    /// What it asks of new channels.
    #[uniffi(default = None)]
    pub policy: Option<Policy>,
    /// The channel key, 32 bytes; generated if missing.
    #[uniffi(default = None)]
    pub secret: Option<Vec<u8>>,
}

impl CoreConfig {
    pub(crate) fn chain(&self) -> channel::Chain {
        channel::Chain { chain_id: self.chain_id, adjudicator: self.adjudicator, stream_app: self.stream_app }
    }

    pub(crate) fn wallet_config(self) -> wallet::Config {
        wallet::Config {
            chain: self.chain(),
            destination: nitro::address_destination(self.destination),
            policy: self.policy.unwrap_or_default().into(),
        }
    }
}

/// What a wallet asks of a new channel; what is missing keeps its default. Times in seconds, amounts in base units.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct Policy {
    /// Assets that are taken (zero address: native). Empty: any. Default: any.
    #[uniffi(default = None)]
    pub assets: Option<Vec<Address>>,
    /// The smallest deposit. Default 1.
    #[uniffi(default = None)]
    pub min_deposit: Option<Amount>,
    /// The shortest time to answer a challenge. Default 3,600; lower it only on a development chain.
    #[uniffi(default = None)]
    pub min_challenge_duration: Option<u64>,
    /// The longest time that leaving alone may take. Default a week.
    #[uniffi(default = None)]
    pub max_challenge_duration: Option<u64>,
    /// How many blocks deep a deposit must be, the block of the deposit included. Default 2.
    #[uniffi(default = None)]
    pub min_confirmations: Option<u32>,
    /// How many blocks deep it must be at most: until then it can neither be spent nor taken back. Default 128.
    #[uniffi(default = None)]
    pub max_confirmations: Option<u32>,
    /// How many channels may wait for their deposit at once. Default 1,000.
    #[uniffi(default = None)]
    pub max_unfunded: Option<u32>,
    /// How long a channel may stay without a deposit. Default 1,800.
    #[uniffi(default = None)]
    pub funding_timeout: Option<u64>,
}

impl From<Policy> for protocol::Policy {
    fn from(policy: Policy) -> Self {
        let default = Self::default();
        Self {
            assets: policy.assets.unwrap_or(default.assets),
            min_deposit: policy.min_deposit.unwrap_or(default.min_deposit),
            min_challenge_duration: policy.min_challenge_duration.unwrap_or(default.min_challenge_duration),
            max_challenge_duration: policy.max_challenge_duration.unwrap_or(default.max_challenge_duration),
            min_confirmations: policy.min_confirmations.unwrap_or(default.min_confirmations),
            max_confirmations: policy.max_confirmations.unwrap_or(default.max_confirmations),
            max_unfunded: policy.max_unfunded.unwrap_or(default.max_unfunded),
            funding_timeout: policy.funding_timeout.unwrap_or(default.funding_timeout),
        }
    }
}

/// What a payer asks for a new channel; the chain, its key and its destination are the wallet's.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct OpenTerms {
    /// The payee's channel key.
    pub payee: Address,
    /// Where the payee is paid out.
    pub payee_destination: Address,
    /// Token contract, or zero for the native asset.
    pub asset: Address,
    /// The deposit, in base units.
    pub deposit: Amount,
    /// The time to answer a challenge, in seconds.
    pub challenge_duration: u64,
    /// How many blocks deep the deposit must be, its own included.
    pub confirmations: u32,
    /// For replay only: the time in seconds above 32 random bits unless given. It must never repeat.
    #[uniffi(default = None)]
    pub nonce: Option<u64>,
}

impl OpenTerms {
    /// The terms of a channel that `wallet` pays on.
    pub(crate) fn of(self, wallet: &wallet::Wallet, nonce: u64) -> channel::Terms {
        channel::Terms {
            chain: wallet.config().chain,
            payer: wallet.address(),
            payee: self.payee,
            payer_destination: wallet.config().destination,
            payee_destination: nitro::address_destination(self.payee_destination),
            asset: self.asset,
            deposit: self.deposit,
            challenge_duration: self.challenge_duration,
            confirmations: self.confirmations,
            nonce,
        }
    }
}
