//! Core values to JavaScript: plain objects of strings, numbers, bigints and `Uint8Array`s.

use std::cell::RefCell;
use std::collections::VecDeque;

use js_sys::{Array, JsString, Object, Uint8Array};
use millstream_core::channel::{Balances, Channel, Hop, Kind, Role};
use millstream_core::payment::{Quote, Receipt, SignedVoucher};
use millstream_core::protocol::{Event, SpendRefusal};
use millstream_core::wallet::{Output, Write};
use millstream_core::wire::Payment;
use millstream_core::{Address, B256};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// Property names and the words of discriminators, made once when the module starts instead of with every output.
macro_rules! words {
    ($($name:ident = $text:tt),+ $(,)?) => {
        #[wasm_bindgen]
        extern "C" {
            $(#[wasm_bindgen(thread_local_v2, static_string)]
            pub(crate) static $name: JsString = $text;)+
        }
    };
}

type Word = wasm_bindgen::JsThreadLocal<JsString>;

words! {
    TYPE = "type", ID = "id", WRITES = "writes", KEY = "key", EXPECTED_VERSION = "expectedVersion", BYTES = "bytes",
    KEYS = "keys", PEER = "peer", CHANNEL_ID = "channelId", SERIAL = "serial", AMOUNT = "amount",
    CUMULATIVE_AMOUNT = "cumulativeAmount", KIND = "kind", TO = "to", VALUE = "value", DATA = "data", EVENT = "event",
    TIME = "time", STATUS = "status", MEMO = "memo", FINALIZES_AT = "finalizesAt", OURS = "ours", PAID = "paid",
    REFUNDED = "refunded", CODE = "code", TEXT = "text", ROLE = "role", PAYER = "payer", PAYEE = "payee",
    ASSET = "asset", DEPOSIT = "deposit", REMAINING = "remaining", HOLDINGS = "holdings", TURN = "turn",
    CHALLENGE_DURATION = "challengeDuration", CONFIRMATIONS = "confirmations", DISPUTE = "dispute", PAYOUT = "payout",
    SEEN_BLOCK = "seenBlock", ABORTED = "aborted", HASH = "hash", CONTENT_ROOT = "contentRoot", LENGTH = "length",
    CHUNK_SIZE = "chunkSize", UNIT = "unit", UNITS = "units", CREDIT = "credit", PRICE = "price", PAYEE_DESTINATION = "payeeDestination",
    EXPIRES_AT = "expiresAt", CHUNKS = "chunks", TOTAL = "total", BASE_TURN = "baseTurn", TICK_TIP = "tickTip",
    TICKS = "ticks", PREIMAGE = "preimage", QUOTE = "quote", ISSUED_AT = "issuedAt", TICK_PRICE = "tickPrice", TICK_LIMIT = "tickLimit", SIGNATURE = "signature",
    COMMIT = "commit", LOAD = "load", SEND = "send", PAYMENT = "payment", SUBMIT = "submit", NOTIFY = "notify",
    WAKE_AT = "wakeAt", STATUS_CHANGED = "statusChanged", PAYMENT_RECEIVED = "paymentReceived",
    CHALLENGED = "challenged", CLOSED = "closed", PEER_ERROR = "peerError", COMMIT_FAILED = "commitFailed",
    UNREADABLE_LOG = "unreadableLog", BLOCK = "block",
    CHUNK = "chunk", CLOSING = "closing", CLAIMED = "claimed", AGREED = "agreed", LEAVING = "leaving",
    SIGN = "sign", DIGEST = "digest", PURPOSE = "purpose", UPDATED = "updated", UPDATE_REFUSED = "updateRefused",
    SUCCEEDED = "succeeded", PEER_ALIVE = "peerAlive", PEER_SILENT = "peerSilent", REORGANISED = "reorganised",
    SIGN_REFUSED = "signRefused", BALANCES = "balances", SUCCESSOR = "successor", PREDECESSOR = "predecessor", HUB = "hub", HUBS = "hubs", UPSTREAM = "upstream", DOWNSTREAM = "downstream",
    STAGE = "stage", GUARANTEED = "guaranteed", GUARANTEES = "guarantees", PROMISED = "promised",
    CARRIED = "carried", STREAM = "stream", LEDGER = "ledger", PAYEE_DEPOSIT = "payeeDeposit", RESERVE = "reserve",
    PENDING = "pending", TURN_RECORD = "turnRecord", ASK = "ask", QUESTION = "question", RULE = "rule", WINDOW = "window",
    ASKS = "asks", LIMIT = "limit", SPENT = "spent", SPEND_REFUSED = "spendRefused", REFUSAL = "refusal",
    BYTE_ARRAY = "Uint8Array",
}

