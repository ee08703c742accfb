//! Two wallets, their hosts and a chain, in memory: every history that two parties can have, driven step by step.
//!
//! [`Pair`] knows nothing of what its parties want. Whoever drives it says when a message arrives, a commit is stored, a
//! transaction is mined or a process stops; the same steps always lead to the same bytes. On the way every output is
//! checked: what leaves a wallet is stored, and no turn or serial leaves twice with other content. [`Pair::settle`] then
//! lets everything end as it does when both sides are honest and awake.

mod actions;
mod audit;
mod host;
pub mod lives;
mod row;
mod settle;
mod signer;

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Kind, Terms, derive_nonce};
use millstream_core::protocol::Policy;
use millstream_core::wallet::{Command, Config, Error, Input, LeaseTerms};

pub use actions::{byte, describe};
pub use host::{Commits, Host, Parcel, Stored, Taped};
pub use row::Row;
pub use signer::CachingSigner;

use crate::model::{ModelChain, Transaction};

/// How long a challenge can be answered, in seconds.
pub const CHALLENGE_DURATION: u64 = 3_600;
/// How many blocks deep events must be.
pub const CONFIRMATIONS: u32 = 3;
/// What each party has of every asset at the start, in base units.
pub const ENDOWMENT: u128 = 1_000_000_000_000_000_000;

/// The first of two parties; the numbers are places in [`Pair::hosts`].
pub const ALICE: usize = 0;
/// The second one.
pub const BOB: usize = 1;

/// What a wallet of a pair is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits {
    /// Pays under a lease.
    pub lease: Option<LeaseTerms>,
    /// Has its key elsewhere, and waits for every signature.
    pub external: bool,
    /// How many idle channels it keeps in memory; zero stands for many.
    pub max_loaded: usize,
}

/// Two parties and their chain.
#[derive(Debug)]
pub struct Pair {
    /// The chain.
    pub chain: ModelChain,
    /// The parties.
    pub hosts: [Host; 2],
    /// The channels that were proposed, and their successors, in the order in which they came to be known.
    pub channels: Vec<B256>,
    /// How many channels were proposed.
    proposed: u32,
    /// The channel that each party's next command is about, by its place in `channels`.
    selected: [usize; 2],
    /// The block that nothing reaches back behind.
    first_block: u64,
}

impl Pair {
    /// Two parties with known keys, `[a1; 32]` and `[b2; 32]`, and money for many channels.
    pub fn new(traits: [Traits; 2]) -> Self {
        let mut chain = ModelChain::default();
        let hosts = [(0xa1, traits[0]), (0xb2, traits[1])].map(|(seed, traits)| {
            let account = Address::repeat_byte(seed);
            chain.endow(account);
            chain.mint(account, ENDOWMENT);
            let policy = Policy { max_contribution: ENDOWMENT, ..Policy::default() };
            let base = Config::new(chain.contracts(), account.into_word());
            let max_loaded = if traits.max_loaded == 0 { base.max_loaded } else { traits.max_loaded };
            Host::new(Config { policy, lease: traits.lease, max_loaded, ..base }, [seed; 32], account, traits.external)
        });
        let first_block = chain.block();
        Self { chain, hosts, channels: Vec::new(), proposed: 0, selected: [0; 2], first_block }
    }

    /// The time that both call now: the chain's, in seconds since 1970.
    pub fn now(&self) -> u64 {
        self.chain.time()
    }

    /// Terms of a stream of the native asset, `payer` being a place in [`Self::hosts`].
    pub fn terms(&mut self, payer: usize, deposit: u128) -> Terms {
        self.proposed += 1;
        let (from, to) = (&self.hosts[payer], &self.hosts[1 - payer]);
        Terms {
            chain: self.chain.contracts(),
            payer: from.wallet.address(),
            payee: to.wallet.address(),
            payer_destination: from.account.into_word(),
            payee_destination: to.account.into_word(),
            asset: Address::ZERO,
            deposit,
            challenge_duration: CHALLENGE_DURATION,
            confirmations: CONFIRMATIONS,
            nonce: derive_nonce(self.now(), self.proposed),
            kind: Kind::Stream,
            payee_deposit: 0,
            reserve: 0,
            hubs: Vec::new(),
        }
    }

    /// Proposes a channel.
    ///
    /// # Errors
    ///
    /// What the payer's wallet says of the terms.
    pub fn open(&mut self, payer: usize, terms: Terms) -> Result<B256, Error> {
        let id = terms.channel_id();
        self.command(payer, Command::OpenChannel(terms))?;
        self.meet(id);
        Ok(id)
    }

