//! Whole lives of channels that between them show every message, status and kind of record.

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Kind, Terms};
use millstream_core::wallet::{Command, Input, LeaseTerms, Purchase};
use millstream_core::wire::{Envelope, Message};

use super::{ALICE, BOB, CHALLENGE_DURATION, Host, Pair, Row, Traits};
use crate::model::ModelChain;

const DEPOSIT: u128 = 1_000_000;

/// What the parties of a life are left with.
#[derive(Debug)]
pub struct Life {
    /// Its name.
    pub name: &'static str,
    /// The chain.
    pub chain: ModelChain,
    /// The parties: payer, hubs, payee.
    pub hosts: Vec<Host>,
    /// Their channels.
    pub channels: Vec<B256>,
}

impl Life {
    fn of_pair(name: &'static str, pair: Pair) -> Self {
        let Pair { chain, hosts, channels, .. } = pair;
        Self { name, chain, hosts: hosts.into(), channels }
    }

    fn of_row(name: &'static str, Row { chain, hosts, channels }: Row) -> Self {
        Self { name, chain, hosts, channels }
    }

    /// The key of whoever got a parcel of `from`.
    pub fn receiver(&self, from: usize, bytes: &[u8]) -> Option<Address> {
        let others = self.hosts.iter().enumerate().filter(|(index, _)| *index != from);
        let mut keys = others.map(|(_, host)| host.wallet.address());
        keys.find(|key| Envelope::open(bytes, *key).is_ok())
    }
}

/// All lives, always the same.
///
/// # Panics
///
/// If a life does not go as it should.
pub fn all() -> Vec<Life> {
    let pairs = [
        ("together", together()),
        ("alone", alone()),
        ("late", late()),
        ("ledger", ledger()),
        ("updates", updates()),
        ("refusal", refusal()),
        ("withdrawal", withdrawal()),
        ("request", request()),
        ("snapshot", snapshot()),
        ("lease", lease()),
        ("outside", outside()),
        ("restored", restored()),
    ];
    let rows = [
        ("hubs", through_hubs()),
        ("hub-refused", refused_below()),
        ("hub-late", closed_below()),
        ("hub-alone", hub_alone()),
    ];
    let pairs = pairs.into_iter().map(|(name, pair)| Life::of_pair(name, pair));
    pairs.chain(rows.into_iter().map(|(name, row)| Life::of_row(name, row))).collect()
}

/// The name of a message on the wire. Source: docs/protocol.md, Messages.
///
/// # Panics
///
/// If there is a message without a name.
pub fn name_of(message: &Message) -> &'static str {
    match message {
        Message::ChannelOpen { .. } => "channel_open",
        Message::ChannelAccept { .. } => "channel_accept",
        Message::FundingLocked { .. } => "funding_locked",
        Message::ShutdownRequest => "shutdown_request",
        Message::Shutdown { .. } => "shutdown",
        Message::ShutdownAck { .. } => "shutdown_ack",
        Message::Error { .. } => "error",
        Message::Update { .. } => "update",
        Message::UpdateAck { .. } => "update_ack",
        Message::UpdateError { .. } => "update_error",
        Message::UpdateRequest { .. } => "update_request",
        Message::SuccessorOpen { .. } => "successor_open",
        Message::SuccessorAccept { .. } => "successor_accept",
        Message::ChannelReestablish { .. } => "channel_reestablish",
        Message::Ping => "ping",
        Message::Pong => "pong",
        Message::Abort { .. } => "abort",
        other => panic!("a message without a name: {other:?}"),
    }
}

/// The names of all messages.
pub const MESSAGES: [&str; 17] = [
    "channel_open",
    "channel_accept",
    "funding_locked",
    "shutdown_request",
    "shutdown",
    "shutdown_ack",
    "error",
    "update",
    "update_ack",
    "update_error",
    "update_request",
    "successor_open",
    "successor_accept",
    "channel_reestablish",
    "ping",
    "pong",
    "abort",
];

impl Pair {
    fn does(&mut self, host: usize, command: Command) {
        let shown = format!("{command:?}");
        self.command(host, command).unwrap_or_else(|error| panic!("{shown}: {error}"));
    }

    fn pays(&mut self, host: usize, channel_id: B256, amount: u128) {
        self.does(host, Command::Pay { channel_id, amount, purchase: Purchase::of(B256::repeat_byte(9)), ticks: 0 });
        self.flush(host);
        self.deliver_all();
    }
}

fn open(traits: [Traits; 2]) -> (Pair, B256) {
    let mut pair = Pair::new(traits);
    let terms = pair.terms(ALICE, DEPOSIT);
    let id = pair.open_now(ALICE, terms);
    (pair, id)
}

