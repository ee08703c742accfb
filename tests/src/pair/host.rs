//! A host in memory: a wallet, its store, its account, and what it has on the way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use alloy_primitives::{Address, B256};
use millstream_core::channel::Channel;
use millstream_core::crypto::Signer;
use millstream_core::payment::Voucher;
use millstream_core::protocol::{Event, Transaction};
use millstream_core::wallet::{Config, Error, Input, Output, StoredRecord, Wallet, Write};

use super::audit::Audit;
use super::signer::CachingSigner;

/// What travels between hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// A message, by whatever transport.
    Message(Vec<u8>),
    /// A payment.
    Payment(Vec<u8>),
}

/// A durable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Counted from one.
    pub version: u64,
    /// The record.
    pub bytes: Vec<u8>,
    /// When it needs attention.
    pub wake_at: Option<u64>,
}

/// What becomes of the next commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commits {
    /// They are stored at once.
    #[default]
    Store,
    /// The next one is refused, those after it are stored.
    FailOne,
    /// They wait until somebody stores them.
    Stall,
}

/// A transaction that waits for its block.
#[derive(Clone, Debug)]
pub struct Pending {
    pub(super) channel_id: B256,
    pub(super) transaction: Transaction,
}

/// One input of a wallet, and what came out before the next one.
#[derive(Clone, Debug)]
pub struct Taped {
    /// Whether the wallet was new.
    pub restarted: bool,
    /// Seconds since 1970.
    pub now: u64,
    /// What went in.
    pub input: Input,
    /// Why it was refused, if it was.
    pub code: Option<&'static str>,
    /// What came out.
    pub outputs: Vec<Output>,
}

/// One party: everything that an application around a wallet has.
#[derive(Debug)]
pub struct Host {
    /// The wallet.
    pub wallet: Wallet,
    /// Where its money is, and who sends its transactions.
    pub account: Address,
    signer: CachingSigner,
    external: bool,
    config: Config,
    /// The durable records: all that is left after a crash.
    pub store: BTreeMap<B256, Stored>,
    /// Every record that was ever stored, for those who want to look.
    pub history: Vec<(B256, Vec<u8>)>,
    /// Messages and payments on the way to the other party.
    pub outgoing: VecDeque<Parcel>,
    /// Everything that was ever sent.
    pub sent: Vec<Parcel>,
    /// Transactions that were sent and are not mined yet.
    pub pool: VecDeque<Pending>,
    /// What happened.
    pub events: Vec<Event>,
    /// What becomes of commits.
    pub commits: Commits,
    /// Commits that are not stored yet.
    stalled: VecDeque<(u64, Vec<Write>)>,
    /// What the outside signer was asked for.
    asked: VecDeque<B256>,
    /// What left, and whether it may.
    audit: Audit,
    /// What went in and what came out, if somebody wants to know.
    pub tape: Option<Vec<Taped>>,
    restarted: bool,
    /// The first block that the next chain update reports.
    pub(super) next_block: u64,
    /// When the chain was last looked at, by its clock.
    pub(super) watched: u64,
    /// When the wallet wants to look at the clock.
    pub(super) wake_at: Option<u64>,
}

impl Host {
    pub(super) fn new(config: Config, secret: [u8; 32], account: Address, external: bool) -> Self {
        let signer = CachingSigner::new(secret);
        Self {
            wallet: wallet(&config, &signer, external),
            account,
            signer,
            external,
            config,
            store: BTreeMap::new(),
            history: Vec::new(),
            outgoing: VecDeque::new(),
            sent: Vec::new(),
            pool: VecDeque::new(),
            events: Vec::new(),
            commits: Commits::Store,
            stalled: VecDeque::new(),
            asked: VecDeque::new(),
            audit: Audit::default(),
            tape: None,
            restarted: true,
            next_block: 0,
            watched: 0,
            wake_at: None,
        }
    }

    /// The channels that it has ever stored.
    pub(super) fn known(&self) -> Vec<B256> {
        self.store.keys().copied().collect()
    }

