//! The driver: feeds a core and has its outputs carried out by the host.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use millstream_core::wallet::{Error, Input as CoreInput};

use crate::channel::ChannelInfo;
use crate::config::OpenTerms;
use crate::core::{Core, payment_channel};
use crate::error::MillstreamError;
use crate::host::{Chain, HostFailure, Listener, Payment, SignerError, Store, StoreError, Transport};
use crate::input::{ChainUpdate, Command, Input, Purchase, StoredRecord, TransactionKind};
use crate::output::{Output, Purpose, Transaction, Write};
use crate::values::{Amount, Bytes32};

/// How often an input is fed at most until the channels that it names are in memory: it names two, and others may push
/// them out again meanwhile.
const MAX_FEEDS: usize = 8;

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
    /// Held from reading a record until the core has it: none comes in that was read before a newer one was written.
    reading: Mutex<()>,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet").field("core", &self.core).finish_non_exhaustive()
    }
}

#[uniffi::export]
impl Wallet {
    /// Starts to drive `core` with the records that the store has. From now on nothing else may feed the core; what it
    /// knows may be asked of it at any time. After a restart, `resume` each channel that is not settled.
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
        let records = store.load_all().map_err(|error| store_failed(&error))?;
        core.handle(Input::Loaded { records }, now)?;
        let (turn, reading) = (Mutex::default(), Mutex::default());
        let (asked, reread) = (AtomicBool::new(false), AtomicBool::new(false));
        let wallet = Self { core, store, transport, chain, listener, turn, asked, reread, reading };
        wallet.tick(now)?;
        Ok(Arc::new(wallet))
    }

    /// The machine that is driven: for its address, its loaded channels and quotes.
    pub fn core(&self) -> Arc<Core> {
        self.core.clone()
    }

    /// What is known about a channel; it is loaded if need be.
    ///
    /// Errors: those of arguments; `STORE_FAILED`, `RECORD_...`.
    pub fn channel(&self, channel_id: Bytes32, now: u64) -> Result<Option<ChannelInfo>, MillstreamError> {
        let found = self.find(channel_id, now);
        self.carry_out(now);
        found
    }

    /// Payer: proposes a channel. Returns its id.
    ///
    /// Errors: those of arguments; `TERMS_...`, `POLICY_...`, `CHANNEL_EXISTS`.
    pub fn open_channel(&self, terms: OpenTerms, now: u64) -> Result<Bytes32, MillstreamError> {
        let opened = self.core.open_channel(terms, now);
        self.carry_out(now);
        opened
    }

    /// Pays `amount` more base units: the payer in a stream, either side in a ledger. A voucher goes to `Transport.pay`
    /// once it is stored. `ticks` says for how many more payments of the same amount and memo to prepare: they need no
    /// signature and no write. Where a rule of the owner asks, `Listener.asked` is called first.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `CHANNEL_NOT_OPEN`, `INSUFFICIENT_BALANCE`, `PAY_...`, `UPDATE_...`,
    /// `SPEND_...`.
    /// Every call that names a channel may also fail with `STORE_FAILED` or `RECORD_...`, if it has to be loaded.
    #[uniffi::method(default(ticks = 0))]
    pub fn pay(
        &self,
        channel_id: Bytes32,
        amount: Amount,
        purchase: Purchase,
        now: u64,
        ticks: u8,
    ) -> Result<(), MillstreamError> {
        self.command(Command::Pay { channel_id, amount, purchase, ticks }, now)
    }

    /// The owner answered the question `id` of `Listener.asked`: with a yes the payment is made.
    ///
    /// Errors: those of `pay`; `UNKNOWN_QUESTION`.
    pub fn answer(&self, id: u64, granted: bool, now: u64) -> Result<(), MillstreamError> {
        self.take(Input::Answered { id, granted }, now)
    }

    /// Stops all payments at once, or lets them go on: until then each is refused with `SPEND_HELD`. It is not stored.
    pub fn hold(&self, held: bool, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Hold { held }, now)
    }

    /// Stores what was paid and is not stored yet: for the last moment before a stop. The next start then need not ask the
    /// other side how far this one got.
    pub fn settle(&self, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Settle, now)
    }

    /// Payer: raises its part by `amount` base units. Both sign, then the deposit goes to `Chain.submit`.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `UPDATE_...`.
    pub fn top_up(&self, channel_id: Bytes32, amount: Amount, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::TopUp { channel_id, amount }, now)
    }

    /// Makes what was paid part of a new base, on which vouchers start again.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `UPDATE_...`.
    pub fn fold(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Fold { channel_id }, now)
    }

    /// Payee: gives `amount` base units back to the payer.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `UPDATE_...`.
    pub fn give_back(&self, channel_id: Bytes32, amount: Amount, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::GiveBack { channel_id, amount }, now)
    }

    /// Takes `amount` base units of this side out with one transaction; the rest goes on in a successor, which
    /// `ChannelInfo.successor` and the event `Succeeded` name.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `WITHDRAW_...`.
    pub fn withdraw(&self, channel_id: Bytes32, amount: Amount, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Withdraw { channel_id, amount }, now)
    }

    /// Puts the best state on chain while the channel goes on.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `LEAVE_...`.
    pub fn snapshot(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Snapshot { channel_id }, now)
    }

    /// Answers a challenge with a newer state, after which the channel goes on; takes a decision to leave back.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`, `LEAVE_...`.
    pub fn clear_challenge(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::ClearChallenge { channel_id }, now)
    }

    /// Asks whether the other side is there: the event `PeerAlive` answers.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`.
    pub fn ping(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Ping { channel_id }, now)
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

    /// Sends again what the other side or the chain may still wait for, and asks again for what was not signed.
    ///
    /// Errors: those of arguments; `UNKNOWN_CHANNEL`.
    pub fn resume(&self, channel_id: Bytes32, now: u64) -> Result<(), MillstreamError> {
        self.command(Command::Resume { channel_id }, now)
    }

    /// Takes in the records of a backup that the store does not have. Their channels are `DISCONNECTED` until the other
    /// sides, which are asked at once and again by `resume`, have said how far they got; until then nothing is signed.
    ///
    /// Errors: `RECORD_...` if a record is damaged or belongs to another key; then none is taken. `STORE_FAILED`.
    pub fn restore(&self, records: Vec<StoredRecord>, now: u64) -> Result<(), MillstreamError> {
        // The core leaves alone what it has in memory.
        self.read(records.iter().map(|record| record.key).collect(), now)?;
        self.take(Input::Restore { records }, now)
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
        let taken = self.feed(input, now);
        // Also after a refusal: it may leave an answer for the peer.
        self.carry_out(now);
        taken
    }

    /// Feeds the core. A channel that the input names and that is not in memory is read, and the input fed again: at once,
    /// because whoever carries out may be the caller further up, or busy for long.
    fn feed(&self, input: Input, now: u64) -> Result<(), MillstreamError> {
        let input = CoreInput::from(input);
        for _ in 1..MAX_FEEDS {
            match self.core.take(input.clone(), now)? {
                Err(Error::Loading { channel_id }) => self.read(vec![channel_id], now)?,
                taken => return Ok(taken?),
            }
        }
        Ok(self.core.take(input, now)??)
    }

    /// Gives the core the records under `keys`.
    fn read(&self, keys: Vec<Bytes32>, now: u64) -> Result<(), MillstreamError> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let records = self.store.load(keys).map_err(|error| store_failed(&error))?;
        self.core.handle(Input::Loaded { records }, now)
    }

    fn find(&self, channel_id: Bytes32, now: u64) -> Result<Option<ChannelInfo>, MillstreamError> {
        if let Some(channel) = self.core.channel(channel_id)? {
            return Ok(Some(channel));
        }
        self.read(vec![channel_id], now)?;
        self.core.channel(channel_id)
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
                    Output::Sign { channel_id, digest, purpose } => self.sign(channel_id, digest, purpose, now),
                    Output::Send { peer, channel_id, bytes } => {
                        let sent = self.transport.send(peer, channel_id, bytes);
                        self.check("PEER_UNREACHABLE", Some(channel_id), sent);
                    }
                    Output::Payment { channel_id, serial, ticks, amount, cumulative_amount, bytes } => {
                        self.pay_peer(Payment { channel_id, serial, ticks, amount, cumulative_amount, bytes }, now);
                    }
                    Output::Ask { id, channel_id, question } => {
                        drop(self.listener.asked(id, channel_id, question));
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
        self.tell(channel_id, input, now);
    }

    fn load(&self, mut keys: Vec<Bytes32>, unread: &mut BTreeSet<Bytes32>, now: u64) {
        // Some were read by the call that needed them.
        keys.retain(|key| !matches!(self.core.channel(*key), Ok(Some(_))));
        let Some(channel_id) = keys.first().copied() else { return };
        if let Err(MillstreamError::Refused { code, reason }) = self.read(keys.clone(), now) {
            unread.extend(keys);
            self.fail(&code, Some(channel_id), reason);
        }
    }

    fn sign(&self, channel_id: Bytes32, digest: Bytes32, purpose: Purpose, now: u64) {
        // A core without a signer signs by itself.
        let Some(signer) = self.core.signer() else { return };
        match signer.sign(digest, purpose) {
            Ok(signature) => self.tell(Some(channel_id), Input::Signed { digest, signature }, now),
            Err(SignerError::Refused { .. }) => self.tell(Some(channel_id), Input::SignRefused { digest }, now),
            Err(SignerError::Failed { reason }) => self.fail("SIGNER_FAILED", Some(channel_id), reason),
        }
    }

    fn pay_peer(&self, payment: Payment, now: u64) {
        let channel_id = payment.channel_id;
        match self.find(channel_id, now) {
            Ok(Some(channel)) => {
                let paid = self.transport.pay(channel.peer, payment);
                self.check("PEER_UNREACHABLE", Some(channel_id), paid);
            }
            Ok(None) => self.fail("UNKNOWN_CHANNEL", Some(channel_id), "the payment's channel is gone".to_owned()),
            Err(MillstreamError::Refused { code, reason }) => self.fail(&code, Some(channel_id), reason),
        }
    }

    /// Whether the host took the transaction.
    fn submit(&self, channel_id: Bytes32, transaction: Transaction, now: u64) -> bool {
        let kind = transaction.kind;
        let submitted = self.check("TRANSACTION_FAILED", Some(channel_id), self.chain.submit(channel_id, transaction));
        if !submitted {
            self.tell(Some(channel_id), Input::TransactionFailed { channel_id, kind }, now);
        }
        submitted
    }

    /// Tells the core what became of something that it asked for.
    fn tell(&self, channel_id: Option<Bytes32>, input: Input, now: u64) {
        if let Err(MillstreamError::Refused { code, reason }) = self.feed(input, now) {
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

fn store_failed(error: &StoreError) -> MillstreamError {
    MillstreamError::new(error.code(), error.to_string())
}
