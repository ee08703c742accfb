//! What one seed is about: who is there, what can go wrong, and how often each action comes.
//!
//! No seed has everything at once: a fault that always happens hides what happens without it.

use alloy_primitives::Address;
use millstream_core::channel::Chain;
use millstream_core::protocol::{HubPolicy, Policy, SpendRule, SpendScope};
use millstream_core::wallet::{Config, LeaseTerms};

use super::action::Kind;
use super::relay::{FEE, Streets};
use crate::random::Random;

/// The parties of a world without streets.
pub const PARTIES: usize = 3;
/// The most parties that a world has.
pub const MOST_PARTIES: usize = 5;
/// One in so many worlds has hubs, and nothing but channels through them.
pub const STREETS_EVERY: u64 = 4;
/// How long a challenge can be answered, in seconds.
pub const CHALLENGE_DURATION: u64 = 3_600;

/// Longer than any history, in seconds.
const FOR_EVER: u64 = 1 << 40;

/// How one party runs its wallets.
#[derive(Clone, Debug)]
pub struct Hosting {
    /// What it may sign with one write.
    pub lease: Option<LeaseTerms>,
    /// Whether its key is elsewhere.
    pub external: bool,
    /// How many idle channels stay in memory.
    pub max_loaded: usize,
    /// How many wallets write to its store.
    pub writers: usize,
    /// How far its clock is ahead of the chain's, in seconds.
    pub ahead: u64,
    /// How long it waits for an answer, in seconds.
    pub answer_timeout: u64,
    /// How long a virtual channel may take to open, in seconds.
    pub opening_timeout: u64,
    /// What its owner lets it pay in all, in base units, if not anything.
    pub budget: Option<u128>,
    /// Above what its owner is asked.
    pub asks_above: Option<u128>,
}

/// How often something goes wrong, in percent of the cases.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A parcel is lost.
    pub loss: u64,
    /// A parcel comes again later.
    pub duplication: u64,
    /// A parcel overtakes others.
    pub reordering: u64,
    /// A commit fails.
    pub commit_fails: u64,
    /// A commit or a read is answered later.
    pub storage_stalls: u64,
    /// The outside signer takes its time.
    pub signer_stalls: u64,
    /// The outside signer declines.
    pub signer_refuses: u64,
    /// A transaction stays out of a block.
    pub delayed: u64,
    /// A transaction is never mined.
    pub dropped: u64,
    /// Reorganisations can be deeper than the confirmations.
    pub deep_reorgs: bool,
}

/// One seed's world.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The party that lies, if one does.
    pub liar: Option<usize>,
    /// Whether the liar's own wallet goes on with the end.
    pub liar_answers_at_the_end: bool,
    /// The parties.
    pub hosting: Vec<Hosting>,
    /// The ledgers that virtual channels run through, in a world of hubs.
    pub streets: Option<Streets>,
    /// What goes wrong.
    pub faults: Faults,
    /// How often each kind of action comes, in the order of [`Kind::ALL`].
    pub weights: [u64; Kind::ALL.len()],
    /// Blocks until an event is acted on.
    pub confirmations: u32,
}

impl Profile {
    /// The profile of a seed.
    pub fn of(seed: u64, random: &mut Random) -> Self {
        let mut profile = Self::without_hubs(random);
        if Self::has_streets(seed) {
            profile.build_streets(random);
        }
        profile
    }

    /// Whether the world of a seed has hubs.
    pub const fn has_streets(seed: u64) -> bool {
        seed % STREETS_EVERY == STREETS_EVERY - 1
    }

