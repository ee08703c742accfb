//! One party: a wallet, and a host that keeps everything in memory and can crash.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Balances, Chain, Channel, Kind, Status, Terms, derive_nonce};
use millstream_core::crypto::{LocalSigner, Signature, Signer};
use millstream_core::protocol::{Event, Policy, Purpose, SpendRefusal, Transaction, TransactionKind};
use millstream_core::wallet::{Command, Config, Error, Input, Output, StoredRecord, Wallet, Write};
use millstream_tests::model::Revert;

use crate::evm::TestChain;
use crate::recorder::Recorder;

/// The seconds that the tests call now; nothing here waits on the real clock.
pub(crate) const NOW: u64 = 1_800_000_000;

/// How often one input may wait for records: more is a wallet that goes round in circles.
const MAX_LOADS: usize = 8;

/// What travels between hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parcel {
    Message(Vec<u8>),
    Payment(Vec<u8>),
}

/// The durable records with their versions: all that is left after a crash.
pub(crate) type Store = BTreeMap<B256, (u64, Vec<u8>)>;

/// A signature that an outside signer was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) digest: B256,
    pub(crate) purpose: Purpose,
}

pub(crate) struct Party {
    pub(crate) wallet: Wallet,
    /// Makes its key, at every start.
    key: Rc<dyn Fn() -> LocalSigner>,
    pub(crate) config: Config,
    /// Whether the key is outside of the wallet.
    external: bool,
    /// Where its money is, and who sends its transactions.
    pub(crate) account: Address,
    /// May be shared with another process of the same owner.
    pub(crate) store: Rc<RefCell<Store>>,
    /// Its clock, in seconds since 1970.
    pub(crate) now: u64,
    pub(crate) outgoing: VecDeque<Parcel>,
    pub(crate) events: Vec<Event>,
    pub(crate) transactions: Vec<TransactionKind>,
    pub(crate) reverts: Vec<(TransactionKind, Revert)>,
    /// What an outside signer was asked for and did not answer yet. It answers at once unless `signs_later`.
    pub(crate) asked: VecDeque<Asked>,
    pub(crate) signs_later: bool,
    /// Transactions that are on their way: with `sends_later`, none is sent before [`Self::send_held`].
    pub(crate) held: Vec<(B256, Transaction)>,
    pub(crate) sends_later: bool,
    /// What the owner was asked about payments.
    pub(crate) questions: Vec<(u64, SpendRefusal)>,
    /// Crash when this many more outputs were carried out.
    pub(crate) crash_after: Option<u32>,
    pub(crate) crashes: u32,
    /// Refuse this many more commits.
    pub(crate) failing_commits: u32,
    pub(crate) commits: u32,
    /// Whether the wallet is told the data of calls.
    pub(crate) sees_calls: bool,
    /// The first block that the next chain update reports.
    next_block: u64,
    /// `None` for somebody who cheats.
    recorder: Option<Recorder>,
}

impl Party {
    pub(crate) fn new(chain: &mut TestChain, seed: u8) -> Self {
        let account = Address::repeat_byte(seed);
        chain.endow(account);
        let key = Rc::new(move || LocalSigner::from_secret_bytes(&[seed; 32]).expect("the test's own key"));
        Self::with_key(chain.contracts(), key, account)
    }

    /// A party with a key of its own choice.
    pub(crate) fn with_key(chain: Chain, key: Rc<dyn Fn() -> LocalSigner>, account: Address) -> Self {
        let policy = Policy { min_challenge_duration: 60, ..Policy::default() };
        let config = Config { policy, ..Config::new(chain, account.into_word()) };
        Self::with(key, config, account)
    }

    fn with(key: Rc<dyn Fn() -> LocalSigner>, config: Config, account: Address) -> Self {
        let wallet = Self::wallet(&config, key(), false);
        let recorder = Recorder::new(wallet.address(), config.chain.voucher_domain());
        Self {
            wallet,
            key,
            config,
            external: false,
            account,
            store: Rc::default(),
            now: NOW,
            outgoing: VecDeque::new(),
            events: Vec::new(),
            transactions: Vec::new(),
            reverts: Vec::new(),
            asked: VecDeque::new(),
            signs_later: false,
            held: Vec::new(),
            sends_later: false,
            questions: Vec::new(),
            crash_after: None,
            crashes: 0,
            failing_commits: 0,
            commits: 0,
            sees_calls: true,
            next_block: 0,
            recorder: Some(recorder),
        }
    }

