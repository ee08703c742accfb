//! One seed's world: parties and their hosts, the network, the chain, the time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use alloy_primitives::{Address, B256};
use millstream_core::channel::Terms;
use millstream_core::protocol::Purpose;
use millstream_core::wallet::{Input, Wallet};

use super::action::world_random;
use super::liar::Liar;
use super::network::{Network, Packet, Parcel, Pending};
use super::profile::{MOST_PARTIES, Profile};
use super::signer::Key;
use super::store::Store;
use super::truth::Truth;
use crate::model::ModelChain;
use crate::random::Random;

/// The names of the parties.
pub const NAMES: [&str; MOST_PARTIES] = ["payer", "seller", "hub", "fourth", "fifth"];
/// What every party has of the token, in base units.
pub(super) const TOKENS: u128 = 1_000_000_000;

/// A rule that a world broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The step; `None` while everything is settled.
    pub step: Option<u32>,
    /// The rule, by its name.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

/// One wallet of a party: which party, and which of its wallets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The party.
    pub party: usize,
    /// The wallet.
    pub host: usize,
}

/// A process that runs a wallet.
#[derive(Debug, Default)]
pub struct Host {
    /// The wallet, unless it crashed.
    pub wallet: Option<Wallet>,
    /// How many wallets ran here before.
    pub life: u32,
    /// Channels that were stored when it started, until it is told what the chain says.
    pub unheard: BTreeSet<B256>,
    /// Inputs that wait for a record.
    pub waiting: VecDeque<Input>,
    /// Whether a record came since they were put there.
    pub loaded: bool,
    /// Records that the store still owes.
    pub reads: VecDeque<Vec<B256>>,
    /// Signatures that the outside signer still owes.
    pub signatures: VecDeque<(B256, B256, Purpose)>,
    /// The channels that its owner was asked about, by question.
    pub asked: BTreeMap<u64, B256>,
    /// What the owner says to questions about payments.
    pub answers: VecDeque<(u64, bool)>,
    /// Channels whose transaction failed or whose signature was refused: to be resumed.
    pub resume: VecDeque<B256>,
    /// Crashes when it has carried out this many more outputs.
    pub crash_after: Option<u64>,
    /// The first block that the next report covers.
    pub next_block: u64,
    /// When it wants to look at the clock.
    pub wake_at: Option<u64>,
}

/// A party.
#[derive(Debug)]
pub struct Party {
    /// Its channel key.
    pub key: Key,
    /// Who deposits.
    pub account: Address,
    /// Who is paid out.
    pub destination: Address,
    /// Its records.
    pub store: Store,
    /// Its wallets.
    pub hosts: Vec<Host>,
    /// When it lost everything but a backup.
    pub restored_at: Option<u64>,
}

/// Everything that happened in one seed, and can happen next.
#[derive(Debug)]
pub struct World {
    /// What the seed is about.
    pub profile: Profile,
    /// The randomness of the step that runs.
    pub random: Random,
    /// Seconds since 1970.
    pub now: u64,
    /// The chain.
    pub chain: ModelChain,
    /// The parties.
    pub parties: Vec<Party>,
    /// What travels.
    pub network: Network,
    /// Transactions that no block has.
    pub mempool: Vec<Pending>,
    /// Transactions that blocks have.
    pub mined: Vec<(u64, Pending)>,
    /// No reorganisation takes back this block or an older one: hours cannot be taken back.
    pub reorg_floor: u64,
    /// Every channel that a party stored, in the order of their appearance.
    pub channels: Vec<(B256, Terms)>,
    /// When every honest wallet was last up to date.
    pub synced_at: u64,
    /// No faults happen now.
    pub calm: bool,
    /// The turn of the newest base in a party's record when it last was up to date with the chain.
    pub synced_bases: BTreeMap<(usize, B256), u64>,
    /// The same, as it was when the channel's outcome became final on chain.
    pub final_bases: BTreeMap<(usize, B256), u64>,
    /// What strangers deposited, and in which block.
    pub dust: Vec<(u64, B256, u128)>,
    /// What honest parties signed and let out.
    pub truth: Truth,
    /// What the liar knows.
    pub liar: Liar,
    /// Transactions of honest wallets that reverted, by party and channel.
    pub reverts: BTreeMap<(usize, B256), u32>,
    /// How many commits failed.
    pub failed_commits: u64,
    /// What happened how often, for whoever wonders whether anything did.
    pub counts: BTreeMap<String, u64>,
    /// The step that runs.
    pub step: Option<u32>,
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// Readable lines, if they are wanted.
    pub trace: Option<Vec<String>>,
}

