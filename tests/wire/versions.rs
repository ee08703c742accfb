//! Other versions, and fields that are not known.

use millstream_core::channel::Channel;
use millstream_core::wire::{Envelope, decode_payment};

use super::{draft, fixtures, sample, sealed, word};

#[test]
fn a_message_of_another_version_is_refused() {
    let (sample, receiver) = sample();
    for version in [0, 1, 3, 255] {
        let error = Envelope::open(&sealed(&draft(version, receiver, &sample), 0xa1), receiver).unwrap_err();
        assert_eq!(error.code(), "MESSAGE_VERSION");
        // Whatever else it has: here one field that is something else, and one too many.
        let other = [&[0x83, 0x18, version][..], &[0x61, b'x', 0x80]].concat();
        let other = if version < 24 { [&[0x83, version][..], &[0x61, b'x', 0x80]].concat() } else { other };
        assert_eq!(Envelope::open(&sealed(&other, 0xa1), receiver).unwrap_err().code(), "MESSAGE_VERSION");
    }
}

#[test]
fn a_field_that_is_not_known_is_passed_over_in_a_message() {
    let (sample, receiver) = sample();
    let known = draft(2, receiver, &sample);
    // One more in the envelope's array of six.
    let after = [&[0x87], &known[1..], &[0x63, b'n', b'e', b'w']].concat();
    assert_eq!(Envelope::open(&sealed(&after, 0xa1), receiver), Ok(sample.clone()));
    // One more in the message, the last in the draft: `[7, [turn, follows, balances, answers, signature]]`. The change that
    // may follow is absent.
    let message = minicbor::to_vec(&sample.message).expect("a vector");
    assert_eq!(message[..3], [0x82, 0x07, 0x85]);
    let start = known.len() - message.len();
    let inside = [&known[..start], &[0x82, 0x07, 0x87], &message[3..], &[0xf6, 0xa1, 0x01, 0x02]].concat();
    assert_eq!(Envelope::open(&sealed(&inside, 0xa1), receiver), Ok(sample));
}

#[test]
fn a_kind_of_message_that_is_not_known_is_refused() {
    let (sample, receiver) = sample();
    let message = minicbor::to_vec(&sample.message).expect("a vector");
    let known = draft(2, receiver, &sample);
    let start = known.len() - message.len();
    let unknown = [&known[..start], &[0x82, 0x11, 0x80]].concat();
    assert_eq!(Envelope::open(&sealed(&unknown, 0xa1), receiver).unwrap_err().code(), "MESSAGE_MALFORMED");
}

/// How many fields a record has.
const FIELDS: u8 = 34;

#[test]
fn a_record_of_another_version_or_with_more_fields_is_refused() {
    for (file, fixture, bytes) in fixtures("record-") {
        let key = word(&fixture["key"]);
        let code = |bytes: &[u8]| Channel::from_bytes(key, bytes).map_err(|error| error.code());
        // An array of fields, of which the first is the version. The last ones are left out if there is nothing in them.
        let (fields, body) = match bytes[..] {
            [0x98, fields, ..] => (fields, &bytes[2..]),
            [header, ..] => (header - 0x80, &bytes[1..]),
            [] => panic!("{file} is empty"),
        };
        assert_eq!((fields <= FIELDS, body[0]), (true, 2), "{file}");
        for version in [0, 1, 3] {
            let header = &bytes[..bytes.len() - body.len()];
            assert_eq!(code(&[header, &[version], &body[1..]].concat()), Err("RECORD_VERSION"), "{file}");
        }
        assert_eq!(code(&[0x82, 3, 0x80]), Err("RECORD_VERSION"), "whatever else it has");
        let missing = vec![0xf6; usize::from(FIELDS - fields)];
        let longer = [&[0x98, FIELDS + 1], body, &missing, &[0x01]].concat();
        assert_eq!(code(&longer), Err("RECORD_MALFORMED"), "{file}");
        assert_eq!(code(&[&bytes[..], &[0]].concat()), Err("RECORD_MALFORMED"), "{file}");
    }
}

#[test]
fn a_payment_has_one_form() {
    for (file, _, bytes) in fixtures("payment-") {
        let fields = bytes[0] - 0x80;
        assert!((2..=4).contains(&fields), "{file}");
        let longer = [&[0x81 + fields], &bytes[1..], &[0xf6]].concat();
        let wide = [&[0x98, fields], &bytes[1..]].concat();
        for other in [longer, wide, [&bytes[..], &[0]].concat()] {
            assert_eq!(decode_payment(&other).unwrap_err().code(), "MESSAGE_MALFORMED", "{file}");
        }
    }
}
