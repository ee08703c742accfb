//! `replay FIRST..END INPUTS`: prints random histories of two wallets, every input with what came out of it.
//!
//! One JSON object a line. A line with `config` makes a new wallet for `host` (0 or 1): the arguments of the package's
//! `Core`. Every other line is one of its inputs: `call`, the method; `args`; `code`, the error that it throws, or null;
//! `outputs`, how many there are before the next input; `hash`, of everything that came out of all wallets of the history
//! up to there. A history begins with a line that has only its `seed`.
//!
//! In arguments and outputs, `{ "bytes": hex }` is a `Uint8Array` and `{ "bigint": decimal }` a bigint. The hash of a step
//! is Keccak-256 of the hash before and the outputs as JSON with sorted keys and nothing between them. Half of the messages
//! are sent a second time with a flipped bit, and at the end both sides lose their stores and restore a backup.

use std::process::ExitCode;

use alloy_primitives::{Address, B256, hex, keccak256};
use millstream_core::channel::{Balances, Kind};
use millstream_core::nitro::destination_address;
use millstream_core::protocol::{Event, SpendRefusal, SpendRule};
use millstream_core::wallet::{ChainUpdate, Command, Config, Input, Output, Purchase, StoredRecord, Wallet};
use millstream_tests::pair::{ALICE, BOB, Pair, Parcel, Taped};
use millstream_tests::random::Random;
use serde_json::{Value, json};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((first, end, inputs)) = parse(&arguments) else {
        eprintln!("usage: replay FIRST..END INPUTS");
        return ExitCode::from(2);
    };
    for seed in first..end {
        println!("{}", json!({ "seed": seed }));
        for line in history(seed, inputs) {
            println!("{line}");
        }
    }
    ExitCode::SUCCESS
}

fn parse(arguments: &[String]) -> Option<(u64, u64, usize)> {
    let [seeds, inputs] = arguments else { return None };
    let (first, end) = seeds.split_once("..")?;
    Some((first.parse().ok()?, end.parse().ok()?, inputs.parse().ok()?))
}

/// A random history with at least so many inputs for both wallets together.
fn history(seed: u64, inputs: usize) -> Vec<Value> {
    let mut random = Random::new(seed);
    let mut pair = Pair::parties(random.word()[0]);
    for host in &mut pair.hosts {
        host.tape = Some(Vec::new());
    }
    let mut lines = Vec::new();
    let mut hash = B256::ZERO;
    let mut taken = 0;
    while taken < inputs {
        pair.act(random.word()[0]);
        damage(&mut pair, &mut random);
        taken += drain(&mut pair, &mut lines, &mut hash);
    }
    for host in [ALICE, BOB] {
        let now = pair.now();
        pair.hosts[host].lose_store(now).expect("a backup of its own");
        drain(&mut pair, &mut lines, &mut hash);
    }
    pair.go_on();
    drain(&mut pair, &mut lines, &mut hash);
    lines
}

/// Hands somebody what was sent before with a flipped bit.
fn damage(pair: &mut Pair, random: &mut Random) {
    let from = random.index(2);
    let sent = &pair.hosts[from].sent;
    if sent.is_empty() || random.chance(50) {
        return;
    }
    let mut parcel = sent[random.index(sent.len())].clone();
    let (Parcel::Message(bytes) | Parcel::Payment(bytes)) = &mut parcel;
    let at = random.index(bytes.len());
    bytes[at] ^= 1 << random.below(8);
    pair.hand_over(1 - from, parcel);
}

/// Moves what was taped to the lines. The wallets never hear of each other between two steps but through inputs, so it
/// does not matter whose come first.
fn drain(pair: &mut Pair, lines: &mut Vec<Value>, hash: &mut B256) -> usize {
    let mut taken = 0;
    for (number, host) in pair.hosts.iter_mut().enumerate() {
        for taped in host.tape.replace(Vec::new()).unwrap_or_default() {
            if taped.restarted {
                lines.push(json!({ "host": number, "config": config(&host.wallet, seed_of(host.account)) }));
            }
            lines.push(line(number, &taped, hash));
            taken += 1;
        }
    }
    taken
}

