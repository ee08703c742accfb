//! What comes from the chain: events, once they are deep enough, and the time that disputes wait for.

use alloc::vec::Vec;

use crate::channel::Position;
use crate::nitro::{AdjudicatorEvent, DecodeError};
use crate::protocol;
use crate::wallet::error::Error;
use crate::wallet::input::ChainUpdate;
use crate::wallet::machine::Wallet;

impl Wallet {
    pub(super) fn chain_update(&mut self, update: ChainUpdate, now: u64) -> Result<(), Error> {
        let mut events = Vec::new();
        for log in &update.logs {
            if log.address != self.config.chain.adjudicator {
                continue;
            }
            let event = match AdjudicatorEvent::decode(&log.topics, &log.data) {
                Ok(event) => event,
                Err(DecodeError::UnknownEvent { .. }) => continue,
                Err(error) => {
                    // Nobody else's channel may stop ours from being watched.
                    let about_us = log.topics.get(1).is_some_and(|id| self.slots.contains_key(id));
                    if about_us {
                        return Err(error.into());
                    } else {
                        continue;
                    }
                }
            };
            let position = Position { block: log.block, log_index: log.log_index };
            let known = self.slots.get(&event.channel_id());
            if known.is_some_and(|slot| slot.channel.seen.is_none_or(|seen| seen < position)) {
                events.push((position, event));
            }
        }
        self.chain.rewind(update.from_block);
        (self.chain.head_block, self.chain.head_time) = (update.head_block, update.head_time);
        for (position, event) in events {
            self.chain.wait(position, event.channel_id(), event);
        }
        let slots = &self.slots;
        let confirmed = self.chain.take_confirmed(|id| slots.get(id).map(|slot| slot.channel.terms.confirmations));
        for (channel_id, events) in confirmed {
            self.step(channel_id, now, |context, channel, effects| {
                for (position, event) in events {
                    protocol::apply_event(context, channel, event, update.head_time, effects)?;
                    channel.seen = Some(position);
                }
                Ok(())
            })?;
        }
        self.settle_due(now)
    }

    /// Asks for the transactions of disputes whose time has come.
    fn settle_due(&mut self, now: u64) -> Result<(), Error> {
        let time = self.chain.head_time;
        while let Some(&(due, channel_id)) = self.disputes.first().filter(|(due, _)| *due <= time) {
            self.disputes.remove(&(due, channel_id));
            self.step(channel_id, now, |context, channel, effects| {
                Ok(protocol::outstanding_transactions(context, channel, time, effects)?)
            })?;
        }
        Ok(())
    }
}
