//! The chain itself: blocks, time, reorganisations, and what can be seen of it.

use super::frame::{Frame, Memory};
use super::state::{Mark, Slot, State};
use super::{Contracts, PaidOut, Revert, Transaction, abi};
use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_sol_types::SolCall;
use millstream_core::channel::Chain;
use millstream_core::wallet::{ChainUpdate, Log};
use std::sync::{Arc, Mutex, PoisonError};

/// Mints tokens for others.
const MINTER: Address = address!("00000000000000000000000000000000000d0001");
/// What an account gets, in wei.
pub const ENDOWMENT: u128 = 1_000_000_000_000_000_000;

/// A chain that exists only as numbers; see the [module](super).
///
/// A clone goes its own way from there; what was computed about signatures stays shared.
#[derive(Clone, Debug)]
pub struct ModelChain {
    contracts: Contracts,
    state: State,
    memory: Arc<Mutex<Memory>>,
    /// The block and time that the chain starts with.
    genesis: (u64, u64),
    /// The blocks on top of the first.
    blocks: Vec<Block>,
    /// The logs of all blocks, in order.
    logs: Vec<Log>,
    /// What the adjudicator paid out in all blocks, in order.
    paid: Vec<PaidOut>,
}

#[derive(Clone, Debug)]
struct Block {
    /// In seconds since 1970.
    time: u64,
    transactions: Vec<Transaction>,
    /// What there was before the block: state and logs.
    state_before: Mark,
    logs_before: usize,
    paid_before: usize,
}

impl Default for ModelChain {
    fn default() -> Self {
        Self::new(Contracts::EXAMPLE, 1, 1_800_000_000)
    }
}

impl ModelChain {
    /// A chain with these contracts, on which nothing has happened, at a block with a time in seconds since 1970.
    pub fn new(contracts: Contracts, block: u64, time: u64) -> Self {
        Self {
            contracts,
            state: State::default(),
            memory: Arc::default(),
            genesis: (block, time),
            blocks: Vec::new(),
            logs: Vec::new(),
            paid: Vec::new(),
        }
    }

    /// The contracts as wallets know them.
    pub const fn contracts(&self) -> Chain {
        self.contracts.chain()
    }

    /// The token's contract.
    pub const fn token(&self) -> Address {
        self.contracts.token
    }

    /// Gives an account its native endowment of 10^18 wei, which no reorganisation takes away.
    ///
    /// # Panics
    ///
    /// If the account's balance has changed before.
    pub fn endow(&mut self, account: Address) {
        self.state.set_for_good(Slot::Balance(account), U256::from(ENDOWMENT));
    }

    /// The number of the newest block.
    pub fn block(&self) -> u64 {
        self.genesis.0 + self.blocks.len() as u64
    }

    /// The time of the newest block, in seconds since 1970.
    pub fn time(&self) -> u64 {
        self.blocks.last().map_or(self.genesis.1, |block| block.time)
    }

