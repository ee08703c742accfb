//! Virtual channels through one hub: what opening and closing one sends, what it costs the hub, and whether the thousandth costs
//! more than the first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Channel, Kind, MAX_GUARANTEES, Route, Status, Terms, derive_nonce};
use millstream_core::protocol::HubPolicy;
use millstream_core::wallet::{Command, Config, Input, Purchase};
use serde_json::{Value, json};

use crate::world::{CHAIN, CONFIRMATIONS, DEPOSIT, Host, NOW, deposits};

/// How many channels are opened at a time, to be compared.
const BATCH: usize = 24;
/// Channels in a ledger that others are opened beside: with those of a batch it is not full.
const IN_LEDGER: usize = MAX_GUARANTEES - BATCH;
const AMOUNT: u128 = 1_000;
const FEE: u128 = 1;
const PAYER: usize = 0;
const HUB: usize = 1;
const PAYEE: usize = 2;

/// A payer, a hub and a payee, with any number of ledgers on each side of the hub.
struct Row {
    hosts: [Host; 3],
    /// Pairs of ledgers: before the hub and after it.
    ledgers: Vec<[B256; 2]>,
    opened: u32,
    block: u64,
    /// What the hub spent on its inputs.
    hub_time: Duration,
}

impl Row {
    fn new(pairs: usize) -> Self {
        let host = |seed: u8| {
            let mut config = Config::new(CHAIN, Address::repeat_byte(seed).into_word());
            config.max_loaded = usize::MAX;
            config.policy.max_contribution = DEPOSIT;
            config.policy.hub = Some(HubPolicy { fee: FEE, ..HubPolicy::default() });
            Host::with(seed, config)
        };
        let hosts = [host(0xa1), host(0xa2), host(0xa3)];
        let mut row = Self { hosts, ledgers: Vec::new(), opened: 0, block: 1, hub_time: Duration::ZERO };
        for _ in 0..pairs {
            let pair = [row.open_ledger(PAYER, HUB), row.open_ledger(HUB, PAYEE)];
            row.ledgers.push(pair);
        }
        row
    }

    fn terms(&mut self, payer: usize, payee: usize) -> Terms {
        self.opened += 1;
        let [from, to] = [payer, payee].map(|index| &self.hosts[index].wallet);
        Terms {
            chain: CHAIN,
            payer: from.address(),
            payee: to.address(),
            payer_destination: from.config().destination,
            payee_destination: to.config().destination,
            asset: Address::ZERO,
            deposit: DEPOSIT / 2,
            challenge_duration: 86_400,
            confirmations: CONFIRMATIONS,
            nonce: derive_nonce(NOW, self.opened),
            kind: Kind::Ledger,
            payee_deposit: DEPOSIT / 2,
            reserve: 0,
            hubs: Vec::new(),
        }
    }

    fn open_ledger(&mut self, payer: usize, payee: usize) -> B256 {
        let terms = self.terms(payer, payee);
        let id = terms.channel_id();
        self.input(payer, Input::Command(Command::OpenChannel(terms)));
        self.talk();
        let update = deposits(self.block, &[id]);
        self.block = update.head_block;
        for index in [payer, payee] {
            self.input(index, Input::Chain(update.clone()));
        }
        self.talk();
        self.assert_status(&[payer, payee], &id, Status::Open);
        id
    }

    fn assert_status(&self, hosts: &[usize], id: &B256, status: Status) {
        for index in hosts {
            assert_eq!(self.hosts[*index].wallet.channel(id).map(Channel::status), Some(status));
        }
    }

    fn input(&mut self, host: usize, input: Input) {
        let start = Instant::now();
        self.hosts[host].input(input);
        if host == HUB {
            self.hub_time += start.elapsed();
        }
    }

    /// Delivers messages until nobody has any.
    fn talk(&mut self) {
        loop {
            let mut said = false;
            for from in [PAYER, HUB, PAYEE] {
                for (to, bytes) in self.hosts[from].take_addressed() {
                    said = true;
                    match to {
                        Some(peer) => {
                            let to = self.hosts.iter().position(|host| host.wallet.address() == peer);
                            self.input(to.expect("one of the three"), Input::Message(bytes));
                        }
                        None => self.input(PAYEE, Input::Payment(bytes)),
                    }
                }
            }
            if !said {
                return;
            }
        }
    }

