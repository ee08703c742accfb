//! Wallets in a row with a ledger between each two, for virtual channels through those in the middle.

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Kind, Route, Terms, derive_nonce};
use millstream_core::protocol::{HubPolicy, Policy};
use millstream_core::wallet::{Command, Config, Input, Purchase};
use millstream_core::wire::{Envelope, decode_payment};

use super::{CHALLENGE_DURATION, CONFIRMATIONS, ENDOWMENT, Host, Parcel};
use crate::model::{ModelChain, Transaction};

/// What each hub asks for.
const FEE: u128 = 70;
/// What each side puts into each ledger.
const LEDGER: u128 = 1_000_000;

/// A payer, hubs and a payee.
#[derive(Debug)]
pub struct Row {
    /// The chain.
    pub chain: ModelChain,
    /// Payer, hubs, payee.
    pub hosts: Vec<Host>,
    /// The ledgers between them, then the virtual channels.
    pub channels: Vec<B256>,
}

impl Row {
    /// `upstream_leads`: for each ledger, whether the side nearer to the payer opened it. The smallest channel that the
    /// payee takes is `minimum`.
    ///
    /// # Panics
    ///
    /// If a ledger does not open.
    pub fn new(upstream_leads: &[bool], minimum: u128) -> Self {
        let mut chain = ModelChain::default();
        let count = upstream_leads.len();
        let hosts = (0..=count).map(|index| {
            let seed = 0xa1 + 0x11 * u8::try_from(index).expect("a short row");
            let account = Address::repeat_byte(seed);
            chain.endow(account);
            let min_deposit = if index == count { minimum } else { 1 };
            let hub = Some(HubPolicy { fee: FEE, ..HubPolicy::default() });
            let policy = Policy { max_contribution: ENDOWMENT, min_deposit, hub, ..Policy::default() };
            Host::new(
                Config { policy, ..Config::new(chain.contracts(), account.into_word()) },
                [seed; 32],
                account,
                false,
            )
        });
        let hosts = hosts.collect();
        let mut row = Self { chain, hosts, channels: Vec::new() };
        for (index, leads) in upstream_leads.iter().enumerate() {
            let (leader, follower) = if *leads { (index, index + 1) } else { (index + 1, index) };
            let terms = row.terms(leader, follower, LEDGER);
            let terms = Terms { kind: Kind::Ledger, payee_deposit: LEDGER, ..terms };
            row.channels.push(terms.channel_id());
            row.does(leader, Command::OpenChannel(terms));
        }
        row.go_on();
        row.go_on();
        row
    }

    fn terms(&self, payer: usize, payee: usize, deposit: u128) -> Terms {
        let (from, to) = (&self.hosts[payer], &self.hosts[payee]);
        Terms {
            chain: self.chain.contracts(),
            payer: from.wallet.address(),
            payee: to.wallet.address(),
            payer_destination: from.account.into_word(),
            payee_destination: to.account.into_word(),
            asset: Address::ZERO,
            deposit,
            challenge_duration: CHALLENGE_DURATION,
            confirmations: CONFIRMATIONS,
            nonce: derive_nonce(self.chain.time(), u32::try_from(self.channels.len()).expect("few")),
            kind: Kind::Stream,
            payee_deposit: 0,
            reserve: 0,
            hubs: Vec::new(),
        }
    }

    /// The payer proposes a virtual channel through all hubs.
    ///
    /// # Panics
    ///
    /// If its wallet refuses.
    pub fn open(&mut self, amount: u128) -> B256 {
        let last = self.hosts.len() - 1;
        let hubs = self.hosts[1..last].iter().map(|host| host.wallet.address()).collect();
        let terms = Terms { hubs, ..self.terms(0, last, amount) };
        let route = Route { ledgers: self.channels[..last].to_vec(), fees: vec![FEE; last - 1] };
        let id = terms.channel_id();
        self.channels.push(id);
        self.does(0, Command::OpenVirtual { terms, route });
        id
    }

    /// Tells a wallet what its owner wants.
    ///
    /// # Panics
    ///
    /// If it refuses.
    pub fn does(&mut self, host: usize, command: Command) {
        let shown = format!("{command:?}");
        self.input(host, Input::Command(command)).unwrap_or_else(|error| panic!("{shown}: {error}"));
    }

    fn input(&mut self, host: usize, input: Input) -> Result<(), millstream_core::wallet::Error> {
        let now = self.chain.time();
        self.hosts[host].input(input, now)
    }

    /// The payer pays, and all of it arrives.
    pub fn pays(&mut self, channel_id: B256, amount: u128) {
        self.does(0, Command::Pay { channel_id, amount, purchase: Purchase::of(B256::repeat_byte(9)), ticks: 0 });
        self.deliver_all();
    }

    /// Who gets a parcel: messages name their receiver, payments go to the payee of a virtual channel.
    fn receiver(&self, parcel: &Parcel) -> Option<usize> {
        match parcel {
            Parcel::Message(bytes) => {
                self.hosts.iter().position(|host| Envelope::open(bytes, host.wallet.address()).is_ok())
            }
            Parcel::Payment(bytes) => {
                decode_payment(bytes).ok()?;
                Some(self.hosts.len() - 1)
            }
        }
    }

    /// Delivers until nobody has anything to say.
    ///
    /// # Panics
    ///
    /// If they never stop.
    pub fn deliver_all(&mut self) {
        for _ in 0..2_000 {
            if !self.deliver_next() {
                return;
            }
        }
        panic!("wallets talk without end");
    }

    /// Delivers the next parcel. Says whether there was one.
    ///
    /// # Panics
    ///
    /// If it is for nobody.
    pub fn deliver_next(&mut self) -> bool {
        let Some(parcel) = self.hosts.iter_mut().find_map(|host| host.outgoing.pop_front()) else { return false };
        let to = self.receiver(&parcel).expect("somebody here");
        let input = match parcel {
            Parcel::Message(bytes) => Input::Message(bytes),
            Parcel::Payment(bytes) => Input::Payment(bytes),
        };
        // What is refused is dropped, as a host would.
        let _ = self.input(to, input);
        true
    }

    /// Everything that is on the way arrives and happens.
    ///
    /// # Panics
    ///
    /// If a wallet refuses the adjudicator's own logs.
    pub fn go_on(&mut self) {
        self.deliver_all();
        let waiting = self.hosts.iter_mut().flat_map(|host| {
            let from = host.account;
            host.pool.drain(..).map(move |pending| (from, pending.transaction)).collect::<Vec<_>>()
        });
        let transactions = waiting.map(|(from, it)| Transaction { from, to: it.to, value: it.value, data: it.data });
        let transactions = transactions.collect();
        self.chain.mine_block(1, transactions);
        self.chain.mine(u64::from(CONFIRMATIONS));
        for host in 0..self.hosts.len() {
            let update = self.chain.update(0);
            self.input(host, Input::Chain(update)).expect("the adjudicator's own logs");
        }
        self.deliver_all();
    }

    /// Everybody says again what may be lost.
    pub fn resume(&mut self) {
        for host in 0..self.hosts.len() {
            for channel_id in self.hosts[host].known() {
                self.does(host, Command::Resume { channel_id });
            }
        }
        self.deliver_all();
    }
}