#[wasm_bindgen]
extern "C" {
    /// A fresh plain object: it takes every property, so setting one need not be guarded as `Reflect.set` is.
    #[wasm_bindgen(js_name = Object)]
    type Fresh;
    #[wasm_bindgen(method, structural, indexing_setter)]
    fn set(this: &Fresh, name: &JsString, value: &JsValue);
    /// Numbers need not become values of their own first.
    #[wasm_bindgen(method, structural, indexing_setter)]
    fn set_number(this: &Fresh, name: &JsString, value: f64);
}

/// A plain object under construction.
struct Plain(Fresh);

impl Plain {
    fn new() -> Self {
        Self(Object::new().unchecked_into())
    }

    /// One variant of a union, told apart by its `type`.
    fn of_type(name: &'static Word) -> Self {
        Self::new().with_word(&TYPE, name)
    }

    fn with(self, name: &'static Word, value: impl Into<JsValue>) -> Self {
        let value = value.into();
        name.with(|name| self.0.set(name, &value));
        self
    }

    fn with_word(self, name: &'static Word, value: &'static Word) -> Self {
        name.with(|name| value.with(|value| self.0.set(name, value)));
        self
    }

    /// Exact up to 2^53; above it (a damaged record, never a real time or block) the nearest number.
    fn with_number(self, name: &'static Word, value: impl Into<u64>) -> Self {
        let value: u64 = value.into();
        name.with(|name| self.0.set_number(name, value as f64));
        self
    }
}

impl From<Plain> for JsValue {
    fn from(plain: Plain) -> Self {
        plain.0.into()
    }
}

fn word(name: &'static Word) -> JsValue {
    name.with(|name| name.into())
}

fn hex(bytes: &[u8]) -> JsValue {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    let mut text = String::with_capacity(bytes.len().saturating_mul(2).saturating_add(2));
    text.push_str("0x");
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text.into()
}

/// How many hashes are kept as strings: a payment names its channel several times.
const RECENT_HASHES: usize = 8;

thread_local! {
    /// The hashes that were handed out last as strings, which cost more to make than to look up.
    static RECENT: RefCell<VecDeque<(B256, JsValue)>> = RefCell::default();
}

pub(crate) fn hash(hash: &B256) -> JsValue {
    RECENT.with_borrow_mut(|recent| {
        if let Some((_, text)) = recent.iter().find(|(known, _)| known == hash) {
            return text.clone();
        }
        let text = hex(hash.as_slice());
        recent.truncate(RECENT_HASHES.saturating_sub(1));
        recent.push_front((*hash, text.clone()));
        text
    })
}

/// An amount as a bigint.
fn big(value: u128) -> JsValue {
    // One word is handed over at once, two are put together.
    u64::try_from(value).map_or_else(|_| value.into(), JsValue::from)
}

pub(crate) fn address(address: &Address) -> JsValue {
    hex(address.as_slice())
}

/// A copy: the memory of the module moves when it grows.
pub(crate) fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// Exact up to 2^53; above it (a damaged record, never a real time or block) the nearest number.
pub(crate) fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

