//! A host in memory: a wallet, its store, its account on the chain and the way to its peer.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Channel, Kind, Status, Terms, derive_nonce};
use millstream_core::crypto::LocalSigner;
use millstream_core::protocol::{Event, Policy, TransactionKind};
use millstream_core::wallet::{Command, Config, Error, Input, Output, StoredRecord, Wallet};
use millstream_tests::model::Revert;

use crate::evm::TestChain;

/// The seconds that the tests call now; nothing here waits on the real clock.
pub(crate) const NOW: u64 = 1_800_000_000;

/// What travels between hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parcel {
    Message(Vec<u8>),
    Payment(Vec<u8>),
}

pub(crate) struct Party {
    pub(crate) wallet: Wallet,
    secret: [u8; 32],
    pub(crate) config: Config,
    /// Where its money is, and who sends its transactions.
    pub(crate) account: Address,
    /// The durable records: all that is left after a crash.
    store: BTreeMap<B256, (u64, Vec<u8>)>,
    pub(crate) outgoing: VecDeque<Parcel>,
    pub(crate) events: Vec<Event>,
    pub(crate) transactions: Vec<TransactionKind>,
    pub(crate) reverts: Vec<(TransactionKind, Revert)>,
    /// Crash when this many more outputs were carried out.
    pub(crate) crash_after: Option<u32>,
    pub(crate) crashes: u32,
    /// Refuse this many more commits.
    pub(crate) failing_commits: u32,
    /// The first block that the next chain update reports.
    next_block: u64,
}

impl Party {
    pub(crate) fn new(chain: &mut TestChain, seed: u8) -> Self {
        let account = Address::repeat_byte(seed);
        chain.endow(account);
        let policy = Policy { min_challenge_duration: 60, ..Policy::default() };
        let config = Config { policy, ..Config::new(chain.contracts(), account.into_word()) };
        let secret = [seed; 32];
        Self {
            wallet: Self::wallet(&config, &secret),
            secret,
            config,
            account,
            store: BTreeMap::new(),
            outgoing: VecDeque::new(),
            events: Vec::new(),
            transactions: Vec::new(),
            reverts: Vec::new(),
            crash_after: None,
            crashes: 0,
            failing_commits: 0,
            next_block: 0,
        }
    }

    fn wallet(config: &Config, secret: &[u8; 32]) -> Wallet {
        let signer = LocalSigner::from_secret_bytes(secret).expect("the test's own key");
        Wallet::new(config.clone(), Box::new(signer))
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
        }
    }

    pub(crate) fn channel(&self, id: &B256) -> &Channel {
        self.wallet.channel(id).expect("the channel exists")
    }

    pub(crate) fn status(&self, id: &B256) -> Status {
        self.channel(id).status()
    }

    pub(crate) fn command(&mut self, chain: &mut TestChain, command: Command) -> Result<(), Error> {
        self.input(chain, Input::Command(command))
    }

    pub(crate) fn input(&mut self, chain: &mut TestChain, input: Input) -> Result<(), Error> {
        match self.input_once(chain, input.clone()) {
            // The record was loaded meanwhile.
            Err(Error::Loading { .. }) => self.input(chain, input),
            result => result,
        }
    }

    /// Feeds an input and does what follows, but does not feed it again if its channel had to be loaded.
    pub(crate) fn input_once(&mut self, chain: &mut TestChain, input: Input) -> Result<(), Error> {
        let result = self.wallet.handle(input, NOW);
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
        let update = chain.update(self.next_block);
        self.next_block = update.head_block.saturating_sub(8);
        self.input(chain, Input::Chain(update)).expect("the adjudicator's own logs");
    }

    /// Stops as a power cut does: memory is gone, the store stays. Then starts again from the store.
    pub(crate) fn crash(&mut self) {
        self.crashes += 1;
        self.wallet = Self::wallet(&self.config, &self.secret);
        self.next_block = 0;
        let records = self.store.iter().map(|(key, (version, bytes))| StoredRecord {
            key: *key,
            version: *version,
            bytes: Some(bytes.clone()),
        });
        self.wallet.handle(Input::Loaded(records.collect()), NOW).expect("what was stored can be read");
        while self.wallet.poll_output().is_some() {}
    }

    /// Carries out everything that the wallet asks for.
    fn run(&mut self, chain: &mut TestChain) {
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
                let fits = writes.iter().all(|write| {
                    self.store.get(&write.key).map_or(0, |(version, _)| *version) == write.expected_version
                });
                assert!(fits, "a single writer never conflicts");
                if self.failing_commits > 0 {
                    self.failing_commits -= 1;
                    return self.wallet.handle(Input::CommitFailed { id }, NOW).expect("a commit of ours");
                }
                for write in writes {
                    match write.bytes {
                        Some(bytes) => self.store.insert(write.key, (write.expected_version + 1, bytes)),
                        None => self.store.remove(&write.key),
                    };
                }
                self.wallet.handle(Input::Committed { id }, NOW).expect("a commit of ours");
            }
            Output::Load { keys } => {
                let records = keys.into_iter().map(|key| {
                    let stored = self.store.get(&key);
                    StoredRecord {
                        key,
                        version: stored.map_or(0, |(version, _)| *version),
                        bytes: stored.map(|(_, bytes)| bytes.clone()),
                    }
                });
                self.wallet.handle(Input::Loaded(records.collect()), NOW).expect("what was stored can be read");
            }
            Output::Send { bytes, .. } => self.outgoing.push_back(Parcel::Message(bytes)),
            Output::Payment { bytes, .. } => self.outgoing.push_back(Parcel::Payment(bytes)),
            Output::Submit { channel_id, transaction } => {
                let kind = transaction.kind;
                match chain.send(self.account, transaction.to, transaction.value, transaction.data) {
                    Ok(_) => self.transactions.push(kind),
                    Err(revert) => {
                        self.reverts.push((kind, revert));
                        self.wallet
                            .handle(Input::TransactionFailed { channel_id, kind }, NOW)
                            .expect("a channel of ours");
                    }
                }
            }
            Output::Notify(event) => self.events.push(event),
            Output::WakeAt(_) => {}
            Output::Sign { .. } => panic!("the key is at hand"),
        }
    }
}

/// Delivers parcels both ways until nobody has anything to say. Refused parcels are dropped, as a host would.
pub(crate) fn deliver(chain: &mut TestChain, payer: &mut Party, payee: &mut Party) {
    loop {
        if let Some(parcel) = payer.outgoing.pop_front() {
            let _ = payee.receive(chain, parcel);
        } else if let Some(parcel) = payee.outgoing.pop_front() {
            let _ = payer.receive(chain, parcel);
        } else {
            return;
        }
    }
}

/// Mines `blocks` and lets both sides see them and talk.
pub(crate) fn advance(chain: &mut TestChain, payer: &mut Party, payee: &mut Party, blocks: u64) {
    chain.mine(blocks);
    payer.watch(chain);
    payee.watch(chain);
    deliver(chain, payer, payee);
}