    /// Mines empty blocks, a second apart.
    pub fn mine(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.pass(1);
        }
    }

    /// Lets time pass and mines one empty block at its end.
    pub fn pass(&mut self, seconds: u64) {
        self.mine_block(seconds, Vec::new());
    }

    /// Sends a transaction, mined in a block of its own.
    ///
    /// # Errors
    ///
    /// The revert, if it reverts; the block is mined all the same.
    ///
    /// # Panics
    ///
    /// If the sender does not own the value, so that no block could include it.
    pub fn send(&mut self, from: Address, to: Address, value: u128, data: Bytes) -> Result<(), Revert> {
        let results = self.mine_block(1, vec![Transaction { from, to, value, data }]);
        let result = results.into_iter().next().flatten();
        result.expect("the sender owns what it sends")
    }

    /// Mines a block with these transactions, `seconds` after the last one.
    ///
    /// Returns what became of each: success, its revert, or `None` if its sender does not own the value, in which case
    /// it is not in the block.
    pub fn mine_block(&mut self, seconds: u64, transactions: Vec<Transaction>) -> Vec<Option<Result<(), Revert>>> {
        let mut block = Block {
            time: self.time() + seconds,
            transactions: Vec::new(),
            state_before: self.state.mark(),
            logs_before: self.logs.len(),
            paid_before: self.paid.len(),
        };
        let number = self.block() + 1;
        let mut results = Vec::new();
        for transaction in transactions {
            if self.state.get(Slot::Balance(transaction.from)) < U256::from(transaction.value) {
                results.push(None);
                continue;
            }
            results.push(Some(self.execute(&transaction, number, block.time, block.logs_before)));
            block.transactions.push(transaction);
        }
        self.blocks.push(block);
        results
    }

    /// Takes back the newest `depth` blocks with everything they did, and returns their transactions in order.
    ///
    /// Which of them come back, and in which order, is for the caller to say with [`Self::mine_block`]. The chain that
    /// replaces another is the longer one: wallets see it when at least as many blocks are mined.
    ///
    /// # Panics
    ///
    /// If there are not so many blocks.
    pub fn reorg(&mut self, depth: usize) -> Vec<Transaction> {
        let kept = self.blocks.len().checked_sub(depth).expect("only blocks of this chain can be taken back");
        let dropped = self.blocks.split_off(kept);
        if let Some(first) = dropped.first() {
            self.state.roll_back(first.state_before);
            self.logs.truncate(first.logs_before);
            self.paid.truncate(first.paid_before);
        }
        dropped.into_iter().flat_map(|block| block.transactions).collect()
    }

    /// The native balance of an account, in wei.
    pub fn balance(&self, account: Address) -> u128 {
        self.state.get(Slot::Balance(account)).saturating_to()
    }

    /// The token balance of an account, in base units; the greatest number if it does not fit.
    pub fn token_balance(&self, account: Address) -> u128 {
        self.state.get(Slot::TokenBalance(account)).saturating_to()
    }

    /// Mints tokens to an account, in a block of their own.
    pub fn mint(&mut self, account: Address, amount: u128) {
        let data = abi::Token::mintCall { to: account, amount: U256::from(amount) }.abi_encode();
        self.send(MINTER, self.contracts.token, 0, data.into()).expect("anyone may mint test tokens");
    }

    /// What the adjudicator holds for a channel, in base units of the asset (zero for the native one); the
    /// greatest number if it does not fit.
    pub fn holdings(&self, asset: Address, channel_id: B256) -> u128 {
        self.state.get(Slot::Holdings(asset, channel_id)).saturating_to()
    }

    /// What the adjudicator paid out, in order.
    pub fn paid_out(&self) -> &[PaidOut] {
        &self.paid
    }

    /// The status word of a channel, as `statusOf` returns it.
    pub fn status_of(&self, channel_id: B256) -> B256 {
        self.state.get(Slot::Status(channel_id)).into()
    }

    /// Everything since `from_block`, as a wallet takes it in.
    pub fn update(&self, from_block: u64) -> ChainUpdate {
        let first = self.logs.partition_point(|log| log.block < from_block);
        let logs = self.logs.iter().skip(first).cloned().collect();
        ChainUpdate { from_block, head_block: self.block(), head_time: self.time(), logs }
    }

    fn execute(&mut self, transaction: &Transaction, number: u64, time: u64, block_logs: usize) -> Result<(), Revert> {
        let before = self.state.mark();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut frame = Frame {
            state: &mut self.state,
            memory: &mut memory,
            contracts: self.contracts,
            time,
            sender: transaction.from,
            value: U256::from(transaction.value),
            logs: Vec::new(),
            paid: Vec::new(),
        };
        let result = frame.run(transaction);
        let (emitted, paid) = (frame.logs, frame.paid);
        if result.is_err() {
            self.state.roll_back(before);
            return result;
        }
        self.paid.extend(paid);
        for log in emitted {
            let log_index = (self.logs.len() - block_logs) as u64;
            let (address, topics, data) = (log.address, log.topics, log.data);
            let call = Some(transaction.data.clone());
            self.logs.push(Log { address, topics, data, block: number, log_index, call });
        }
        Ok(())
    }
}
