//! What messages, payments, quotes and records say, as JSON: amounts as decimals, bytes in hex.

use std::fmt::Debug;

use alloy_primitives::hex;
use millstream_core::channel::{
    Balances, Base, Change, Channel, Guarantee, Hop, Passage, Proposal, Reservation, Role, Route, Sheet, Signatures,
    Terms, Verdict, Wish,
};
use millstream_core::crypto::Signature;
use millstream_core::payment::{Quote, Shown, SignedVoucher, Voucher};
use millstream_core::wire::Message;
use millstream_core::wire::Payment;
use serde_json::{Value, json};

/// A number that may not fit into one of JSON's.
fn decimal(number: u128) -> Value {
    json!(number.to_string())
}

fn signature(signature: &Signature) -> Value {
    json!(hex::encode(signature.to_bytes()))
}

fn role(role: Role) -> Value {
    json!(role.name())
}

fn balances(balances: &Balances) -> Value {
    json!({ "payer": decimal(balances.payer), "payee": decimal(balances.payee) })
}

fn signatures(both: &Signatures) -> Value {
    json!({ "payer": both.payer.as_ref().map(signature), "payee": both.payee.as_ref().map(signature) })
}

fn base(base: &Base) -> Value {
    json!({ "turn": base.turn, "balances": balances(&base.balances), "signatures": signatures(&base.signatures) })
}

fn proposal(proposal: &Proposal) -> Value {
    let said = json!({ "base": base(&proposal.base), "agreed": proposal.agreed, "answers": proposal.answers });
    with(said, [("change", proposal.change.map(change))])
}

/// Adds what only virtual channels and their ledgers have: elsewhere it is left out, here as on the wire.
fn with<const N: usize>(mut said: Value, more: [(&str, Option<Value>); N]) -> Value {
    for (name, value) in more {
        if let Some(value) = value {
            said[name] = value;
        }
    }
    said
}

/// A list, unless it is empty.
fn list<T>(items: &[T], meaning: impl Fn(&T) -> Value) -> Option<Value> {
    (!items.is_empty()).then(|| items.iter().map(meaning).collect())
}

fn guarantee(guarantee: &Guarantee) -> Value {
    json!({
        "channelId": guarantee.channel_id, "amount": decimal(guarantee.amount), "payer": role(guarantee.payer),
    })
}

fn change(change: Change) -> Value {
    match change {
        Change::Add { guarantee: added, fee } => json!({ "add": guarantee(&added), "fee": decimal(fee) }),
        Change::Remove { channel_id, paid, refund } => {
            json!({ "remove": channel_id, "paid": decimal(paid), "refund": decimal(refund) })
        }
    }
}

fn route(route: &Route) -> Value {
    json!({ "ledgers": route.ledgers, "fees": route.fees.iter().copied().map(decimal).collect::<Vec<_>>() })
}

fn passage(passage: &Passage) -> Value {
    let hop = |hop: &Hop| json!({ "ledger": hop.ledger, "stage": hop.stage.name(), "turn": hop.turn, "paid": decimal(hop.paid) });
    let sheet = |sheet: &Sheet| {
        let signatures = sheet.signatures.iter().map(|by| by.as_ref().map(signature)).collect::<Vec<_>>();
        json!({ "agreed": sheet.agreed, "signatures": signatures })
    };
    json!({
        "route": route(&passage.route),
        "place": passage.place,
        "upstream": passage.upstream.as_ref().map(hop),
        "downstream": passage.downstream.as_ref().map(hop),
        "prefund": sheet(&passage.prefund),
        "postfund": sheet(&passage.postfund),
        "final": sheet(&passage.last),
        "refused": passage.refused,
    })
}

fn wish(wish: Wish) -> Value {
    match wish {
        Wish::Fold => json!({ "fold": null }),
        Wish::Give(amount) => json!({ "give": decimal(amount) }),
        Wish::Withdraw(amount) => json!({ "withdraw": decimal(amount) }),
        Wish::Change(wished) => json!({ "change": change(wished) }),
    }
}