impl World {
    /// The world of a seed, in which nothing has happened.
    pub fn new(seed: u64, trace: bool) -> Self {
        let mut random = world_random(seed);
        let profile = Profile::of(seed, &mut random);
        let mut chain = ModelChain::default();
        let count = profile.hosting.len();
        let parties = (0..count).map(|index| {
            let byte = u8::try_from(index).unwrap_or(0);
            let account = Address::repeat_byte(0xa0 + byte);
            chain.endow(account);
            chain.mint(account, TOKENS);
            let hosts = (0..profile.hosting[index].writers).map(|_| Host::default()).collect();
            let destination = Address::repeat_byte(0xd0 + byte);
            Party {
                key: Key::new([0x11 + byte; 32]),
                account,
                destination,
                store: Store::default(),
                hosts,
                restored_at: None,
            }
        });
        let parties: Vec<Party> = parties.collect();
        let now = chain.time();
        let mut world = Self {
            profile,
            random,
            now,
            chain,
            parties,
            network: Network::default(),
            mempool: Vec::new(),
            mined: Vec::new(),
            reorg_floor: 0,
            channels: Vec::new(),
            synced_at: now,
            calm: false,
            synced_bases: BTreeMap::new(),
            final_bases: BTreeMap::new(),
            dust: Vec::new(),
            truth: Truth::new(count),
            liar: Liar::default(),
            reverts: BTreeMap::new(),
            failed_commits: 0,
            counts: BTreeMap::new(),
            step: None,
            violation: None,
            trace: trace.then(Vec::new),
        };
        world.reorg_floor = world.chain.block();
        for at in world.places() {
            world.start(at);
        }
        world
    }

    /// Every wallet's place.
    pub fn places(&self) -> Vec<At> {
        let of = |(party, parties): (usize, &Party)| (0..parties.hosts.len()).map(move |host| At { party, host });
        self.parties.iter().enumerate().flat_map(of).collect()
    }

    /// Whether a party keeps to the rules.
    pub fn is_honest(&self, party: usize) -> bool {
        self.profile.liar != Some(party)
    }

    /// What a party's clock says.
    pub fn now_of(&self, party: usize) -> u64 {
        self.now + self.profile.hosting[party].ahead
    }

    /// The party with a channel key.
    pub fn party_of(&self, key: Address) -> Option<usize> {
        self.parties.iter().position(|party| party.key.address() == key)
    }

    /// The terms of a channel that somebody stored.
    pub fn terms(&self, channel_id: &B256) -> Option<&Terms> {
        self.channels.iter().find(|(id, _)| id == channel_id).map(|(_, terms)| terms)
    }

    /// A short name of a channel.
    pub fn name(&self, channel_id: &B256) -> String {
        match self.channels.iter().position(|(id, _)| id == channel_id) {
            Some(index) => format!("c{index}"),
            None => channel_id.to_string()[..10].to_owned(),
        }
    }

    /// Counts something that happened.
    pub fn count(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(what.to_owned(), 1)),
        }
    }

    /// Notes a line, if lines are wanted.
    pub fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = line(self);
            let place = self.step.map_or_else(|| "end ".to_owned(), |step| format!("{step:4}"));
            if let Some(lines) = &mut self.trace {
                lines.push(format!("{place} {line}"));
            }
        }
    }

    /// Notes that a rule is broken. Only the first counts: the rest may follow from it.
    pub fn broken(&mut self, invariant: &'static str, detail: String) {
        self.say(|_| format!("!! {invariant}: {detail}"));
        if self.violation.is_none() {
            self.violation = Some(Violation { step: self.step, invariant, detail });
        }
    }

    /// Puts a parcel on its way.
    pub fn post(&mut self, from: usize, to: usize, parcel: Parcel) {
        self.network.send(Packet { from, to, parcel });
    }
}