    /// Opens a channel and lets everything happen until its money can move.
    ///
    /// # Panics
    ///
    /// If the terms are refused.
    pub fn open_now(&mut self, payer: usize, terms: Terms) -> B256 {
        let id = self.open(payer, terms).expect("good terms");
        self.go_on();
        self.go_on();
        id
    }

    /// Tells a wallet what its owner wants.
    ///
    /// # Errors
    ///
    /// What the wallet says.
    pub fn command(&mut self, host: usize, command: Command) -> Result<(), Error> {
        self.input(host, Input::Command(command))
    }

    /// Feeds a wallet and carries out what it asks for.
    ///
    /// # Errors
    ///
    /// What the wallet says, once the records that it needs are loaded.
    pub fn input(&mut self, host: usize, input: Input) -> Result<(), Error> {
        let now = self.now();
        let result = self.hosts[host].input(input, now);
        for id in self.hosts[host].known() {
            self.meet(id);
        }
        result
    }

    fn meet(&mut self, id: B256) {
        if !self.channels.contains(&id) {
            self.channels.push(id);
        }
    }

    /// Delivers what `from` sent, the `index`th of what is on the way. What is refused is dropped, as a host would.
    pub fn deliver(&mut self, from: usize, index: usize) {
        if let Some(parcel) = self.hosts[from].outgoing.remove(index) {
            self.hand_over(1 - from, parcel);
        }
    }

    /// Hands a parcel to a party, whoever sent it.
    pub fn hand_over(&mut self, to: usize, parcel: Parcel) {
        let input = match parcel {
            Parcel::Message(bytes) => Input::Message(bytes),
            Parcel::Payment(bytes) => Input::Payment(bytes),
        };
        if let Err(error) = self.input(to, input) {
            assert!(!error.code().is_empty() && !error.to_string().is_empty());
        }
    }

    /// Delivers everything until nobody has anything to say.
    ///
    /// # Panics
    ///
    /// If they never stop.
    pub fn deliver_all(&mut self) {
        for _ in 0..2_000 {
            match [ALICE, BOB].into_iter().find(|&host| !self.hosts[host].outgoing.is_empty()) {
                Some(host) => self.deliver(host, 0),
                None => return,
            }
        }
        panic!("two wallets talk without end");
    }

    /// Tells a wallet what happened on the chain, and again what is not deep yet.
    ///
    /// # Panics
    ///
    /// If the wallet refuses it: the adjudicator's own logs are never wrong.
    pub fn watch(&mut self, host: usize) {
        let update = self.chain.update(self.hosts[host].next_block);
        self.hosts[host].next_block = update.head_block.saturating_sub(16);
        self.hosts[host].watched = self.chain.time();
        self.input(host, Input::Chain(update)).expect("the adjudicator's own logs");
    }

    /// Mines a block with the waiting transactions of the parties, in this order, `seconds` after the last one.
    pub fn mine_for(&mut self, order: &[usize], seconds: u64) {
        let mut waiting = Vec::new();
        for &host in order {
            waiting.extend(self.hosts[host].pool.drain(..).map(|pending| (host, pending)));
        }
        let transactions = waiting.iter().map(|(host, pending)| Transaction {
            from: self.hosts[*host].account,
            to: pending.transaction.to,
            value: pending.transaction.value,
            data: pending.transaction.data.clone(),
        });
        let results = self.chain.mine_block(seconds, transactions.collect());
        for ((host, pending), result) in waiting.into_iter().zip(results) {
            if !matches!(result, Some(Ok(()))) {
                self.tell_failed(host, &pending);
            }
        }
    }

    /// Tells a wallet that a transaction failed; it may have forgotten the channel.
    fn tell_failed(&mut self, host: usize, pending: &host::Pending) {
        let (channel_id, kind) = (pending.channel_id, pending.transaction.kind);
        let _ = self.input(host, Input::TransactionFailed { channel_id, kind });
    }

    /// Everything that is on the way arrives and happens: messages, signatures, transactions, confirmations.
    pub fn go_on(&mut self) {
        for host in [ALICE, BOB] {
            self.flush(host);
        }
        self.deliver_all();
        self.mine_for(&[ALICE, BOB], 1);
        self.chain.mine(u64::from(CONFIRMATIONS));
        for host in [ALICE, BOB] {
            self.watch(host);
            self.flush(host);
        }
        self.deliver_all();
    }

    /// Stores what waits to be stored and signs what waits to be signed.
    pub fn flush(&mut self, host: usize) {
        let now = self.now();
        while self.hosts[host].store_next(now) || self.hosts[host].sign_next(now) {}
    }
}
