//! `histories CHAIN_ID ADJUDICATOR STREAM_APP CONSENSUS_APP TOKEN TIME FIRST..END CALLS`: prints random histories for a
//! chain with these contracts, and what the model of the chain says about them.
//!
//! One line of JSON for each seed. The first starts at TIME (seconds since 1970), each other where the last one ended:
//!
//! - `seed`; `senders`, who need their endowment of 10^18 wei before it starts;
//! - `steps`: `{ reorg }`, how many blocks are taken back; or `{ time, transactions }`, a block and when it is mined.
//!   Each transaction has `from`, `to`, `value` and `data`, and what comes of it: `revert`, the data with which it
//!   reverts, or null;
//! - at the end `logs` (each with `address`, `topics`, `data`, in the chain's order), `holdings` (`asset`, `channel`,
//!   `amount`), `statuses` (`channel`, `word`), `balances` and `tokens` (`account`, `amount`).
//!
//! Bytes and amounts are hexadecimal with 0x.

use alloy_primitives::{Address, U256};
use millstream_tests::histories::{History, Step};
use millstream_tests::model::{Contracts, ModelChain};
use serde_json::{Value, json};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((contracts, mut time, seeds, calls)) = parse(&arguments) else {
        eprintln!("usage: histories CHAIN_ID ADJUDICATOR STREAM_APP CONSENSUS_APP TOKEN TIME FIRST..END CALLS");
        return ExitCode::from(2);
    };
    for seed in seeds {
        let history = History::generate(seed, calls, contracts, 0, time);
        let mut chain = ModelChain::new(contracts, 0, time);
        println!("{}", replay(seed, &history, &mut chain, contracts.token));
        time = chain.time();
    }
    ExitCode::SUCCESS
}

fn parse(arguments: &[String]) -> Option<(Contracts, u64, std::ops::Range<u64>, usize)> {
    let [chain_id, adjudicator, stream_app, consensus_app, token, time, seeds, calls] = arguments else { return None };
    let contracts = Contracts {
        chain_id: chain_id.parse().ok()?,
        adjudicator: adjudicator.parse().ok()?,
        stream_app: stream_app.parse().ok()?,
        consensus_app: consensus_app.parse().ok()?,
        token: token.parse().ok()?,
    };
    let (first, end) = seeds.split_once("..")?;
    Some((contracts, time.parse().ok()?, first.parse().ok()?..end.parse().ok()?, calls.parse().ok()?))
}

/// Runs the history on the model, and writes down what it says.
fn replay(seed: u64, history: &History, chain: &mut ModelChain, token: Address) -> Value {
    for &sender in &history.senders {
        chain.endow(sender);
    }
    let mut steps = Vec::new();
    for step in &history.steps {
        match step {
            Step::Reorg { depth } => {
                chain.reorg(*depth);
                steps.push(json!({ "reorg": depth }));
            }
            Step::Block { seconds, transactions } => {
                let results = chain.mine_block(*seconds, transactions.clone());
                let included = transactions.iter().zip(results).filter_map(|(transaction, result)| {
                    Some(json!({
                        "from": transaction.from,
                        "to": transaction.to,
                        "value": U256::from(transaction.value),
                        "data": transaction.data,
                        "revert": result?.err().map(|revert| revert.0),
                    }))
                });
                steps.push(json!({ "transactions": included.collect::<Vec<_>>(), "time": chain.time() }));
            }
        }
    }
    let logs = chain.update(0).logs.into_iter();
    let logs = logs.map(|log| json!({ "address": log.address, "topics": log.topics, "data": log.data }));
    let (mut holdings, mut statuses) = (Vec::new(), Vec::new());
    for &channel in &history.channels {
        for asset in [Address::ZERO, token] {
            let amount = U256::from(chain.holdings(asset, channel));
            holdings.push(json!({ "asset": asset, "channel": channel, "amount": amount }));
        }
        statuses.push(json!({ "channel": channel, "word": chain.status_of(channel) }));
    }
    let (mut balances, mut tokens) = (Vec::new(), Vec::new());
    for &account in &history.accounts {
        balances.push(json!({ "account": account, "amount": U256::from(chain.balance(account)) }));
        tokens.push(json!({ "account": account, "amount": U256::from(chain.token_balance(account)) }));
    }
    json!({
        "seed": seed,
        "senders": history.senders,
        "steps": steps,
        "logs": logs.collect::<Vec<_>>(),
        "holdings": holdings,
        "statuses": statuses,
        "balances": balances,
        "tokens": tokens,
    })
}
