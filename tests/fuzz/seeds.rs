//! Writes the first inputs of the fuzz targets: `cargo run -p millstream-tests --example seeds`.
//!
//! They are what whole channel lives leave behind (every message, payments, records of every status, logs), and the
//! vectors of other implementations. Every run writes the same bytes.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, U256, hex};
use millstream_core::channel::Channel;
use millstream_core::crypto::{LocalSigner, Signer};
use millstream_core::keys::{Backup, BackupRecord, KdfParams, Mnemonic, export_records};
use millstream_core::nitro::{AdjudicatorEvent, calls, encode_outcome};
use millstream_core::payment::{Claim, Quote, Shown, TickChain, Unit, Voucher};
use millstream_core::wire::{Envelope, Payment, Tick, decode_payment, encode_payment};
use millstream_tests::pair::{ALICE, BOB, Pair, Parcel, byte, lives, lives::Life};
use serde_json::Value;

mod histories;

type Outcome = Result<(), Box<dyn Error>>;

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3_600;

/// Writes an input of a target. The content names it as libFuzzer would not: by what it is.
fn write(target: &str, name: &str, bytes: &[u8]) -> Outcome {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

/// Everything that the two parties of a life sent and stored, and what the chain said.
fn life(it: &Life) -> Outcome {
    let Life { name: life, chain, hosts, channels } = it;
    for (index, host) in hosts.iter().enumerate() {
        for parcel in &host.sent {
            send(it, index, parcel)?;
        }
        for (key, bytes) in &host.history {
            let channel = Channel::from_bytes(*key, bytes)?;
            let place = channels.iter().position(|id| id == key).unwrap_or_default();
            let name = format!("{life}-{place}-{}-{}", channel.role.name(), channel.status().name());
            write("record", &name, bytes)?;
            if let Some(dispute) = &channel.facts().dispute {
                write("outcome", &name, &dispute.outcome)?;
            }
        }
    }
    for log in chain.update(0).logs.iter().filter(|log| log.address == chain.contracts().adjudicator) {
        let event = AdjudicatorEvent::decode(&log.topics, &log.data)?;
        let kind = format!("{event:?}").split([' ', '{']).next().unwrap_or_default().to_lowercase();
        write("event", &format!("{life}-{kind}"), &event_input(&log.topics, &log.data))?;
        if let Some(call) = &log.call {
            let targets = [
                ("checkpoint", calls::decode_checkpoint(call).is_ok()),
                ("reclaim", calls::decode_reclaim(call).is_ok()),
            ];
            for (target, _) in targets.into_iter().filter(|(_, is_its)| *is_its) {
                write(target, life, call)?;
            }
        }
        if let AdjudicatorEvent::ChallengeRegistered { candidate, proof, .. } = event {
            for (role, state) in proof.iter().map(|state| ("proof", state)).chain([("candidate", &candidate)]) {
                write("state", &format!("{life}-{role}"), &state.variable_part.encode())?;
            }
            if !candidate.variable_part.app_data.is_empty() {
                write("claim", life, &candidate.variable_part.app_data)?;
            }
        }
    }
    for (index, id) in channels.iter().enumerate() {
        let holdings = U256::from(chain.holdings(Address::ZERO, *id));
        write("answer", &format!("{life}-{index}-holdings"), &holdings.to_be_bytes::<32>())?;
        write("answer", &format!("{life}-{index}-status"), chain.status_of(*id).as_slice())?;
    }
    Ok(())
}

/// A log of what was spent: its version, the payments of two kinds, and what one voucher's ticks can still pay.
fn spend_log() -> Result<Vec<u8>, Box<dyn Error>> {
    let (tags, amount) = ((1, 2, 3, u64::MAX), minicbor::bytes::ByteArray::from(7u128.to_be_bytes()));
    let entries = [(NOW, NOW + 9, tags, amount, false), (NOW, NOW, tags, amount, true)];
    let channel_id = minicbor::bytes::ByteArray::from([5u8; 32]);
    Ok(minicbor::to_vec((1, entries, [(channel_id, tags, amount, amount, NOW)]))?)
}

/// What the `event` target takes: how many topics, the topics, the data.
fn event_input(topics: &[B256], data: &[u8]) -> Vec<u8> {
    let mut input = vec![u8::try_from(topics.len()).unwrap_or(u8::MAX)];
    input.extend(topics.iter().flatten());
    input.extend_from_slice(data);
    input
}

fn send(life: &Life, from: usize, parcel: &Parcel) -> Outcome {
    let name = life.name;
    match parcel {
        Parcel::Message(bytes) => {
            let receiver = life.receiver(from, bytes).ok_or("it is for somebody else")?;
            let message = Envelope::open(bytes, receiver)?.message;
            let kind = lives::name_of(&message);
            write("envelope", &format!("{kind}{}", if life.hosts.len() > 2 { "-hubs" } else { "" }), bytes)?;
            write("message", &format!("{name}-{kind}"), draft_of(bytes)?)
        }
        Parcel::Payment(bytes) => {
            let payment = decode_payment(bytes)?;
            let name = format!("{name}-{}-{}", payment.serial(), payment.ticks());
            write("payment", &name, bytes)?;
            payment.voucher().map_or(Ok(()), |signed| write("signature", &name, &signed.signature.to_bytes()))
        }
    }
}

/// The first of an envelope's two byte strings.
fn draft_of(envelope: &[u8]) -> Result<&[u8], &'static str> {
    let (length, rest) = match envelope {
        [0x82, 0x58, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, 0x59, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return Err("an envelope of another form"),
    };
    rest.get(..length).ok_or("an envelope that is cut off")
}

/// What the wallet does not send yet, or a life does not show.
fn values() -> Outcome {
    let payer = LocalSigner::from_secret_bytes(&[0xa1; 32])?;
    let payee = LocalSigner::from_secret_bytes(&[0xb2; 32])?;
    let domain = millstream_core::payment::VoucherDomain::new(31_337, Address::repeat_byte(0x5a));

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
        payee: payee.address(),
        payee_destination: Address::repeat_byte(0x33).into_word(),
        challenge_duration: HOUR,
        confirmations: 3,
        expires_at: NOW + HOUR,
        hubs: B256::repeat_byte(0x44),
    };
    write("quote", "tokens", &quote.sign(&domain, &payee)?.to_bytes())?;
    let folder = Quote { chunk_size: 0, unit: Unit::Second, units: 120, ..quote };
    write("quote", "folder", &folder.sign(&domain, &payee)?.to_bytes())?;
    write("spend_log", "empty", &minicbor::to_vec((1, [(); 0], [(); 0]))?)?;
    write("spend_log", "full", &spend_log()?)?;

    let ticks = TickChain::new(B256::repeat_byte(0x44), 255);
    let flat = Voucher::flat(B256::repeat_byte(0x55), 1, 7, 1_000, quote.hash());
    let voucher = Voucher { tick_tip: ticks.tip(), tick_price: 3, tick_limit: 255, ..flat };
    let signed = voucher.sign(&domain, &payer)?;
    let shown = Shown { ticks: 200, preimage: ticks.preimage(200).ok_or("above the limit")? };
    write("payment", "voucher", &encode_payment(&signed.into()))?;
    write("payment", "claim", &encode_payment(&Payment::Claim { signed, shown: Some(shown) }))?;
    let tick = Tick { channel_id: voucher.channel_id, serial: voucher.serial, shown };
    write("payment", "tick", &encode_payment(&Payment::Tick(tick)))?;
    let claim = Claim::new(&signed, Some(shown)).to_app_data().to_vec();
    write("claim", "ticks", &claim)?;
    // The choices of the `claim` target: everything right, and a base that holds enough for the payer.
    let mut supported = claim;
    supported.extend([0; 12]);
    supported.extend([0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0, 2, 0, 0, 0]);
    write("claim", "supported", &supported)?;

    for (name, key) in [("payer", &payer), ("payee", &payee)] {
        write("public_key", name, &key.public_key().to_sec1_bytes())?;
    }
    Ok(())
}

