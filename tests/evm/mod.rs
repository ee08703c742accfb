//! A chain in memory: the published adjudicator and our contracts in revm, driven step by step.
//!
//! Shared by the Rust tests that need the real bytecode. Blocks are mined only when a test says so, so every history is
//! the same on every run.

#![allow(dead_code, reason = "each test binary uses its own part")]

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address};
use millstream_core::channel::Chain;
use millstream_core::wallet::{ChainUpdate, Log};
use millstream_tests::model::{Contracts, Revert, Transaction};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Context, Journal, TxEnv};
use revm::database::InMemoryDB;
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{Database, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

pub(crate) const CHAIN_ID: u64 = 31_337;
/// Deploys the contracts and pays for what nobody else does.
pub(crate) const DEPLOYER: Address = address!("00000000000000000000000000000000000d0001");
/// What every account that the tests use holds at the start, in wei.
pub(crate) const ENDOWMENT: u128 = 1_000_000_000_000_000_000;

type Evm = MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, InMemoryDB, Journal<InMemoryDB>, ()>>;

/// What a call that succeeded left behind.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) gas_used: u64,
    pub(crate) output: Bytes,
}

/// A state of the chain to come back to.
pub(crate) struct Snapshot {
    database: InMemoryDB,
    block: u64,
    time: u64,
    logs: usize,
}

pub(crate) struct TestChain {
    evm: Evm,
    chain_id: u64,
    block: u64,
    time: u64,
    logs: Vec<Log>,
    pub(crate) adjudicator: Address,
    pub(crate) stream_app: Address,
    pub(crate) consensus_app: Address,
    pub(crate) token: Address,
}

impl TestChain {
    /// A chain with the contracts deployed, at block 1.
    pub(crate) fn new() -> Self {
        Self::with_id(CHAIN_ID)
    }