/// The byte that a party's key and account are made of.
fn seed_of(account: Address) -> u8 {
    account.0[0]
}

fn line(host: usize, Taped { now, input, code, outputs, .. }: &Taped, hash: &mut B256) -> Value {
    let said = outputs.iter().map(|it| output(it).to_string()).collect::<String>();
    *hash = keccak256([hash.as_slice(), said.as_bytes()].concat());
    let (call, mut args) = call(input);
    args.push(json!(now));
    json!({ "host": host, "call": call, "args": args, "code": code, "outputs": outputs.len(), "hash": hash })
}

fn bytes(bytes: &[u8]) -> Value {
    json!({ "bytes": hex::encode(bytes) })
}

fn bigint(number: u128) -> Value {
    json!({ "bigint": number.to_string() })
}

/// An object without the members that are undefined.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    Value::Object(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

fn payout_address(destination: B256) -> Value {
    json!(hex::encode_prefixed(destination_address(destination).expect("an address")))
}

fn address(address: Address) -> Value {
    json!(hex::encode_prefixed(address))
}

fn config(wallet: &Wallet, seed: u8) -> Value {
    let Config { chain, destination, policy, lease, spending, max_loaded } = wallet.config();
    let secret = wallet.signer().map(|_| bytes(&[seed; 32]));
    object([
        ("chainId", Some(json!(chain.chain_id))),
        ("adjudicator", Some(address(chain.adjudicator))),
        ("streamApp", Some(address(chain.stream_app))),
        ("consensusApp", Some(address(chain.consensus_app))),
        ("destination", Some(payout_address(*destination))),
        ("policy", Some(json!({ "maxContribution": bigint(policy.max_contribution) }))),
        ("spending", Some(spending.iter().map(rule).collect())),
        ("lease", lease.map(|lease| json!({ "payments": lease.payments, "amount": bigint(lease.amount) }))),
        ("maxLoaded", Some(json!(max_loaded))),
        ("address", secret.is_none().then(|| address(wallet.address()))),
        ("secret", secret),
    ])
}

fn rule(SpendRule { scope, asset, limit, window, asks }: &SpendRule) -> Value {
    object([
        ("scope", Some(json!(scope.name()))),
        ("asset", asset.map(address)),
        ("limit", Some(bigint(*limit))),
        ("window", Some(json!(window))),
        ("asks", Some(json!(asks))),
    ])
}

/// The method of `Core`, and its arguments but the last, which is the time.
fn call(input: &Input) -> (&'static str, Vec<Value>) {
    match input {
        Input::Command(it) => command(it),
        Input::Message(message) => ("message", vec![bytes(message)]),
        Input::Payment(payment) => ("payment", vec![bytes(payment)]),
        Input::Chain(update) => ("chainUpdate", vec![chain_update(update)]),
        Input::TransactionFailed { channel_id, kind } => {
            ("transactionFailed", vec![json!(channel_id), json!(kind.name())])
        }
        Input::Committed { id } => ("committed", vec![json!(id)]),
        Input::CommitFailed { id } => ("commitFailed", vec![json!(id)]),
        Input::Loaded(records) => {
            let record = |StoredRecord { key, version, bytes: stored }: &StoredRecord| {
                object([
                    ("key", Some(json!(key))),
                    ("version", Some(json!(version))),
                    ("bytes", stored.as_deref().map(bytes)),
                ])
            };
            ("loaded", vec![records.iter().map(record).collect()])
        }
        Input::Restore(records) => {
            let record = |(key, stored): &(B256, Vec<u8>)| json!({ "key": key, "bytes": bytes(stored) });
            ("restore", vec![records.iter().map(record).collect()])
        }
        Input::Signed { digest, signature } => ("signed", vec![bytes(digest.as_slice()), bytes(signature)]),
        Input::SignRefused { digest } => ("signRefused", vec![bytes(digest.as_slice())]),
        Input::Answered { id, granted } => ("answered", vec![json!(id), json!(granted)]),
        Input::Tick => ("tick", Vec::new()),
        other => panic!("an input without a call: {other:?}"),
    }
}

