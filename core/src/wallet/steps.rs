//! Steps: the protocol works on a copy of a channel's record; the wallet stores the copy before anything leaves.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Channel, Role, Status};
use crate::protocol::relay::Part;
use crate::protocol::{self, Context, Effect, Effects, Event, Transaction, TransactionKind};
use crate::wallet::error::Error;
use crate::wallet::key::{StepKey, Wanted};
use crate::wallet::machine::Wallet;
use crate::wallet::output::{Output, Write};
use crate::wallet::working_set::Slot;
use crate::wire;

/// A channel that goes into memory, and what the host is told of it.
struct Kept {
    channel_id: B256,
    channel: Box<Channel>,
    submitted: Option<TransactionKind>,
    outputs: Vec<Output>,
}

/// What a step does to the copy of a channel.
pub(super) type Step<'a> = dyn FnOnce(&Context<'_>, &mut Channel, &mut Effects) -> Result<(), Error> + 'a;

/// What a step does to the copies of several channels.
pub(super) type StepAll<'a> = dyn FnOnce(&Context<'_>, &mut Vec<Part>) -> Result<(), Error> + 'a;

/// What the protocol may look at, with the key that signs for `channel_id`.
macro_rules! context {
    ($wallet:expr, $key:expr, $now:expr) => {
        Context {
            key: &$key,
            chain: &$wallet.config.chain,
            domain: &$wallet.domain,
            policy: &$wallet.config.policy,
            lease: $wallet.config.lease.filter(|_| $wallet.config.spending.is_empty()),
            now: $now,
            chain_time: $wallet.chain.head_time,
            heads: &$wallet.chain.heads,
            restored_at: $wallet.restored_at,
        }
    };
}