    fn build_streets(&mut self, random: &mut Random) {
        let streets = Streets::of(random);
        self.liar = self.liar.map(|_| random.index(streets.parties));
        self.hosting.extend((PARTIES..streets.parties).map(|_| Hosting::of(random)));
        self.hosting.truncate(streets.parties);
        for (kind, weight) in Kind::ALL.iter().zip(&mut self.weights) {
            match kind {
                Kind::Relay | Kind::Rush => *weight = kind.weight() * random.one_of([1, 2, 3]),
                Kind::Vanish if self.liar.is_some() => *weight = kind.weight() * random.one_of([0, 1, 2]),
                Kind::CloseRelay => *weight = kind.weight() * random.one_of([1, 2, 3]),
                // Ledgers are there for what runs through them.
                Kind::Withdraw | Kind::Close | Kind::Leave => *weight = weight.div_ceil(2),
                _ => {}
            }
        }
        self.streets = Some(streets);
    }

    fn without_hubs(random: &mut Random) -> Self {
        let liar = random.chance(55).then(|| random.index(PARTIES));
        let mut rate = |likely: u64, most: u64| if random.chance(likely) { random.below(most) + 1 } else { 0 };
        let faults = Faults {
            loss: rate(50, 25),
            duplication: rate(50, 25),
            reordering: rate(60, 60),
            commit_fails: rate(40, 15),
            storage_stalls: rate(50, 50),
            signer_stalls: rate(60, 80),
            signer_refuses: rate(40, 20),
            delayed: rate(50, 60),
            dropped: rate(40, 20),
            deep_reorgs: rate(25, 1) > 0,
        };
        let mut weights = Kind::ALL.map(Kind::weight);
        for (kind, weight) in Kind::ALL.iter().zip(&mut weights) {
            let factor = match kind {
                Kind::Lie | Kind::LieOnChain if liar.is_none() => 0,
                Kind::Relay | Kind::Rush | Kind::CloseRelay | Kind::Vanish => 0,
                kind if kind.is_fault() => random.one_of([0, 0, 1, 1, 3]),
                _ => random.one_of([1, 2, 2, 3]),
            };
            *weight *= factor;
        }
        Self {
            liar,
            liar_answers_at_the_end: random.chance(50),
            hosting: (0..PARTIES).map(|_| Hosting::of(random)).collect(),
            streets: None,
            faults,
            weights,
            confirmations: random.one_of([2, 2, 3, 4]),
        }
    }
}

impl Hosting {
    fn of(random: &mut Random) -> Self {
        // Drawn aside, so that every seed has otherwise the history that it had before there were budgets.
        let mut aside = Random::new(random.clone().below(u64::MAX));
        let writers = if random.chance(20) { 2 } else { 1 };
        // A lease is for one writer: what it signs under it is not in the store, where another one would see it.
        let lease = (random.chance(30) && writers == 1).then(|| LeaseTerms {
            payments: u32::try_from(random.below(20) + 2).unwrap_or(2),
            amount: u128::from(random.below(400) + 1),
        });
        Self {
            lease,
            external: random.chance(20),
            max_loaded: random.one_of([2, 2, 3, 1_000]),
            writers,
            ahead: random.one_of([0, 0, 60, 300]),
            answer_timeout: random.one_of([900, 7_200, 86_400]),
            opening_timeout: aside.clone().one_of([120, 900, 1_800, 1_800]),
            budget: aside.chance(25).then(|| aside.below(1_000).into()),
            asks_above: aside.chance(15).then(|| aside.below(300).into()),
        }
    }

    /// The configuration of its wallets.
    pub fn config(&self, chain: Chain, destination: Address) -> Config {
        let policy = Policy {
            max_contribution: 5_000,
            min_challenge_duration: 60,
            answer_timeout: self.answer_timeout,
            opening_timeout: self.opening_timeout,
            hub: Some(HubPolicy { fee: FEE, ..HubPolicy::default() }),
            max_unfunded: 20,
            ..Policy::default()
        };
        let base = Config::new(chain, destination.into_word());
        let rule = |limit, asks| SpendRule { scope: SpendScope::Total, asset: None, limit, window: FOR_EVER, asks };
        let budget = self.budget.map(|limit| rule(limit, false));
        let spending = budget.into_iter().chain(self.asks_above.map(|limit| rule(limit, true))).collect();
        Config { policy, lease: self.lease, spending, max_loaded: self.max_loaded, ..base }
    }
}