/// Backups of a wallet and of records, and the words that both come from.
fn backups() -> Outcome {
    let words = "legal winner thank year wave sausage worth useful legal winner thank yellow"; // BIP-39
    let mnemonic = Mnemonic::parse(words)?;
    let records = vec![BackupRecord { key: B256::repeat_byte(7), version: 3, bytes: vec![1, 2, 3] }];
    let seed = mnemonic.derive_seed("")?;
    write("backup", "records", &export_records(&seed, &records, &[5; 24])?)?;
    let backup = Backup { mnemonic, records };
    // The cheapest key that there is: a fuzzer asks for it again and again.
    let params = KdfParams::new(KdfParams::MIN_MEMORY_KIB, 1)?;
    write("backup", "wallet", &backup.export("passphrase", params, &[6; 40])?)?;
    write("mnemonic", "12", words.as_bytes())?;
    let longest = Mnemonic::from_entropy(&[0xff; 32])?;
    write("mnemonic", "24", longest.phrase().as_bytes())
}

/// What two wallets can go through.
fn histories() -> Outcome {
    for (name, parties, steps) in histories::HISTORIES {
        let mut history = vec![*parties];
        let mut words = steps.split(' ');
        while let (Some(who), Some(step)) = (words.next(), words.next()) {
            let host = if who == "a" { ALICE } else { BOB };
            history.push(byte(host, step).ok_or_else(|| format!("{name}: no step {step}"))?);
        }
        Pair::run(&history).settle();
        write("machine", name, &history)?;
    }
    Ok(())
}

