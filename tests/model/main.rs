//! The model of the chain and the published bytecode go the same way through the same random histories.
//!
//! After every block both are asked for everything: what became of each transaction, revert data included, every log,
//! what each channel holds, its status word, and all balances. A history is named by its seed, so a failure can be run
//! again, and others can be run: `MODEL_SEEDS=17..18 cargo test -p millstream-tests --test model`.

mod endings;
#[path = "../evm/mod.rs"]
mod evm;

use alloy_primitives::Address;
use millstream_tests::histories::{History, Step};
use millstream_tests::model::{ModelChain, Revert, Transaction};

use crate::endings::Endings;
use crate::evm::{Snapshot, TestChain};

const SEEDS: &str = "0..400";
const CALLS: usize = 30;

/// The seeds to run: `MODEL_SEEDS`, or the usual ones.
fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("MODEL_SEEDS").unwrap_or_else(|_| SEEDS.to_owned());
    let (first, end) = text.split_once("..").expect("MODEL_SEEDS is FIRST..END");
    first.parse().expect("FIRST is a number")..end.parse().expect("END is a number")
}

/// A history under way on both.
struct Run<'a> {
    seed: u64,
    history: &'a History,
    model: ModelChain,
    evm: &'a mut TestChain,
    /// The real chain before each of its blocks.
    before: Vec<Snapshot>,
    endings: &'a mut Endings,
}

impl Run<'_> {
    fn all(&mut self) {
        for &account in &self.history.senders {
            self.model.endow(account);
            self.evm.endow(account);
        }
        for (number, step) in self.history.steps.iter().enumerate() {
            let place = format!("seed {}, step {number}", self.seed);
            match step {
                Step::Block { seconds, transactions } => self.block(&place, *seconds, transactions),
                Step::Reorg { depth } => {
                    self.model.reorg(*depth);
                    let kept = self.before.len() - depth;
                    self.evm.restore(&self.before[kept]);
                    self.before.truncate(kept);
                }
            }
            self.compare(&place);
        }
        self.endings.count_ledgers(&self.evm.update(0));
    }

    fn block(&mut self, place: &str, seconds: u64, transactions: &[Transaction]) {
        self.before.push(self.evm.snapshot());
        let on_model = self.model.mine_block(seconds, transactions.to_vec());
        // A node does not take a transaction that its sender cannot pay for: there is nothing to compare.
        let included: Vec<_> = transactions
            .iter()
            .zip(&on_model)
            .filter(|(_, result)| result.is_some())
            .map(|(tx, _)| tx.clone())
            .collect();
        let on_evm = self.evm.mine_block(seconds, included.clone());
        for ((transaction, model), evm) in included.iter().zip(on_model.into_iter().flatten()).zip(on_evm) {
            let evm: Result<(), Revert> = evm.map(|_| ());
            // Calldata that says that something is longer than 2^64 bytes: the compiler panics, the model just reverts.
            let absurd = model == Err(Revert::silent()) && evm == Err(Revert::too_long());
            assert!(model == evm || absurd, "{place}: model {model:?}, bytecode {evm:?}, {transaction:?}");
            self.endings.count(transaction, &evm);
        }
    }

    /// Compares everything that can be seen.
    fn compare(&mut self, place: &str) {
        assert_eq!(self.model.update(0), self.evm.update(0), "{place}: blocks and logs");
        let contracts = self.evm.model_contracts();
        for &channel in &self.history.channels {
            assert_eq!(self.model.status_of(channel), self.evm.status_of(channel), "{place}: status of {channel}");
            for asset in [Address::ZERO, contracts.token] {
                let (model, evm) = (self.model.holdings(asset, channel), self.evm.holdings(asset, channel));
                assert_eq!(model, evm, "{place}: holdings of {channel} in {asset}");
            }
        }
        for &account in self.history.accounts.iter().chain([&contracts.adjudicator, &Address::ZERO]) {
            assert_eq!(self.model.balance(account), self.evm.balance(account), "{place}: balance of {account}");
            let (model, evm) = (self.model.token_balance(account), self.evm.token_balance(account));
            assert_eq!(model, evm, "{place}: tokens of {account}");
        }
    }
}

#[test]
fn model_and_bytecode_agree_on_random_histories() {
    let mut evm = TestChain::new();
    let genesis = evm.snapshot();
    let mut endings = Endings::default();
    for seed in seeds() {
        let (contracts, block, time) = (evm.model_contracts(), evm.block(), evm.time());
        let history = History::generate(seed, CALLS, contracts, block, time);
        let model = ModelChain::new(contracts, block, time);
        Run { seed, history: &history, model, evm: &mut evm, before: Vec::new(), endings: &mut endings }.all();
        evm.restore(&genesis);
    }
    println!("{endings}");
    if std::env::var_os("MODEL_SEEDS").is_none() {
        endings.assert_complete();
        endings.assert_ledgers();
    }
}