    /// A chain with this EIP-155 id. The contracts are in the same places on all of them.
    pub(crate) fn with_id(chain_id: u64) -> Self {
        let context = Context::mainnet().with_db(InMemoryDB::default()).modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::PRAGUE);
            cfg.chain_id = chain_id;
        });
        let mut chain = Self {
            evm: context.build_mainnet(),
            chain_id,
            block: 1,
            time: 1_800_000_000,
            logs: Vec::new(),
            adjudicator: Address::ZERO,
            stream_app: Address::ZERO,
            consensus_app: Address::ZERO,
            token: Address::ZERO,
        };
        chain.endow(DEPLOYER);
        chain.adjudicator = chain.deploy("NitroAdjudicator");
        chain.stream_app = chain.deploy("StreamApp");
        chain.consensus_app = chain.deploy("ConsensusApp");
        chain.token = chain.deploy("TestToken");
        chain
    }

    pub(crate) fn contracts(&self) -> Chain {
        Chain {
            chain_id: self.chain_id,
            adjudicator: self.adjudicator,
            stream_app: self.stream_app,
            consensus_app: self.consensus_app,
        }
    }

    /// The contracts as the model takes them.
    pub(crate) fn model_contracts(&self) -> Contracts {
        let Self { chain_id, adjudicator, stream_app, consensus_app, token, .. } = *self;
        Contracts { chain_id, adjudicator, stream_app, consensus_app, token }
    }

    /// Gives an account its native endowment.
    pub(crate) fn endow(&mut self, account: Address) {
        let info = AccountInfo { balance: U256::from(ENDOWMENT), ..AccountInfo::default() };
        self.evm.ctx.journaled_state.database.insert_account_info(account, info);
    }

    pub(crate) fn block(&self) -> u64 {
        self.block
    }

    pub(crate) fn time(&self) -> u64 {
        self.time
    }

    /// Mines empty blocks, a second apart.
    pub(crate) fn mine(&mut self, blocks: u64) {
        self.block += blocks;
        self.time += blocks;
    }

    /// Lets time pass and mines one block at its end.
    pub(crate) fn pass(&mut self, seconds: u64) {
        self.time += seconds;
        self.block += 1;
    }

    /// Sends a transaction, mined in a block of its own.
    pub(crate) fn send(&mut self, from: Address, to: Address, value: u128, data: Bytes) -> Result<Receipt, Revert> {
        self.mine(1);
        let result = self.transact(from, TxKind::Call(to), value, data.clone());
        self.settle(result, &data)
    }

    /// Mines a block with these transactions, `seconds` after the last one.
    pub(crate) fn mine_block(&mut self, seconds: u64, transactions: Vec<Transaction>) -> Vec<Result<Receipt, Revert>> {
        self.pass(seconds);
        let mut results = Vec::new();
        for Transaction { from, to, value, data } in transactions {
            let result = self.transact(from, TxKind::Call(to), value, data.clone());
            results.push(self.settle(result, &data));
        }
        results
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let database = self.evm.ctx.journaled_state.database.clone();
        Snapshot { database, block: self.block, time: self.time, logs: self.logs.len() }
    }

    /// Forgets everything since the snapshot.
    pub(crate) fn restore(&mut self, snapshot: &Snapshot) {
        self.evm.ctx.journaled_state.database = snapshot.database.clone();
        self.block = snapshot.block;
        self.time = snapshot.time;
        self.logs.truncate(snapshot.logs);
    }

    /// Calls a contract without leaving a trace.
    pub(crate) fn call(&mut self, to: Address, data: Bytes) -> Result<Bytes, Revert> {
        let tx = self.tx(DEPLOYER, TxKind::Call(to), 0, data);
        match self.evm.transact(tx).expect("the call is well formed").result {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            ExecutionResult::Revert { output, .. } => Err(Revert(output)),
            ExecutionResult::Halt { reason, .. } => panic!("call halted: {reason:?}"),
        }
    }

    /// The native balance of an account, in wei. Gas is free on this chain.
    pub(crate) fn balance(&mut self, account: Address) -> u128 {
        let info = self.evm.ctx.journaled_state.database.basic(account).expect("in memory");
        info.map_or(0, |info| info.balance.to())
    }

    /// The token balance of an account.
    pub(crate) fn token_balance(&mut self, account: Address) -> u128 {
        let mut data = hex("70a08231");
        data.extend_from_slice(account.into_word().as_slice());
        let word = self.call(self.token, data.into()).expect("balanceOf never reverts");
        U256::from_be_slice(&word).saturating_to()
    }

    /// Mints tokens to an account.
    pub(crate) fn mint(&mut self, account: Address, amount: u128) {
        let mut data = hex("40c10f19");
        data.extend_from_slice(account.into_word().as_slice());
        data.extend_from_slice(&U256::from(amount).to_be_bytes::<32>());
        let token = self.token;
        self.send(DEPLOYER, token, 0, data.into()).expect("anyone may mint test tokens");
    }

    /// What the adjudicator holds for a channel.
    pub(crate) fn holdings(&mut self, asset: Address, channel_id: B256) -> u128 {
        let mut data = hex("166e56cd");
        data.extend_from_slice(asset.into_word().as_slice());
        data.extend_from_slice(channel_id.as_slice());
        let word = self.call(self.adjudicator, data.into()).expect("holdings never reverts");
        U256::from_be_slice(&word).saturating_to()
    }

    /// The status word of a channel.
    pub(crate) fn status_of(&mut self, channel_id: B256) -> B256 {
        let mut data = hex("c7df14e2");
        data.extend_from_slice(channel_id.as_slice());
        let word = self.call(self.adjudicator, data.into()).expect("statusOf never reverts");
        B256::from_slice(&word)
    }

    /// Everything since `from_block`, as a wallet takes it in.
    pub(crate) fn update(&self, from_block: u64) -> ChainUpdate {
        let logs = self.logs.iter().filter(|log| log.block >= from_block).cloned().collect();
        ChainUpdate { from_block, head_block: self.block, head_time: self.time, logs }
    }

    fn deploy(&mut self, name: &str) -> Address {
        let path = format!("{}/../contracts/out/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{path}: {error}; `npm run build` compiles the contracts"));
        let artifact: serde_json::Value = serde_json::from_str(&file).expect("an artifact is JSON");
        let code = hex(artifact["bytecode"].as_str().expect("an artifact has bytecode"));
        self.mine(1);
        let result = self.transact(DEPLOYER, TxKind::Create, 0, code.into());
        match result {
            ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } => address,
            other => panic!("{name} was not deployed: {other:?}"),
        }
    }

    fn tx(&mut self, from: Address, kind: TxKind, value: u128, data: Bytes) -> TxEnv {
        self.evm.ctx.block.number = U256::from(self.block);
        self.evm.ctx.block.timestamp = U256::from(self.time);
        let info = self.evm.ctx.journaled_state.database.basic(from).expect("in memory");
        let nonce = info.map_or(0, |info| info.nonce);
        TxEnv::builder()
            .caller(from)
            .kind(kind)
            .value(U256::from(value))
            .data(data)
            .nonce(nonce)
            .chain_id(Some(self.chain_id))
            .gas_limit(16_000_000)
            .build()
            .expect("the fields fit together")
    }

    fn transact(&mut self, from: Address, kind: TxKind, value: u128, data: Bytes) -> ExecutionResult {
        let tx = self.tx(from, kind, value, data);
        self.evm.transact_commit(tx).expect("the transaction is well formed")
    }

    fn settle(&mut self, result: ExecutionResult, call: &Bytes) -> Result<Receipt, Revert> {
        match result {
            ExecutionResult::Success { gas, logs, output, .. } => {
                let before = self.logs.iter().rev().take_while(|log| log.block == self.block).count();
                for (index, log) in (before..).zip(logs) {
                    self.logs.push(Log {
                        address: log.address,
                        topics: log.data.topics().to_vec(),
                        data: log.data.data,
                        block: self.block,
                        log_index: index as u64,
                        call: Some(call.clone()),
                    });
                }
                Ok(Receipt { gas_used: gas.tx_gas_used(), output: output.into_data() })
            }
            ExecutionResult::Revert { output, .. } => Err(Revert(output)),
            ExecutionResult::Halt { reason, .. } => panic!("transaction halted: {reason:?}"),
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    alloy_primitives::hex::decode(text).expect("the test's own hex")
}
