//! The wallet itself: what it is made of, and where each input goes.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::channel::{Chain, Channel};
use crate::crypto::Signer;
use crate::map::{Map, Set};
use crate::payment::VoucherDomain;
use crate::protocol::{self, LeaseTerms, Policy, SpendRule, TransactionKind};
use crate::wallet::chain::ChainView;
use crate::wallet::error::Error;
use crate::wallet::input::Input;
use crate::wallet::key::{Key, TickChains};
use crate::wallet::outbox::Outbox;
use crate::wallet::output::Output;
use crate::wallet::signing::Asked;
use crate::wallet::spending::{SPEND_LOG_KEY, Spending};
use crate::wallet::working_set::WorkingSet;
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
    /// How much it may sign as payer with one write. `None`: every payment is stored before it leaves.
    ///
    /// With a lease most payments need no write. After a restart the payer has to ask the payee how far it got, because
    /// nobody else knows.
    pub lease: Option<LeaseTerms>,
    /// What the owner lets it pay. Empty: anything. With rules every payment but a tick is stored before it leaves, whatever
    /// the lease.
    pub spending: Vec<SpendRule>,
    /// How many idle channels stay in memory, at least two. The others are loaded when they are named.
    pub max_loaded: usize,
}

impl Config {
    /// Default policy, no lease, no spend rules, a thousand channels in memory.
    pub fn new(chain: Chain, destination: B256) -> Self {
        Self { chain, destination, policy: Policy::default(), lease: None, spending: Vec::new(), max_loaded: 1_000 }
    }
}

/// A wallet: one channel key on one chain, and its channels.
pub struct Wallet {
    pub(super) config: Config,
    pub(super) key: Key,
    pub(super) chains: RefCell<TickChains>,
    pub(super) domain: VoucherDomain,
    pub(super) set: WorkingSet,
    pub(super) outbox: Outbox,
    pub(super) spending: Spending,
    pub(super) chain: ChainView,
    /// Whether storing failed since the last chain update: what has to be taken in waits for the next one, so that a store
    /// that is full is not asked without end.
    pub(super) storing_failed: bool,
    /// When the wallet was restored from a backup, if it was, in seconds since 1970.
    pub(super) restored_at: Option<u64>,
    /// Signatures that an outside signer was asked for, by digest.
    pub(super) asked: Map<B256, Box<Asked>>,
    /// When channels that are not funded are given up, in seconds since 1970.
    pub(super) deadlines: Set<(u64, B256)>,
    /// When the silence of the other side has an end, in seconds since 1970.
    pub(super) answers: Set<(u64, B256)>,
    /// Channels whose last event of the chain is not deep yet, by its block.
    pub(super) shallow: Set<(u64, B256)>,
    /// When disputes ask for a transaction, in seconds of the chain's clock.
    pub(super) disputes: Set<(u64, B256)>,
    /// Virtual channels, and ledgers of some, that have something to do once the records on their way are loaded.
    pub(super) unadvanced: Set<B256>,
    /// Ledgers whose queue has no room, with the virtual channels that wait for it.
    pub(super) busy: Map<B256, Vec<B256>>,
}

impl core::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Wallet")
            .field("address", &self.key.address())
            .field("config", &self.config)
            .field("loaded", &self.set.slots.len())
            .finish_non_exhaustive()
    }
}

impl Wallet {
    /// A wallet that signs with a key at hand. It has no channels yet: feed it [`Input::Loaded`] with those that the
    /// store says need attention; the others it asks for when they are named.
    pub fn new(config: Config, signer: Box<dyn Signer + Send + Sync>) -> Self {
        Self::with_key(config, Key::Local(signer))
    }

    /// A wallet whose key is elsewhere: it asks for each signature with [`Output::Sign`].
    pub fn with_external_signer(config: Config, address: Address) -> Self {
        Self::with_key(config, Key::External(address))
    }

    fn with_key(config: Config, key: Key) -> Self {
        Self {
            domain: config.chain.voucher_domain(),
            config,
            key,
            chains: RefCell::default(),
            set: WorkingSet::default(),
            outbox: Outbox::default(),
            spending: Spending::default(),
            chain: ChainView::default(),
            storing_failed: false,
            restored_at: None,
            asked: Map::default(),
            deadlines: Set::default(),
            answers: Set::default(),
            shallow: Set::default(),
            disputes: Set::default(),
            unadvanced: Set::default(),
            busy: Map::default(),
        }
    }

    /// The channel key's address: who this wallet is to its peers.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// What the wallet was made of.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The domain of vouchers and quotes.
    pub const fn voucher_domain(&self) -> &VoucherDomain {
        &self.domain
    }

