//! Writes the fixtures of a new version of the wire: `cargo run -p millstream-tests --example fixtures`.
//!
//! They are what whole lives with fixed keys sent and stored. A file that is there is never written again: what it says
//! has to be read by every later version, or refused on purpose.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, hex};
use millstream_core::channel::{Change, Channel, Wish};
use millstream_core::crypto::LocalSigner;
use millstream_core::payment::{Quote, Shown, TickChain, Unit, Voucher, VoucherDomain};
use millstream_core::wire::{Envelope, Message, Payment, Tick, decode_payment, encode_payment};
use millstream_tests::pair::{Parcel, lives, lives::Life};
use serde_json::{Value, json};

mod meaning;

type Outcome = Result<(), Box<dyn Error>>;

fn write(kind: &str, name: &str, mut fixture: Value, bytes: &[u8]) -> Outcome {
    let file = format!("wire/v2/{kind}-{}.json", name.replace('_', "-"));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    if path.exists() {
        return Ok(());
    }
    fixture["bytes"] = json!(hex::encode(bytes));
    Ok(fs::write(path, serde_json::to_string_pretty(&fixture)? + "\n")?)
}

/// What a record has: one fixture for every combination that comes up.
fn features(channel: &Channel) -> String {
    let flags = [
        ("base", channel.base.is_some()),
        ("voucher", channel.best.is_some()),
        ("unsigned", channel.unsigned.is_some()),
        ("proposals", !channel.proposals.is_empty()),
        ("final", channel.closing.is_some()),
        ("lease", channel.lease.is_some()),
        ("unsure", channel.unsure),
        ("predecessor", channel.predecessor.is_some()),
        ("successor", channel.successor.is_some()),
        ("request", channel.request.is_some()),
        ("posted", channel.posted.is_some()),
        ("virtual", channel.passage.is_some()),
        ("refused", channel.passage.as_ref().is_some_and(|passage| passage.refused)),
        ("guarantees", !channel.guarantees.is_empty()),
        ("reserved", !channel.reserved.is_empty()),
        ("verdicts", !channel.verdicts.is_empty()),
        ("changes", channel.proposals.iter().any(|proposal| proposal.change.is_some())),
    ];
    let present = flags.iter().filter(|(_, present)| *present).map(|(name, _)| format!("-{name}"));
    format!("{}-{}{}", channel.role.name(), channel.status().name(), present.collect::<String>())
}

/// What a message has that others of its kind have not.
fn variant(message: &Message) -> &'static str {
    match message {
        Message::ChannelOpen { route: Some(_), hubs, .. } if hubs.is_empty() => "-route",
        Message::ChannelOpen { hubs, .. }
        | Message::ChannelAccept { hubs, .. }
        | Message::FundingLocked { hubs, .. }
        | Message::Shutdown { hubs, .. }
        | Message::ShutdownAck { hubs, .. }
            if !hubs.is_empty() =>
        {
            "-hubs"
        }
        Message::Update { change: Some(Change::Add { .. }), .. }
        | Message::UpdateRequest { wish: Wish::Change(Change::Add { .. }), .. } => "-add",
        Message::Update { change: Some(_), .. } | Message::UpdateRequest { wish: Wish::Change(_), .. } => "-remove",
        Message::ChannelReestablish { guarantees, .. } if !guarantees.is_empty() => "-guarantees",
        _ => "",
    }
}

fn life(life: &Life, seen: &mut BTreeSet<String>) -> Outcome {
    for (index, host) in life.hosts.iter().enumerate() {
        for parcel in &host.sent {
            match parcel {
                Parcel::Message(bytes) => {
                    let receiver = life.receiver(index, bytes).ok_or("it is for somebody else")?;
                    let Envelope { sender, channel_id, sequence, message } = Envelope::open(bytes, receiver)?;
                    let name = lives::name_of(&message);
                    let file = format!("{name}{}", variant(&message));
                    if seen.insert(format!("message {file}")) {
                        let fixture = json!({
                            "name": name,
                            "sender": sender,
                            "receiver": receiver,
                            "channelId": channel_id,
                            "sequence": sequence,
                            "message": meaning::message(&message),
                        });
                        write("message", &file, fixture, bytes)?;
                    }
                }
                Parcel::Payment(bytes) => {
                    let payment = decode_payment(bytes)?;
                    if seen.insert(format!("payment {}", life.name)) {
                        write("payment", life.name, json!({ "payment": meaning::payment(&payment) }), bytes)?;
                    }
                }
            }
        }
        for (key, bytes) in &host.history {
            let channel = Channel::from_bytes(*key, bytes)?;
            let name = features(&channel);
            if seen.insert(format!("record {name}")) {
                write("record", &name, json!({ "key": key, "record": meaning::record(&channel) }), bytes)?;
            }
        }
    }
    Ok(())
}

/// What no life shows: a voucher with ticks, and a quote.
fn others() -> Outcome {
    let (payer, payee) = (LocalSigner::from_secret_bytes(&[0xa1; 32])?, LocalSigner::from_secret_bytes(&[0xb2; 32])?);
    let domain = VoucherDomain::new(31_337, Address::repeat_byte(0x5a));
    let flat = Voucher::flat(B256::repeat_byte(0x55), (1 << 48) - 1, u32::MAX, u128::MAX, B256::repeat_byte(0x66));
    let ticks = TickChain::new(B256::repeat_byte(0x44), 255);
    let voucher = Voucher { tick_tip: ticks.tip(), tick_price: u128::MAX, tick_limit: 255, ..flat };
    let signed = voucher.sign(&domain, &payer)?;
    let shown = Shown { ticks: 200, preimage: ticks.preimage(200).ok_or("above the limit")? };
    let tick = Tick { channel_id: voucher.channel_id, serial: voucher.serial, shown };
    let shapes = [
        ("voucher", Payment::from(signed)),
        ("claim", Payment::Claim { signed, shown: Some(shown) }),
        ("tick", Payment::Tick(tick)),
    ];
    for (name, payment) in shapes {
        write("payment", name, json!({ "payment": meaning::payment(&payment) }), &encode_payment(&payment))?;
    }
    let quote = Quote {
        content_root: B256::repeat_byte(0x11),
        length: 1_000_000,
        chunk_size: 65_536,
        chunks: 16,
        unit: Unit::Chunk,
        units: 16,
        price: 250,
        credit: 500,
        asset: Address::repeat_byte(0x22),
        payee: payee.public_key().address(),
        payee_destination: Address::repeat_byte(0x33).into_word(),
        challenge_duration: 3_600,
        confirmations: 3,
        expires_at: 1_900_000_000,
        hubs: B256::repeat_byte(0x44),
    };
    let bytes = Quote { unit: Unit::Byte, units: 1_000_000, price: 1, ..quote };
    let folder = Quote { chunk_size: 0, chunks: 31, unit: Unit::Second, units: 120, ..quote };
    for (name, quote) in [("chunks", quote), ("bytes", bytes), ("seconds", folder)] {
        let signed = quote.sign(&domain, &payee)?;
        write("quote", name, json!({ "quote": meaning::quote(&quote) }), &signed.to_bytes())?;
    }
    Ok(())
}

fn main() -> Outcome {
    let mut seen = BTreeSet::new();
    lives::all().iter().try_for_each(|it| life(it, &mut seen))?;
    others()
}