fn command(command: &Command) -> (&'static str, Vec<Value>) {
    let on = |name, channel_id: &B256| (name, vec![json!(channel_id)]);
    let with = |name, channel_id: &B256, amount: &u128| (name, vec![json!(channel_id), bigint(*amount)]);
    match command {
        Command::OpenChannel(terms) => {
            let kind = match terms.kind {
                Kind::Stream => "stream",
                Kind::Ledger => "ledger",
            };
            let terms = json!({
                "payee": address(terms.payee),
                "payeeDestination": payout_address(terms.payee_destination),
                "asset": address(terms.asset),
                "deposit": bigint(terms.deposit),
                "challengeDuration": terms.challenge_duration,
                "confirmations": terms.confirmations,
                "nonce": bigint(terms.nonce.into()),
                "kind": kind,
                "payeeDeposit": bigint(terms.payee_deposit),
                "reserve": bigint(terms.reserve),
            });
            ("openChannel", vec![terms])
        }
        Command::Pay { channel_id, amount, purchase: Purchase { memo, origin, file }, ticks } => {
            let purchase = json!({ "memo": memo, "origin": origin, "file": file });
            ("pay", vec![json!(channel_id), bigint(*amount), purchase, json!(ticks)])
        }
        Command::Hold(held) => ("hold", vec![json!(held)]),
        Command::TopUp { channel_id, amount } => with("topUp", channel_id, amount),
        Command::Fold { channel_id } => on("fold", channel_id),
        Command::GiveBack { channel_id, amount } => with("giveBack", channel_id, amount),
        Command::Withdraw { channel_id, amount } => with("withdraw", channel_id, amount),
        Command::Snapshot { channel_id } => on("snapshot", channel_id),
        Command::ClearChallenge { channel_id } => on("clearChallenge", channel_id),
        Command::Ping { channel_id } => on("ping", channel_id),
        Command::CloseChannel { channel_id } => on("closeChannel", channel_id),
        Command::LeaveChannel { channel_id } => on("leaveChannel", channel_id),
        Command::AbortChannel { channel_id } => on("abortChannel", channel_id),
        Command::Resume { channel_id } => on("resume", channel_id),
        other => panic!("a command without a call: {other:?}"),
    }
}

fn chain_update(ChainUpdate { from_block, head_block, head_time, logs }: &ChainUpdate) -> Value {
    let log = |log: &millstream_core::wallet::Log| {
        object([
            ("address", Some(address(log.address))),
            ("topics", Some(json!(log.topics))),
            ("data", Some(bytes(&log.data))),
            ("block", Some(json!(log.block))),
            ("logIndex", Some(json!(log.log_index))),
            ("call", log.call.as_ref().map(|call| bytes(call))),
        ])
    };
    let logs: Vec<Value> = logs.iter().map(log).collect();
    json!({ "fromBlock": from_block, "headBlock": head_block, "headTime": head_time, "logs": logs })
}

