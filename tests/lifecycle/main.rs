//! Whole lives of directly funded channels: two wallets and the real contracts, in one process.
//!
//! Every history ends with balances checked to the unit. Time, blocks, losses and crashes are the test's own, so every
//! run is the same.

#[path = "../evm/mod.rs"]
mod evm;
mod party;

mod alone;
mod crash;
mod hostile;
mod together;

use alloy_primitives::{Address, B256};
use millstream_core::channel::Status;
use millstream_core::wallet::Command;

use crate::evm::{ENDOWMENT, TestChain};
use crate::party::{Party, advance, deliver};

pub(crate) const DEPOSIT: u128 = 1_000_000;
pub(crate) const PAYER: u8 = 0xa1;
pub(crate) const PAYEE: u8 = 0xb2;

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
                chain.token
            }
        };
        Self { chain, payer, payee, asset, id: B256::ZERO }
    }

    /// A world with an open channel.
    pub(crate) fn open(asset: Asset) -> Self {
        let mut world = Self::new(asset);
        world.propose();
        world.settle();
        assert_eq!(world.payer.status(&world.id), Status::Open);
        assert_eq!(world.payee.status(&world.id), Status::Open);
        world
    }

    pub(crate) fn propose(&mut self) {
        let terms = self.payer.terms(&self.payee, self.asset, DEPOSIT);
        self.id = terms.channel_id();
        self.payer.command(&mut self.chain, Command::OpenChannel(terms)).expect("good terms");
    }

    /// Delivers what is on the way, and mines until nothing waits for a confirmation.
    pub(crate) fn settle(&mut self) {
        deliver(&mut self.chain, &mut self.payer, &mut self.payee);
        for _ in 0..2 {
            advance(&mut self.chain, &mut self.payer, &mut self.payee, 3);
        }
    }

    pub(crate) fn pay(&mut self, amount: u128) {
        let command = Command::Pay { channel_id: self.id, amount, memo: B256::repeat_byte(9) };
        self.payer.command(&mut self.chain, command).expect("the channel is open and holds enough");
    }

    pub(crate) fn deliver(&mut self) {
        deliver(&mut self.chain, &mut self.payer, &mut self.payee);
    }

    /// What an account gained or lost of the channel's asset since the start.
    pub(crate) fn gain(&mut self, account: Address) -> i128 {
        let signed = |value: u128| i128::try_from(value).expect("small amounts");
        if self.asset.is_zero() {
            signed(self.chain.balance(account)) - signed(ENDOWMENT)
        } else {
            let start = if account == self.payer.account { ENDOWMENT } else { 0 };
            signed(self.chain.token_balance(account)) - signed(start)
        }
    }

    /// Checks that the channel is paid out, `paid` went over, and the adjudicator holds nothing.
    pub(crate) fn assert_settled(&mut self, paid: u128) {
        let paid = i128::try_from(paid).expect("small amounts");
        let (payer, payee) = (self.payer.account, self.payee.account);
        assert_eq!((self.gain(payer), self.gain(payee)), (-paid, paid));
        assert_eq!(self.chain.holdings(self.asset, self.id), 0);
    }
}
