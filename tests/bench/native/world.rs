//! A payer and a payee with any number of open channels between them, each with the simplest host there is: a store in
//! memory in which every commit is durable at once.

use std::collections::HashMap;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolValue;
use millstream_core::channel::{Chain, Channel, Kind, Status, Terms, derive_nonce};
use millstream_core::crypto::LocalSigner;
use millstream_core::wallet::{
    ChainUpdate, Command, Config, Error, Input, LeaseTerms, Log, Output, Purchase, StoredRecord, Wallet,
};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const DEPOSIT: u128 = 1 << 100;
pub(crate) const CONFIRMATIONS: u32 = 2;
pub(crate) const CHAIN: Chain = Chain {
    chain_id: 31_337,
    adjudicator: Address::repeat_byte(0xad),
    stream_app: Address::repeat_byte(0x5a),
    consensus_app: Address::repeat_byte(0xca),
};
/// `keccak256("Deposited(bytes32,address,uint256)")`.
const DEPOSITED: &str = "87d4c0b5e30d6808bc8a94ba1c4d839b29d664151551a31753387ee9ef48429b";

/// What a wallet is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds {
    /// As many channels in memory as there are, or the default.
    pub(crate) all_loaded: bool,
    /// Whether the payer pays under a lease.
    pub(crate) lease: bool,
}

pub(crate) struct Host {
    pub(crate) wallet: Wallet,
    store: HashMap<B256, (u64, Vec<u8>)>,
    /// What left: messages with their receivers, and payments.
    outgoing: Vec<(Option<Address>, Vec<u8>)>,
    /// Messages and payments, their bytes, and bytes of records written.
    pub(crate) messages: usize,
    pub(crate) sent: usize,
    pub(crate) written: usize,
}

impl Host {
    fn new(seed: u8, kinds: Kinds) -> Self {
        let mut config = Config::new(CHAIN, Address::repeat_byte(seed).into_word());
        if kinds.all_loaded {
            config.max_loaded = usize::MAX;
        }
        config.lease = kinds.lease.then_some(LeaseTerms { payments: 1_000, amount: DEPOSIT >> 20 });
        Self::with(seed, config)
    }

    /// A host whose wallet is made of this.
    pub(crate) fn with(seed: u8, config: Config) -> Self {
        let signer = LocalSigner::from_secret_bytes(&[seed; 32]).expect("a key");
        let wallet = Wallet::new(config, Box::new(signer));
        Self { wallet, store: HashMap::new(), outgoing: Vec::new(), messages: 0, sent: 0, written: 0 }
    }

    pub(crate) fn input(&mut self, input: Input) {
        let result = self.wallet.handle(input.clone(), NOW);
        self.run();
        match result {
            Ok(()) => {}
            Err(Error::Loading { .. }) => self.input(input),
            Err(error) => panic!("{error}"),
        }
    }

    fn run(&mut self) {
        while let Some(output) = self.wallet.poll_output() {
            match output {
                Output::Commit { id, writes } => {
                    for write in writes {
                        let bytes = write.bytes.expect("nothing is forgotten here");
                        self.written += bytes.len();
                        self.store.insert(write.key, (write.expected_version + 1, bytes));
                    }
                    self.wallet.handle(Input::Committed { id }, NOW).expect("a commit of ours");
                }
                Output::Load { keys } => {
                    let records = keys.into_iter().map(|key| self.record(key)).collect();
                    self.wallet.handle(Input::Loaded(records), NOW).expect("a record of ours");
                }
                Output::Send { bytes, peer, .. } => self.leaves(Some(peer), bytes),
                Output::Payment { bytes, .. } => self.leaves(None, bytes),
                _ => {}
            }
        }
    }

    fn leaves(&mut self, to: Option<Address>, bytes: Vec<u8>) {
        self.messages += 1;
        self.sent += bytes.len();
        self.outgoing.push((to, bytes));
    }

    fn record(&self, key: B256) -> StoredRecord {
        let stored = self.store.get(&key);
        let version = stored.map_or(0, |(version, _)| *version);
        StoredRecord { key, version, bytes: stored.map(|(_, bytes)| bytes.clone()) }
    }

    /// Puts copies of a channel into the store under nonces of their own, and loads them if the wallet keeps them.
    fn fill(&mut self, template: &Channel, ids: &[B256], load: bool) {
        for (index, id) in ids.iter().enumerate() {
            let mut channel = template.clone();
            channel.terms.nonce = nonce(index);
            self.store.insert(*id, (1, channel.to_bytes()));
        }
        if load {
            for chunk in ids.chunks(256) {
                let records = chunk.iter().map(|id| self.record(*id)).collect();
                self.input(Input::Loaded(records));
            }
        }
    }

    /// What left since the last time.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Vec<u8>> {
        self.take_addressed().into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// The same, with the receivers of messages.
    pub(crate) fn take_addressed(&mut self) -> Vec<(Option<Address>, Vec<u8>)> {
        std::mem::take(&mut self.outgoing)
    }