pub(crate) fn output(output: Output) -> JsValue {
    match output {
        Output::Commit { id, writes } => Plain::of_type(&COMMIT)
            .with_number(&ID, id)
            .with(&WRITES, writes.iter().map(write).collect::<Array>())
            .into(),
        Output::Load { keys } => Plain::of_type(&LOAD).with(&KEYS, keys.iter().map(hash).collect::<Array>()).into(),
        Output::Send { peer, channel_id, bytes: message } => Plain::of_type(&SEND)
            .with(&PEER, address(&peer))
            .with(&CHANNEL_ID, hash(&channel_id))
            .with(&BYTES, bytes(&message))
            .into(),
        Output::Payment { channel_id, serial, ticks, amount, cumulative_amount, bytes: payment } => {
            Plain::of_type(&PAYMENT)
                .with(&CHANNEL_ID, hash(&channel_id))
                .with_number(&SERIAL, serial)
                .with_number(&TICKS, ticks)
                .with(&AMOUNT, big(amount))
                .with(&CUMULATIVE_AMOUNT, big(cumulative_amount))
                .with(&BYTES, bytes(&payment))
                .into()
        }
        Output::Sign { channel_id, digest, purpose } => Plain::of_type(&SIGN)
            .with(&CHANNEL_ID, hash(&channel_id))
            .with(&DIGEST, bytes(digest.as_slice()))
            .with(&PURPOSE, purpose.name())
            .into(),
        Output::Submit { channel_id, transaction } => Plain::of_type(&SUBMIT)
            .with(&CHANNEL_ID, hash(&channel_id))
            .with(&KIND, transaction.kind.name())
            .with(&TO, address(&transaction.to))
            .with(&VALUE, transaction.value)
            .with(&DATA, bytes(&transaction.data))
            .into(),
        Output::Ask { id, channel_id, question } => Plain::of_type(&ASK)
            .with_number(&ID, id)
            .with(&CHANNEL_ID, hash(&channel_id))
            .with(&QUESTION, refusal(&question))
            .into(),
        Output::Notify(happened) => Plain::of_type(&NOTIFY).with(&EVENT, event(&happened)).into(),
        Output::WakeAt(time) => Plain::of_type(&WAKE_AT).with_number(&TIME, time).into(),
    }
}

fn write(write: &Write) -> JsValue {
    let stored = write.bytes.as_deref().map(bytes);
    Plain::new()
        .with(&KEY, hash(&write.key))
        .with_number(&EXPECTED_VERSION, write.expected_version)
        .with(&BYTES, stored.unwrap_or(JsValue::UNDEFINED))
        .with(&WAKE_AT, write.wake_at.map_or(JsValue::UNDEFINED, number))
        .into()
}

fn event(event: &Event) -> JsValue {
    let of = |name, channel_id: &B256| Plain::of_type(name).with(&CHANNEL_ID, hash(channel_id));
    match event {
        Event::StatusChanged { channel_id, status } => of(&STATUS_CHANGED, channel_id).with(&STATUS, status.name()),
        Event::PaymentReceived { channel_id, serial, ticks, amount, cumulative_amount, memo } => {
            of(&PAYMENT_RECEIVED, channel_id)
                .with_number(&SERIAL, *serial)
                .with_number(&TICKS, *ticks)
                .with(&AMOUNT, big(*amount))
                .with(&CUMULATIVE_AMOUNT, big(*cumulative_amount))
                .with(&MEMO, hash(memo))
        }
        Event::Challenged { channel_id, finalizes_at, ours } => {
            of(&CHALLENGED, channel_id).with_number(&FINALIZES_AT, *finalizes_at).with(&OURS, *ours)
        }
        Event::Closed { channel_id, paid, refunded, carried } => {
            of(&CLOSED, channel_id).with(&PAID, *paid).with(&REFUNDED, *refunded).with(&CARRIED, *carried)
        }
        Event::Updated { channel_id, turn, balances: split } => {
            of(&UPDATED, channel_id).with_number(&TURN, *turn).with(&BALANCES, balances(*split))
        }
        Event::UpdateRefused { channel_id, turn, code } => {
            of(&UPDATE_REFUSED, channel_id).with_number(&TURN, *turn).with(&CODE, code)
        }
        Event::Succeeded { channel_id, successor } => of(&SUCCEEDED, channel_id).with(&SUCCESSOR, hash(successor)),
        Event::PeerAlive { channel_id } => of(&PEER_ALIVE, channel_id),
        Event::PeerSilent { channel_id } => of(&PEER_SILENT, channel_id),
        Event::Reorganised { channel_id } => of(&REORGANISED, channel_id),
        Event::SignRefused { channel_id } => of(&SIGN_REFUSED, channel_id),
        Event::SpendRefused { channel_id, refusal: why } => of(&SPEND_REFUSED, channel_id).with(&REFUSAL, refusal(why)),
        Event::PeerError { channel_id, code, text } => of(&PEER_ERROR, channel_id).with(&CODE, code).with(&TEXT, text),
        Event::CommitFailed { channel_id } => of(&COMMIT_FAILED, channel_id),
        Event::UnreadableLog { channel_id, block, code } => {
            of(&UNREADABLE_LOG, channel_id).with_number(&BLOCK, *block).with(&CODE, code)
        }
        _ => Plain::new().with(&TYPE, "unknown"),
    }
    .into()
}

