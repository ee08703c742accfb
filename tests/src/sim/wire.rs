//! Messages as bytes, for parties that say what no honest wallet would, and for whoever listens.

use alloy_primitives::{Address, B256};
use millstream_core::crypto::{Signature, keccak256};
use millstream_core::wire::Message;

use super::signer::Key;

/// A message whose signature nobody checked.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The channel it is about.
    pub channel_id: B256,
    /// Its number.
    pub sequence: u64,
    /// What it says.
    pub message: Message,
}

/// Reads a message without checking anything.
pub fn open(bytes: &[u8]) -> Option<Opened> {
    let mut sealed = minicbor::Decoder::new(bytes);
    sealed.array().ok()?;
    let mut draft = minicbor::Decoder::new(sealed.bytes().ok()?);
    draft.array().ok()?;
    draft.u8().ok()?;
    draft.bytes().ok()?;
    draft.bytes().ok()?;
    let channel_id = B256::try_from(draft.bytes().ok()?).ok()?;
    let sequence = draft.u64().ok()?;
    Some(Opened { channel_id, sequence, message: draft.decode().ok()? })
}

/// Seals a message with a key.
///
/// # Panics
///
/// Never: a buffer in memory takes everything.
pub fn seal(key: &Key, receiver: Address, channel_id: B256, sequence: u64, message: &Message) -> Vec<u8> {
    const PROTOCOL_VERSION: u8 = 2;
    let mut draft = minicbor::Encoder::new(Vec::new());
    let written = draft
        .array(6)
        .and_then(|draft| draft.u8(PROTOCOL_VERSION))
        .and_then(|draft| draft.bytes(key.address().as_slice()))
        .and_then(|draft| draft.bytes(receiver.as_slice()))
        .and_then(|draft| draft.bytes(channel_id.as_slice()))
        .and_then(|draft| draft.u64(sequence))
        .and_then(|draft| draft.encode(message));
    written.expect("a buffer takes everything");
    let draft = draft.into_writer();
    let signature: Signature = key.sign(keccak256([b"millstream message\n".as_slice(), &draft].concat()));
    let mut sealed = minicbor::Encoder::new(Vec::new());
    let written = sealed.array(2).and_then(|sealed| sealed.bytes(&draft)).and_then(|sealed| sealed.encode(signature));
    written.expect("a buffer takes everything");
    sealed.into_writer()
}

/// A message in a few words.
pub fn describe(message: &Message) -> String {
    match message {
        Message::Update { turn, follows, balances, .. } => {
            format!("Update {turn} after {follows}: {} | {}", balances.payer, balances.payee)
        }
        Message::Shutdown { turn, balances, successor, .. } => {
            let on = successor.map_or("", |_| ", rest goes on");
            format!("Shutdown {turn}: {} | {}{on}", balances.payer, balances.payee)
        }
        Message::UpdateAck { turn, .. } => format!("UpdateAck {turn}"),
        Message::UpdateError { turn, code } => format!("UpdateError {turn} {code}"),
        Message::UpdateRequest { number, wish } => format!("UpdateRequest {number} {wish:?}"),
        Message::Error { code, .. } => format!("Error {code}"),
        Message::ChannelReestablish { base, voucher, asks, answers, .. } => {
            let serial = voucher.map_or(0, |signed| signed.voucher.serial);
            let turn = base.map_or(0, |base| base.turn);
            let [asks, answers] = [("asks", asks), ("answers", answers)]
                .map(|(verb, number)| number.map_or(String::new(), |number| format!(", {verb} {number}")));
            format!("ChannelReestablish {turn}/{serial}{asks}{answers}")
        }
        other => name(other),
    }
}

/// The kind of a message.
pub fn name(message: &Message) -> String {
    let text = format!("{message:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