    fn open(&mut self, pair: usize) -> B256 {
        let ledgers = self.ledgers[pair];
        let hub = self.hosts[HUB].wallet.address();
        let terms = Terms {
            kind: Kind::Stream,
            deposit: AMOUNT,
            payee_deposit: 0,
            hubs: vec![hub],
            ..self.terms(PAYER, PAYEE)
        };
        let id = terms.channel_id();
        let route = Route { ledgers: ledgers.to_vec(), fees: vec![FEE] };
        self.input(PAYER, Input::Command(Command::OpenVirtual { terms, route }));
        self.talk();
        id
    }

    fn close(&mut self, channel_id: B256) {
        self.input(PAYER, Input::Command(Command::CloseChannel { channel_id }));
        self.talk();
    }

    /// The hub's microseconds for each of a batch of openings in one pair of ledgers, which are closed again.
    fn batch(&mut self, pair: usize) -> (f64, f64) {
        let count = BATCH as f64;
        let before = self.hub_time;
        let ids: Vec<B256> = (0..BATCH).map(|_| self.open(pair)).collect();
        let opened = self.hub_time;
        for id in &ids {
            self.assert_status(&[PAYER, HUB, PAYEE], id, Status::Open);
            self.close(*id);
            self.assert_status(&[PAYER, HUB, PAYEE], id, Status::Closed);
        }
        let micros = |from: Duration, to: Duration| (to - from).as_secs_f64() * 1e6 / count;
        (micros(before, opened), micros(opened, self.hub_time))
    }

    fn sent(&self) -> (usize, usize) {
        let hosts = self.hosts.iter();
        hosts.fold((0, 0), |(messages, bytes), host| (messages + host.messages, bytes + host.sent))
    }
}

/// Figures under `virtual.`; `many`: how many channels are open beside the one that is compared.
pub(crate) fn measure(many: usize, figures: &mut BTreeMap<String, Value>) {
    let mut alone = Row::new(1);
    let before = alone.sent();
    let id = alone.open(0);
    let opened = alone.sent();
    alone.input(PAYER, Input::Command(pay(id)));
    alone.talk();
    let paid = alone.sent();
    alone.close(id);
    let closed = alone.sent();
    let per_hop =
        |from: (usize, usize), to: (usize, usize)| ((to.0 - from.0) as f64 / 2.0, (to.1 - from.1) as f64 / 2.0);
    for (name, (messages, bytes)) in [("open", per_hop(before, opened)), ("close", per_hop(paid, closed))] {
        figures.insert(format!("virtual.messages_to_{name}"), json!(messages));
        figures.insert(format!("virtual.bytes_to_{name}"), json!(bytes));
    }

    // The same number of others in the ledger on both sides, so that only the others of the hub differ.
    let mut crowd = Row::new(many.div_ceil(IN_LEDGER));
    for pair in 0..crowd.ledgers.len() {
        for _ in 0..IN_LEDGER {
            crowd.open(pair);
        }
    }
    for _ in 0..IN_LEDGER {
        alone.open(0);
    }
    let mut best = [(f64::INFINITY, f64::INFINITY); 2];
    for round in 0..8 {
        for (row, best) in [&mut alone, &mut crowd].into_iter().zip(&mut best) {
            let (open, close) = row.batch(round % row.ledgers.len());
            *best = (best.0.min(open), best.1.min(close));
        }
    }
    let [few, most] = best;
    figures.insert("virtual.opens_per_second.native".into(), json!((1e6 / few.0).round()));
    figures.insert("virtual.closes_per_second.native".into(), json!((1e6 / few.1).round()));
    let ratio = |ratio: f64| json!((ratio * 1_000.0).round() / 1_000.0);
    figures.insert("virtual.cost_ratio_10k".into(), ratio(most.0 / few.0));
    figures.insert("virtual.cost_ratio_10k_close".into(), ratio(most.1 / few.1));
}

fn pay(channel_id: B256) -> Command {
    Command::Pay { channel_id, amount: 1, purchase: Purchase::default(), ticks: 0 }
}
