//! What the owner wants.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Channel, Kind, Role, Status, Terms, Wish};
use crate::protocol::relay::Part;
use crate::protocol::{self, OpenError, Order, PayError};
use crate::wallet::error::Error;
use crate::wallet::input::{Command, Purchase};
use crate::wallet::machine::Wallet;
use crate::wallet::spending::SPEND_LOG_KEY;
use crate::wire::Message;

impl Wallet {
    pub(super) fn command(&mut self, command: Command, now: u64) -> Result<(), Error> {
        match command {
            Command::OpenChannel(terms) => self.open_channel(terms, now),
            Command::OpenVirtual { terms, route } => self.open_virtual(terms, route, now),
            Command::Pay { channel_id, amount, purchase, ticks } => {
                let Purchase { memo, origin, file } = purchase;
                self.pay(channel_id, Order { amount, memo, ticks, origin, file, needs_voucher: false }, now)
            }
            Command::Hold(held) => {
                self.hold(held);
                Ok(())
            }
            Command::TopUp { channel_id, amount } => self.step(channel_id, now, |context, channel, effects| {
                Ok(protocol::top_up(context, channel, amount, effects)?)
            }),
            Command::Fold { channel_id } => self.step(channel_id, now, |context, channel, effects| {
                match channel.role {
                    Role::Payer => protocol::fold(context, channel, effects)?,
                    _ => protocol::request(channel, Wish::Fold, effects)?,
                }
                Ok(())
            }),
            Command::GiveBack { channel_id, amount } => self.step(channel_id, now, |_, channel, effects| {
                Ok(protocol::request(channel, Wish::Give(amount), effects)?)
            }),
            Command::Withdraw { channel_id, amount } => self.withdraw(channel_id, amount, now),
            Command::CloseChannel { channel_id } => self.step_with_way(channel_id, now, |context, channel, effects| {
                Ok(protocol::request_close(context, channel, effects)?)
            }),
            Command::LeaveChannel { channel_id } => self.step_with_way(channel_id, now, |context, channel, effects| {
                Ok(protocol::leave(context, channel, effects)?)
            }),
            Command::Snapshot { channel_id } => self
                .step(channel_id, now, |context, channel, effects| Ok(protocol::snapshot(context, channel, effects)?)),
            Command::ClearChallenge { channel_id } => {
                self.step(channel_id, now, |context, channel, effects| Ok(protocol::clear(context, channel, effects)?))
            }
            Command::AbortChannel { channel_id } => self.abort(channel_id, now),
            Command::Settle => self.settle(now),
            Command::Resume { channel_id } => {
                self.resume(channel_id, now)?;
                match self.channel(&channel_id).and_then(|channel| channel.successor) {
                    Some(successor) => self.resume(successor.channel_id, now),
                    None => Ok(()),
                }
            }
            Command::Ping { channel_id } => self.step(channel_id, now, |_, _, effects| {
                effects.send(Message::Ping);
                Ok(())
            }),
        }
    }

    fn open_channel(&mut self, terms: Terms, now: u64) -> Result<(), Error> {
        if terms.payer_destination != self.config.destination || terms.is_virtual() {
            return Err(OpenError::NotOurs.into());
        }
        let channel_id = terms.channel_id();
        if self.set.slots.contains(&channel_id) {
            return Err(OpenError::Exists.into());
        }
        self.create(channel_id, now, |_, context, effects| Ok(protocol::propose(context, terms, effects)?))
    }

    /// Pays, whatever the owner's rules say.
    pub(super) fn pay_now(&mut self, channel_id: B256, order: Order, now: u64) -> Result<(), Error> {
        let amount = order.amount;
        self.step(channel_id, now, |context, channel, effects| {
            match (channel.terms.kind, channel.role) {
                (Kind::Stream, _) => protocol::pay(context, channel, channel_id, order, effects)?,
                (Kind::Ledger, Role::Payer) => {
                    protocol::pay_in_ledger(context, channel, amount, effects).map_err(PayError::from)?;
                }
                (Kind::Ledger, _) => {
                    protocol::request(channel, Wish::Give(amount), effects).map_err(PayError::from)?;
                }
            }
            Ok(())
        })
    }

