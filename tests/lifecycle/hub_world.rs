//! A payer, hubs and a payee in a row, with a ledger between each two, and a virtual channel through all of them.

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Balances, Channel, Kind, Route, Stage, Status, Terms, derive_nonce};
use millstream_core::protocol::HubPolicy;
use millstream_core::wallet::{Command, Error, Purchase};
use millstream_core::wire::Envelope;

use crate::Asset;
use crate::evm::{ENDOWMENT, TestChain};
use crate::party::{NOW, Parcel, Party};
use crate::world::HOUR;

/// What each side puts into each ledger.
pub(crate) const LEDGER: u128 = 1_000_000;
/// The money of the virtual channel.
pub(crate) const AMOUNT: u128 = 100_000;
/// What each hub asks for.
pub(crate) const FEE: u128 = 70;

pub(crate) struct Row {
    pub(crate) chain: TestChain,
    /// Payer, hubs, payee.
    pub(crate) parties: Vec<Party>,
    /// Who is switched off: nothing reaches it, and it sees nothing.
    pub(crate) gone: Vec<bool>,
    /// Between each two parties, in their order.
    pub(crate) ledgers: Vec<B256>,
    /// The virtual channel that was opened last.
    pub(crate) id: B256,
    pub(crate) asset: Address,
    opened: u32,
    /// How many messages and bytes went between each two.
    pub(crate) sent: Vec<(usize, usize)>,
}

impl Row {
    /// Parties with open ledgers between them; the one nearer to the payer leads.
    pub(crate) fn new(asset: Asset, hubs: usize) -> Self {
        Self::led_by(asset, &vec![true; hubs + 1])
    }

    /// `upstream_leads`: for each ledger, whether the side nearer to the payer opened it.
    pub(crate) fn led_by(asset: Asset, upstream_leads: &[bool]) -> Self {
        let mut chain = TestChain::new();
        let count = upstream_leads.len() + 1;
        let mut parties: Vec<Party> =
            (0..count).map(|index| Party::new(&mut chain, 0xa0 + u8::try_from(index).expect("few"))).collect();
        let asset = match asset {
            Asset::Native => Address::ZERO,
            Asset::Token => {
                parties.iter().for_each(|party| chain.mint(party.account, ENDOWMENT));
                chain.token
            }
        };
        for party in &mut parties {
            party.configure(|config| {
                config.policy.max_contribution = u128::MAX;
                config.policy.hub = Some(HubPolicy { fee: FEE, ..HubPolicy::default() });
            });
        }
        let gone = vec![false; count];
        let sent = vec![(0, 0); count];
        let mut row = Self { chain, parties, gone, ledgers: Vec::new(), id: B256::ZERO, asset, opened: 100, sent };
        for (index, leads) in upstream_leads.iter().enumerate() {
            let (leader, follower) = if *leads { (index, index + 1) } else { (index + 1, index) };
            let mut terms = row.parties[leader].terms(&row.parties[follower], row.asset, LEDGER);
            (terms.kind, terms.payee_deposit, terms.nonce) =
                (Kind::Ledger, LEDGER, derive_nonce(NOW, 7 + index as u32));
            row.ledgers.push(terms.channel_id());
            row.does(leader, Command::OpenChannel(terms));
        }
        row.settle();
        for index in 0..row.ledgers.len() {
            assert_eq!(row.parties[index].status(&row.ledgers[index]), Status::Open);
            assert_eq!(row.parties[index + 1].status(&row.ledgers[index]), Status::Open);
        }
        row
    }

    /// A row with an open virtual channel.
    pub(crate) fn open(asset: Asset, hubs: usize) -> Self {
        let mut row = Self::new(asset, hubs);
        row.open_one(AMOUNT);
        row.deliver();
        row.assert_open();
        row
    }

    pub(crate) fn last(&self) -> usize {
        self.parties.len() - 1
    }

    /// The terms and the route of the next virtual channel, from `from` to `to`.
    pub(crate) fn way(&mut self, from: usize, to: usize, amount: u128) -> (Terms, Route) {
        self.opened += 1;
        let indices: Vec<usize> = if from < to { (from..=to).collect() } else { (to..=from).rev().collect() };
        let mut terms = self.parties[from].terms(&self.parties[to], self.asset, amount);
        terms.nonce = derive_nonce(NOW, self.opened);
        let hubs = &indices[1..indices.len() - 1];
        terms.hubs = hubs.iter().map(|index| self.parties[*index].wallet.address()).collect();
        let ledgers = indices.windows(2).map(|pair| self.ledgers[pair[0].min(pair[1])]).collect();
        (terms, Route { ledgers, fees: vec![FEE; hubs.len()] })
    }

    /// The payer proposes a virtual channel.
    pub(crate) fn open_one(&mut self, amount: u128) -> B256 {
        let (terms, route) = self.way(0, self.last(), amount);
        self.id = terms.channel_id();
        self.does(0, Command::OpenVirtual { terms, route });
        self.id
    }

    pub(crate) fn does(&mut self, party: usize, command: Command) {
        self.try_to(party, command).expect("it may do that now");
    }

    pub(crate) fn try_to(&mut self, party: usize, command: Command) -> Result<(), Error> {
        self.parties[party].command(&mut self.chain, command)
    }

    pub(crate) fn pay(&mut self, amount: u128) {
        let purchase = Purchase::of(B256::repeat_byte(9));
        self.does(0, Command::Pay { channel_id: self.id, amount, purchase, ticks: 0 });
    }

    pub(crate) fn paid(&mut self, amount: u128) {
        self.pay(amount);
        self.deliver();
    }

