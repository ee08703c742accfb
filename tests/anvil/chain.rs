//! A chain on anvil, driven step by step like the one in memory: each transaction in a block of its own, a second apart.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use millstream_core::channel::Chain;
use millstream_core::nitro::calls;
use millstream_core::wallet::{ChainUpdate, Log};
use millstream_tests::model::Revert;
use serde_json::{Value, json};

use crate::rpc::Node;

const CHAIN_ID: u64 = 31_337;
/// Deploys the contracts and mints.
const DEPLOYER: Address = address!("00000000000000000000000000000000000d0001");
/// What every account that the tests use holds at the start, in wei.
pub(crate) const ENDOWMENT: u128 = 1_000_000_000_000_000_000;

pub(crate) struct TestChain {
    node: Node,
    time: u64,
    /// The data of the calls that logged something, by transaction.
    calls: BTreeMap<B256, Bytes>,
    pub(crate) adjudicator: Address,
    stream_app: Address,
    consensus_app: Address,
    pub(crate) token: Address,
}

impl TestChain {
    /// A chain with the contracts deployed.
    pub(crate) fn new() -> Self {
        let time = 1_800_000_000;
        let mut chain = Self {
            node: Node::start(CHAIN_ID, time),
            time,
            calls: BTreeMap::new(),
            adjudicator: Address::ZERO,
            stream_app: Address::ZERO,
            consensus_app: Address::ZERO,
            token: Address::ZERO,
        };
        chain.node.request("anvil_autoImpersonateAccount", json!([true]));
        chain.endow(DEPLOYER);
        chain.adjudicator = chain.deploy("NitroAdjudicator");
        chain.stream_app = chain.deploy("StreamApp");
        chain.consensus_app = chain.deploy("ConsensusApp");
        chain.token = chain.deploy("TestToken");
        chain
    }

    pub(crate) fn contracts(&self) -> Chain {
        Chain {
            chain_id: CHAIN_ID,
            adjudicator: self.adjudicator,
            stream_app: self.stream_app,
            consensus_app: self.consensus_app,
        }
    }

    /// Gives an account its native endowment.
    pub(crate) fn endow(&mut self, account: Address) {
        self.node.request("anvil_setBalance", json!([account, U256::from(ENDOWMENT)]));
    }

    /// Mines empty blocks, a second apart.
    pub(crate) fn mine(&mut self, blocks: u64) {
        self.time += blocks;
        self.node.request("anvil_mine", json!([U256::from(blocks), U256::from(1)]));
    }

    /// Lets time pass and mines one block at its end.
    pub(crate) fn pass(&mut self, seconds: u64) {
        self.time += seconds;
        self.node.request("evm_setNextBlockTimestamp", json!([self.time]));
        self.node.request("evm_mine", json!([]));
    }

    /// Sends a transaction, mined in a block of its own.
    pub(crate) fn send(&mut self, from: Address, to: Address, value: u128, data: Bytes) -> Result<(), Revert> {
        let transaction = json!({ "from": from, "to": to, "value": U256::from(value), "data": data });
        let receipt = self.transact(transaction);
        let hash = &receipt["transactionHash"];
        if receipt["status"] == "0x1" {
            self.calls.insert(read(hash), data);
            return Ok(());
        }
        let trace = self.node.request("debug_traceTransaction", json!([hash, { "tracer": "callTracer" }]));
        Err(Revert(trace.get("output").map_or_else(Bytes::new, read)))
    }

    /// The native balance of an account, in wei. Gas is free on this chain.
    pub(crate) fn balance(&mut self, account: Address) -> u128 {
        read::<U256>(&self.node.request("eth_getBalance", json!([account, "latest"]))).to()
    }

    /// The token balance of an account.
    pub(crate) fn token_balance(&mut self, account: Address) -> u128 {
        self.call(self.token, [hex!("70a08231").as_slice(), account.into_word().as_slice()].concat().into())
    }

    /// Mints tokens to an account.
    pub(crate) fn mint(&mut self, account: Address, amount: u128) {
        let amount = U256::from(amount).to_be_bytes::<32>();
        let data = [hex!("40c10f19").as_slice(), account.into_word().as_slice(), &amount].concat();
        self.send(DEPLOYER, self.token, 0, data.into()).expect("anyone may mint test tokens");
    }

    /// What the adjudicator holds for a channel.
    pub(crate) fn holdings(&mut self, asset: Address, channel_id: B256) -> u128 {
        self.call(self.adjudicator, calls::holdings(asset, channel_id))
    }

    /// Everything since `from_block`, as a wallet takes it in.
    pub(crate) fn update(&self, from_block: u64) -> ChainUpdate {
        let head: U256 = read(&self.node.request("eth_blockNumber", json!([])));
        let filter = json!([{ "fromBlock": U256::from(from_block), "toBlock": "latest" }]);
        let found = if from_block > head.to::<u64>() { json!([]) } else { self.node.request("eth_getLogs", filter) };
        let logs = found.as_array().expect("logs").iter().map(|log| Log {
            address: read(&log["address"]),
            topics: log["topics"].as_array().expect("topics").iter().map(read).collect(),
            data: read(&log["data"]),
            block: read::<U256>(&log["blockNumber"]).to(),
            log_index: read::<U256>(&log["logIndex"]).to(),
            call: self.calls.get(&read::<B256>(&log["transactionHash"])).cloned(),
        });
        ChainUpdate { from_block, head_block: head.to(), head_time: self.time, logs: logs.collect() }
    }

    fn call(&self, to: Address, data: Bytes) -> u128 {
        read::<U256>(&self.node.request("eth_call", json!([{ "to": to, "data": data }, "latest"]))).saturating_to()
    }

    fn deploy(&mut self, name: &str) -> Address {
        let path = format!("{}/../contracts/out/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{path}: {error}; `npm run build` compiles the contracts"));
        let artifact: Value = serde_json::from_str(&file).expect("an artifact is JSON");
        let receipt = self.transact(json!({ "from": DEPLOYER, "data": artifact["bytecode"] }));
        read(&receipt["contractAddress"])
    }

    /// Mines a transaction a second after the last block.
    fn transact(&mut self, mut transaction: Value) -> Value {
        transaction["gas"] = json!("0xf00000");
        transaction["gasPrice"] = json!("0x0");
        let hash = self.node.request("eth_sendTransaction", json!([transaction]));
        self.pass(1);
        let receipt = self.node.request("eth_getTransactionReceipt", json!([hash]));
        assert!(receipt.is_object(), "mined at once");
        receipt
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{value}: {error}"))
}
