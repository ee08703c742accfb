//! What the wallet heard of the chain: events that are not deep enough yet, and those that were taken in not long ago.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Channel, Position};
use crate::crypto::keccak256;
use crate::map::{Key, Map, Set};
use crate::protocol::{Heads, Observed};
use crate::wallet::input::Log;

/// How many blocks back an event that was taken in can still be found missing.
const REORG_WINDOW: u64 = 1_024;

/// The newest block that the wallet heard of, and the events near it.
#[derive(Debug, Default)]
pub(super) struct ChainView {
    pub(super) head_block: u64,
    /// In seconds since 1970.
    pub(super) head_time: u64,
    pub(super) heads: Heads,
    /// Events that wait for more blocks on top, or for their channel's record.
    waiting: Map<(B256, Position), Observed>,
    /// Events that were taken in, by place and channel, with the marks of their logs.
    applied: Map<(Position, B256), u64>,
    /// How deep events of the channels in `waiting` must be, as far as their records were seen.
    depths: Map<B256, u32>,
    /// What was taken in, and from where on back, by records that are not stored yet.
    unstored: Map<B256, Box<Unstored>>,
    /// Channels from whose records events have to be taken back, and from where on.
    undone: Map<B256, Position>,
    /// Channels whose records are older than what the chain was heard to say, or may be: the money that one of them waits
    /// for may have come and gone, and a deposit would never come back.
    unheard: Set<B256>,
}

/// What a record that is not stored yet has taken in.
#[derive(Debug, Default)]
struct Unstored {
    undone: Option<Position>,
    events: Vec<Observed>,
}

/// Tells a log from another one at the same place: the start of the hash of what it says.
pub(super) fn mark(log: &Log) -> u64 {
    let mut bytes = Vec::new();
    for topic in &log.topics {
        bytes.extend_from_slice(topic.as_slice());
    }
    bytes.extend_from_slice(&log.data);
    let [a, b, c, d, e, f, g, h, ..] = keccak256(bytes).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Key for Position {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        [self.block, self.log_index].into_iter()
    }
}

/// The events of a channel, in the chain's order.
fn of_channel<'a>(
    waiting: &'a Map<(B256, Position), Observed>,
    channel_id: &'a B256,
) -> impl Iterator<Item = &'a Observed> {
    let of_channel = waiting.from((*channel_id, Position::default()));
    of_channel.take_while(move |((id, _), _)| id == channel_id).map(|(_, observed)| observed)
}

impl ChainView {
    /// Goes back to before `from_block`: the report that follows says anew what happened from there to the head. Whatever
    /// was taken in there and is not in `reported` never happened.
    pub(super) fn rewind(&mut self, from_block: u64, reported: &Map<Position, u64>) {
        let from = Position { block: from_block, log_index: 0 };
        self.waiting.retain(|(_, position), _| *position < from);
        let waiting = &self.waiting;
        self.depths.retain(|id, _| of_channel(waiting, id).next().is_some());
        // A node that lags says nothing about the blocks above its head.
        let covered = self.applied.from((from, B256::ZERO));
        let covered = covered.take_while(|((position, _), _)| position.block <= self.head_block);
        let gone = covered.filter(|((position, _), mark)| reported.get(position) != Some(mark));
        for (position, channel_id) in gone.map(|(place, _)| *place).collect::<Vec<_>>() {
            let first = self.undone.get(&channel_id).map_or(position, |first| position.min(*first));
            self.undone.insert(channel_id, first);
        }
        let head_block = self.head_block;
        let is_said = |observed: &Observed| {
            let position = observed.position;
            position < from || position.block > head_block || reported.get(&position) == Some(&observed.mark)
        };
        for unstored in self.unstored.values_mut() {
            unstored.events.retain(is_said);
        }
        if !self.undone.is_empty() {
            let undone = &self.undone;
            self.applied.retain(|(position, channel_id), _| undone.get(channel_id).is_none_or(|from| position < from));
        }
        let oldest = Position { block: self.head_block.saturating_sub(REORG_WINDOW), log_index: 0 };
        while self.applied.keys().next().is_some_and(|(position, _)| *position < oldest) {
            self.applied.pop_first();
        }
    }

    /// Whether this very log was taken in.
    pub(super) fn is_applied(&self, place: &(Position, B256), mark: u64) -> bool {
        self.applied.get(place) == Some(&mark)
    }

    /// Remembers what a loaded record has taken in, in case a reorganisation takes it back. What is to be taken back first
    /// has to be taken in anew, whether the record had it or not.
    pub(super) fn remember(&mut self, channel_id: B256, channel: &Channel) {
        let undone = self.undone(&channel_id);
        for confirmed in channel.chain.own().filter(|confirmed| undone.is_none_or(|from| confirmed.position < from)) {
            self.applied.insert((confirmed.position, channel_id), confirmed.mark);
        }
    }

