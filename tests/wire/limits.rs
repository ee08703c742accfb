//! How large things may be: each at its limit, and one byte above. Quotes are tried where they are read.

use millstream_core::B256;
use millstream_core::channel::{Channel, MAX_GUARANTEES, MAX_RECORD_BYTES, Status};
use millstream_core::wallet::Command;
use millstream_core::wire::{
    Envelope, MAX_CODE_BYTES, MAX_MESSAGE_BYTES, MAX_PAYMENT_BYTES, MAX_TEXT_BYTES, Message, WireError, decode_payment,
};
use millstream_tests::pair::{ALICE, BOB, CHALLENGE_DURATION, Pair, Parcel, Row};

use super::{draft, fixtures, saying, sealed};

/// An error whose words make its envelope `length` bytes long.
fn error_of(length: usize) -> (Vec<u8>, millstream_core::Address) {
    let with = |text: usize| {
        let (error, receiver) = saying(Message::Error { code: "X".into(), text: "y".repeat(text) });
        (sealed(&draft(2, receiver, &error), 0xa1), receiver)
    };
    let spare = length - with(length / 2).0.len();
    with(length / 2 + spare)
}

#[test]
fn messages_end_at_16_kib() {
    assert_eq!(MAX_MESSAGE_BYTES, 16 * 1024);
    let (largest, receiver) = error_of(MAX_MESSAGE_BYTES);
    assert_eq!(largest.len(), MAX_MESSAGE_BYTES);
    let read = Envelope::open(&largest, receiver).expect("at the limit").message;
    // Words are cut where they are taken in, so that nobody fills records and screens of others.
    assert_eq!(read, Message::Error { code: "X".into(), text: "y".repeat(MAX_TEXT_BYTES) });
    let (larger, receiver) = error_of(MAX_MESSAGE_BYTES + 1);
    let refused = WireError::TooLarge { length: MAX_MESSAGE_BYTES + 1, limit: MAX_MESSAGE_BYTES };
    assert_eq!(Envelope::open(&larger, receiver), Err(refused));
    assert_eq!(refused.code(), "MESSAGE_TOO_LARGE");
}

#[test]
fn codes_are_cut_between_characters() {
    // Three bytes each: 64 is in the middle of the 22nd.
    for message in [
        Message::Error { code: "€".repeat(100), text: "€".repeat(1_000) },
        Message::UpdateError { turn: 1, code: "€".repeat(100) },
    ] {
        let (long, receiver) = saying(message);
        let read = Envelope::open(&sealed(&draft(2, receiver, &long), 0xa1), receiver).expect("short enough").message;
        let (Message::Error { code, .. } | Message::UpdateError { code, .. }) = &read else { panic!("{read:?}") };
        assert_eq!((code.len(), MAX_CODE_BYTES), (63, 64));
        if let Message::Error { text, .. } = read {
            assert_eq!((text.len(), MAX_TEXT_BYTES), (510, 512));
        }
    }
}

/// A stranger's code would be stored with the channel that it aborts.
#[test]
fn what_a_peer_says_does_not_fill_the_record() {
    let mut pair = Pair::new(Default::default());
    let terms = pair.terms(ALICE, 1_000);
    let id = pair.open(ALICE, terms).expect("good terms");
    let message = Message::Error { code: "C".repeat(10_000), text: String::new() };
    let (sender, receiver) = (pair.hosts[BOB].wallet.address(), pair.hosts[ALICE].wallet.address());
    let said = Envelope { sender, channel_id: id, sequence: 1, message };
    pair.hand_over(ALICE, Parcel::Message(sealed(&draft(2, receiver, &said), 0xb2)));
    let channel = pair.hosts[ALICE].durable(&id).expect("stored");
    assert_eq!(channel.aborted, Some("C".repeat(MAX_CODE_BYTES)));
}

#[test]
fn payments_end_at_512_bytes() {
    assert_eq!(MAX_PAYMENT_BYTES, 512);
    let (_, _, bytes) = fixtures("payment-").remove(0);
    let padded = |length: usize| [&bytes[..], &vec![0; length - bytes.len()]].concat();
    assert_eq!(decode_payment(&padded(512)), Err(WireError::Malformed), "read, and found to have more than one form");
    assert_eq!(decode_payment(&padded(513)), Err(WireError::TooLarge { length: 513, limit: 512 }));
}

#[test]
fn records_end_at_64_kib() {
    assert_eq!(MAX_RECORD_BYTES, 64 * 1024);
    let code = |length: usize| Channel::from_bytes(B256::ZERO, &vec![0; length]).map_err(|error| error.code());
    assert_eq!(code(MAX_RECORD_BYTES), Err("RECORD_MALFORMED"));
    assert_eq!(code(MAX_RECORD_BYTES + 1), Err("RECORD_TOO_LARGE"));
}

/// A payer, a hub and a payee with as many virtual channels as their ledgers hold.
fn busy_row() -> (Row, Vec<B256>) {
    let mut row = Row::new(&[true, true], 1);
    let open = |row: &mut Row| {
        let id = row.open(1_000);
        row.deliver_all();
        id
    };
    let ids = (0..MAX_GUARANTEES).map(|_| open(&mut row)).collect();
    (row, ids)
}

#[test]
fn what_a_full_ledger_says_fits_into_a_message() {
    let (mut row, _) = busy_row();
    row.resume();
    let mut largest = 0;
    for parcel in row.hosts.iter().flat_map(|host| &host.sent) {
        let Parcel::Message(bytes) = parcel else { continue };
        let opened = row.hosts.iter().find_map(|host| Envelope::open(bytes, host.wallet.address()).ok());
        if let Some(Message::ChannelReestablish { guarantees, .. }) = opened.map(|opened| opened.message)
            && guarantees.len() == MAX_GUARANTEES
        {
            largest = bytes.len().max(largest);
        }
    }
    assert!((1..MAX_MESSAGE_BYTES / 4).contains(&largest), "{largest} bytes");
}

/// All of it on chain: every guarantee is challenged for, decided and reclaimed.
#[test]
fn a_full_ledger_that_is_reclaimed_fits_into_a_record() {
    let (mut row, ids) = busy_row();
    ids.iter().for_each(|id| row.pays(*id, 10));
    for ledger in [0, 1] {
        row.does(1, Command::LeaveChannel { channel_id: row.channels[ledger] });
    }
    for _ in 0..8 {
        (0..6).for_each(|_| row.go_on());
        row.chain.pass(CHALLENGE_DURATION);
    }
    for host in &row.hosts {
        let largest = host.history.iter().map(|(_, bytes)| bytes.len()).max().expect("records");
        assert!(largest < MAX_RECORD_BYTES, "{largest} bytes");
    }
    let statuses = row.hosts.iter().flat_map(|host| host.wallet.channels()).map(|(_, channel)| channel.status());
    assert!(statuses.into_iter().all(|status| status == Status::Closed));
}
