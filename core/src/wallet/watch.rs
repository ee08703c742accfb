//! What comes from the chain: events, once they are deep enough, and the time that disputes wait for.

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::Position;
use crate::nitro::{AdjudicatorEvent, DecodeError};
use crate::protocol::{self, Event};
use crate::wallet::error::Error;
use crate::wallet::input::{ChainUpdate, Log};
use crate::wallet::machine::Wallet;
use crate::wallet::output::Output;

impl Wallet {
    /// Takes an update in. One channel never keeps another from being watched: a channel whose key does not sign now
    /// keeps its events for the next update, and its error is returned when all others are done.
    pub(super) fn chain_update(&mut self, update: ChainUpdate, now: u64) -> Result<(), Error> {
        self.chain.rewind(update.from_block);
        (self.chain.head_block, self.chain.head_time) = (update.head_block, update.head_time);
        for log in &update.logs {
            if log.address == self.config.chain.adjudicator {
                self.log(log);
            }
        }
        let (slots, loading) = (&self.slots, &self.loading);
        let confirmed = self.chain.take_confirmed(|id| match slots.get(id) {
            Some(slot) => Some(slot.channel.terms.confirmations),
            // Its events wait for its record.
            None => loading.contains(id).then_some(u32::MAX),
        });
        let mut result = Ok(());
        for (channel_id, events) in confirmed {
            let applied = self.apply(channel_id, &events, now);
            if applied.is_err() {
                for (position, event) in events {
                    self.chain.wait(position, channel_id, event);
                }
            }
            result = result.and(applied);
        }
        result.and(self.settle_due(now))
    }

    /// Keeps what a log says if it is about a channel of ours.
    fn log(&mut self, log: &Log) {
        let ours = |id: &B256| self.slots.contains_key(id) || self.loading.contains(id);
        let Some(channel_id) = log.topics.get(1).copied().filter(ours) else { return };
        match AdjudicatorEvent::decode(&log.topics, &log.data) {
            Ok(event) => {
                let position = Position { block: log.block, log_index: log.log_index };
                self.chain.wait(position, channel_id, event);
            }
            Err(DecodeError::UnknownEvent { .. }) => {}
            Err(error) => {
                let code = error.code().to_string();
                self.outbox.push(Output::Notify(Event::UnreadableLog { channel_id, block: log.block, code }));
            }
        }
    }

    /// Lets a channel take in the events that it has not seen.
    fn apply(&mut self, channel_id: B256, events: &[(Position, AdjudicatorEvent)], now: u64) -> Result<(), Error> {
        let time = self.chain.head_time;
        self.step(channel_id, now, |context, channel, effects| {
            for (position, event) in events {
                if channel.seen.is_none_or(|seen| seen < *position) {
                    protocol::apply_event(context, channel, event.clone(), time, effects)?;
                    channel.seen = Some(*position);
                }
            }
            Ok(())
        })
    }

    /// Asks for the transactions of disputes whose time has come.
    fn settle_due(&mut self, now: u64) -> Result<(), Error> {
        let time = self.chain.head_time;
        let due: Vec<(u64, B256)> = self.disputes.iter().take_while(|(due, _)| *due <= time).copied().collect();
        let mut result = Ok(());
        for entry in due {
            let settled = self.step(entry.1, now, |context, channel, effects| {
                Ok(protocol::outstanding_transactions(context, channel, time, effects)?)
            });
            if settled.is_ok() {
                self.disputes.remove(&entry);
            }
            result = result.and(settled);
        }
        result
    }
}
