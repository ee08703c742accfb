//! The channels in memory: loaded when they are named, dropped when they are idle.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Channel, Status};
use crate::crypto::Signature;
use crate::map::{Map, Set};
use crate::protocol::{self, TransactionKind};
use crate::wallet::error::Error;
use crate::wallet::input::StoredRecord;
use crate::wallet::machine::Wallet;
use crate::wallet::output::Output;
use crate::wallet::spending::SPEND_LOG_KEY;
use crate::wallet::watch::note_shallow;

/// How many keys are remembered that have no record.
const MAX_ABSENT: usize = 1_024;

/// A withdrawal names two channels at once.
const MIN_LOADED: usize = 2;

/// A loaded channel.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) channel: Box<Channel>,
    pub(super) version: u64,
    /// The last transaction handed out, so that it is not handed out again with every block.
    pub(super) submitted: Option<TransactionKind>,
    /// Signatures that came from outside and are not in the record.
    pub(super) known: Vec<(B256, Signature)>,
    /// When it was last used; its place in `WorkingSet::recency`.
    pub(super) used: u64,
}

impl Slot {
    pub(super) fn new(channel: Box<Channel>, version: u64) -> Self {
        Self { channel, version, submitted: None, known: Vec::new(), used: 0 }
    }

    /// Whether it waits for something that only memory knows of.
    fn is_pinned(&self) -> bool {
        self.channel.answer_by.is_some() || self.channel.deadline.is_some() || protocol::due(&self.channel).is_some()
    }
}

/// The channels in memory, and what is known about the others.
#[derive(Debug, Default)]
pub(super) struct WorkingSet {
    pub(super) slots: Map<B256, Box<Slot>>,
    loading: Set<B256>,
    absent: Set<B256>,
    /// What an input that is to be fed again needs together: one must not push another out.
    gathering: Set<B256>,
    /// The slots that may be dropped, the one used longest ago first.
    recency: Set<(u64, B256)>,
    clock: u64,
}

impl WorkingSet {
    /// Forgets which channels have no record: another process may have opened them since.
    pub(super) fn forget_absent(&mut self) {
        self.absent = Set::default();
    }

    /// Notes which records an input needs that could not be handled without all of them.
    pub(super) fn gather(&mut self, channel_ids: &[B256]) {
        for channel_id in channel_ids {
            self.gathering.insert(*channel_id, ());
        }
    }

    /// The input was handled: what it needed is idle again.
    pub(super) fn gathered(&mut self) {
        let gathering = core::mem::take(&mut self.gathering);
        for channel_id in gathering.keys() {
            if let Some(slot) = self.remove(channel_id) {
                self.insert(*channel_id, *slot);
            }
        }
    }

    /// Puts a channel in, as the one used last.
    pub(super) fn insert(&mut self, channel_id: B256, mut slot: Slot) {
        self.remove(&channel_id);
        self.absent.remove(&channel_id);
        self.clock = self.clock.saturating_add(1);
        slot.used = self.clock;
        if !slot.is_pinned() {
            self.recency.insert((slot.used, channel_id), ());
        }
        self.slots.insert(channel_id, Box::new(slot));
    }

    pub(super) fn remove(&mut self, channel_id: &B256) -> Option<Box<Slot>> {
        let slot = self.slots.remove(channel_id)?;
        self.recency.remove(&(slot.used, *channel_id));
        Some(slot)
    }
}

impl Wallet {
    /// Makes sure that a channel is in memory; asks for its record if it is not.
    pub(super) fn find(&mut self, channel_id: B256) -> Result<(), Error> {
        if self.set.slots.contains(&channel_id) {
            return Ok(());
        }
        // A record whose removal is not stored yet is gone all the same.
        if self.set.absent.contains(&channel_id) || self.outbox.is_waiting(&channel_id) {
            return Err(Error::UnknownChannel { channel_id });
        }
        self.load(channel_id);
        Err(Error::Loading { channel_id })
    }

    /// Asks for a record, once.
    pub(super) fn load(&mut self, channel_id: B256) {
        if self.set.loading.insert(channel_id, ()).is_none() {
            self.outbox.push(Output::Load { keys: alloc::vec![channel_id] });
        }
    }