    /// The channel key, for what is signed beside channels: quotes. `None` if the key is elsewhere.
    pub fn signer(&self) -> Option<&(dyn Signer + Send + Sync)> {
        match &self.key {
            Key::Local(signer) => Some(&**signer),
            Key::External(_) => None,
        }
    }

    /// A channel, if it is loaded.
    pub fn channel(&self, channel_id: &B256) -> Option<&Channel> {
        self.set.slots.get(channel_id).map(|slot| &*slot.channel)
    }

    /// The loaded channels, by id.
    pub fn channels(&self) -> impl Iterator<Item = (&B256, &Channel)> {
        self.set.slots.iter().map(|(id, slot)| (id, &*slot.channel))
    }

    /// Takes one input in at `now`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Error`] if the input is refused: then nothing has changed. A peer whose message was refused although it was
    /// properly signed is told so by an [`Output::Send`]. After [`Error::Loading`] the host carries out the
    /// [`Output::Load`] and feeds the same input again.
    pub fn handle(&mut self, input: Input, now: u64) -> Result<(), Error> {
        let result = match input {
            Input::Command(command) => self.command(command, now),
            Input::Message(bytes) => self.message(&bytes, now),
            Input::Payment(bytes) => self.payment(&bytes, now),
            Input::Chain(update) => self.chain_update(update, now),
            Input::TransactionFailed { channel_id, kind } => self.transaction_failed(channel_id, kind),
            Input::Committed { id } => self.committed(id),
            Input::CommitFailed { id } => self.commit_failed(id),
            Input::Loaded(records) => self.loaded(records, now),
            Input::Restore(records) => self.restore(records, now),
            Input::Signed { digest, signature } => self.signed(digest, &signature, now),
            Input::SignRefused { digest } => self.sign_refused(digest, now),
            Input::Answered { id, granted } => self.answered(id, granted, now),
            Input::Tick => self.tick(now),
        };
        self.trim(now);
        result
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.poll()
    }

    /// Does what the clock asks for. One channel never keeps another waiting.
    fn tick(&mut self, now: u64) -> Result<(), Error> {
        let mut result = Ok(());
        for channel_id in take_due(&mut self.deadlines, now) {
            result = result.and(self.expire(channel_id, now));
        }
        for channel_id in take_due(&mut self.answers, now) {
            if let Some(slot) = self.set.slots.get_mut(&channel_id) {
                slot.channel.answer_by = None;
            }
            result = result.and(self.unanswered(channel_id, now));
        }
        if let Some(time) = self.wake_at() {
            self.outbox.push(Output::WakeAt(time));
        }
        result
    }

    fn transaction_failed(&mut self, channel_id: B256, kind: TransactionKind) -> Result<(), Error> {
        // A channel that was dropped from memory has forgotten what it submitted.
        let Some(slot) = self.set.slots.get_mut(&channel_id) else { return Ok(()) };
        // An approval is followed by the deposit that needs it, which is then not sent either.
        if slot.submitted == Some(kind) || kind == TransactionKind::Approve {
            slot.submitted = None;
        }
        Ok(())
    }

    /// Lets go what waited for a commit.
    fn committed(&mut self, id: u64) -> Result<(), Error> {
        let channels = self.outbox.stored(id).ok_or(Error::UnknownCommit { id })?;
        for channel_id in channels {
            if !self.outbox.is_waiting(&channel_id) {
                self.chain.stored(&channel_id);
            }
        }
        Ok(())
    }

    /// Drops what stood on writes that failed, and loads what the store has instead.
    fn commit_failed(&mut self, id: u64) -> Result<(), Error> {
        let failed = self.outbox.failed(id).ok_or(Error::UnknownCommit { id })?;
        self.storing_failed = true;
        for channel_id in failed {
            if channel_id == SPEND_LOG_KEY {
                self.spending.lose();
                self.load(channel_id);
                continue;
            }
            if let Some(slot) = self.set.remove(&channel_id) {
                self.unschedule(channel_id, &slot);
            }
            self.asked.retain(|_, asked| asked.channel_id != channel_id);
            self.chain.not_stored(channel_id);
            self.outbox.push(Output::Notify(protocol::Event::CommitFailed { channel_id }));
            self.load(channel_id);
        }
        Ok(())
    }
}

/// Takes the entries out whose time has come.
fn take_due(timers: &mut Set<(u64, B256)>, now: u64) -> Vec<B256> {
    let mut due = Vec::new();
    while timers.keys().next().is_some_and(|(time, _)| *time <= now) {
        due.extend(timers.pop_first().map(|((_, channel_id), ())| channel_id));
    }
    due
}