    fn withdraw(&mut self, channel_id: B256, amount: u128, now: u64) -> Result<(), Error> {
        self.find(channel_id)?;
        if self.channel(&channel_id).is_some_and(|channel| channel.role == Role::Payee) {
            return self.step(channel_id, now, |_, channel, effects| {
                Ok(protocol::request(channel, Wish::Withdraw(amount), effects)?)
            });
        }
        self.step_pair(channel_id, None, now, |context, (channel, _), (_, effects)| {
            Ok(Some(protocol::withdraw(context, channel, Role::Payer, amount, effects)?))
        })
    }

    /// Gives a channel up before it is funded. One that goes on from another can be given up once that one no longer pays
    /// into it.
    fn abort(&mut self, channel_id: B256, now: u64) -> Result<(), Error> {
        self.find(channel_id)?;
        if let Some(predecessor) = self.channel(&channel_id).and_then(|channel| channel.predecessor) {
            self.find(predecessor)?;
            let pays = self.channel(&predecessor).is_some_and(|channel| {
                channel.successor.is_some_and(|successor| successor.channel_id == channel_id)
                    && channel.facts().payout.is_none_or(|payout| payout.carried > 0)
            });
            if !pays {
                return self.step(channel_id, now, |_, channel, _| {
                    protocol::give_up(channel);
                    Ok(())
                });
            }
        }
        if self.channel(&channel_id).is_some_and(|channel| channel.passage.is_some()) {
            return self.abort_virtual(channel_id, now);
        }
        self.step(channel_id, now, |_, channel, _| Ok(protocol::abort(channel, "ABORTED")?))
    }

    /// Stores what no write said yet.
    fn settle(&mut self, now: u64) -> Result<(), Error> {
        let leased = self.set.slots.iter().filter(|(_, slot)| slot.channel.lease.is_some());
        for channel_id in leased.map(|(channel_id, _)| *channel_id).collect::<Vec<_>>() {
            self.end_lease(channel_id, now)?;
        }
        Ok(())
    }

    /// Says again what the other side and the chain may not have heard.
    fn resume(&mut self, channel_id: B256, now: u64) -> Result<(), Error> {
        // A signer that was restarted has forgotten what it was asked.
        self.asked.retain(|_, asked| asked.channel_id != channel_id);
        self.step_with_way(channel_id, now, |context, channel, effects| {
            protocol::complete(context, channel, effects)?;
            protocol::relay::outstanding(channel, effects);
            // Of a virtual channel nothing is left to ask for once the final state is on its way.
            let is_ending = channel.passage.is_some() && channel.closing.is_some();
            let funded = channel.base_turn() > 0 && channel.role != Role::Hub && !is_ending;
            if (funded || channel.unsure) && !matches!(channel.status(), Status::Closed | Status::Aborted) {
                effects.send(protocol::question(channel));
            }
            effects.send_all(protocol::outstanding_messages(channel));
            Ok(protocol::outstanding_transactions(context, channel, effects)?)
        })
    }

    /// Takes in records of a backup that the store does not have, and asks the other sides how far they got: until they
    /// have answered, nothing is signed.
    pub(super) fn restore(&mut self, records: Vec<(B256, Vec<u8>)>, now: u64) -> Result<(), Error> {
        let mut channels = Vec::new();
        // What was spent before the backup says little of what was since: the windows of the rules begin anew.
        let records = records.into_iter().filter(|(key, _)| *key != SPEND_LOG_KEY);
        for (key, bytes) in records {
            let mut channel = Channel::from_bytes(key, &bytes)?;
            if !self.is_ours(&channel) {
                return Err(Error::ForeignRecord { channel_id: key });
            }
            channel.lease = None;
            if !matches!(channel.status(), Status::Closed | Status::Aborted) {
                channel.doubt(now);
            }
            // What was said since the backup is not said again under the same numbers.
            channel.sent = channel.sent.saturating_add(protocol::RESTORE_GAP);
            if channel.role == Role::Payer {
                channel.signed_turn = channel.signed_turn.saturating_add(protocol::RESTORE_GAP);
            }
            channels.push((key, Box::new(channel)));
        }
        self.restored_at = self.restored_at.max(Some(now));
        for (channel_id, channel) in channels {
            if self.set.slots.contains(&channel_id) {
                continue;
            }
            self.chain.distrust(channel_id);
            self.chain.remember(channel_id, &channel);
            let mut effects = protocol::Effects::default();
            if channel.unsure && channel.role != Role::Hub {
                effects.send(protocol::question(&channel));
            }
            if channel.base.is_none() {
                effects.send_all(protocol::outstanding_messages(&channel));
            }
            self.keep(alloc::vec![Part { channel_id, channel, effects }], &[], now)?;
        }
        Ok(())
    }
}
