//! The driver: feeds a core and has its outputs carried out by the host.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

use crate::core::{Core, payment_channel};
use crate::error::MillstreamError;
use crate::host::{Chain, HostFailure, Listener, Payment, Store, Transport};
use crate::input::{ChainUpdate, Command, Input, OpenTerms, TransactionKind};
use crate::output::{Output, Transaction, Write};
use crate::values::{Address, Amount, Bytes32};

/// A wallet that is driven: every call takes one step of its core, then has what follows carried out by the host.
///
/// Calls may come from any thread, also from inside the host's own methods. One thread at a time carries out, in order; a
/// call that finds another at it returns at once and leaves its outputs to that one. Times are seconds since 1970.
#[derive(uniffi::Object)]
pub struct Wallet {
    core: Arc<Core>,
    store: Arc<dyn Store>,
    transport: Arc<dyn Transport>,
    chain: Arc<dyn Chain>,
    listener: Arc<dyn Listener>,
    /// Held by the thread that carries out: the records that could not be read again yet.
    turn: Mutex<BTreeSet<Bytes32>>,
    /// Whether there may be outputs that nobody has looked at yet.
    asked: AtomicBool,
    /// Whether to try again to read what could not be read.
    reread: AtomicBool,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet").field("core", &self.core).finish_non_exhaustive()
    }
}

#[uniffi::export]
impl Wallet {
    /// Starts to drive `core`: reads its channels from the store. From now on nothing else may feed the core; what it
    /// knows may be asked of it at any time.
    ///
    /// Errors: `STORE_FAILED`; `RECORD_...` if the store is damaged or belongs to another key.
    #[uniffi::constructor]
    pub fn new(
        core: Arc<Core>,
        store: Arc<dyn Store>,
        transport: Arc<dyn Transport>,
        chain: Arc<dyn Chain>,
        listener: Arc<dyn Listener>,
        now: u64,
    ) -> Result<Arc<Self>, MillstreamError> {
        let records = store.load_all().map_err(|error| MillstreamError::new(error.code(), error.to_string()))?;
        core.handle(Input::Loaded { records }, now)?;
        let (turn, asked, reread) = (Mutex::default(), AtomicBool::new(false), AtomicBool::new(false));
        let wallet = Self { core, store, transport, chain, listener, turn, asked, reread };
        wallet.tick(now)?;
        Ok(Arc::new(wallet))
    }

    /// The machine that is driven: for its address, its channels and quotes.
    pub fn core(&self) -> Arc<Core> {
        self.core.clone()
    }

    /// Payer: proposes a channel. Returns its id.
    ///
    /// Errors: those of arguments; `TERMS_...`, `POLICY_...`, `CHANNEL_EXISTS`.
    pub fn open_channel(&self, terms: OpenTerms, now: u64) -> Result<Bytes32, MillstreamError> {
        let opened = self.core.open_channel(terms, now);
        self.carry_out(now);
        opened
    }

    /// Payer: signs a voucher for `amount` more base units, which goes to `Transport.pay` once it is stored; `memo` is the
    /// hash of the quote paid for, or zero.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `CHANNEL_NOT_OPEN`, `INSUFFICIENT_BALANCE`, `PAY_...`.
    pub fn pay(&self, channel_id: Bytes32, amount: Amount, memo: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Pay { channel_id, amount, memo }, now)
    }

    /// Closes together with the other side.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `CHANNEL_WRONG_STATUS`.
    pub fn close_channel(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::CloseChannel { channel_id }, now)
    }

    /// Leaves without the other side.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `CHANNEL_WRONG_STATUS`, `LEAVE_...`.
    pub fn leave_channel(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::LeaveChannel { channel_id }, now)
    }

    /// Gives up a channel before it is funded.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `CHANNEL_WRONG_STATUS`.
    pub fn abort_channel(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::AbortChannel { channel_id }, now)
    }

    /// Sends again what the other side or the chain may still wait for.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`.
    pub fn resume(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Resume { channel_id }, now)
    }

    /// Takes in a message of a peer. A refusal of one that was properly signed is sent to the peer as well.
    ///
    /// Errors: `MESSAGE_...`, and the code of whatever the message asked for.
    pub fn message(&self, bytes: Vec<u8>, now: u64) -> Result<(), MillstreamError> {
        self.take(Input::Message { bytes }, now)
    }

    /// Payee: takes in a payment. Returns the id of its channel; that it is stored, an event says.
    ///
    /// Errors: `UNKNOWN_CHANNEL`, `CHANNEL_NOT_OPEN`, `VOUCHER_...`, `SIGNATURE_...`, `MESSAGE_...`.
    pub fn payment(&self, bytes: Vec<u8>, now: u64) -> Result<Bytes32, MillstreamError> {
        // Decoded twice: it costs a hundredth of checking the signature.
        let channel_id = payment_channel(&bytes)?;
        self.take(Input::Payment { bytes }, now)?;
        Ok(channel_id)
    }

    /// Takes in what happened on the chain.
    ///
    /// Errors: those of arguments.
    pub fn chain_update(&self, update: ChainUpdate, now: u64) -> Result<(), MillstreamError> {
        self.take(Input::Chain { update }, now)
    }

    /// A transaction failed after `Chain.submit` took it.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`.
    pub fn transaction_failed(
        &self,
        channel_id: Bytes32,
        kind: TransactionKind,
        now: u64,
    ) -> Result<(), MillstreamError> {
        self.take(Input::TransactionFailed { channel_id, kind }, now)
    }

    /// Time went on. Also reads again the records that could not be read.
    ///
    /// Errors: `CORE_TRAPPED`, after a defect.
    pub fn tick(&self, now: u64) -> Result<(), MillstreamError> {
        self.reread.store(true, Ordering::SeqCst);
        self.take(Input::Tick, now)
    }
}