fn output(output: &Output) -> Value {
    match output {
        Output::Commit { id, writes } => {
            let write = |write: &millstream_core::wallet::Write| {
                object([
                    ("key", Some(json!(write.key))),
                    ("expectedVersion", Some(json!(write.expected_version))),
                    ("bytes", write.bytes.as_deref().map(bytes)),
                    ("wakeAt", write.wake_at.map(|time| json!(time))),
                ])
            };
            json!({ "type": "commit", "id": id, "writes": writes.iter().map(write).collect::<Value>() })
        }
        Output::Load { keys } => json!({ "type": "load", "keys": keys }),
        Output::Send { peer, channel_id, bytes: message } => {
            json!({ "type": "send", "peer": address(*peer), "channelId": channel_id, "bytes": bytes(message) })
        }
        Output::Payment { channel_id, serial, ticks, amount, cumulative_amount, bytes: payment } => json!({
            "type": "payment",
            "channelId": channel_id,
            "serial": serial,
            "ticks": ticks,
            "amount": bigint(*amount),
            "cumulativeAmount": bigint(*cumulative_amount),
            "bytes": bytes(payment),
        }),
        Output::Sign { channel_id, digest, purpose } => json!({
            "type": "sign", "channelId": channel_id, "digest": bytes(digest.as_slice()), "purpose": purpose.name(),
        }),
        Output::Submit { channel_id, transaction } => json!({
            "type": "submit",
            "channelId": channel_id,
            "kind": transaction.kind.name(),
            "to": address(transaction.to),
            "value": bigint(transaction.value),
            "data": bytes(&transaction.data),
        }),
        Output::Ask { id, channel_id, question } => {
            json!({ "type": "ask", "id": id, "channelId": channel_id, "question": refusal(question) })
        }
        Output::Notify(happened) => json!({ "type": "notify", "event": event(happened) }),
        Output::WakeAt(time) => json!({ "type": "wakeAt", "time": time }),
    }
}

fn refusal(SpendRefusal { rule, amount, spent, limit }: &SpendRefusal) -> Value {
    json!({
        "rule": rule.scope.name(),
        "window": rule.window,
        "asks": rule.asks,
        "limit": bigint(*limit),
        "spent": bigint(*spent),
        "amount": bigint(*amount),
    })
}

fn event(event: &Event) -> Value {
    match event {
        Event::StatusChanged { channel_id, status } => {
            json!({ "type": "statusChanged", "channelId": channel_id, "status": status.name() })
        }
        Event::PaymentReceived { channel_id, serial, ticks, amount, cumulative_amount, memo } => json!({
            "type": "paymentReceived",
            "channelId": channel_id,
            "serial": serial,
            "ticks": ticks,
            "amount": bigint(*amount),
            "cumulativeAmount": bigint(*cumulative_amount),
            "memo": memo,
        }),
        Event::Updated { channel_id, turn, balances: Balances { payer, payee } } => {
            let balances = json!({ "payer": bigint(*payer), "payee": bigint(*payee) });
            json!({ "type": "updated", "channelId": channel_id, "turn": turn, "balances": balances })
        }
        Event::UpdateRefused { channel_id, turn, code } => {
            json!({ "type": "updateRefused", "channelId": channel_id, "turn": turn, "code": code })
        }
        Event::Succeeded { channel_id, successor } => {
            json!({ "type": "succeeded", "channelId": channel_id, "successor": successor })
        }
        Event::PeerAlive { channel_id } => json!({ "type": "peerAlive", "channelId": channel_id }),
        Event::PeerSilent { channel_id } => json!({ "type": "peerSilent", "channelId": channel_id }),
        Event::Reorganised { channel_id } => json!({ "type": "reorganised", "channelId": channel_id }),
        Event::SpendRefused { channel_id, refusal: why } => {
            json!({ "type": "spendRefused", "channelId": channel_id, "refusal": refusal(why) })
        }
        Event::SignRefused { channel_id } => json!({ "type": "signRefused", "channelId": channel_id }),
        Event::CommitFailed { channel_id } => json!({ "type": "commitFailed", "channelId": channel_id }),
        Event::Challenged { channel_id, finalizes_at, ours } => {
            json!({ "type": "challenged", "channelId": channel_id, "finalizesAt": finalizes_at, "ours": ours })
        }
        Event::Closed { channel_id, paid, refunded, carried } => json!({
            "type": "closed",
            "channelId": channel_id,
            "paid": bigint(*paid),
            "refunded": bigint(*refunded),
            "carried": bigint(*carried),
        }),
        Event::PeerError { channel_id, code, text } => {
            json!({ "type": "peerError", "channelId": channel_id, "code": code, "text": text })
        }
        Event::UnreadableLog { channel_id, block, code } => {
            json!({ "type": "unreadableLog", "channelId": channel_id, "block": block, "code": code })
        }
        other => panic!("an event without a form: {other:?}"),
    }
}