/// All that came in on a channel, and what its best voucher is for.
pub(crate) fn taken(paid: u128, memo: &B256) -> JsValue {
    Plain::new().with(&CUMULATIVE_AMOUNT, big(paid)).with(&MEMO, hash(memo)).into()
}

fn balances(balances: Balances) -> Plain {
    Plain::new().with(&PAYER, balances.payer).with(&PAYEE, balances.payee)
}

pub(crate) fn channel(id: &B256, channel: &Channel) -> JsValue {
    let (terms, facts, split) = (&channel.terms, channel.facts(), channel.balances());
    let role = match channel.role {
        Role::Payer => word(&PAYER),
        Role::Payee => word(&PAYEE),
        Role::Hub => word(&HUB),
    };
    let kind = match terms.kind {
        Kind::Stream => word(&STREAM),
        Kind::Ledger => word(&LEDGER),
    };
    // What both agreed that the payer puts in: its first deposit, and every top up.
    let deposit = channel.split().total().unwrap_or(u128::MAX).saturating_sub(terms.payee_deposit);
    let mut info = Plain::new()
        .with(&ID, hash(id))
        .with(&KIND, kind)
        .with(&ROLE, role)
        .with(&STATUS, channel.status().name())
        .with(&PEER, address(&channel.peer()))
        .with(&PAYER, address(&terms.payer))
        .with(&PAYEE, address(&terms.payee))
        .with(&ASSET, address(&terms.asset))
        .with(&DEPOSIT, deposit)
        .with(&PAYEE_DEPOSIT, terms.payee_deposit)
        .with(&RESERVE, terms.reserve)
        .with(&BALANCES, balances(split))
        .with(&CUMULATIVE_AMOUNT, channel.paid())
        .with(&REMAINING, channel.remaining())
        .with_number(&SERIAL, channel.last_serial())
        .with_number(&TICKS, channel.shown.map_or(0, |shown| shown.ticks))
        .with_number(&BASE_TURN, channel.base.map_or(0, |base| base.turn))
        .with(&HOLDINGS, facts.holdings)
        .with_number(&TURN_RECORD, facts.turn_record)
        .with_number(&CHALLENGE_DURATION, terms.challenge_duration)
        .with_number(&CONFIRMATIONS, terms.confirmations)
        .with(&PENDING, !channel.proposals.is_empty() || channel.request.is_some())
        .with(&LEAVING, channel.leaving);
    if let Some(closing) = &channel.closing {
        let closing = Plain::new().with(&CLAIMED, closing.balances.payee).with(&AGREED, channel.is_final_signed());
        info = info.with(&CLOSING, closing);
    }
    if let Some(dispute) = &facts.dispute {
        let dispute = Plain::new()
            .with_number(&FINALIZES_AT, dispute.finalizes_at)
            .with(&OURS, dispute.ours)
            .with_number(&TURN, dispute.turn);
        info = info.with(&DISPUTE, dispute);
    }
    if let Some(payout) = &facts.payout {
        let payout =
            Plain::new().with(&PAID, payout.paid).with(&REFUNDED, payout.refunded).with(&CARRIED, payout.carried);
        info = info.with(&PAYOUT, payout);
    }
    if let Some(block) = channel.seen_block() {
        info = info.with_number(&SEEN_BLOCK, block);
    }
    if let Some(predecessor) = &channel.predecessor {
        info = info.with(&PREDECESSOR, hash(predecessor));
    }
    if let Some(successor) = &channel.successor {
        info = info.with(&SUCCESSOR, hash(&successor.channel_id));
    }
    if terms.kind == Kind::Ledger {
        let aside = channel.split();
        info = info
            .with(&GUARANTEED, aside.guaranteed())
            .with(&GUARANTEES, u32::try_from(aside.guarantees.len()).unwrap_or(u32::MAX))
            .with(&PROMISED, channel.promised(channel.role));
    }
    if let Some(passage) = &channel.passage {
        let hop = |hop: &Option<Hop>| match hop {
            Some(hop) => Plain::new().with(&LEDGER, hash(&hop.ledger)).with(&STAGE, hop.stage.name()).into(),
            None => JsValue::UNDEFINED,
        };
        let hubs = Array::new();
        for hub in &terms.hubs {
            hubs.push(&address(hub));
        }
        info = info
            .with(&HUBS, JsValue::from(hubs))
            .with(&UPSTREAM, hop(&passage.upstream))
            .with(&DOWNSTREAM, hop(&passage.downstream));
    }
    if let Some(code) = &channel.aborted {
        info = info.with(&ABORTED, code);
    }
    info.into()
}

