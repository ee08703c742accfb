//! The wallet itself: it finds the channel that an input is about, lets the protocol take the step on a copy, and
//! stores the result before anything leaves.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::channel::{Chain, Channel, Role, Status, Terms};
use crate::crypto::{SignError, Signer};
use crate::payment::VoucherDomain;
use crate::protocol::{self, Context, Effect, Effects, Event, OpenError, Policy, TransactionKind};
use crate::wallet::chain::ChainView;
use crate::wallet::error::Error;
use crate::wallet::input::{Command, Input, StoredRecord};
use crate::wallet::outbox::Outbox;
use crate::wallet::output::{Output, Write};
use crate::wire::{self, Draft, Message};
use crate::{Address, B256};

/// What a wallet is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The chain and contracts that its channels settle on.
    pub chain: Chain,
    /// Where its part of every channel is paid out: the owner's own address, padded to 32 bytes.
    pub destination: B256,
    /// What it asks of a new channel.
    pub policy: Policy,
}

/// A wallet: one channel key on one chain, and its channels.
pub struct Wallet {
    pub(super) config: Config,
    pub(super) signer: Box<dyn Signer + Send + Sync>,
    domain: VoucherDomain,
    pub(super) slots: BTreeMap<B256, Slot>,
    pub(super) loading: BTreeSet<B256>,
    pub(super) outbox: Outbox,
    pub(super) chain: ChainView,
    /// When channels that are not funded are given up, in seconds since 1970.
    pub(super) deadlines: BTreeSet<(u64, B256)>,
    /// When disputes ask for a transaction, in seconds of the chain's clock.
    pub(super) disputes: BTreeSet<(u64, B256)>,
}

/// A loaded channel.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) channel: Channel,
    version: u64,
    /// The last transaction handed out, so that it is not handed out again with every block.
    submitted: Option<TransactionKind>,
}