    /// The record of a channel: the one in memory, else the durable one.
    pub fn channel(&self, id: &B256) -> Option<Channel> {
        self.wallet.channel(id).cloned().or_else(|| self.durable(id))
    }

    /// The durable record of a channel.
    pub fn durable(&self, id: &B256) -> Option<Channel> {
        let stored = self.store.get(id)?;
        Some(Channel::from_bytes(*id, &stored.bytes).expect("what was stored can be read"))
    }

    /// The vouchers of a channel that ever left, each with what it pays with the ticks that did.
    pub(super) fn released(&self, channel: &Channel) -> impl Iterator<Item = (Voucher, u128)> {
        self.audit.released(channel.terms.channel_id())
    }

    /// Feeds the wallet, once more after a load, and carries out what it asks for.
    pub(super) fn input(&mut self, input: Input, now: u64) -> Result<(), Error> {
        // A withdrawal names two channels, and with one slot in memory each load may drop the other.
        for _ in 0..4 {
            let result = self.handle(input.clone(), now);
            self.run(now);
            match result {
                Err(Error::Loading { .. }) => {}
                result => return result,
            }
        }
        Err(self.handle(input, now).expect_err("it did not succeed four times"))
    }

    /// Carries out everything that the wallet asks for.
    fn run(&mut self, now: u64) {
        while let Some(output) = self.wallet.poll_output() {
            if let Some(last) = self.tape.as_mut().and_then(|tape| tape.last_mut()) {
                last.outputs.push(output.clone());
            }
            self.audit.check(&output, &self.wallet, &self.store);
            match output {
                Output::Commit { id, writes } => {
                    self.stalled.push_back((id, writes));
                    match self.commits {
                        Commits::Store => while self.store_front(now) {},
                        Commits::Stall => {}
                        Commits::FailOne => {
                            self.commits = Commits::Store;
                            self.fail_next(now);
                        }
                    }
                }
                Output::Load { keys } => {
                    let records = keys.into_iter().map(|key| self.record(key)).collect();
                    self.handle(Input::Loaded(records), now).expect("what was stored can be read");
                }
                Output::Send { bytes, .. } => self.send(Parcel::Message(bytes)),
                Output::Payment { bytes, .. } => self.send(Parcel::Payment(bytes)),
                Output::Submit { channel_id, transaction } => self.pool.push_back(Pending { channel_id, transaction }),
                Output::Sign { digest, .. } => self.asked.push_back(digest),
                Output::Ask { question, .. } => panic!("asked where there are no rules: {question}"),
                Output::Notify(event) => self.events.push(event),
                Output::WakeAt(time) => self.wake_at = Some(time),
            }
        }
    }

    /// Hands an input to the wallet, and keeps both for the tape.
    fn handle(&mut self, input: Input, now: u64) -> Result<(), Error> {
        let kept = self.tape.is_some().then(|| input.clone());
        let result = self.wallet.handle(input, now);
        if let (Some(tape), Some(input)) = (&mut self.tape, kept) {
            let code = result.as_ref().err().map(Error::code);
            tape.push(Taped { restarted: self.restarted, now, input, code, outputs: Vec::new() });
            self.restarted = false;
        }
        result
    }

    fn send(&mut self, parcel: Parcel) {
        self.sent.push(parcel.clone());
        self.outgoing.push_back(parcel);
    }

    fn record(&self, key: B256) -> StoredRecord {
        let stored = self.store.get(&key);
        StoredRecord {
            key,
            version: stored.map_or(0, |stored| stored.version),
            bytes: stored.map(|stored| stored.bytes.clone()),
        }
    }

    /// Stores the oldest commit that waits. Says whether there was one.
    pub fn store_next(&mut self, now: u64) -> bool {
        let stored = self.store_front(now);
        self.run(now);
        stored
    }

