//! What a core is made of, and what it asks of a new channel.

use millstream_core::{channel, nitro, protocol, wallet};

use crate::spending::SpendRule;
use crate::values::{Address, Amount, Bytes32};

/// What a core is made of.
// No `Debug`: it holds the secret.
#[derive(Clone, uniffi::Record)]
#[allow(missing_debug_implementations)]
pub struct CoreConfig {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The adjudicator.
    pub adjudicator: Address,
    /// The app contract of streams.
    pub stream_app: Address,
    /// The app contract of ledgers.
    pub consensus_app: Address,
    /// The address that this wallet's part of every channel is paid out to.
    pub destination: Address,
    /// What it asks of new channels.
    #[uniffi(default = None)]
    pub policy: Option<Policy>,
    /// How much it may sign as payer with one write. Missing: every payment is stored before it leaves.
    #[uniffi(default = None)]
    pub lease: Option<Lease>,
    /// What the owner lets it pay. Empty: anything. With rules every payment but a tick is stored, whatever the lease.
    #[uniffi(default = [])]
    pub spending: Vec<SpendRule>,
    /// How many idle channels stay in memory, at least two; the others are loaded when they are named. Default 1,000.
    #[uniffi(default = None)]
    pub max_loaded: Option<u32>,
    /// The channel key, 32 bytes; generated if missing. A core with a seed or a signer takes none.
    #[uniffi(default = None)]
    pub secret: Option<Vec<u8>>,
}

impl CoreConfig {
    pub(crate) fn wallet_config(self) -> wallet::Config {
        let chain = channel::Chain {
            chain_id: self.chain_id,
            adjudicator: self.adjudicator,
            stream_app: self.stream_app,
            consensus_app: self.consensus_app,
        };
        let default = wallet::Config::new(chain, nitro::address_destination(self.destination));
        wallet::Config {
            policy: self.policy.unwrap_or_default().into(),
            lease: self.lease.map(Into::into),
            spending: self.spending.into_iter().map(Into::into).collect(),
            // More than a processor can count are all.
            max_loaded: self
                .max_loaded
                .map_or(default.max_loaded, |number| usize::try_from(number).unwrap_or(usize::MAX)),
            ..default
        }
    }
}

/// How much a payer reserves with one write: most payments then need none. After a restart its channels are
/// `DISCONNECTED` until the payee has said how far the payer got, because nobody else knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Lease {
    /// How many payments.
    pub payments: u32,
    /// How much they may pay together, in base units.
    pub amount: Amount,
}

impl From<Lease> for wallet::LeaseTerms {
    fn from(Lease { payments, amount }: Lease) -> Self {
        Self { payments, amount }
    }
}

/// What a wallet asks of a new channel; what is missing keeps its default. Times in seconds, amounts in base units.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct Policy {
    /// Assets that are taken (zero address: native). Empty: any. Default: any.
    #[uniffi(default = None)]
    pub assets: Option<Vec<Address>>,
    /// Kinds of channels that are taken. Empty: any. Default: any.
    #[uniffi(default = None)]
    pub kinds: Option<Vec<ChannelKind>>,
    /// The smallest deposit. Default 1.
    #[uniffi(default = None)]
    pub min_deposit: Option<Amount>,
    /// What leaving alone costs in gas. A channel that holds no more is refused, and nobody leaves one alone unasked for
    /// less. Default 0.
    #[uniffi(default = None)]
    pub exit_cost: Option<Amount>,
    /// How much a peer may ask us to deposit on our side. Default 0.
    #[uniffi(default = None)]
    pub max_contribution: Option<Amount>,
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
    /// How long the other side may take to answer once money is in a channel. Then we leave without it. Default a day.
    #[uniffi(default = None)]
    pub answer_timeout: Option<u64>,
}

impl From<Policy> for protocol::Policy {
    fn from(policy: Policy) -> Self {
        let default = Self::default();
        Self {
            assets: policy.assets.unwrap_or(default.assets),
            kinds: policy.kinds.map_or(default.kinds, |kinds| kinds.into_iter().map(Into::into).collect()),
            min_deposit: policy.min_deposit.unwrap_or(default.min_deposit),
            exit_cost: policy.exit_cost.unwrap_or(default.exit_cost),
            max_contribution: policy.max_contribution.unwrap_or(default.max_contribution),
            min_challenge_duration: policy.min_challenge_duration.unwrap_or(default.min_challenge_duration),
            max_challenge_duration: policy.max_challenge_duration.unwrap_or(default.max_challenge_duration),
            min_confirmations: policy.min_confirmations.unwrap_or(default.min_confirmations),
            max_confirmations: policy.max_confirmations.unwrap_or(default.max_confirmations),
            max_unfunded: policy.max_unfunded.unwrap_or(default.max_unfunded),
            funding_timeout: policy.funding_timeout.unwrap_or(default.funding_timeout),
            answer_timeout: policy.answer_timeout.unwrap_or(default.answer_timeout),
            opening_timeout: default.opening_timeout,
            hub: default.hub,
        }
    }
}

/// What moves the money of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ChannelKind {
    /// The payer signs vouchers.
    Stream,
    /// Both sign every new split, and money goes both ways. The payer is the side that proposes.
    Ledger,
}

impl From<ChannelKind> for channel::Kind {
    fn from(kind: ChannelKind) -> Self {
        match kind {
            ChannelKind::Stream => Self::Stream,
            ChannelKind::Ledger => Self::Ledger,
        }
    }
}

impl From<channel::Kind> for ChannelKind {
    fn from(kind: channel::Kind) -> Self {
        match kind {
            channel::Kind::Stream => Self::Stream,
            channel::Kind::Ledger => Self::Ledger,
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
    /// What the payer deposits, in base units.
    pub deposit: Amount,
    /// The time to answer a challenge, in seconds.
    pub challenge_duration: u64,
    /// How many blocks deep the deposit must be, its own included.
    pub confirmations: u32,
    /// What moves the money. Default: a stream.
    #[uniffi(default = None)]
    pub kind: Option<ChannelKind>,
    /// What the payee deposits, in base units, before the payer does. Default 0.
    #[uniffi(default = None)]
    pub payee_deposit: Option<Amount>,
    /// What each side keeps until the close, in base units. Default 0.
    #[uniffi(default = None)]
    pub reserve: Option<Amount>,
    /// For replay only: the time in seconds above 32 random bits unless given. It must never repeat.
    #[uniffi(default = None)]
    pub nonce: Option<u64>,
    /// The way of a virtual channel, whose first ledger is this wallet's. Default: none, a channel that is funded on chain.
    #[uniffi(default = None)]
    pub route: Option<Route>,
}

/// The way of a virtual channel, from the payer on.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Route {
    /// The hubs' channel keys.
    pub hubs: Vec<Address>,
    /// The ledgers: between payer and first hub, ..., between last hub and payee.
    pub ledgers: Vec<Bytes32>,
    /// What each hub earns, in base units.
    pub fees: Vec<Amount>,
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
            kind: self.kind.map_or(channel::Kind::Stream, Into::into),
            payee_deposit: self.payee_deposit.unwrap_or(0),
            reserve: self.reserve.unwrap_or(0),
            hubs: self.route.map(|route| route.hubs).unwrap_or_default(),
        }
    }
}