fn terms(terms: &Terms) -> Value {
    let said = json!({
        "chainId": terms.chain.chain_id,
        "adjudicator": terms.chain.adjudicator,
        "streamApp": terms.chain.stream_app,
        "consensusApp": terms.chain.consensus_app,
        "payer": terms.payer,
        "payee": terms.payee,
        "payerDestination": terms.payer_destination,
        "payeeDestination": terms.payee_destination,
        "asset": terms.asset,
        "deposit": decimal(terms.deposit),
        "challengeDuration": terms.challenge_duration,
        "confirmations": terms.confirmations,
        "nonce": terms.nonce,
        "kind": lower(terms.kind),
        "payeeDeposit": decimal(terms.payee_deposit),
        "reserve": decimal(terms.reserve),
    });
    with(said, [("hubs", list(&terms.hubs, |hub| json!(hub)))])
}

/// The name of a variant without fields.
fn lower(value: impl Debug) -> Value {
    json!(format!("{value:?}").to_lowercase())
}

pub(crate) fn voucher(voucher: &Voucher) -> Value {
    json!({
        "channelId": voucher.channel_id,
        "baseTurn": voucher.base_turn,
        "serial": voucher.serial,
        "cumulativeAmount": decimal(voucher.cumulative_amount),
        "tickTip": voucher.tick_tip,
        "tickPrice": decimal(voucher.tick_price),
        "tickLimit": voucher.tick_limit,
        "memo": voucher.memo,
    })
}

pub(crate) fn payment(payment: &Payment) -> Value {
    match payment {
        Payment::Claim { signed: paid, shown: ticks } => {
            json!({ "claim": signed(paid), "shown": ticks.as_ref().map(shown) })
        }
        Payment::Tick(tick) => {
            json!({ "channelId": tick.channel_id, "serial": tick.serial, "shown": shown(&tick.shown) })
        }
    }
}

fn shown(shown: &Shown) -> Value {
    json!({ "ticks": shown.ticks, "preimage": shown.preimage })
}

fn signed(signed: &SignedVoucher) -> Value {
    json!({ "voucher": voucher(&signed.voucher), "signature": signature(&signed.signature) })
}

pub(crate) fn quote(quote: &Quote) -> Value {
    json!({
        "contentRoot": quote.content_root,
        "length": quote.length,
        "chunkSize": quote.chunk_size,
        "chunks": quote.chunks,
        "unit": lower(quote.unit),
        "units": quote.units,
        "price": decimal(quote.price),
        "credit": decimal(quote.credit),
        "asset": quote.asset,
        "payee": quote.payee,
        "payeeDestination": quote.payee_destination,
        "challengeDuration": quote.challenge_duration,
        "confirmations": quote.confirmations,
        "expiresAt": quote.expires_at,
        "hubs": quote.hubs,
    })
}

pub(crate) fn message(message: &Message) -> Value {
    match message {
        Message::ChannelOpen { terms: proposed, signature: by, route: way, hubs } => {
            let said = json!({ "terms": terms(proposed), "signature": signature(by) });
            with(said, [("route", way.as_ref().map(route)), ("hubs", list(hubs, signature))])
        }
        Message::ChannelAccept { signature: by, hubs }
        | Message::FundingLocked { signature: by, hubs }
        | Message::ShutdownAck { signature: by, hubs } => {
            with(json!({ "signature": signature(by) }), [("hubs", list(hubs, signature))])
        }
        Message::SuccessorAccept { signature: by } => json!({ "signature": signature(by) }),
        Message::Shutdown { turn, balances: split, submitter, successor, signature: by, hubs } => {
            let said = json!({
                "turn": turn,
                "balances": balances(split),
                "submitter": role(*submitter),
                "successor": successor,
                "signature": signature(by),
            });
            with(said, [("hubs", list(hubs, signature))])
        }
        Message::Abort { code } => json!({ "code": code }),
        Message::Error { code, text } => json!({ "code": code, "text": text }),
        Message::Update { turn, follows, balances: split, answers, signature: by, change: changed } => {
            let said = json!({
                "turn": turn,
                "follows": follows,
                "balances": balances(split),
                "answers": answers,
                "signature": signature(by),
            });
            with(said, [("change", changed.map(change))])
        }
        Message::UpdateAck { turn, signature: by } => json!({ "turn": turn, "signature": signature(by) }),
        Message::UpdateError { turn, code } => json!({ "turn": turn, "code": code }),
        Message::UpdateRequest { number, wish: wished } => json!({ "number": number, "wish": wish(*wished) }),
        Message::SuccessorOpen { predecessor, terms: proposed, signature: by } => {
            json!({ "predecessor": predecessor, "terms": terms(proposed), "signature": signature(by) })
        }
        Message::ChannelReestablish { base: newest, voucher, asks, answers, shown: ticks, guarantees } => {
            let (base, voucher) = (newest.as_ref().map(base), voucher.as_ref().map(signed));
            let ticks = ticks.as_ref().map(shown);
            let said = json!({ "base": base, "voucher": voucher, "asks": asks, "answers": answers, "shown": ticks });
            with(said, [("guarantees", list(guarantees, guarantee))])
        }
        Message::ShutdownRequest | Message::Ping | Message::Pong => json!({}),
        other => panic!("a message without a meaning here: {other:?}"),
    }
}