impl core::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Wallet")
            .field("address", &self.signer.address())
            .field("config", &self.config)
            .field("channels", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl Wallet {
    /// A wallet without channels. Feed it [`Input::Loaded`] first if the store has any.
    pub fn new(config: Config, signer: Box<dyn Signer + Send + Sync>) -> Self {
        Self {
            domain: config.chain.voucher_domain(),
            config,
            signer,
            slots: BTreeMap::new(),
            loading: BTreeSet::new(),
            outbox: Outbox::default(),
            chain: ChainView::default(),
            deadlines: BTreeSet::new(),
            disputes: BTreeSet::new(),
        }
    }

    /// The channel key's address: who this wallet is to its peers.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// What the wallet was made of.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The domain of vouchers and quotes.
    pub const fn voucher_domain(&self) -> &VoucherDomain {
        &self.domain
    }

    /// The channel key, for what is signed beside channels: quotes.
    pub fn signer(&self) -> &(dyn Signer + Send + Sync) {
        &*self.signer
    }

    /// A loaded channel.
    pub fn channel(&self, channel_id: &B256) -> Option<&Channel> {
        self.slots.get(channel_id).map(|slot| &slot.channel)
    }

    /// The loaded channels, by id.
    pub fn channels(&self) -> impl Iterator<Item = (&B256, &Channel)> {
        self.slots.iter().map(|(id, slot)| (id, &slot.channel))
    }

    /// Takes one input in at `now`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Error`] if the input is refused: then nothing has changed. A peer whose message was refused although it was
    /// properly signed is told so by an [`Output::Send`].
    pub fn handle(&mut self, input: Input, now: u64) -> Result<(), Error> {
        match input {
            Input::Command(command) => self.command(command, now),
            Input::Message(bytes) => self.message(&bytes, now),
            Input::Payment(bytes) => self.payment(&bytes, now),
            Input::Chain(update) => self.chain_update(update, now),
            Input::TransactionFailed { channel_id, kind } => self.transaction_failed(channel_id, kind),
            Input::Committed { id } => {
                if self.outbox.stored(id) {
                    Ok(())
                } else {
                    Err(Error::UnknownCommit { id })
                }
            }
            Input::CommitFailed { id } => self.commit_failed(id),
            Input::Loaded(records) => self.loaded(records),
            Input::Tick => self.tick(now),
        }
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.poll()
    }

    fn command(&mut self, command: Command, now: u64) -> Result<(), Error> {
        let chain_time = self.chain.head_time;
        match command {
            Command::OpenChannel(terms) => self.open_channel(terms, now),
            Command::Pay { channel_id, amount, memo } => self.step(channel_id, now, |context, channel, effects| {
                Ok(protocol::pay(context, channel, channel_id, (amount, memo), effects)?)
            }),
            Command::CloseChannel { channel_id } => self.step(channel_id, now, |context, channel, effects| {
                Ok(protocol::request_close(context, channel, effects)?)
            }),
            Command::LeaveChannel { channel_id } => self.step(channel_id, now, |context, channel, effects| {
                Ok(protocol::leave(context, channel, chain_time, effects)?)
            }),
            Command::AbortChannel { channel_id } => {
                self.step(channel_id, now, |_, channel, _| Ok(protocol::abort(channel, "ABORTED")?))
            }
            Command::Resume { channel_id } => self.step(channel_id, now, |context, channel, effects| {
                if let Some(message) = protocol::outstanding_message(channel) {
                    effects.send(message);
                }
                Ok(protocol::outstanding_transactions(context, channel, chain_time, effects)?)
            }),
        }
    }

    fn open_channel(&mut self, terms: Terms, now: u64) -> Result<(), Error> {
        if terms.payer_destination != self.config.destination {
            return Err(OpenError::NotOurs.into());
        }
        let channel_id = terms.channel_id();
        if self.slots.contains_key(&channel_id) {
            return Err(OpenError::Exists.into());
        }
        let mut effects = Effects::default();
        let channel = protocol::propose(&self.context(now), terms, &mut effects)?;
        self.keep(channel_id, channel, effects)
    }

    fn tick(&mut self, now: u64) -> Result<(), Error> {
        while let Some(&(deadline, channel_id)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, channel_id));
            self.step(channel_id, now, |_, channel, _| {
                protocol::expire(channel, now);
                Ok(())
            })?;
        }
        self.wake();
        Ok(())
    }

    fn transaction_failed(&mut self, channel_id: B256, kind: TransactionKind) -> Result<(), Error> {
        let slot = self.slots.get_mut(&channel_id).ok_or(Error::UnknownChannel { channel_id })?;
        // An approval is followed by the deposit that needs it, which is then not sent either.
        if slot.submitted == Some(kind) || kind == TransactionKind::Approve {
            slot.submitted = None;
        }
        Ok(())
    }

    fn commit_failed(&mut self, id: u64) -> Result<(), Error> {
        let channel_id = self.outbox.failed(id).ok_or(Error::UnknownCommit { id })?;
        if let Some(slot) = self.slots.remove(&channel_id) {
            self.unschedule(channel_id, &slot.channel);
        }
        self.loading.insert(channel_id);
        self.outbox.push(Output::Notify(Event::CommitFailed { channel_id }));
        self.outbox.push(Output::Load { keys: alloc::vec![channel_id] });
        Ok(())
    }

    fn loaded(&mut self, records: Vec<StoredRecord>) -> Result<(), Error> {
        // All are read before any is kept, so that an error changes nothing.
        let mut channels = Vec::new();
        for StoredRecord { key, version, bytes } in records {
            let channel = bytes.map(|bytes| Channel::from_bytes(key, &bytes)).transpose()?;
            let ours = |channel: &Channel| channel.terms.key_of(channel.role);
            if channel.as_ref().is_some_and(|channel| ours(channel) != self.signer.address()) {
                return Err(Error::ForeignRecord { channel_id: key });
            }
            channels.push((key, version, channel));
        }
        for (key, version, channel) in channels {
            self.loading.remove(&key);
            // What is in memory is never older than the store, unless a commit failed: then it was dropped.
            if let (Some(channel), false) = (channel, self.slots.contains_key(&key)) {
                self.schedule(key, &channel);
                if matches!(channel.status(), Status::Closing | Status::Challenged) {
                    // What it owes the chain may not have been sent: look after the next update, whatever its time is.
                    self.disputes.insert((0, key));
                }
                self.slots.insert(key, Slot { channel, version, submitted: None });
            }
        }
        Ok(())
    }

    /// Lets `change` work on a copy of a channel, and keeps the copy if it succeeds.
    pub(super) fn step(
        &mut self,
        channel_id: B256,
        now: u64,
        change: impl FnOnce(&Context<'_>, &mut Channel, &mut Effects) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.loading.contains(&channel_id) {
            return Err(Error::Loading { channel_id });
        }
        let slot = self.slots.get(&channel_id).ok_or(Error::UnknownChannel { channel_id })?;
        let mut channel = slot.channel.clone();
        let mut effects = Effects::default();
        change(&self.context(now), &mut channel, &mut effects)?;
        self.keep(channel_id, channel, effects)
    }

    /// Keeps the new record of a channel and holds its effects back until it is stored.
    pub(super) fn keep(&mut self, channel_id: B256, mut channel: Channel, effects: Effects) -> Result<(), Error> {
        let before = self.slots.get(&channel_id);
        let changed = before.is_none_or(|slot| slot.channel != channel);
        let status = channel.status();
        let paid_before = before.map_or(0, |slot| slot.channel.cumulative_amount());
        let mut submitted = before.and_then(|slot| slot.submitted.filter(|_| !arrived(&slot.channel, &channel)));
        let mut outputs = Vec::new();
        if before.map(|slot| slot.channel.status()) != Some(status) {
            outputs.push(Output::Notify(Event::StatusChanged { channel_id, status }));
        }
        for effect in effects {
            outputs.push(match effect {
                Effect::Send(message) => {
                    // A message that changes nothing is one sent again, under the number that it had.
                    channel.sent = channel.sent.saturating_add(u64::from(changed));
                    let peer = channel.peer();
                    Output::Send { peer, channel_id, bytes: self.seal(peer, channel_id, channel.sent, message)? }
                }
                Effect::Pay(payment) => Output::Payment {
                    channel_id,
                    serial: payment.voucher.serial,
                    amount: payment.voucher.cumulative_amount.saturating_sub(paid_before),
                    cumulative_amount: payment.voucher.cumulative_amount,
                    bytes: wire::encode_payment(&payment),
                },
                Effect::Submit(transaction) if submitted == Some(transaction.kind) => continue,
                Effect::Submit(transaction) => {
                    submitted = Some(transaction.kind);
                    Output::Submit { channel_id, transaction }
                }
                Effect::Notify(event) => Output::Notify(event),
            });
        }
        if !changed {
            if let Some(slot) = self.slots.get_mut(&channel_id) {
                slot.submitted = submitted;
            }
            self.outbox.follow(channel_id, outputs);
            return Ok(());
        }
        let version = match self.slots.remove(&channel_id) {
            Some(slot) => {
                self.unschedule(channel_id, &slot.channel);
                slot.version
            }
            None => 0,
        };
        // A payee forgets a channel that was never funded: the payer can recover a late deposit without it.
        let forget = status == Status::Aborted && channel.role == Role::Payee;
        let bytes = (!forget).then(|| channel.to_bytes());
        self.outbox.commit(Write { key: channel_id, expected_version: version, bytes }, outputs);
        if !forget {
            self.schedule(channel_id, &channel);
            let version = version.saturating_add(1);
            self.slots.insert(channel_id, Slot { channel, version, submitted });
        }
        Ok(())
    }

    fn schedule(&mut self, channel_id: B256, channel: &Channel) {
        if let Some(deadline) = channel.deadline {
            self.deadlines.insert((deadline, channel_id));
            if self.deadlines.first() == Some(&(deadline, channel_id)) {
                self.wake();
            }
        }
        if let Some(due) = protocol::due(channel) {
            self.disputes.insert((due, channel_id));
        }
    }

    fn unschedule(&mut self, channel_id: B256, channel: &Channel) {
        if let Some(deadline) = channel.deadline {
            self.deadlines.remove(&(deadline, channel_id));
        }
        if let Some(due) = protocol::due(channel) {
            self.disputes.remove(&(due, channel_id));
        }
    }

    fn wake(&mut self) {
        if let Some(&(deadline, _)) = self.deadlines.first() {
            self.outbox.push(Output::WakeAt(deadline));
        }
    }

    pub(super) fn seal(
        &self,
        peer: Address,
        channel_id: B256,
        sequence: u64,
        message: Message,
    ) -> Result<Vec<u8>, SignError> {
        Draft::new(self.signer.address(), peer, channel_id, sequence, message).seal(&*self.signer)
    }

    pub(super) fn context(&self, now: u64) -> Context<'_> {
        Context {
            signer: &*self.signer,
            chain: &self.config.chain,
            domain: &self.domain,
            policy: &self.config.policy,
            now,
        }
    }
}

/// Whether the chain answered what we submitted for a dispute: our challenge stands, or one was cleared.
fn arrived(before: &Channel, after: &Channel) -> bool {
    let ours = |channel: &Channel| channel.dispute.as_ref().is_some_and(|dispute| dispute.ours);
    before.dispute != after.dispute && (ours(after) || after.dispute.is_none())
}