    /// Takes records in. All are read before any is kept, so that an error changes nothing.
    pub(super) fn loaded(&mut self, records: Vec<StoredRecord>, now: u64) -> Result<(), Error> {
        let mut channels = Vec::new();
        let (logs, records): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.key == SPEND_LOG_KEY);
        for StoredRecord { key, version, bytes } in records {
            let channel = bytes.map(|bytes| Channel::from_bytes(key, &bytes)).transpose()?.map(Box::new);
            if channel.as_ref().is_some_and(|channel| !self.is_ours(channel)) {
                return Err(Error::ForeignRecord { channel_id: key });
            }
            channels.push((key, version, channel));
        }
        for log in &logs {
            let read = self.log_loaded(log, now);
            if channels.is_empty() {
                // Among others a damaged log keeps nobody waiting: it is missed with the next payment.
                read?;
            }
            self.set.loading.remove(&log.key);
        }
        let keys = channels.iter().map(|(key, ..)| *key).collect();
        for (key, version, channel) in channels {
            self.set.loading.remove(&key);
            // What is in memory is never older than the store, unless a commit failed: then it was dropped.
            match channel {
                _ if self.set.slots.contains(&key) || self.outbox.is_waiting(&key) => {}
                Some(channel) => self.enter(key, version, channel, now),
                None => {
                    if self.set.absent.len() >= MAX_ABSENT {
                        self.set.absent = Set::default();
                    }
                    self.set.absent.insert(key, ());
                }
            }
        }
        let result = if self.storing_failed { Ok(()) } else { self.apply_loaded(keys, now) };
        let result = result.and(self.advance_waiting(now));
        self.trim(now);
        result
    }

    fn enter(&mut self, key: B256, version: u64, mut channel: Box<Channel>, now: u64) {
        if channel.lease.take().is_some() {
            // Nobody knows how much of it was signed; only the other side does.
            channel.doubt(now);
        }
        if matches!(channel.status(), Status::Closing | Status::Withdrawing | Status::Challenged) {
            // What it owes the chain may not have been sent: look after the next update, whatever its time is.
            self.disputes.insert((0, key), ());
        }
        if !self.chain.is_heard() {
            self.chain.distrust(key);
        }
        self.chain.remember(key, &channel);
        note_shallow(&mut self.shallow, key, &channel);
        channel.answer_by = self.answer_by(Some(&channel), &channel, now);
        let slot = Slot::new(channel, version);
        self.schedule(key, &slot);
        self.set.insert(key, slot);
    }

    /// Whether a record belongs to this wallet's key.
    pub(super) fn is_ours(&self, channel: &Channel) -> bool {
        channel.key() == self.key.address()
    }

    /// Drops the channels used longest ago, as many as there are above the limit and idle. Those that are not idle do not
    /// count: a stranger's proposals would keep every other channel out.
    pub(super) fn trim(&mut self, now: u64) {
        while self.set.recency.len() > self.config.max_loaded.max(MIN_LOADED) {
            let Some(((_, channel_id), ())) = self.set.recency.pop_first() else { return };
            let Some(slot) = self.set.slots.get(&channel_id) else { continue };
            if slot.channel.lease.is_some() {
                // What was signed under the lease is stored first; the channel goes the next time.
                if self.end_lease(channel_id, now).is_err() {
                    return;
                }
                continue;
            }
            // An event of a withdrawal waits for both channels, and each would push the other one out, for ever: it is not
            // idle, and counts again once it has taken the event in.
            if self.chain.waits_for(&channel_id) && !self.chain.is_too_young(&channel_id) {
                continue;
            }
            if self.set.gathering.contains(&channel_id) {
                continue;
            }
            if self.outbox.is_waiting(&channel_id) || slot.is_pinned() {
                // It becomes idle when its commit is stored; until then it counts as just used.
                if let Some(slot) = self.set.remove(&channel_id) {
                    self.set.insert(channel_id, *slot);
                }
                return;
            }
            if let Some(slot) = self.set.remove(&channel_id) {
                self.unschedule(channel_id, &slot);
            }
        }
    }

    /// Stores a channel with all that was signed under its lease.
    pub(super) fn end_lease(&mut self, channel_id: B256, now: u64) -> Result<(), Error> {
        self.step(channel_id, now, |_, channel, _| {
            channel.lease = None;
            Ok(())
        })
    }

    /// When the wallet next has to look at the clock, in seconds since 1970.
    pub(super) fn wake_at(&self) -> Option<u64> {
        let first = |timers: &Set<(u64, B256)>| timers.keys().next().map(|(time, _)| *time);
        first(&self.deadlines).into_iter().chain(first(&self.answers)).min()
    }

    /// Notes the times that a channel waits for.
    pub(super) fn schedule(&mut self, channel_id: B256, slot: &Slot) {
        let earliest = self.wake_at();
        if let Some(deadline) = slot.channel.deadline {
            self.deadlines.insert((deadline, channel_id), ());
        }
        if let Some(answer_by) = slot.channel.answer_by {
            self.answers.insert((answer_by, channel_id), ());
        }
        if let Some(time) = self.wake_at().filter(|time| earliest.is_none_or(|earliest| *time < earliest)) {
            self.outbox.push(Output::WakeAt(time));
        }
        if let Some(due) = protocol::due(&slot.channel) {
            self.disputes.insert((due, channel_id), ());
        }
    }

    pub(super) fn unschedule(&mut self, channel_id: B256, slot: &Slot) {
        if let Some(deadline) = slot.channel.deadline {
            self.deadlines.remove(&(deadline, channel_id));
        }
        if let Some(answer_by) = slot.channel.answer_by {
            self.answers.remove(&(answer_by, channel_id));
        }
        if let Some(due) = protocol::due(&slot.channel) {
            self.disputes.remove(&(due, channel_id));
        }
    }
}