pub(crate) fn record(channel: &Channel) -> Value {
    let facts = channel.facts();
    let dispute = facts.dispute.as_ref().map(|dispute| {
        json!({
            "turn": dispute.turn,
            "finalizesAt": dispute.finalizes_at,
            "stateHash": dispute.state_hash,
            "outcome": hex::encode(&dispute.outcome),
            "ours": dispute.ours,
        })
    });
    let payout = facts.payout.map(|payout| {
        json!({
            "paid": decimal(payout.paid), "refunded": decimal(payout.refunded), "carried": decimal(payout.carried),
        })
    });
    let closing = channel.closing.map(|closing| {
        json!({
            "turn": closing.turn,
            "balances": balances(&closing.balances),
            "signatures": signatures(&closing.signatures),
            "submitter": role(closing.submitter),
        })
    });
    let successor = channel.successor.map(|successor| {
        json!({
            "channelId": successor.channel_id,
            "balances": balances(&successor.balances),
            "ready": successor.ready,
            "submitter": role(successor.submitter),
        })
    });
    let posted = channel.posted.as_ref().map(|posted| {
        json!({
            "baseTurn": posted.base_turn,
            "appData": hex::encode(&posted.app_data),
            "signature": signature(&posted.signature),
        })
    });
    let said = json!({
        "terms": terms(&channel.terms),
        "role": role(channel.role),
        "status": channel.status().name(),
        "base": channel.base.as_ref().map(base),
        "proposals": channel.proposals.iter().map(proposal).collect::<Vec<_>>(),
        "best": channel.best.as_ref().map(signed),
        "shown": channel.shown.as_ref().map(shown),
        "deep": channel.deep,
        "unsigned": channel.unsigned.as_ref().map(voucher),
        "closing": closing,
        "closeRequested": channel.close_requested,
        "leaving": channel.leaving,
        "chain": {
            "holdings": decimal(facts.holdings), "turnRecord": facts.turn_record, "dispute": dispute, "payout": payout,
        },
        "aborted": channel.aborted,
        "deadline": channel.deadline,
        "sent": channel.sent,
        "received": channel.received,
        "signedTurn": channel.signed_turn,
        "lease": channel.lease.map(|lease| json!({ "turn": lease.turn, "amount": decimal(lease.amount) })),
        "unsure": channel.unsure,
        "stale": channel.stale,
        "predecessor": channel.predecessor,
        "successor": successor,
        "request": channel.request.map(|request| json!({ "number": request.number, "wish": wish(request.wish) })),
        "requests": channel.requests,
        "posted": posted,
    });
    let verdict = |verdict: &Verdict| {
        json!({
            "channelId": verdict.channel_id,
            "finalizesAt": verdict.finalizes_at,
            "paid": decimal(verdict.paid),
        })
    };
    let promise = |promise: &Reservation| {
        json!({
            "channelId": promise.channel_id, "amount": decimal(promise.amount), "payer": role(promise.payer),
        })
    };
    let more = [
        ("guarantees", list(&channel.guarantees, guarantee)),
        ("reserved", list(&channel.reserved, promise)),
        ("verdicts", list(&channel.verdicts, verdict)),
        ("passage", channel.passage.as_deref().map(passage)),
    ];
    with(said, more)
}
