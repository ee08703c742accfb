//! What comes from the chain: events, once they are deep enough, those that a reorganisation takes back, and the time
//! that disputes wait for.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Channel, Position, Status};
use crate::map::{Map, Set};
use crate::nitro::{AdjudicatorEvent, DecodeError};
use crate::protocol::{self, Event, MessageError, Observed};
use crate::wallet::chain::mark;
use crate::wallet::error::Error;
use crate::wallet::input::{ChainUpdate, Log};
use crate::wallet::machine::Wallet;
use crate::wallet::output::Output;

/// How many blocks a reorganisation is expected to take back at most: two epochs, after which Ethereum is final.
const EXPECTED_REORG: u64 = 64;

impl Wallet {
    /// Takes an update in. One channel never keeps another from being watched: the error of one is returned when all
    /// others are done.
    pub(super) fn chain_update(&mut self, update: ChainUpdate, now: u64) -> Result<(), Error> {
        let ChainUpdate { from_block, head_block, head_time, logs } = update;
        (self.chain.head_block, self.chain.head_time) = (head_block, head_time);
        self.chain.heads.push(head_block, head_time);
        self.storing_failed = false;
        // Another process may have opened channels since.
        self.set.forget_absent();
        let ours: Vec<Log> = logs.into_iter().filter(|log| log.address == self.config.chain.adjudicator).collect();
        let position = |log: &Log| Position { block: log.block, log_index: log.log_index };
        let mut reported = Map::default();
        for log in &ours {
            reported.insert(position(log), mark(log));
        }
        self.chain.rewind(from_block, &reported);
        for log in ours {
            if let Some(channel_id) = log.topics.get(1).copied() {
                let place = (position(&log), channel_id);
                let mark = reported.get(&place.0).copied().unwrap_or_default();
                self.log(log, place, mark);
            }
        }
        self.apply_confirmed(now).and(self.settle_heard(now)).and(self.settle_due(now)).and(self.settle_deep(now))
    }

    /// Keeps what a log says, unless it was taken in before.
    fn log(&mut self, log: Log, (position, channel_id): (Position, B256), mark: u64) {
        let is_applied = self.chain.is_applied(&(position, channel_id), mark);
        // The data of a call may be found later than its log.
        if is_applied && log.call.is_none() {
            return;
        }
        match AdjudicatorEvent::decode(&log.topics, &log.data) {
            Ok(event) if is_applied && !names_only_a_turn(&event) => {}
            Ok(event) => self.chain.wait(channel_id, Observed { position, mark, event, call: log.call }),
            Err(DecodeError::UnknownEvent { .. }) => {}
            Err(error) if self.set.slots.contains(&channel_id) => {
                let code = error.code().to_string();
                self.outbox.push(Output::Notify(Event::UnreadableLog { channel_id, block: log.block, code }));
            }
            Err(_) => {}
        }
    }

    /// Lets every channel take in what is deep enough, and take back what is gone.
    fn apply_confirmed(&mut self, now: u64) -> Result<(), Error> {
        self.apply_to(self.chain.channels_waited_for(), now)
    }

    /// Lets channels whose records were loaded take in what waited for them, and with each the one whose money it goes on
    /// with. The others still wait: looking at all of them with every record would take forever when there are many.
    pub(super) fn apply_loaded(&mut self, keys: Set<B256>, now: u64) -> Result<(), Error> {
        let before = |key: &B256| self.channel(key).and_then(|channel| channel.predecessor);
        let mut named: Vec<B256> = keys.keys().filter_map(before).collect();
        if keys.keys().any(|key| self.channel(key).is_none()) {
            // A successor without a record names nobody.
            let waits = |id: &B256| successor_of(self.channel(id)).is_some_and(|next| keys.contains(&next));
            named.extend(self.chain.channels_waited_for().keys().filter(|id| waits(id)));
        }
        named.extend(keys.keys());
        let waiting = named.into_iter().filter(|key| self.chain.waits_for(key)).collect();
        self.apply_to(waiting, now)
    }

    fn apply_to(&mut self, channels: Set<B256>, now: u64) -> Result<(), Error> {
        let mut result = Ok(());
        for channel_id in channels.keys() {
            match self.apply(*channel_id, now) {
                // Its events wait for its record.
                Err(Error::Loading { .. }) => {}
                Err(Error::UnknownChannel { .. }) => self.chain.forget(channel_id),
                applied => result = result.and(applied),
            }
        }
        result
    }