/// Tokens; the payee closes.
fn together() -> Pair {
    let mut pair = Pair::new(Default::default());
    let asset = pair.chain.token();
    let terms = Terms { asset, ..pair.terms(ALICE, DEPOSIT) };
    let id = pair.open_now(ALICE, terms);
    pair.pays(ALICE, id, 1);
    pair.pays(ALICE, id, 250_000);
    pair.does(BOB, Command::Ping { channel_id: id });
    pair.does(BOB, Command::CloseChannel { channel_id: id });
    pair.go_on();
    pair
}

/// The payer leaves on a stale state, the payee answers.
fn alone() -> Pair {
    let (mut pair, id) = open(Default::default());
    for _ in 0..3 {
        pair.does(
            ALICE,
            Command::Pay { channel_id: id, amount: 100, purchase: Purchase::of(B256::repeat_byte(9)), ticks: 9 },
        );
        pair.flush(ALICE);
        pair.deliver_all();
    }
    pair.does(ALICE, Command::LeaveChannel { channel_id: id });
    pair.go_on();
    pair.go_on();
    pair.chain.pass(CHALLENGE_DURATION);
    pair.go_on();
    pair.go_on();
    pair
}

/// A proposal that arrives when its time is over.
fn late() -> Pair {
    let mut pair = Pair::new(Default::default());
    let terms = pair.terms(ALICE, DEPOSIT);
    pair.open(ALICE, terms).expect("good terms");
    pair.chain.pass(2 * CHALLENGE_DURATION);
    pair.go_on();
    pair
}

/// Both pay, several updates wait at once, and each side's message is lost once.
fn ledger() -> Pair {
    let mut pair = Pair::new(Default::default());
    let terms = Terms { kind: Kind::Ledger, payee_deposit: 500_000, reserve: 1_000, ..pair.terms(ALICE, DEPOSIT) };
    let id = pair.open_now(ALICE, terms);
    for amount in [1, 2, 3] {
        pair.does(ALICE, Command::Pay { channel_id: id, amount, purchase: Purchase::default(), ticks: 0 });
    }
    pair.deliver_all();
    pair.pays(BOB, id, 70_000);
    pair.does(ALICE, Command::Pay { channel_id: id, amount: 9, purchase: Purchase::default(), ticks: 0 });
    pair.hosts[ALICE].outgoing.clear();
    pair.does(ALICE, Command::Resume { channel_id: id });
    pair.deliver_all();
    pair.does(ALICE, Command::CloseChannel { channel_id: id });
    pair.go_on();
    pair
}

/// Folding, giving back, topping up.
fn updates() -> Pair {
    let (mut pair, id) = open(Default::default());
    pair.pays(ALICE, id, 30_000);
    pair.does(BOB, Command::Fold { channel_id: id });
    pair.deliver_all();
    pair.does(BOB, Command::GiveBack { channel_id: id, amount: 10_000 });
    pair.deliver_all();
    pair.does(ALICE, Command::TopUp { channel_id: id, amount: 5_000 });
    pair.go_on();
    pair.pays(ALICE, id, 4);
    pair.does(ALICE, Command::CloseChannel { channel_id: id });
    pair.go_on();
    pair
}

/// The payer pays out of a deposit that the payee has not seen yet, and again when it has.
fn refusal() -> Pair {
    let mut pair = Pair::new(Default::default());
    let terms = Terms { kind: Kind::Ledger, ..pair.terms(ALICE, DEPOSIT) };
    let id = pair.open_now(ALICE, terms);
    pair.does(ALICE, Command::TopUp { channel_id: id, amount: 500_000 });
    pair.deliver_all();
    pair.mine_for(&[ALICE, BOB], 1);
    pair.chain.mine(3);
    pair.watch(ALICE);
    pair.pays(ALICE, id, 1_200_000);
    pair.watch(BOB);
    pair.pays(ALICE, id, 1_200_000);
    pair.does(BOB, Command::CloseChannel { channel_id: id });
    pair.go_on();
    pair
}

/// The payer withdraws, and the channel goes on.
fn withdrawal() -> Pair {
    let (mut pair, id) = open(Default::default());
    pair.pays(ALICE, id, 30_000);
    pair.does(ALICE, Command::Withdraw { channel_id: id, amount: 100_000 });
    pair.go_on();
    let next = *pair.channels.last().expect("a successor");
    pair.pays(ALICE, next, 50);
    pair.does(ALICE, Command::CloseChannel { channel_id: next });
    pair.go_on();
    pair
}

/// The payee withdraws.
fn request() -> Pair {
    let (mut pair, id) = open(Default::default());
    pair.pays(ALICE, id, 30_000);
    pair.does(BOB, Command::Withdraw { channel_id: id, amount: 20_000 });
    pair.go_on();
    pair
}

