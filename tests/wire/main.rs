//! Bytes that were once sent or stored are read by every later version, or refused on purpose.
//!
//! `v2/` holds what whole channel lives with fixed keys left behind, with what it says. Nothing here is ever made again
//! for a failing test's sake: a change that breaks one of these takes a new version, and fixtures of its own beside them.

mod limits;
mod meaning;
mod versions;

use std::fs;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, hex};
use millstream_core::channel::Channel;
use millstream_core::payment::{SignedQuote, VoucherDomain};
use millstream_core::wire::{Envelope, Message, decode_payment, encode_payment};
use minicbor::{Decoder, Encoder};
use serde_json::Value;

/// The fixtures of one kind: `(file, content, bytes)`.
fn fixtures(kind: &str) -> Vec<(String, Value, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("wire/v2");
    let mut found: Vec<_> = fs::read_dir(&folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name in ASCII"))
        .filter(|name| name.starts_with(kind))
        .collect();
    found.sort();
    let read = |name: String| {
        let value: Value = serde_json::from_slice(&fs::read(folder.join(&name)).expect("a file")).expect("JSON");
        let bytes = hex::decode(value["bytes"].as_str().expect("bytes")).expect("hex");
        (name, value, bytes)
    };
    found.into_iter().map(read).collect()
}

fn address(value: &Value) -> Address {
    value.as_str().expect("an address").parse().expect("an address")
}

fn word(value: &Value) -> B256 {
    value.as_str().expect("a hash").parse().expect("a hash")
}

/// What the two byte strings of an envelope are: what is signed, and the signature.
fn parts(envelope: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut decoder = Decoder::new(envelope);
    assert_eq!(decoder.array().expect("an array"), Some(2));
    let draft = decoder.bytes().expect("bytes").to_vec();
    (draft, decoder.bytes().expect("bytes").to_vec())
}

/// An envelope, written by hand from docs/protocol.md, Messages.
fn envelope(draft: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    encoder.array(2).and_then(|encoder| encoder.bytes(draft)).and_then(|it| it.bytes(signature)).expect("a vector");
    bytes
}

/// What is signed: version, sender, receiver, channel, sequence, message.
fn draft(version: u8, receiver: Address, sent: &Envelope) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    (|| {
        encoder.array(6)?.u8(version)?.bytes(sent.sender.as_slice())?.bytes(receiver.as_slice())?;
        encoder.bytes(sent.channel_id.as_slice())?.u64(sent.sequence)?.encode(&sent.message)?;
        Ok::<(), minicbor::encode::Error<core::convert::Infallible>>(())
    })()
    .expect("a vector takes everything");
    bytes
}

#[test]
fn messages_say_what_they_said() {
    let fixtures = fixtures("message-");
    for (file, fixture, bytes) in &fixtures {
        let receiver = address(&fixture["receiver"]);
        let read = Envelope::open(bytes, receiver).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(read.sender, address(&fixture["sender"]), "{file}");
        assert_eq!(read.channel_id, word(&fixture["channelId"]), "{file}");
        assert_eq!(Some(read.sequence), fixture["sequence"].as_u64(), "{file}");
        assert_eq!(millstream_tests::pair::lives::name_of(&read.message), fixture["name"], "{file}");
        assert_eq!(meaning::message(&read.message), fixture["message"], "{file}");
        let (_, signature) = parts(bytes);
        assert_eq!(envelope(&draft(2, receiver, &read), &signature), *bytes, "{file}: written again");
    }
    let names: Vec<_> = fixtures.iter().map(|(_, fixture, _)| fixture["name"].as_str().expect("a name")).collect();
    for name in millstream_tests::pair::lives::MESSAGES {
        assert!(names.contains(&name), "no fixture of {name}");
    }
}

#[test]
fn payments_say_what_they_said() {
    let fixtures = fixtures("payment-");
    assert!(fixtures.len() > 3);
    for (file, fixture, bytes) in fixtures {
        let payment = decode_payment(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(meaning::payment(&payment), fixture["payment"], "{file}");
        assert_eq!(encode_payment(&payment), bytes, "{file}: written again");
    }
}

#[test]
fn quotes_say_what_they_said() {
    let domain = VoucherDomain::new(31_337, Address::repeat_byte(0x5a));
    let fixtures = fixtures("quote-");
    assert!(!fixtures.is_empty());
    for (file, fixture, bytes) in fixtures {
        let signed = SignedQuote::from_bytes(&bytes, &domain, 0).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(meaning::quote(&signed.quote), fixture["quote"], "{file}");
        assert_eq!(signed.to_bytes(), bytes, "{file}: written again");
    }
}

#[test]
fn records_say_what_they_said() {
    let fixtures = fixtures("record-");
    for (file, fixture, bytes) in &fixtures {
        let channel =
            Channel::from_bytes(word(&fixture["key"]), bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(meaning::record(&channel), fixture["record"], "{file}");
        assert_eq!(channel.to_bytes(), *bytes, "{file}: written again");
    }
    let statuses = ["initialized", "signed", "open", "disconnected", "withdrawing", "closing", "challenged", "closed"];
    for status in statuses {
        assert!(fixtures.iter().any(|(_, fixture, _)| fixture["record"]["status"] == status), "no {status} record");
    }
}

/// A message of the other side, signed as it is.
fn sealed(draft: &[u8], secret: u8) -> Vec<u8> {
    use millstream_core::crypto::{LocalSigner, Signer, keccak256};
    let signer = LocalSigner::from_secret_bytes(&[secret; 32]).expect("a key");
    let digest = keccak256([b"millstream message\n".as_slice(), draft].concat());
    envelope(draft, &signer.sign_digest(&digest).expect("a local key").to_bytes())
}

/// Any message of the payer: what it is about, and its receiver.
fn sample() -> (Envelope, Address) {
    let (_, fixture, bytes) = fixtures("message-update.json").remove(0);
    let receiver = address(&fixture["receiver"]);
    (Envelope::open(&bytes, receiver).expect("a fixture"), receiver)
}

/// The same with another message.
fn saying(message: Message) -> (Envelope, Address) {
    let (sample, receiver) = sample();
    (Envelope { message, ..sample }, receiver)
}