/// The rule of the owner that a payment is above, and by how much.
pub(crate) fn refusal(refusal: &SpendRefusal) -> JsValue {
    let rule = &refusal.rule;
    Plain::new()
        .with(&RULE, rule.scope.name())
        .with_number(&WINDOW, rule.window)
        .with(&ASKS, rule.asks)
        .with(&LIMIT, refusal.limit)
        .with(&SPENT, refusal.spent)
        .with(&AMOUNT, refusal.amount)
        .into()
}

/// A quote whose `payee_destination` is `destination`.
pub(crate) fn quote(quote: &Quote, destination: &Address) -> JsValue {
    Plain::new()
        .with(&HASH, hash(&quote.hash()))
        .with(&CONTENT_ROOT, hash(&quote.content_root))
        .with_number(&LENGTH, quote.length)
        .with_number(&CHUNK_SIZE, quote.chunk_size)
        .with_number(&CHUNKS, quote.chunks)
        .with(&UNIT, JsValue::from_str(quote.unit.name()))
        .with_number(&UNITS, quote.units)
        .with(&PRICE, quote.price)
        .with(&CREDIT, quote.credit)
        .with(&ASSET, address(&quote.asset))
        .with(&PAYEE, address(&quote.payee))
        .with(&PAYEE_DESTINATION, address(destination))
        .with_number(&CHALLENGE_DURATION, quote.challenge_duration)
        .with_number(&CONFIRMATIONS, quote.confirmations)
        .with_number(&EXPIRES_AT, quote.expires_at)
        .with(&HUBS, hash(&quote.hubs))
        .with(&TOTAL, quote.total().unwrap_or(u128::MAX))
        .into()
}

pub(crate) fn receipt(receipt: &Receipt) -> JsValue {
    Plain::new()
        .with(&CHANNEL_ID, hash(&receipt.channel_id))
        .with(&QUOTE, hash(&receipt.quote))
        .with_number(&CHUNK, receipt.chunk)
        .with_number(&CHUNKS, receipt.chunks)
        .with(&CUMULATIVE_AMOUNT, receipt.cumulative_amount)
        .with_number(&ISSUED_AT, receipt.issued_at)
        .into()
}

pub(crate) fn payment(payment: &Payment) -> JsValue {
    let common = Plain::new()
        .with(&CHANNEL_ID, hash(&payment.channel_id()))
        .with_number(&SERIAL, payment.serial())
        .with_number(&TICKS, payment.ticks());
    let (shown, common) = match payment {
        Payment::Tick(tick) => (Some(tick.shown), common),
        Payment::Claim { signed: SignedVoucher { voucher, signature }, shown } => {
            let common = common
                .with_number(&BASE_TURN, voucher.base_turn)
                .with(&CUMULATIVE_AMOUNT, voucher.cumulative_amount)
                .with(&TICK_TIP, hash(&voucher.tick_tip))
                .with(&TICK_PRICE, voucher.tick_price)
                .with_number(&TICK_LIMIT, voucher.tick_limit)
                .with(&MEMO, hash(&voucher.memo))
                .with(&SIGNATURE, bytes(&signature.to_bytes()));
            (*shown, common)
        }
    };
    match shown {
        Some(shown) => common.with(&PREIMAGE, hash(&shown.preimage)).into(),
        None => common.into(),
    }
}