    fn apply(&mut self, channel_id: B256, now: u64) -> Result<(), Error> {
        if self.chain.is_too_young(&channel_id) {
            return Ok(());
        }
        self.find(channel_id)?;
        let Some(channel) = self.channel(&channel_id) else { return Ok(()) };
        let (confirmations, successor) = (channel.terms.confirmations, channel.successor);
        let mut events = self.chain.confirmed(&channel_id, confirmations);
        let undone = self.chain.undone(&channel_id);
        // Mined again in an earlier block than before: the later one is not known to be gone while the chain is shorter.
        events.retain(|it| !protocol::is_overtaken(channel, it, undone));
        // A deposit that was taken back and is mined again must not be made twice.
        let waits = self.chain.waits_beyond(&channel_id, events.len());
        if events.is_empty() && undone.is_none() {
            self.chain.set_depth(channel_id, confirmations);
            return Ok(());
        }
        // What the one pays out, the other has: both are stored at once. A backup may lack the successor.
        let successor_id = match successor.map(|successor| successor.channel_id) {
            Some(id) => match self.find(id) {
                Err(Error::UnknownChannel { .. }) => None,
                found => found.map(|()| Some(id))?,
            },
            None => None,
        };
        let observed = events.clone();
        self.step_pair(channel_id, successor_id, now, |context, (channel, effects), (successor, notices)| {
            channel.deep = false;
            if let Some(from) = undone {
                protocol::reorganise(channel, from, effects);
            }
            for event in observed {
                protocol::apply_event(context, channel, event, effects).map_err(MessageError::from)?;
            }
            if undone.is_some() && !waits {
                protocol::outstanding_transactions(context, channel, effects)?;
            }
            // What a deposit asked to sign, a challenge of a later state in the same report has made idle.
            context.key.forget_idle(channel);
            let mut credited = successor.cloned();
            if let Some(successor) = &mut credited {
                protocol::credit(channel, successor, notices);
            }
            Ok(successor_id.zip(credited))
        })?;
        self.chain.taken_in(channel_id, events);
        if !self.outbox.is_waiting(&channel_id) {
            self.chain.stored(&channel_id);
        }
        for id in [Some(channel_id), successor_id].into_iter().flatten() {
            if let Some(slot) = self.set.slots.get(&id) {
                self.chain.remember(id, &slot.channel);
                note_shallow(&mut self.shallow, id, &slot.channel);
            }
        }
        self.advance(channel_id, now)
    }

    /// Asks for the deposits that waited for the update.
    fn settle_heard(&mut self, now: u64) -> Result<(), Error> {
        let mut result = Ok(());
        for channel_id in self.chain.take_heard() {
            if self.channel(&channel_id).is_some_and(|channel| channel.status() != Status::Disconnected) {
                result = result.and(self.step(channel_id, now, |context, channel, effects| {
                    Ok(protocol::outstanding_transactions(context, channel, effects)?)
                }));
            }
        }
        result
    }

    /// Notes which channels have nothing left that a reorganisation may take back: they can rest.
    fn settle_deep(&mut self, now: u64) -> Result<(), Error> {
        let head = self.chain.head_block;
        let is_deep = move |block: u64| block.saturating_add(EXPECTED_REORG) <= head;
        let shallow = self.shallow.keys().take_while(|(block, _)| is_deep(*block));
        let mut result = Ok(());
        for entry in shallow.copied().collect::<Vec<_>>() {
            let settled = self.step(entry.1, now, |_, channel, _| {
                channel.deep = channel.deep || channel.seen_block().is_none_or(is_deep);
                Ok(())
            });
            match settled {
                Ok(()) | Err(Error::UnknownChannel { .. }) => {
                    self.shallow.remove(&entry);
                }
                Err(Error::Loading { .. }) => {}
                Err(_) => result = result.and(settled),
            }
        }
        result
    }

    /// Asks for the transactions of disputes whose time has come.
    fn settle_due(&mut self, now: u64) -> Result<(), Error> {
        let time = self.chain.head_time;
        let due: Vec<(u64, B256)> = self.disputes.keys().take_while(|(due, _)| *due <= time).copied().collect();
        let mut result = Ok(());
        for entry in due {
            let settled = self.step_with_way(entry.1, now, |context, channel, effects| {
                Ok(protocol::outstanding_transactions(context, channel, effects)?)
            });
            match settled {
                Ok(()) | Err(Error::UnknownChannel { .. }) => {
                    self.disputes.remove(&entry);
                    if self.channel(&entry.1).is_some_and(|channel| channel.passage.is_some() && channel.backing() > 0)
                    {
                        // What made it final is not deep yet; until it is, its guarantees stay.
                        self.disputes.insert((time.saturating_add(1), entry.1), ());
                    }
                }
                Err(Error::Loading { .. }) => {}
                Err(_) => result = result.and(settled),
            }
        }
        result
    }
}

/// Remembers that what a channel has taken in from the chain may be taken back.
pub(super) fn note_shallow(shallow: &mut Set<(u64, B256)>, channel_id: B256, channel: &Channel) {
    if !channel.deep {
        shallow.insert((channel.seen_block().unwrap_or(0), channel_id), ());
    }
}

/// The channel that a channel goes on in.
fn successor_of(channel: Option<&Channel>) -> Option<B256> {
    Some(channel?.successor?.channel_id)
}

/// Whether the log leaves it to the call to say what was recorded.
const fn names_only_a_turn(event: &AdjudicatorEvent) -> bool {
    matches!(event, AdjudicatorEvent::Checkpointed { .. } | AdjudicatorEvent::ChallengeCleared { .. })
}