    /// Whether an update came since the wallet was started.
    pub(super) const fn is_heard(&self) -> bool {
        self.head_block > 0 || self.head_time > 0
    }

    /// Makes no deposit in a channel before the next update.
    pub(super) fn distrust(&mut self, channel_id: B256) {
        self.unheard.insert(channel_id, ());
    }

    /// Whether a deposit in a channel has to wait for the next update.
    pub(super) fn is_unheard(&self, channel_id: &B256) -> bool {
        self.unheard.contains(channel_id)
    }

    /// The channels that waited for an update and have taken in what it said.
    pub(super) fn take_heard(&mut self) -> Vec<B256> {
        let heard: Vec<B256> = self.unheard.keys().filter(|id| !self.waits_for(id)).copied().collect();
        for channel_id in &heard {
            self.unheard.remove(channel_id);
        }
        heard
    }

    /// Keeps an event until it is deep enough and its channel is there.
    pub(super) fn wait(&mut self, channel_id: B256, observed: Observed) {
        self.waiting.insert((channel_id, observed.position), observed);
    }

    /// The channels that events wait for.
    pub(super) fn channels_waited_for(&self) -> Set<B256> {
        self.waiting.keys().map(|(channel_id, _)| *channel_id).chain(self.undone.keys().copied()).collect()
    }

    /// Whether a channel has anything to take in or back.
    pub(super) fn waits_for(&self, channel_id: &B256) -> bool {
        self.undone.contains(channel_id) || self.waits_beyond(channel_id, 0)
    }

    /// Whether it is known that nothing of a channel is deep enough yet: its record need not be loaded.
    pub(super) fn is_too_young(&self, channel_id: &B256) -> bool {
        let depth = self.depths.get(channel_id).filter(|_| !self.undone.contains(channel_id));
        depth.is_some_and(|depth| self.confirmed(channel_id, *depth).is_empty())
    }

    /// Remembers how deep events of a channel must be.
    pub(super) fn set_depth(&mut self, channel_id: B256, confirmations: u32) {
        self.depths.insert(channel_id, confirmations);
    }

    /// Drops the events of a channel that is not ours.
    pub(super) fn forget(&mut self, channel_id: &B256) {
        self.depths.remove(channel_id);
        let gone: Vec<Position> = of_channel(&self.waiting, channel_id).map(|observed| observed.position).collect();
        for position in gone {
            self.waiting.remove(&(*channel_id, position));
        }
        self.undone.remove(channel_id);
    }

    /// From where on the events of a channel have to be taken back.
    pub(super) fn undone(&self, channel_id: &B256) -> Option<Position> {
        self.undone.get(channel_id).copied()
    }

    /// The events of a channel that are `confirmations` deep, in the chain's order: 1 is the block of the event.
    pub(super) fn confirmed(&self, channel_id: &B256, confirmations: u32) -> Vec<Observed> {
        let is_deep = |position: &Position| {
            let needed = position.block.saturating_add(u64::from(confirmations)).saturating_sub(1);
            needed <= self.head_block
        };
        of_channel(&self.waiting, channel_id).take_while(|observed| is_deep(&observed.position)).cloned().collect()
    }

    /// Whether more events of a channel wait than the first `confirmed`.
    pub(super) fn waits_beyond(&self, channel_id: &B256, confirmed: usize) -> bool {
        of_channel(&self.waiting, channel_id).nth(confirmed).is_some()
    }

    /// The record of a channel is up to date with these events, once it is stored.
    pub(super) fn taken_in(&mut self, channel_id: B256, events: Vec<Observed>) {
        self.depths.remove(&channel_id);
        for observed in &events {
            self.waiting.remove(&(channel_id, observed.position));
        }
        let mut unstored = self.unstored.remove(&channel_id).unwrap_or_default();
        unstored.undone = unstored.undone.into_iter().chain(self.undone.remove(&channel_id)).min();
        unstored.events.extend(events);
        self.unstored.insert(channel_id, unstored);
    }

    /// The record of a channel is stored.
    pub(super) fn stored(&mut self, channel_id: &B256) {
        self.unstored.remove(channel_id);
    }

    /// The record of a channel was not stored: what it took in waits again, and what it took back is still to be.
    pub(super) fn not_stored(&mut self, channel_id: B256) {
        self.applied.retain(|(_, id), _| *id != channel_id);
        let Unstored { undone, events } = *self.unstored.remove(&channel_id).unwrap_or_default();
        if let Some(from) = self.undone.get(&channel_id).copied().into_iter().chain(undone).min() {
            self.undone.insert(channel_id, from);
        }
        for observed in events {
            self.wait(channel_id, observed);
        }
    }
}
