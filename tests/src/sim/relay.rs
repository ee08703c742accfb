//! Worlds of hubs: ledgers between neighbours, and virtual channels from one end to the other.
//!
//! ```text
//! payer ---- hub ---- (another hub) ---- seller
//!   (guest) --|
//! ```

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Kind as ChannelKind, Route, Status, Terms, derive_nonce};
use millstream_core::wallet::{Command, Input};

use super::profile::CHALLENGE_DURATION;
use super::world::{At, NAMES, World};
use crate::random::Random;

/// What each hub asks for, in base units.
pub const FEE: u128 = 3;
/// How many virtual channels a world has at most.
const MAX_RELAYS: usize = 40;
/// How many ledgers: each may be closed and opened anew.
const MAX_LEDGERS: usize = 8;

/// The ledgers of a world.
#[derive(Clone, Debug)]
pub struct Streets {
    /// How many parties there are.
    pub parties: usize,
    /// Which neighbours have a ledger, its leader first.
    pub edges: Vec<(usize, usize)>,
    /// Whether the money is a token.
    pub token: bool,
}

impl Streets {
    /// The streets of a seed.
    pub fn of(random: &mut Random) -> Self {
        let (long, guest) = (random.chance(40), random.chance(50));
        let mut edges = if long { vec![(0, 2), (2, 3), (3, 1)] } else { vec![(0, 2), (2, 1)] };
        // Numbers have no gaps, so a world with one hub has its guest in the place of the next one.
        let parties = 3 + usize::from(long) + usize::from(guest);
        if guest {
            edges.push((parties - 1, 2));
        }
        for edge in &mut edges {
            if random.chance(50) {
                *edge = (edge.1, edge.0);
            }
        }
        Self { parties, edges, token: random.chance(40) }
    }

    /// Who has a ledger with a party.
    pub fn neighbours(&self, party: usize) -> Vec<usize> {
        let other = |&(one, two): &(usize, usize)| match party {
            party if party == one => Some(two),
            party if party == two => Some(one),
            _ => None,
        };
        self.edges.iter().filter_map(other).collect()
    }

    /// Every way between two parties that are not neighbours.
    fn long_ways(&self) -> Vec<Vec<usize>> {
        let pairs = (0..self.parties).flat_map(|from| (0..self.parties).map(move |to| (from, to)));
        pairs.filter_map(|(from, to)| self.way(from, to)).filter(|way| way.len() > 2).collect()
    }

    /// The parties on the way from one to another, both included: there is only one way.
    fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut ways = vec![vec![from]];
        while let Some(way) = ways.pop() {
            let last = *way.last()?;
            if last == to {
                return Some(way);
            }
            for next in self.neighbours(last) {
                if !way.contains(&next) {
                    ways.push([&way[..], &[next]].concat());
                }
            }
        }
        None
    }
}

impl World {
    fn streets(&self) -> &Streets {
        self.profile.streets.as_ref().expect("a world of hubs")
    }

    fn some_host(&mut self, party: usize) -> At {
        At { party, host: self.random.index(self.parties[party].hosts.len()) }
    }

    /// Terms without what is asked of the channel.
    fn plain_terms(&mut self, payer: usize, payee: usize, deposit: u128) -> Terms {
        let asset = if self.streets().token { self.chain.token() } else { Address::ZERO };
        Terms {
            chain: self.chain.contracts(),
            payer: self.parties[payer].key.address(),
            payee: self.parties[payee].key.address(),
            payer_destination: self.parties[payer].destination.into_word(),
            payee_destination: self.parties[payee].destination.into_word(),
            asset,
            deposit,
            challenge_duration: CHALLENGE_DURATION,
            confirmations: self.profile.confirmations,
            nonce: derive_nonce(self.now_of(payer), u32::try_from(self.random.below(1_000)).unwrap_or(0)),
            kind: ChannelKind::Stream,
            payee_deposit: 0,
            reserve: 0,
            hubs: Vec::new(),
        }
    }

    /// Opens a ledger between two neighbours who have none, those of the start first.
    pub fn open_ledger(&mut self) {
        let edges = self.streets().edges.clone();
        let count = self.channels.iter().filter(|(_, terms)| terms.kind == ChannelKind::Ledger).count();
        let edge = match edges.get(count) {
            Some(edge) => *edge,
            None => edges[self.random.index(edges.len())],
        };
        if count >= MAX_LEDGERS || (count >= edges.len() && self.ledger_between(edge.0, edge.1).is_some()) {
            return;
        }
        let deposit = u128::from(self.random.below(3_000) + 300);
        let terms = self.plain_terms(edge.0, edge.1, deposit);
        let payee_deposit = u128::from(self.random.below(3_000));
        let reserve = self.random.one_of([0, 0, 0, 20]);
        let terms = Terms { kind: ChannelKind::Ledger, payee_deposit, reserve, ..terms };
        let at = self.some_host(edge.0);
        self.say(|world| {
            format!("{} opens a ledger with {} over {deposit} and {payee_deposit}", world.place(at), NAMES[edge.1])
        });
        self.feed(at, Input::Command(Command::OpenChannel(terms)));
        if count + 1 == edges.len() {
            // What can happen to ledgers that are opened, other worlds show.
            self.settle_in();
        }
    }