    /// Whom a parcel is for: messages name their receiver, payments go to the payee of their channel.
    pub(crate) fn receiver(&self, parcel: &Parcel) -> Option<usize> {
        match parcel {
            Parcel::Message(bytes) => {
                let opens = |party: &Party| Envelope::open(bytes, party.wallet.address()).is_ok();
                self.parties.iter().position(opens)
            }
            Parcel::Payment(bytes) => {
                let channel_id = millstream_core::wire::decode_payment(bytes).ok()?.channel_id();
                let is_payee = |party: &Party| {
                    let channel = party.wallet.channel(&channel_id);
                    channel.is_some_and(|channel| channel.terms.payee == party.wallet.address())
                };
                self.parties.iter().position(is_payee)
            }
        }
    }

    /// Takes the next parcel that somebody has to say, if anybody has.
    pub(crate) fn next_parcel(&mut self) -> Option<(usize, Parcel)> {
        (0..self.parties.len()).find_map(|index| Some((index, self.parties[index].outgoing.pop_front()?)))
    }

    /// Brings one parcel to its receiver, if that is there. Refused ones are dropped, as a host would.
    pub(crate) fn bring(&mut self, from: usize, parcel: Parcel) {
        let (Parcel::Message(bytes) | Parcel::Payment(bytes)) = &parcel;
        self.sent[from].0 += 1;
        self.sent[from].1 += bytes.len();
        if let Some(to) = self.receiver(&parcel).filter(|to| !self.gone[*to] && !self.gone[from]) {
            let _ = self.parties[to].receive(&mut self.chain, parcel);
        }
    }

    /// Delivers until nobody has anything to say.
    pub(crate) fn deliver(&mut self) {
        for _ in 0..5_000 {
            let Some((from, parcel)) = self.next_parcel() else { return };
            self.bring(from, parcel);
        }
        panic!("they talk without end");
    }

    /// Delivers what is on the way, and mines until nothing waits for a confirmation.
    pub(crate) fn settle(&mut self) {
        self.deliver();
        for _ in 0..3 {
            self.chain.mine(3);
            self.watch();
            self.deliver();
        }
    }

    fn watch(&mut self) {
        for (party, gone) in self.parties.iter_mut().zip(&self.gone) {
            if !gone {
                party.watch(&mut self.chain);
            }
        }
    }

    /// Lets challenges run out, be reclaimed and paid out.
    pub(crate) fn run_out(&mut self) {
        for _ in 0..6 {
            self.settle();
            self.chain.pass(HOUR);
        }
        self.settle();
    }

    /// Lets time pass on the clocks of all that are there.
    pub(crate) fn wait(&mut self, seconds: u64) {
        for (party, gone) in self.parties.iter_mut().zip(&self.gone) {
            if !gone {
                party.wait(&mut self.chain, seconds);
            }
        }
        self.deliver();
    }

    /// Asks everyone who is there to say again what may be lost.
    pub(crate) fn resume(&mut self) {
        for index in 0..self.parties.len() {
            if self.gone[index] {
                continue;
            }
            let channels: Vec<B256> = self.parties[index].wallet.channels().map(|(id, _)| *id).collect();
            for channel_id in channels {
                let _ = self.try_to(index, Command::Resume { channel_id });
            }
        }
        self.deliver();
    }

    pub(crate) fn close(&mut self) {
        self.does(0, Command::CloseChannel { channel_id: self.id });
        self.deliver();
    }

    pub(crate) fn record(&self, party: usize) -> &Channel {
        self.parties[party].channel(&self.id)
    }

    pub(crate) fn assert_open(&self) {
        for index in 0..self.parties.len() {
            assert_eq!(self.record(index).status(), Status::Open, "party {index}");
            let passage = self.record(index).passage.as_ref().expect("a virtual channel");
            assert!(
                passage.hops().all(|hop| hop.stage == Stage::Held),
                "party {index}: {:?}",
                self.record(index).passage
            );
        }
    }

    /// Checks that both sides of each ledger have the same newest state, that it is whole, and what the side nearer to the
    /// payer has in it.
    pub(crate) fn assert_ledgers(&self, upstream: &[u128], guaranteed: u128) {
        for (index, expected) in upstream.iter().enumerate() {
            let (here, there) = (self.ledger(index, index), self.ledger(index, index + 1));
            assert_eq!(here.split(), there.split(), "ledger {index}");
            assert_eq!(here.split().guaranteed(), guaranteed, "ledger {index}");
            assert_eq!(here.split().balances.of(here.role), *expected, "ledger {index}");
            let rest = 2 * LEDGER - guaranteed - expected;
            assert_eq!(here.split().balances.of(there.role), rest, "ledger {index}");
        }
    }

    pub(crate) fn ledger(&self, index: usize, party: usize) -> &Channel {
        self.parties[party].channel(&self.ledgers[index])
    }

    pub(crate) fn balances(&self, index: usize) -> Balances {
        self.ledger(index, index).balances()
    }

    /// What each party gained or lost of the asset since the start.
    pub(crate) fn gains(&mut self) -> Vec<i128> {
        let accounts: Vec<Address> = self.parties.iter().map(|party| party.account).collect();
        let signed = |value: u128| i128::try_from(value).expect("small amounts");
        let gain = |account| {
            let chain = &mut self.chain;
            let now = if self.asset.is_zero() { chain.balance(account) } else { chain.token_balance(account) };
            signed(now) - signed(ENDOWMENT)
        };
        accounts.into_iter().map(gain).collect()
    }

    /// Closes all ledgers together.
    pub(crate) fn close_ledgers(&mut self) {
        for index in 0..self.ledgers.len() {
            self.does(index, Command::CloseChannel { channel_id: self.ledgers[index] });
        }
        self.settle();
    }
}