/// The array that `value` has under `name`.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The vectors of other implementations; `tests/vectors/README.md` says whose.
fn vectors() -> Outcome {
    let read = |name: &str| -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_slice(&fs::read(format!("{}/vectors/{name}.json", env!("CARGO_MANIFEST_DIR")))?)?)
    };
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap_or_default());

    let adjudicator = read("adjudicator")?;
    for (index, log) in list(&adjudicator, "logs").iter().enumerate() {
        let topics = list(log, "topics").iter().map(|topic| Ok(B256::from_slice(&bytes(topic)?)));
        let topics = topics.collect::<Result<Vec<_>, hex::FromHexError>>()?;
        let name = log["name"].as_str().unwrap_or_default().to_lowercase();
        write("event", &format!("vector-{index}-{name}"), &event_input(&topics, &bytes(&log["data"])?))?;
    }
    let edges = read("edges")?;
    write("answer", "guarantee", &bytes(&edges["guaranteeMetadata"]["encoded"])?)?;
    for state in list(&read("nitro")?, "states").iter().chain(list(&edges, "states")) {
        let name = format!("vector-{}", state["name"].as_str().unwrap_or_default());
        write("outcome", &name, &bytes(&state["encodedOutcome"])?)?;
        let (_, part) = millstream_tests::vectors::parse_state(&state["state"])?;
        assert_eq!(encode_outcome(&part.outcome), bytes(&state["encodedOutcome"])?);
        write("state", &name, &part.encode())?;
    }
    let signatures = read("signatures")?;
    for (name, group, step) in [("signature", "signatures", 14), ("twin", "twins", 14), ("refused", "refused", 1)] {
        for (index, case) in list(&signatures, group).iter().enumerate().step_by(step) {
            write("signature", &format!("vector-{name}-{index}"), &bytes(&case["signature"])?)?;
        }
    }
    if let Some(case) = list(&signatures, "signatures").first() {
        write("public_key", "vector-compressed", &bytes(&case["publicKey"])?)?;
        write("public_key", "vector-uncompressed", &bytes(&case["uncompressed"])?)?;
    }
    Ok(())
}

fn main() -> Outcome {
    lives::all().iter().try_for_each(life)?;
    values()?;
    backups()?;
    histories()?;
    vectors()
}