    /// The newest ledger of two parties that is not over, as the first one knows it.
    fn ledger_between(&self, one: usize, two: usize) -> Option<B256> {
        let keys = [one, two].map(|party| self.parties[party].key.address());
        let mut ledgers = self.channels.iter().rev().filter(|(_, terms)| terms.kind == ChannelKind::Ledger);
        let is_theirs = |terms: &Terms| keys.contains(&terms.payer) && keys.contains(&terms.payee);
        let is_there = |id: &B256| {
            let record = self.parties[one].store.get(id).map(|stored| &stored.channel);
            record.is_some_and(|record| !matches!(record.status(), Status::Closed | Status::Aborted))
        };
        ledgers.find(|(id, terms)| is_theirs(terms) && is_there(id)).map(|(id, _)| *id)
    }

    /// A virtual channel that its payer can pay on, in most cases that there is one.
    pub fn random_open_relay(&mut self) -> Option<usize> {
        self.profile.streets.as_ref()?;
        if self.random.chance(20) {
            return None;
        }
        let is_open = |(id, terms): &(B256, Terms)| {
            let payer = self.party_of(terms.payer).and_then(|party| self.parties[party].store.get(id));
            terms.is_virtual() && payer.is_some_and(|stored| stored.channel.status() == Status::Open)
        };
        let open: Vec<usize> = (0..self.channels.len()).filter(|index| is_open(&self.channels[*index])).collect();
        (!open.is_empty()).then(|| open[self.random.index(open.len())])
    }

    /// Opens virtual channels between two parties that are not neighbours.
    pub fn open_relay(&mut self, count: usize) {
        let ways = self.streets().long_ways();
        let way = ways[self.random.index(ways.len())].clone();
        let (from, to) = (way[0], way[way.len() - 1]);
        for _ in 0..count {
            let relays = self.channels.iter().filter(|(_, terms)| terms.is_virtual()).count();
            if relays >= MAX_RELAYS {
                return;
            }
            let amount = u128::from(self.random.below(200) + 1);
            let fee = if self.random.chance(10) { self.random.one_of([0, 2, 9]) } else { 3 };
            let mut terms = self.plain_terms(from, to, amount);
            terms.hubs = way[1..way.len() - 1].iter().map(|hub| self.parties[*hub].key.address()).collect();
            let ledgers = way.windows(2).map(|pair| self.ledger_between(pair[0], pair[1]));
            let Some(ledgers) = ledgers.collect::<Option<Vec<B256>>>() else { return };
            let route = Route { ledgers, fees: vec![fee; terms.hubs.len()] };
            let at = self.some_host(from);
            self.say(|world| format!("{} opens a virtual channel to {} over {amount}", world.place(at), NAMES[to]));
            self.feed(at, Input::Command(Command::OpenVirtual { terms, route }));
        }
    }

    /// Opens up to ten at once. A hub may stop in the middle of it.
    pub fn rush(&mut self) {
        let count = self.random.index(7) + 4;
        self.open_relay(count);
        if self.random.chance(50) {
            let at = self.some_host(2);
            let after = self.random.below(60);
            self.say(|world| format!("{} will crash after {after} outputs", world.place(at)));
            self.parties[at.party].hosts[at.host].crash_after = Some(after);
        }
    }

    /// Somebody on the way of a virtual channel wants it closed; sometimes it gives up waiting, or leaves.
    pub fn close_relay(&mut self) {
        let relays: Vec<(B256, Terms)> =
            self.channels.iter().filter(|(_, terms)| terms.is_virtual()).cloned().collect();
        if relays.is_empty() {
            return;
        }
        let (channel_id, terms) = relays[self.random.index(relays.len())].clone();
        let keys = terms.participants();
        let place = self.random.index(keys.len());
        let Some(party) = self.party_of(keys[place]) else { return };
        let at = self.some_host(party);
        let command = match self.random.below(20) {
            0 => Command::LeaveChannel { channel_id },
            1 => Command::AbortChannel { channel_id },
            2..6 => Command::Resume { channel_id },
            _ => Command::CloseChannel { channel_id },
        };
        self.order(at, command);
    }

    /// The liar stops talking, to one neighbour or to all, or talks again.
    pub fn vanish(&mut self) {
        let Some(liar) = self.profile.liar else { return };
        let neighbours = self.streets().neighbours(liar);
        let silent = match self.random.below(4) {
            0 => neighbours,
            1 | 2 => vec![neighbours[self.random.index(neighbours.len())]],
            _ => Vec::new(),
        };
        self.say(|_| {
            let names: Vec<&str> = silent.iter().map(|party| NAMES[*party]).collect();
            format!("{} does not talk to: {}", NAMES[liar], names.join(", "))
        });
        self.liar.silent = silent;
    }
}