impl Wallet {
    fn command(&self, command: Command, now: u64) -> Result<(), MillstreamError> {
        self.take(Input::Command { command }, now)
    }

    fn take(&self, input: Input, now: u64) -> Result<(), MillstreamError> {
        let taken = self.core.handle(input, now);
        // Also after a refusal: it may leave an answer for the peer.
        self.carry_out(now);
        taken
    }

    /// Carries out what the core asks, unless somebody is at it, who then goes on.
    fn carry_out(&self, now: u64) {
        self.asked.store(true, Ordering::SeqCst);
        // Looked at again after each turn: who found it taken meanwhile has left, and relies on it.
        while self.asked.load(Ordering::SeqCst) {
            let mut unread = match self.turn.try_lock() {
                Ok(unread) => unread,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.asked.store(false, Ordering::SeqCst);
            if self.reread.swap(false, Ordering::SeqCst) && !unread.is_empty() {
                let keys = std::mem::take(&mut *unread).into_iter().collect();
                self.load(keys, &mut unread, now);
            }
            let mut unapproved = None;
            while let Ok(Some(output)) = self.core.poll_output() {
                match output {
                    Output::Commit { id, writes } => self.commit(id, writes, now),
                    Output::Load { keys } => self.load(keys, &mut unread, now),
                    Output::Send { peer, channel_id, bytes } => {
                        let sent = self.transport.send(peer, channel_id, bytes);
                        self.check("PEER_UNREACHABLE", Some(channel_id), sent);
                    }
                    Output::Payment { channel_id, serial, amount, cumulative_amount, bytes } => {
                        self.pay_peer(Payment { channel_id, serial, amount, cumulative_amount, bytes });
                    }
                    // A deposit directly follows the approval that it needs.
                    Output::Submit { channel_id, .. } if unapproved == Some(channel_id) => unapproved = None,
                    Output::Submit { channel_id, transaction } => {
                        let kind = transaction.kind;
                        if !self.submit(channel_id, transaction, now) && kind == TransactionKind::Approve {
                            unapproved = Some(channel_id);
                        }
                    }
                    Output::Notify { event } => drop(self.listener.event(event)),
                    Output::WakeAt { time } => drop(self.listener.wake_at(time)),
                    Output::Unknown => {}
                }
            }
        }
    }

    fn commit(&self, id: u64, writes: Vec<Write>, now: u64) {
        let channel_id = writes.first().map(|write| write.key);
        let input = match self.store.commit(writes) {
            Ok(()) => Input::Committed { id },
            Err(error) => {
                self.fail(error.code(), channel_id, error.to_string());
                Input::CommitFailed { id }
            }
        };
        self.feed(channel_id, input, now);
    }

    fn load(&self, keys: Vec<Bytes32>, unread: &mut BTreeSet<Bytes32>, now: u64) {
        let channel_id = keys.first().copied();
        match self.store.load(keys.clone()) {
            Ok(records) => self.feed(channel_id, Input::Loaded { records }, now),
            Err(error) => {
                unread.extend(keys);
                self.fail(error.code(), channel_id, error.to_string());
            }
        }
    }

    fn pay_peer(&self, payment: Payment) {
        let channel_id = payment.channel_id;
        // There is a channel: its payment has just been stored.
        let peer = self.core.channel(channel_id).ok().flatten().map_or(Address::ZERO, |channel| channel.peer);
        let paid = self.transport.pay(peer, payment);
        self.check("PEER_UNREACHABLE", Some(channel_id), paid);
    }

    /// Whether the host took the transaction.
    fn submit(&self, channel_id: Bytes32, transaction: Transaction, now: u64) -> bool {
        let kind = transaction.kind;
        let submitted = self.check("TRANSACTION_FAILED", Some(channel_id), self.chain.submit(channel_id, transaction));
        if !submitted {
            self.feed(Some(channel_id), Input::TransactionFailed { channel_id, kind }, now);
        }
        submitted
    }

    /// Tells the core what became of something that it asked for.
    fn feed(&self, channel_id: Option<Bytes32>, input: Input, now: u64) {
        if let Err(MillstreamError::Refused { code, reason }) = self.core.handle(input, now) {
            self.fail(&code, channel_id, reason);
        }
    }

    /// Whether the host did its part; if not, the listener is told.
    fn check<E: std::fmt::Display>(&self, code: &str, channel_id: Option<Bytes32>, done: Result<(), E>) -> bool {
        match done {
            Ok(()) => true,
            Err(error) => {
                self.fail(code, channel_id, error.to_string());
                false
            }
        }
    }

    fn fail(&self, code: &str, channel_id: Option<Bytes32>, reason: String) {
        // There is nobody left to tell if the listener fails.
        drop(self.listener.failed(HostFailure { code: code.to_owned(), reason, channel_id }));
    }
}