    fn wallet(config: &Config, signer: LocalSigner, external: bool) -> Wallet {
        if external {
            return Wallet::with_external_signer(config.clone(), signer.address());
        }
        Wallet::new(config.clone(), Box::new(signer))
    }

    /// Starts again with another configuration.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.restart();
    }

    /// Puts the key outside of the wallet.
    pub(crate) fn use_outside_signer(&mut self) {
        self.external = true;
        self.restart();
    }

    /// The same owner with the records of now, who will not play fair: nobody checks what it signs.
    pub(crate) fn cheat(&self) -> Self {
        let mut twin = self.second_process();
        twin.store = Rc::new(RefCell::new(self.store.borrow().clone()));
        twin.recorder = None;
        twin
    }

    /// Another process of the same owner, on the same store.
    pub(crate) fn second_process(&self) -> Self {
        let mut twin = Self::with(Rc::clone(&self.key), self.config.clone(), self.account);
        twin.store = Rc::clone(&self.store);
        twin.now = self.now;
        twin.load_all();
        twin
    }

    /// The records of now, as a backup has them.
    pub(crate) fn backup(&self) -> Vec<(B256, Vec<u8>)> {
        self.store.borrow().iter().map(|(key, (_, bytes))| (*key, bytes.clone())).collect()
    }

    /// Loses everything but the key, and starts from a backup.
    pub(crate) fn restore(&mut self, chain: &mut TestChain, backup: Vec<(B256, Vec<u8>)>) {
        self.wallet = Self::wallet(&self.config, (self.key)(), self.external);
        self.store.borrow_mut().clear();
        self.next_block = 0;
        self.input(chain, Input::Restore(backup)).expect("a backup of ours");
    }

    /// Terms for a channel to `payee`, with three confirmations and a challenge duration of an hour.
    pub(crate) fn terms(&self, payee: &Self, asset: Address, deposit: u128) -> Terms {
        Terms {
            chain: self.config.chain,
            payer: self.wallet.address(),
            payee: payee.wallet.address(),
            payer_destination: self.account.into_word(),
            payee_destination: payee.account.into_word(),
            asset,
            deposit,
            challenge_duration: 3_600,
            confirmations: 3,
            nonce: derive_nonce(NOW, 42),
            kind: Kind::Stream,
            payee_deposit: 0,
            reserve: 0,
            hubs: Vec::new(),
        }
    }

    pub(crate) fn channel(&self, id: &B256) -> &Channel {
        self.wallet.channel(id).expect("the channel exists")
    }

    pub(crate) fn status(&self, id: &B256) -> Status {
        self.channel(id).status()
    }

    pub(crate) fn balances(&self, id: &B256) -> Balances {
        self.channel(id).balances()
    }

    /// Whether some event of this kind was announced.
    pub(crate) fn was_told(&self, what: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(what)
    }

    /// The codes of the errors that the peer sent back.
    pub(crate) fn errors_of_peer(&self) -> Vec<&str> {
        let codes = self.events.iter().filter_map(|event| match event {
            Event::PeerError { code, .. } => Some(code.as_str()),
            _ => None,
        });
        codes.collect()
    }

    pub(crate) fn command(&mut self, chain: &mut TestChain, command: Command) -> Result<(), Error> {
        self.input(chain, Input::Command(command))
    }

    pub(crate) fn input(&mut self, chain: &mut TestChain, input: Input) -> Result<(), Error> {
        for _ in 0..MAX_LOADS {
            match self.input_once(chain, input.clone()) {
                // The record was loaded meanwhile.
                Err(Error::Loading { .. }) => {}
                result => return result,
            }
        }
        panic!("records are loaded again and again");
    }

    /// Feeds an input and does what follows, but does not feed it again if its channel had to be loaded.
    pub(crate) fn input_once(&mut self, chain: &mut TestChain, input: Input) -> Result<(), Error> {
        let result = self.wallet.handle(input, self.now);
        self.run(chain);
        result
    }

    pub(crate) fn receive(&mut self, chain: &mut TestChain, parcel: Parcel) -> Result<(), Error> {
        self.input(
            chain,
            match parcel {
                Parcel::Message(bytes) => Input::Message(bytes),
                Parcel::Payment(bytes) => Input::Payment(bytes),
            },
        )
    }

    /// Tells the wallet what happened on the chain, and again what is not deep enough yet.
    pub(crate) fn watch(&mut self, chain: &mut TestChain) {
        let mut update = chain.update(self.next_block);
        if !self.sees_calls {
            for log in &mut update.logs {
                log.call = None;
            }
        }
        self.next_block = update.head_block.saturating_sub(8);
        self.input(chain, Input::Chain(update)).expect("the adjudicator's own logs");
    }

    /// Tells the wallet everything again, as a host does that found a deep reorganisation.
    pub(crate) fn watch_from_the_start(&mut self, chain: &mut TestChain) {
        self.next_block = 0;
        self.watch(chain);
    }

    /// Lets time pass on its clock.
    pub(crate) fn wait(&mut self, chain: &mut TestChain, seconds: u64) {
        self.now += seconds;
        self.input(chain, Input::Tick).expect("time goes on");
    }

    /// Stops as a power cut does: memory is gone, the store stays. Then starts again from the store.
    pub(crate) fn crash(&mut self) {
        self.crashes += 1;
        self.restart();
    }

    fn restart(&mut self) {
        self.wallet = Self::wallet(&self.config, (self.key)(), self.external);
        self.asked.clear();
        self.next_block = 0;
        self.load_all();
    }

    fn load_all(&mut self) {
        let keys = self.store.borrow().keys().copied().collect();
        let records = self.stored(keys);
        self.wallet.handle(Input::Loaded(records), self.now).expect("what was stored can be read");
        // Loading asks for nothing that a host would not be asked again.
        while self.wallet.poll_output().is_some() {}
    }

    fn stored(&self, keys: Vec<B256>) -> Vec<StoredRecord> {
        let store = self.store.borrow();
        let record = |key| {
            let stored = store.get(&key);
            let version = stored.map_or(0, |(version, _)| *version);
            StoredRecord { key, version, bytes: stored.map(|(_, bytes)| bytes.clone()) }
        };
        keys.into_iter().map(record).collect()
    }

    /// Carries out everything that the wallet asks for.
    pub(crate) fn run(&mut self, chain: &mut TestChain) {
        while let Some(output) = self.wallet.poll_output() {
            if let Some(left) = &mut self.crash_after {
                if *left == 0 {
                    self.crash_after = None;
                    return self.crash();
                }
                *left -= 1;
            }
            self.carry_out(chain, output);
        }
    }

    fn carry_out(&mut self, chain: &mut TestChain, output: Output) {
        match output {
            Output::Commit { id, writes } => {
                let answer = if self.commit(writes) { Input::Committed { id } } else { Input::CommitFailed { id } };
                self.wallet.handle(answer, self.now).expect("a commit of ours");
            }
            Output::Load { keys } => {
                let records = self.stored(keys);
                self.wallet.handle(Input::Loaded(records), self.now).expect("what was stored can be read");
            }
            Output::Send { bytes, peer, channel_id } => {
                let stored = self.store.borrow().get(&channel_id).cloned();
                let record = stored.map(|(_, bytes)| Channel::from_bytes(channel_id, &bytes).expect("a record"));
                if let Some(recorder) = &mut self.recorder {
                    recorder.message(&bytes, peer, record.as_ref());
                }
                self.outgoing.push_back(Parcel::Message(bytes));
            }
            Output::Payment { bytes, .. } => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.payment(&bytes);
                }
                self.outgoing.push_back(Parcel::Payment(bytes));
            }
            Output::Submit { channel_id, transaction } if self.sends_later => {
                self.held.push((channel_id, transaction));
            }
            Output::Submit { channel_id, transaction } => self.send(chain, channel_id, transaction),
            Output::Sign { digest, purpose, .. } => {
                assert!(self.external, "the key is at hand");
                self.asked.push_back(Asked { digest, purpose });
                if !self.signs_later {
                    self.asked.pop_back();
                    self.give_signature(digest);
                }
            }
            Output::Ask { id, question, .. } => self.questions.push((id, question)),
            Output::Notify(event) => self.events.push(event),
            Output::WakeAt(_) => {}
        }
    }

    /// Writes all or nothing.
    fn commit(&mut self, writes: Vec<Write>) -> bool {
        let mut store = self.store.borrow_mut();
        let version = |key| store.get(key).map_or(0, |(version, _)| *version);
        let fits = writes.iter().all(|write| version(&write.key) == write.expected_version);
        assert!(fits || Rc::strong_count(&self.store) > 1, "a single writer never conflicts");
        if !fits || self.failing_commits > 0 {
            self.failing_commits = self.failing_commits.saturating_sub(1);
            return false;
        }
        self.commits += 1;
        for write in writes {
            match write.bytes {
                Some(bytes) => store.insert(write.key, (write.expected_version + 1, bytes)),
                None => store.remove(&write.key),
            };
        }
        true
    }

    fn send(&mut self, chain: &mut TestChain, channel_id: B256, transaction: Transaction) {
        let kind = transaction.kind;
        match chain.send(self.account, transaction.to, transaction.value, transaction.data) {
            Ok(_) => {
                self.transactions.push(kind);
                if let Some(recorder) = &mut self.recorder {
                    let update = chain.update(0);
                    recorder.logs(update.logs.iter().filter(|log| log.block == update.head_block));
                }
            }
            Err(revert) => {
                self.reverts.push((kind, revert));
                let failed = Input::TransactionFailed { channel_id, kind };
                self.wallet.handle(failed, self.now).expect("a channel of ours");
            }
        }
    }

    /// Sends the transactions that were on their way.
    pub(crate) fn send_held(&mut self, chain: &mut TestChain) {
        for (channel_id, transaction) in std::mem::take(&mut self.held) {
            self.send(chain, channel_id, transaction);
        }
    }

    /// A signature that the wallet never asked for.
    pub(crate) fn sign_digest(&self, digest: B256) -> Signature {
        (self.key)().sign_digest(&digest).expect("a local key signs")
    }

    fn give_signature(&mut self, digest: B256) {
        let signature = (self.key)().sign_digest(&digest).expect("a local key signs").to_bytes().to_vec();
        match self.wallet.handle(Input::Signed { digest, signature: signature.clone() }, self.now) {
            Err(Error::Loading { .. }) => {
                // The load is the next output.
                let Some(Output::Load { keys }) = self.wallet.poll_output() else { panic!("a record is asked for") };
                let records = self.stored(keys);
                self.wallet.handle(Input::Loaded(records), self.now).expect("what was stored can be read");
                self.wallet.handle(Input::Signed { digest, signature }, self.now).expect("asked for");
            }
            result => result.expect("asked for"),
        }
    }

    /// The outside signer answers the question at `index`.
    pub(crate) fn sign(&mut self, chain: &mut TestChain, index: usize) {
        let asked = self.asked.remove(index).expect("a question");
        self.give_signature(asked.digest);
        self.run(chain);
    }

    /// The outside signer answers everything that it was asked, and whatever follows.
    pub(crate) fn sign_all(&mut self, chain: &mut TestChain) {
        while !self.asked.is_empty() {
            self.sign(chain, 0);
        }
    }

    /// The owner declines to sign the question at `index`.
    pub(crate) fn decline(&mut self, chain: &mut TestChain, index: usize) {
        let Asked { digest, .. } = self.asked.remove(index).expect("a question");
        self.input(chain, Input::SignRefused { digest }).expect("asked for");
    }
}

/// Delivers parcels both ways until nobody has anything to say. Refused parcels are dropped, as a host would.
pub(crate) fn deliver(chain: &mut TestChain, payer: &mut Party, payee: &mut Party) {
    for _ in 0..1_000 {
        if let Some(parcel) = payer.outgoing.pop_front() {
            let _ = payee.receive(chain, parcel);
        } else if let Some(parcel) = payee.outgoing.pop_front() {
            let _ = payer.receive(chain, parcel);
        } else {
            return;
        }
    }
    panic!("the two talk without end");
}

/// Mines `blocks` and lets both sides see them and talk.
pub(crate) fn advance(chain: &mut TestChain, payer: &mut Party, payee: &mut Party, blocks: u64) {
    chain.mine(blocks);
    payer.watch(chain);
    payee.watch(chain);
    deliver(chain, payer, payee);
}