    fn store_front(&mut self, now: u64) -> bool {
        let Some((id, writes)) = self.stalled.pop_front() else { return false };
        // The wallet has given up a commit that stands on one which failed, if it could still do so.
        let answer = if self.write(writes) { Input::Committed { id } } else { Input::CommitFailed { id } };
        match (self.handle(answer.clone(), now), answer) {
            (Ok(()), _) | (Err(Error::UnknownCommit { .. }), Input::CommitFailed { .. }) => {}
            (Err(error), answer) => panic!("{answer:?}: {error}"),
        }
        true
    }

    /// Writes all or nothing, if the versions are those expected.
    fn write(&mut self, writes: Vec<Write>) -> bool {
        let version = |key: &B256| self.store.get(key).map_or(0, |stored| stored.version);
        if !writes.iter().all(|write| version(&write.key) == write.expected_version) {
            return false;
        }
        for Write { key, expected_version, bytes, wake_at } in writes {
            match bytes {
                Some(bytes) => {
                    self.history.push((key, bytes.clone()));
                    self.store.insert(key, Stored { version: expected_version + 1, bytes, wake_at });
                }
                None => {
                    self.store.remove(&key);
                }
            }
        }
        true
    }

    /// Refuses the oldest commit that waits.
    pub fn fail_next(&mut self, now: u64) {
        if let Some((id, _)) = self.stalled.pop_front() {
            match self.handle(Input::CommitFailed { id }, now) {
                Ok(()) | Err(Error::UnknownCommit { .. }) => {}
                Err(error) => panic!("commit {id} failed: {error}"),
            }
            self.run(now);
        }
    }

    /// Signs what the outside signer was asked for first. Says whether it was asked for anything.
    pub fn sign_next(&mut self, now: u64) -> bool {
        let Some(digest) = self.asked.pop_front() else { return false };
        let signature = self.signer.sign_digest(&digest).expect("a local key").to_bytes().to_vec();
        // What was asked for may have been given up since.
        match self.input(Input::Signed { digest, signature }, now) {
            Ok(()) | Err(Error::UnknownSignature { .. } | Error::UnknownChannel { .. }) => {}
            Err(error) => panic!("a signature that was asked for: {error}"),
        }
        true
    }

    /// Declines what the outside signer was asked for first.
    pub fn refuse_to_sign(&mut self, now: u64) {
        if let Some(digest) = self.asked.pop_front() {
            match self.input(Input::SignRefused { digest }, now) {
                Ok(()) | Err(Error::UnknownSignature { .. } | Error::UnknownChannel { .. }) => {}
                Err(error) => panic!("a signature that was asked for: {error}"),
            }
        }
    }

    /// Loses its store and comes back with a backup of it.
    ///
    /// # Errors
    ///
    /// What the wallet says of the backup.
    pub fn lose_store(&mut self, now: u64) -> Result<(), Error> {
        let backup = self.store.iter().map(|(key, stored)| (*key, stored.bytes.clone())).collect();
        self.store.clear();
        self.crash(0, now);
        self.input(Input::Restore(backup), now)
    }

    /// Stops as a power cut does, after `stored` of the waiting commits, and starts again from the store.
    pub fn crash(&mut self, stored: usize, now: u64) {
        for (_, writes) in self.stalled.drain(..).take(stored).collect::<Vec<_>>() {
            if !self.write(writes) {
                break;
            }
        }
        self.asked.clear();
        self.commits = Commits::Store;
        self.wallet = wallet(&self.config, &self.signer, self.external);
        self.restarted = true;
        (self.next_block, self.wake_at) = (0, None);
        let awake = self.store.iter().filter(|(_, stored)| stored.wake_at.is_some());
        let records = awake.map(|(key, _)| self.record(*key)).collect();
        self.handle(Input::Loaded(records), now).expect("what was stored can be read");
        self.run(now);
    }
}

fn wallet(config: &Config, signer: &CachingSigner, external: bool) -> Wallet {
    if external {
        Wallet::with_external_signer(config.clone(), signer.address())
    } else {
        Wallet::new(config.clone(), Box::new(signer.clone()))
    }
}

/// Which channels a set of hosts knows.
pub(super) fn all_known(hosts: &[Host]) -> BTreeSet<B256> {
    hosts.iter().flat_map(Host::known).collect()
}