    /// Leaves the wallet alone.
    pub(crate) fn forget_store(&mut self) {
        self.store = HashMap::new();
        self.outgoing = Vec::new();
    }

    /// How large the stored records are, in bytes.
    pub(crate) fn stored(&self) -> usize {
        self.store.values().map(|(_, bytes)| bytes.len()).sum()
    }
}

/// A block with the whole deposit of each channel, deep enough.
pub(crate) fn deposits(block: u64, ids: &[B256]) -> ChainUpdate {
    let log = |(index, id): (usize, &B256)| {
        let topics = vec![DEPOSITED.parse().expect("a hash"), *id];
        let data = (Address::ZERO, U256::from(DEPOSIT)).abi_encode_params().into();
        Log { address: CHAIN.adjudicator, topics, data, block, log_index: index as u64, call: None }
    };
    let logs = ids.iter().enumerate().map(log).collect();
    ChainUpdate { from_block: block, head_block: block + u64::from(CONFIRMATIONS), head_time: NOW, logs }
}

fn nonce(index: usize) -> u64 {
    derive_nonce(NOW, 1_000_000 + u32::try_from(index).expect("few enough"))
}

pub(crate) struct World {
    pub(crate) payer: Host,
    pub(crate) payee: Host,
    pub(crate) ids: Vec<B256>,
    opened: u32,
    block: u64,
}

impl World {
    /// Two wallets with `channels` open channels, which are loaded if the wallets keep all of them.
    ///
    /// One is opened as channels are; the others are copies of it. Their bases carry signatures of another channel, which
    /// nobody looks at again once they are in a record.
    pub(crate) fn new(channels: usize, kinds: Kinds) -> Self {
        let payer = Host::new(0xa1, kinds);
        let payee = Host::new(0xb2, Kinds { lease: false, ..kinds });
        let mut world = Self { payer, payee, ids: Vec::new(), opened: 0, block: 1 };
        let first = world.open();
        let [payers, payees] =
            [&world.payer, &world.payee].map(|host| host.wallet.channel(&first).expect("open").clone());
        let id = |index| Terms { nonce: nonce(index), ..payers.terms.clone() }.channel_id();
        world.ids = (0..channels).map(id).collect();
        let load = kinds.all_loaded;
        world.payer.fill(&payers, &world.ids, load);
        world.payee.fill(&payees, &world.ids, load);
        world
    }

    /// Opens a channel, from the proposal to the second signature of the postfund.
    pub(crate) fn open(&mut self) -> B256 {
        self.opened += 1;
        let terms = Terms {
            chain: CHAIN,
            payer: self.payer.wallet.address(),
            payee: self.payee.wallet.address(),
            payer_destination: self.payer.wallet.config().destination,
            payee_destination: self.payee.wallet.config().destination,
            asset: Address::ZERO,
            deposit: DEPOSIT,
            challenge_duration: 86_400,
            confirmations: CONFIRMATIONS,
            nonce: derive_nonce(NOW, self.opened),
            kind: Kind::Stream,
            payee_deposit: 0,
            reserve: 0,
            hubs: Vec::new(),
        };
        let id = terms.channel_id();
        self.payer.input(Input::Command(Command::OpenChannel(terms)));
        self.talk();
        let update = self.deposited(&[id]);
        self.payer.input(Input::Chain(update.clone()));
        self.payee.input(Input::Chain(update));
        self.talk();
        for host in [&self.payer, &self.payee] {
            assert_eq!(host.wallet.channel(&id).map(Channel::status), Some(Status::Open));
        }
        id
    }

    /// The next block, deep enough, with deposits into channels in it.
    pub(crate) fn deposited(&mut self, ids: &[B256]) -> ChainUpdate {
        let update = deposits(self.block, ids);
        self.block = update.head_block;
        update
    }

    /// A block in which nothing of ours happened.
    pub(crate) fn empty_block(&mut self, blocks: u64) -> ChainUpdate {
        let from_block = self.block;
        self.block += blocks;
        ChainUpdate { from_block, head_block: self.block, head_time: NOW, logs: Vec::new() }
    }

    fn talk(&mut self) {
        while !self.payer.outgoing.is_empty() || !self.payee.outgoing.is_empty() {
            for bytes in self.payer.take_outgoing() {
                self.payee.input(Input::Message(bytes));
            }
            for bytes in self.payee.take_outgoing() {
                self.payer.input(Input::Message(bytes));
            }
        }
    }

    /// One payment of some kind.
    pub(crate) fn pay_with(&mut self, command: &Command) {
        self.payer.input(Input::Command(command.clone()));
        for payment in self.payer.take_outgoing() {
            self.payee.input(Input::Payment(payment));
        }
    }

    /// One payment, from the call to the payee's durable record.
    pub(crate) fn pay(&mut self, channel_id: B256) {
        self.payer.input(Input::Command(Command::Pay {
            channel_id,
            amount: 1,
            purchase: Purchase::default(),
            ticks: 0,
        }));
        let payment = self.payer.take_outgoing().pop().expect("a payment");
        self.payee.input(Input::Payment(payment));
    }
}