/// The payee puts its voucher on chain, the payer leaves with it, and takes it back.
fn snapshot() -> Pair {
    let (mut pair, id) = open(Default::default());
    pair.pays(ALICE, id, 30_000);
    pair.does(BOB, Command::Snapshot { channel_id: id });
    pair.go_on();
    pair.pays(ALICE, id, 1);
    pair.does(ALICE, Command::LeaveChannel { channel_id: id });
    pair.go_on();
    let _ = pair.command(BOB, Command::ClearChallenge { channel_id: id });
    pair.go_on();
    pair
}

/// The payer pays under a lease and forgets how far it got.
fn lease() -> Pair {
    let lease = Some(LeaseTerms { payments: 3, amount: 1_000 });
    let (mut pair, id) = open([Traits { lease, ..Traits::default() }, Traits::default()]);
    for amount in [1, 2, 3, 4] {
        pair.pays(ALICE, id, amount);
    }
    let now = pair.now();
    pair.hosts[ALICE].crash(usize::MAX, now);
    let _ = pair.command(ALICE, Command::Pay { channel_id: id, amount: 1, purchase: Purchase::default(), ticks: 0 });
    pair.does(ALICE, Command::Resume { channel_id: id });
    pair.go_on();
    pair.pays(ALICE, id, 5);
    pair
}

/// The payer's key is elsewhere: records wait for signatures.
fn outside() -> Pair {
    let (mut pair, id) = open([Traits { external: true, ..Traits::default() }, Traits::default()]);
    pair.pays(ALICE, id, 7);
    pair.does(ALICE, Command::Fold { channel_id: id });
    pair.flush(ALICE);
    pair.deliver_all();
    pair.does(ALICE, Command::Pay { channel_id: id, amount: 1, purchase: Purchase::default(), ticks: 0 });
    pair
}

/// The payer loses its store and comes back with a backup that misses what it signed last.
fn restored() -> Pair {
    let (mut pair, id) = open(Default::default());
    pair.pays(ALICE, id, 7);
    let backup = pair.hosts[ALICE].store[&id].bytes.clone();
    pair.pays(ALICE, id, 8);
    pair.does(BOB, Command::Fold { channel_id: id });
    pair.deliver_all();
    pair.hosts[ALICE].store.clear();
    let now = pair.now();
    pair.hosts[ALICE].crash(0, now);
    pair.input(ALICE, Input::Restore(vec![(id, backup)])).expect("a backup of this wallet");
    pair.go_on();
    pair.pays(ALICE, id, 9);
    pair.does(ALICE, Command::CloseChannel { channel_id: id });
    pair.go_on();
    pair
}

/// A channel through two hubs; the payee closes.
fn through_hubs() -> Row {
    let mut row = Row::new(&[true, false, true], 1);
    let payee = row.hosts.len() - 1;
    let id = row.open(1_000);
    row.deliver_all();
    row.pays(id, 30);
    row.resume();
    row.pays(id, 4);
    row.does(payee, Command::CloseChannel { channel_id: id });
    row.deliver_all();
    row
}

/// The payee does not take a channel that the hub accepted.
fn refused_below() -> Row {
    let mut row = Row::new(&[true, true], 5_000);
    row.open(1_000);
    row.deliver_all();
    row
}

/// The payee closes the ledger that a guarantee was offered in: the hub gives the channel up, and what is before it goes back.
fn closed_below() -> Row {
    let mut row = Row::new(&[true, true], 1);
    let id = row.open(1_000);
    // Until the hub has offered the guarantee.
    while row.hosts[1].channel(&id).is_none_or(|channel| channel.passage.is_none_or(|it| !it.postfund.agreed)) {
        row.deliver_next();
    }
    row.does(2, Command::CloseChannel { channel_id: row.channels[1] });
    row.deliver_all();
    row.resume();
    row.chain.pass(CHALLENGE_DURATION);
    row.go_on();
    row
}

/// The payee leaves with its voucher: the ledgers follow, and the guarantees are reclaimed.
fn hub_alone() -> Row {
    let mut row = Row::new(&[true, false], 1);
    let id = row.open(1_000);
    row.deliver_all();
    row.pays(id, 30);
    row.pays(id, 12);
    row.does(2, Command::LeaveChannel { channel_id: id });
    row.does(1, Command::LeaveChannel { channel_id: row.channels[0] });
    row.does(2, Command::LeaveChannel { channel_id: row.channels[1] });
    for _ in 0..3 {
        row.go_on();
        row.go_on();
        row.chain.pass(CHALLENGE_DURATION);
    }
    row.go_on();
    row
}
