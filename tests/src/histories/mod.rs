//! Random histories of a chain: valid, invalid and broken calls of every function, by honest parties and others.
//!
//! A history follows from its seed. It is made on a [`ModelChain`], which it looks at to choose calls that matter (the
//! right turn, a moment at which a challenge just ran out), and then stands by itself: it can be replayed on any chain
//! with the same contracts that starts at the same time.

mod break_in;
mod channels;
mod moves;

use crate::model::{Contracts, ModelChain, Transaction};
use crate::random::Random;
use alloy_primitives::{Address, B256};
use channels::Channel;
use millstream_core::crypto::{LocalSigner, Signer};
use millstream_core::nitro::ChannelStatus;

/// One step of a history.
#[derive(Clone, Debug)]
pub enum Step {
    /// A block is mined.
    Block {
        /// How long after the last one.
        seconds: u64,
        /// What is in it, in order.
        transactions: Vec<Transaction>,
    },
    /// The newest blocks are taken back.
    Reorg {
        /// How many.
        depth: usize,
    },
}

/// A history and what to look at.
#[derive(Clone, Debug)]
pub struct History {
    /// The accounts that send. They need their native endowment before the first step.
    pub senders: Vec<Address>,
    /// Every account that may be paid, the senders among them.
    pub accounts: Vec<Address>,
    /// The channels, by their ids.
    pub channels: Vec<B256>,
    /// What happens.
    pub steps: Vec<Step>,
}

impl History {
    /// The history of a seed, with about as many calls, for a chain that is at `block` with `time` (seconds since 1970).
    pub fn generate(seed: u64, calls: usize, contracts: Contracts, block: u64, time: u64) -> Self {
        let mut maker = Maker::new(seed, contracts, block, time);
        maker.prepare();
        while maker.calls < calls {
            maker.step();
        }
        History {
            senders: maker.senders.to_vec(),
            accounts: maker.accounts,
            channels: maker.channels.iter().map(|channel| channel.id).collect(),
            steps: maker.steps,
        }
    }
}

/// Makes a history.
struct Maker {
    random: Random,
    /// Whether it is mostly about ledgers that guarantee streams. One in four is.
    of_ledgers: bool,
    contracts: Contracts,
    /// The chain as far as the history goes.
    chain: ModelChain,
    /// Payer, payee and a stranger.
    keys: [LocalSigner; 3],
    senders: [Address; 3],
    accounts: Vec<Address>,
    channels: Vec<Channel>,
    /// Transactions of blocks that were taken back, and did not come again yet.
    dropped: Vec<Transaction>,
    /// Blocks mined so far: how many could be taken back.
    mined: usize,
    calls: usize,
    steps: Vec<Step>,
}

impl Maker {
    fn new(seed: u64, contracts: Contracts, block: u64, time: u64) -> Self {
        let mut random = Random::new(seed);
        let keys = [random.signer(), random.signer(), random.signer()];
        let senders = keys.each_ref().map(Signer::address);
        let mut chain = ModelChain::new(contracts, block, time);
        for sender in senders {
            chain.endow(sender);
        }
        let mut accounts = senders.to_vec();
        accounts.push(Address::from_word(random.word()));
        let channels = Channel::some(&mut random, contracts, senders);
        Self {
            random,
            of_ledgers: seed % 4 == 3,
            contracts,
            chain,
            keys,
            senders,
            accounts,
            channels,
            dropped: Vec::new(),
            mined: 0,
            calls: 0,
            steps: Vec::new(),
        }
    }

    /// Everyone has tokens, and lets the adjudicator take some or all of them.
    fn prepare(&mut self) {
        let mut transactions = Vec::new();
        for from in self.senders {
            transactions.push(self.mint(from));
            transactions.push(self.approve(from));
            transactions.push(self.approve(from));
        }
        self.mine(1, transactions);
    }

    fn step(&mut self) {
        if self.random.chance(4) && self.mined > 1 {
            let depth = 1 + self.random.index(self.mined.min(3));
            self.dropped = self.chain.reorg(depth);
            self.mined -= depth;
            self.steps.push(Step::Reorg { depth });
        }
        let mut transactions = Vec::new();
        for _ in 0..self.random.one_of([1, 1, 1, 2, 3]) {
            let call = self.call();
            transactions.extend(call);
        }
        while !self.dropped.is_empty() && self.random.chance(60) {
            let index = self.random.index(self.dropped.len());
            transactions.push(self.dropped.swap_remove(index));
        }
        let seconds = self.seconds();
        self.mine(seconds, transactions);
    }

    fn mine(&mut self, seconds: u64, transactions: Vec<Transaction>) {
        self.calls += transactions.len();
        self.mined += 1;
        self.chain.mine_block(seconds, transactions.clone());
        self.steps.push(Step::Block { seconds, transactions });
    }

    /// When the next block comes: soon, or about when a challenge runs out.
    fn seconds(&mut self) -> u64 {
        if self.random.chance(30) {
            let index = self.random.index(self.channels.len());
            let end = self.status(index).finalizes_at;
            let now = self.chain.time();
            // Not further than a day, or the history would be over for all channels.
            if (now + 2..now + 86_400).contains(&end) {
                return end - now - 1 + self.random.below(3);
            }
        }
        self.random.one_of([1, 1, 1, 2, 5])
    }

    fn status(&self, channel: usize) -> ChannelStatus {
        ChannelStatus::from_word(self.chain.status_of(self.channels[channel].id))
    }

    fn holdings(&self, channel: usize, asset: Address) -> u128 {
        self.chain.holdings(asset, self.channels[channel].id)
    }
}
