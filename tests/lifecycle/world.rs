//! Two parties on a chain, and what a test does with them.

use alloy_primitives::{Address, B256, U256};
use millstream_core::channel::{Balances, POSTFUND_TURN, Status, Terms};
use millstream_core::wallet::{Command, Purchase};

use crate::evm::{ENDOWMENT, TestChain};
use crate::party::{Party, advance, deliver};

pub(crate) const DEPOSIT: u128 = 1_000_000;
pub(crate) const PAYER: u8 = 0xa1;
pub(crate) const PAYEE: u8 = 0xb2;
/// The challenge duration of the channels, in seconds.
pub(crate) const HOUR: u64 = 3_600;

/// Two parties on a chain, and their channel once it is proposed.
pub(crate) struct World {
    pub(crate) chain: TestChain,
    pub(crate) payer: Party,
    pub(crate) payee: Party,
    pub(crate) asset: Address,
    pub(crate) id: B256,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Asset {
    Native,
    Token,
}

impl World {
    pub(crate) fn new(asset: Asset) -> Self {
        let mut chain = TestChain::new();
        let payer = Party::new(&mut chain, PAYER);
        let payee = Party::new(&mut chain, PAYEE);
        let asset = match asset {
            Asset::Native => Address::ZERO,
            Asset::Token => {
                chain.mint(payer.account, ENDOWMENT);
                chain.mint(payee.account, ENDOWMENT);
                chain.token
            }
        };
        Self { chain, payer, payee, asset, id: B256::ZERO }
    }

    /// A world with an open channel.
    pub(crate) fn open(asset: Asset) -> Self {
        Self::open_with(asset, |_| {})
    }

    /// A world with an open channel whose terms are `change`d.
    pub(crate) fn open_with(asset: Asset, change: impl FnOnce(&mut Terms)) -> Self {
        let mut world = Self::new(asset);
        world.payee.configure(|config| config.policy.max_contribution = u128::MAX);
        world.propose_with(change);
        world.settle();
        world.assert_status(Status::Open);
        world
    }

    pub(crate) fn propose(&mut self) {
        self.propose_with(|_| {});
    }

    pub(crate) fn propose_with(&mut self, change: impl FnOnce(&mut Terms)) {
        let mut terms = self.payer.terms(&self.payee, self.asset, DEPOSIT);
        change(&mut terms);
        self.id = terms.channel_id();
        self.payer_does(Command::OpenChannel(terms));
    }

    pub(crate) fn payer_does(&mut self, command: Command) {
        self.payer.command(&mut self.chain, command).expect("the payer may do that now");
    }

    pub(crate) fn payee_does(&mut self, command: Command) {
        self.payee.command(&mut self.chain, command).expect("the payee may do that now");
    }

    /// The code of the error that a command of the payer gets.
    pub(crate) fn payer_cannot(&mut self, command: Command) -> &'static str {
        self.payer.command(&mut self.chain, command).expect_err("the payer may not do that now").code()
    }

    /// The code of the error that a command of the payee gets.
    pub(crate) fn payee_cannot(&mut self, command: Command) -> &'static str {
        self.payee.command(&mut self.chain, command).expect_err("the payee may not do that now").code()
    }

    /// Asks both sides to send again what may be lost, as hosts do after a restart or a lost connection.
    pub(crate) fn resume(&mut self) {
        let command = Command::Resume { channel_id: self.id };
        let _ = self.payer.command(&mut self.chain, command.clone());
        let _ = self.payee.command(&mut self.chain, command);
        self.deliver();
    }

    /// Delivers what is on the way, and mines until nothing waits for a confirmation.
    pub(crate) fn settle(&mut self) {
        deliver(&mut self.chain, &mut self.payer, &mut self.payee);
        for _ in 0..2 {
            advance(&mut self.chain, &mut self.payer, &mut self.payee, 3);
        }
    }

    /// Lets challenges run out and be paid out, both sides watching.
    pub(crate) fn run_out(&mut self) {
        for _ in 0..3 {
            self.settle();
            self.chain.pass(HOUR);
        }
        self.settle();
    }

    pub(crate) fn close(&mut self) {
        self.payer_does(Command::CloseChannel { channel_id: self.id });
        self.settle();
        self.assert_status(Status::Closed);
    }

    pub(crate) fn pay(&mut self, amount: u128) {
        let command =
            Command::Pay { channel_id: self.id, amount, purchase: Purchase::of(B256::repeat_byte(9)), ticks: 0 };
        self.payer.command(&mut self.chain, command).expect("the channel is open and holds enough");
    }

    /// Pays and delivers.
    pub(crate) fn paid(&mut self, amount: u128) {
        self.pay(amount);
        self.deliver();
    }

    pub(crate) fn deliver(&mut self) {
        deliver(&mut self.chain, &mut self.payer, &mut self.payee);
    }

    /// Delivers everything up to the payer's final state, and that; the payee's answer to it is still on its way.
    pub(crate) fn deliver_until_shutdown(&mut self) {
        while self.payee.channel(&self.id).closing.is_none() {
            if let Some(parcel) = self.payer.outgoing.pop_front() {
                self.payee.receive(&mut self.chain, parcel).expect("a fair message");
            } else {
                let parcel = self.payee.outgoing.pop_front().expect("somebody has something to say");
                self.payer.receive(&mut self.chain, parcel).expect("a fair message");
            }
        }
    }

    pub(crate) fn assert_status(&self, status: Status) {
        assert_eq!((self.payer.status(&self.id), self.payee.status(&self.id)), (status, status));
    }

    /// Checks that both sides think that the money is split like this.
    pub(crate) fn assert_split(&self, payer: u128, payee: u128) {
        let split = Balances { payer, payee };
        assert_eq!((self.payer.balances(&self.id), self.payee.balances(&self.id)), (split, split));
    }

    /// Checks that nothing was signed by both since the channel was opened.
    pub(crate) fn assert_unchanged_base(&self) {
        let turn = |party: &Party| party.channel(&self.id).base.map(|base| base.turn);
        assert_eq!((turn(&self.payer), turn(&self.payee)), (Some(POSTFUND_TURN), Some(POSTFUND_TURN)));
    }

    /// What the adjudicator holds for the channel.
    pub(crate) fn chain_holds(&mut self) -> U256 {
        U256::from(self.chain.holdings(self.asset, self.id))
    }

    /// What an account gained or lost of the channel's asset since the start.
    pub(crate) fn gain(&mut self, account: Address) -> i128 {
        let signed = |value: u128| i128::try_from(value).expect("small amounts");
        let now = if self.asset.is_zero() { self.chain.balance(account) } else { self.chain.token_balance(account) };
        signed(now) - signed(ENDOWMENT)
    }

    /// Checks what both have gained since the start.
    pub(crate) fn assert_gains(&mut self, payer: i128, payee: i128) {
        let accounts = (self.payer.account, self.payee.account);
        assert_eq!((self.gain(accounts.0), self.gain(accounts.1)), (payer, payee));
    }

    /// Checks that the channel is paid out, `paid` went over, and the adjudicator holds nothing.
    pub(crate) fn assert_settled(&mut self, paid: u128) {
        let paid = i128::try_from(paid).expect("small amounts");
        self.assert_gains(-paid, paid);
        assert_eq!(self.chain.holdings(self.asset, self.id), 0);
    }
}