impl Wallet {
    /// Lets `change` work on a copy of a channel, and keeps the copy if it succeeds.
    pub(super) fn step(
        &mut self,
        channel_id: B256,
        now: u64,
        change: impl FnOnce(&Context<'_>, &mut Channel, &mut Effects) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.step_by(channel_id, now, Box::new(change))
    }

    fn step_by(&mut self, channel_id: B256, now: u64, change: Box<Step<'_>>) -> Result<(), Error> {
        self.find(channel_id)?;
        self.step_all(&[channel_id], now, |context, parts| match parts.first_mut() {
            Some(Part { channel, effects, .. }) => change(context, channel, effects),
            None => Err(Error::UnknownChannel { channel_id }),
        })
    }

    /// Lets `make` build the record of a channel that is not in memory.
    pub(super) fn create(
        &mut self,
        channel_id: B256,
        now: u64,
        make: impl FnOnce(&Self, &Context<'_>, &mut Effects) -> Result<Channel, Error>,
    ) -> Result<(), Error> {
        let mut effects = Effects::default();
        let known = self.set.slots.get(&channel_id).map(|slot| &slot.known);
        let key = StepKey::new(&self.key, &self.chains, known.into_iter().collect());
        let channel = Box::new(make(self, &context!(self, key, now), &mut effects)?);
        let wanted = key.into_wanted();
        self.keep(alloc::vec![Part { channel_id, channel, effects }], &wanted, now)
    }

    /// Lets `change` work on two channels at once: both are stored, or neither. The second one may not exist yet.
    pub(super) fn step_pair(
        &mut self,
        first: B256,
        second: Option<B256>,
        now: u64,
        change: impl FnOnce(
            &Context<'_>,
            (&mut Channel, &mut Effects),
            (Option<&Channel>, &mut Effects),
        ) -> Result<Option<(B256, Channel)>, Error>,
    ) -> Result<(), Error> {
        self.find(first)?;
        let other = second.and_then(|id| self.set.slots.get(&id)).map(|slot| slot.channel.clone());
        self.step_all(&[first], now, |context, parts| {
            let Some(Part { channel, effects, .. }) = parts.first_mut() else { return Ok(()) };
            let mut effects_other = Effects::default();
            if let Some((channel_id, made)) =
                change(context, (channel, effects), (other.as_deref(), &mut effects_other))?
            {
                parts.push(Part { channel_id, channel: Box::new(made), effects: effects_other });
            }
            Ok(())
        })
    }

    /// Lets `change` work on copies of channels that are in memory: all of them are stored, or none. It may add others.
    pub(super) fn step_all(
        &mut self,
        channel_ids: &[B256],
        now: u64,
        change: impl FnOnce(&Context<'_>, &mut Vec<Part>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.step_all_by(channel_ids, now, Box::new(change))
    }

    /// One code for all steps, whatever they do.
    fn step_all_by(&mut self, channel_ids: &[B256], now: u64, change: Box<StepAll<'_>>) -> Result<(), Error> {
        let (mut parts, mut known) = (Vec::new(), Vec::new());
        for channel_id in channel_ids {
            let Some(slot) = self.set.slots.get(channel_id) else { continue };
            parts.push(Part { channel_id: *channel_id, channel: slot.channel.clone(), effects: Effects::default() });
            known.push(&slot.known);
        }
        let key = StepKey::new(&self.key, &self.chains, known);
        change(&context!(self, key, now), &mut parts)?;
        let wanted = key.into_wanted();
        self.keep(parts, &wanted, now)
    }

    /// Keeps the new records of channels and holds their effects back until all of them are stored.
    pub(super) fn keep(&mut self, parts: Vec<Part>, wanted: &[Wanted], now: u64) -> Result<(), Error> {
        let (mut kept, mut writes, mut orphans) = (Vec::new(), Vec::new(), Vec::new());
        for Part { channel_id, mut channel, effects } in parts {
            let before = self.set.slots.get(&channel_id);
            let changed = before.is_none_or(|slot| slot.channel != channel);
            let (leased, status) = (effects.leased, channel.status());
            let successor = |channel: &Channel| channel.successor.map(|successor| successor.channel_id);
            orphans
                .extend(before.and_then(|slot| successor(&slot.channel)).filter(|id| successor(&channel) != Some(*id)));
            let moved = before.is_some_and(|slot| slot.channel.facts() != channel.facts());
            let mut submitted = before.and_then(|slot| slot.submitted.filter(|_| !moved));
            let mut outputs = Vec::new();
            if before.map(|slot| slot.channel.status()) != Some(status) {
                outputs.push(Output::Notify(Event::StatusChanged { channel_id, status }));
            }
            let paid_before = before.map_or(0, |slot| slot.channel.paid());
            self.ask(channel_id, wanted, &mut outputs);
            for effect in effects {
                match effect {
                    Effect::Send(to, message) => {
                        // A message that changes nothing is one sent again, under the number that it had.
                        channel.sent = channel.sent.saturating_add(u64::from(changed));
                        let (peer, sequence) = (to.unwrap_or_else(|| channel.peer()), channel.sent);
                        outputs.extend(self.seal(peer, channel_id, sequence, *message)?);
                    }
                    Effect::Pay(payment) => outputs.push(Output::Payment {
                        channel_id,
                        serial: payment.serial(),
                        ticks: payment.ticks(),
                        amount: channel.paid().saturating_sub(paid_before),
                        cumulative_amount: channel.paid(),
                        bytes: wire::encode_payment(&payment),
                    }),
                    Effect::Submit(transaction) if submitted == Some(transaction.kind) => {}
                    Effect::Submit(Transaction {
                        kind: TransactionKind::Approve | TransactionKind::Deposit, ..
                    }) if self.chain.is_unheard(&channel_id) => {}
                    // An approval goes before the deposit that needs it, which is under way.
                    Effect::Submit(Transaction { kind: TransactionKind::Approve, .. })
                        if submitted == Some(TransactionKind::Deposit) => {}
                    Effect::Submit(transaction) => {
                        submitted = Some(transaction.kind);
                        outputs.push(Output::Submit { channel_id, transaction });
                    }
                    Effect::Notify(event) => outputs.push(Output::Notify(event)),
                }
            }
            kept.push(Kept { channel_id, channel, submitted, outputs });
            if changed && !leased {
                writes.push(channel_id);
            }
        }
        self.store(kept, &writes, now);
        for channel_id in orphans.into_iter().filter(|id| self.set.slots.contains(id)).collect::<Vec<_>>() {
            self.step(channel_id, now, |_, channel, _| {
                protocol::give_up(channel);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Puts channels in memory and asks for the writes; what follows waits for all of them.
    fn store(&mut self, kept: Vec<Kept>, written: &[B256], now: u64) {
        let (mut writes, mut held) = (Vec::new(), Vec::new());
        for Kept { channel_id, mut channel, submitted, outputs } in kept {
            let before = self.set.remove(&channel_id);
            if let Some(slot) = &before {
                self.unschedule(channel_id, slot);
            }
            channel.answer_by = self.answer_by(before.as_ref().map(|slot| &*slot.channel), &channel, now);
            if matches!(channel.status(), Status::Closed | Status::Aborted) {
                self.spending.close(&channel_id, &channel, now);
            }
            let (version, known) = before.map_or((0, Vec::new()), |slot| (slot.version, slot.known));
            let write = written.contains(&channel_id);
            // A payee forgets a channel that was never funded, once it would refuse the proposal: the payer can recover a late
            // deposit without it.
            let unfunded = channel.status() == Status::Aborted && channel.predecessor.is_none();
            let unfunded = unfunded && channel.deadline.is_none();
            let forget = write && unfunded && channel.role != Role::Payer && channel.terms.payee_deposit == 0;
            if write {
                let bytes = (!forget).then(|| channel.to_bytes());
                let wake_at = wake_at(&channel, now);
                writes.push(Write { key: channel_id, expected_version: version, bytes, wake_at });
                held.extend(outputs);
            } else {
                self.outbox.follow(channel_id, outputs);
            }
            if forget {
                // A message that is not signed yet would speak for a channel that nobody remembers.
                self.asked.retain(|_, asked| asked.channel_id != channel_id);
            } else {
                let version = version.saturating_add(u64::from(write));
                let slot = Slot { submitted, known, ..Slot::new(channel, version) };
                self.schedule(channel_id, &slot);
                self.set.insert(channel_id, slot);
            }
        }
        if !writes.is_empty() {
            writes.extend(self.spending.write());
            self.outbox.commit(writes, held);
        }
    }

    /// When the other side's silence has an end. Everything that it says gives it more time.
    pub(super) fn answer_by(&self, before: Option<&Channel>, channel: &Channel, now: u64) -> Option<u64> {
        if !protocol::awaits_peer(channel) {
            return None;
        }
        let running = before.filter(|before| before.received == channel.received).and_then(|before| before.answer_by);
        running.or_else(|| Some(now.saturating_add(self.config.policy.answer_timeout)))
    }
}

/// When a stored channel needs attention next, in seconds since 1970: a host with many channels loads only those at its
/// start.
fn wake_at(channel: &Channel, now: u64) -> Option<u64> {
    // A deposit may still be owed, or a transaction of a dispute.
    let unsettled = matches!(channel.status(), Status::Closing | Status::Withdrawing | Status::Challenged)
        || (channel.status() == Status::Signed && channel.deadline.is_none());
    let waits = unsettled || protocol::awaits_peer(channel) || !channel.deep;
    [channel.deadline, protocol::due(channel), waits.then_some(now)].into_iter().flatten().min()
}
