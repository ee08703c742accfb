//! Every decoder against bytes that nobody honest sends: none panics, and none takes two spellings of one value.

use crate::strategies::{outcome, signed_variable_part, variable_part, word};
use alloy_primitives::{B256, Bytes, U256, b256};
use alloy_sol_types::SolValue;
use millstream_core::crypto::Signature;
use millstream_core::nitro::{
    AdjudicatorEvent, DecodeError, Guarantee, MAX_BYTES, MAX_EVENT_BYTES, MAX_UINT48, SignedVariablePart, VariablePart,
    calls, decode_outcome, encode_outcome,
};
use proptest::collection::vec;
use proptest::prelude::*;

const CHALLENGE_REGISTERED: B256 = b256!("0aa12461ee6c137332989aa12cec79f4772ab2c1a8732a382aada7e9f3ec9d34");
const DEPOSITED: B256 = b256!("87d4c0b5e30d6808bc8a94ba1c4d839b29d664151551a31753387ee9ef48429b");
const CONCLUDED: B256 = b256!("4f465027a3d06ea73dd12be0f5c5fc0a34e21f19d6eaed4834a7a944edabc901");

/// A decoder that tells the encoding of what it read.
type Decoder = fn(&[u8]) -> Result<Bytes, DecodeError>;

fn read_outcome(bytes: &[u8]) -> Result<Bytes, DecodeError> {
    decode_outcome(bytes).map(|outcome| encode_outcome(&outcome))
}

fn read_variable_part(bytes: &[u8]) -> Result<Bytes, DecodeError> {
    VariablePart::decode(bytes).map(|part| part.encode())
}

fn read_guarantee(bytes: &[u8]) -> Result<Bytes, DecodeError> {
    Guarantee::decode(bytes).map(|guarantee| guarantee.encode())
}

fn read_holdings(bytes: &[u8]) -> Result<Bytes, DecodeError> {
    calls::decode_holdings(bytes).map(|held| held.to_be_bytes::<32>().into())
}

/// Encodes the data of the event as `abi.encode(finalizesAt, proof, candidate)`, by the calldata of `checkpoint`: the
/// arguments after its first are the same, so only the first word differs.
fn challenge_data(finalizes_at: u64, proof: &[SignedVariablePart], candidate: &SignedVariablePart) -> Vec<u8> {
    let fixed = millstream_core::nitro::FixedPart {
        participants: vec![],
        channel_nonce: 0,
        app_definition: Default::default(),
        challenge_duration: 0,
    };
    let data = calls::checkpoint(&fixed, proof, candidate)[4..].to_vec();
    // Head: three offsets. The fixed part is first in the tail and takes five words, which an uint48 does not have.
    let fixed_part = 5 * 32;
    let offset = |at: usize| {
        let value = U256::from_be_slice(&data[at * 32..][..32]);
        (value - U256::from(fixed_part)).to_be_bytes::<32>()
    };
    let head = [U256::from(finalizes_at).to_be_bytes(), offset(1), offset(2)].concat();
    [head.as_slice(), &data[3 * 32 + fixed_part..]].concat()
}

fn read_challenge(bytes: &[u8]) -> Result<Bytes, DecodeError> {
    match AdjudicatorEvent::decode(&[CHALLENGE_REGISTERED, B256::ZERO], bytes)? {
        AdjudicatorEvent::ChallengeRegistered { finalizes_at, proof, candidate, .. } => {
            Ok(challenge_data(finalizes_at, &proof, &candidate).into())
        }
        other => panic!("read as {other:?}"),
    }
}

const DECODERS: [Decoder; 5] = [read_outcome, read_variable_part, read_guarantee, read_holdings, read_challenge];

/// Whatever was accepted must be the one encoding of its value. A high `s` in an event is the exception, and is
/// compared by reading the result once more.
fn refused_or_canonical(decode: Decoder, bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(again) = decode(bytes)
        && *again != *bytes
    {
        prop_assert_eq!(decode as usize, read_challenge as Decoder as usize);
        prop_assert_eq!(again.len(), bytes.len());
        prop_assert_eq!(decode(&again), Ok(again));
    }
    Ok(())
}

/// A valid encoding with the decoder that reads it.
fn encoding() -> impl Strategy<Value = (Decoder, Vec<u8>)> {
    let word_pair = (word(), word());
    prop_oneof![
        outcome().prop_map(|o| (read_outcome as Decoder, encode_outcome(&o).to_vec())),
        variable_part().prop_map(|p| (read_variable_part as Decoder, p.encode().to_vec())),
        word_pair
            .prop_map(|(left, right)| { (read_guarantee as Decoder, Guarantee { left, right }.encode().to_vec(),) }),
        word().prop_map(|w| (read_holdings as Decoder, w.to_vec())),
        (0..=MAX_UINT48, vec(signed_variable_part(), 0..2), signed_variable_part()).prop_map(
            |(at, proof, candidate)| { (read_challenge as Decoder, challenge_data(at, &proof, &candidate),) }
        ),
    ]
}

/// Numbers that lengths and offsets are multiplied with, added to or compared with.
fn awkward_words(length: usize) -> Vec<[u8; 32]> {
    let length = U256::from(length);
    let one = U256::ONE;
    let mut words = vec![U256::ZERO, one, U256::from(31), U256::from(32), length, length - one, length + one];
    for bits in [31, 32, 47, 48, 58, 59, 63, 64, 255] {
        words.extend([(one << bits) - one, one << bits, (one << bits) + one]);
    }
    words.extend([U256::MAX, U256::MAX - U256::from(31), U256::from(usize::MAX - 31)]);
    words.into_iter().map(|word| word.to_be_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn valid_encodings_are_read_back((decode, bytes) in encoding()) {
        prop_assert_eq!(decode(&bytes), Ok(bytes.into()));
    }

    #[test]
    fn every_truncation_is_refused((decode, bytes) in encoding()) {
        for length in 0..bytes.len() {
            prop_assert_eq!(decode(&bytes[..length]), Err(DecodeError::Malformed), "{} bytes", length);
        }
    }

    #[test]
    fn trailing_bytes_are_refused((decode, bytes) in encoding(), extra in vec(any::<u8>(), 1..70)) {
        let zeros = [bytes.as_slice(), &vec![0; extra.len()]].concat();
        prop_assert_eq!(decode(&zeros), Err(DecodeError::Trailing));
        prop_assert_eq!(decode(&[bytes, extra].concat()), Err(DecodeError::Trailing));
    }

    #[test]
    fn flipped_bits_are_refused_or_change_the_value((decode, bytes) in encoding(), seed in any::<usize>()) {
        // Each byte once, with a bit that depends on the seed.
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1 << (seed.wrapping_add(index) % 8);
            refused_or_canonical(decode, &flipped)?;
        }
    }

    #[test]
    fn awkward_words_in_any_place_are_refused_or_change_the_value((decode, bytes) in encoding()) {
        for word in awkward_words(bytes.len()) {
            for place in 0..bytes.len() / 32 {
                let mut changed = bytes.clone();
                changed[place * 32..][..32].copy_from_slice(&word);
                refused_or_canonical(decode, &changed)?;
            }
        }
    }

    #[test]
    fn random_bytes_are_refused_or_canonical(bytes in vec(any::<u8>(), 0..600)) {
        for decode in DECODERS {
            refused_or_canonical(decode, &bytes)?;
        }
    }

    /// Random words that are mostly small get further into a decoder than random bytes.
    #[test]
    fn random_small_words_are_refused_or_canonical(words in vec(prop_oneof![
        4 => (0..20_u64).prop_map(|n| U256::from(n * 32)),
        2 => (0..40_u64).prop_map(U256::from),
        1 => any::<u64>().prop_map(U256::from),
    ], 0..40)) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
        for decode in DECODERS {
            refused_or_canonical(decode, &bytes)?;
        }
    }
}

#[test]
fn oversized_input_is_refused_unseen() {
    let junk = vec![0xff; MAX_EVENT_BYTES + 1];
    for decode in [read_outcome as Decoder, read_variable_part, read_guarantee, read_holdings] {
        let length = MAX_BYTES + 1;
        let error = DecodeError::TooLarge { length, limit: MAX_BYTES };
        assert_eq!(decode(&junk[..length]), Err(error));
        assert_eq!(error.code(), "NITRO_DECODE_TOO_LARGE");
        assert_ne!(decode(&junk[..MAX_BYTES]).unwrap_err().code(), "NITRO_DECODE_TOO_LARGE");
    }
    let length = MAX_EVENT_BYTES + 1;
    let error = DecodeError::TooLarge { length, limit: MAX_EVENT_BYTES };
    assert_eq!(read_challenge(&junk), Err(error));
    assert_eq!(read_challenge(&junk[..MAX_EVENT_BYTES]), Err(DecodeError::Malformed));
}

#[test]
fn a_full_size_outcome_is_read() {
    let part = |size| VariablePart { outcome: vec![], app_data: vec![7; size].into(), turn_num: 0, is_final: false };
    // Everything around the data: the offset, four heads, and two lengths.
    let largest = part(MAX_BYTES - 7 * 32);
    assert_eq!(largest.encode().len(), MAX_BYTES);
    assert_eq!(VariablePart::decode(&largest.encode()), Ok(largest));
    let larger = part(MAX_BYTES - 7 * 32 + 1).encode();
    assert_eq!(VariablePart::decode(&larger).unwrap_err().code(), "NITRO_DECODE_TOO_LARGE");
}

#[test]
fn topics_that_are_not_the_adjudicators_are_refused() {
    let data = [0; 64];
    let unknown = B256::repeat_byte(9);
    for (topics, expected) in [
        (&[][..], DecodeError::UnknownEvent { topic: None }),
        (&[unknown], DecodeError::UnknownEvent { topic: Some(unknown) }),
        (&[unknown, B256::ZERO], DecodeError::UnknownEvent { topic: Some(unknown) }),
        (&[DEPOSITED], DecodeError::Malformed),
        (&[DEPOSITED, B256::ZERO, B256::ZERO], DecodeError::Malformed),
    ] {
        assert_eq!(AdjudicatorEvent::decode(topics, &data), Err(expected), "{topics:?}");
    }
    assert!(AdjudicatorEvent::decode(&[DEPOSITED, B256::ZERO], &data).is_ok());
}

#[test]
fn numbers_above_48_bits_are_refused() {
    let word = |number: u64| U256::from(number).to_be_bytes::<32>();
    let concluded = |number| AdjudicatorEvent::decode(&[CONCLUDED, B256::ZERO], &word(number));
    assert!(concluded(MAX_UINT48).is_ok());
    assert_eq!(concluded(MAX_UINT48 + 1), Err(DecodeError::Malformed));

    let status = |turn, time| calls::decode_unpack_status(&[word(turn), word(time), [0; 32]].concat());
    assert!(status(MAX_UINT48, MAX_UINT48).is_ok());
    assert_eq!(status(MAX_UINT48 + 1, 0), Err(DecodeError::Malformed));
    assert_eq!(status(0, MAX_UINT48 + 1), Err(DecodeError::Malformed));

    let part = VariablePart { outcome: vec![], app_data: Bytes::new(), turn_num: MAX_UINT48 + 1, is_final: false };
    assert_eq!(VariablePart::decode(&part.encode()), Err(DecodeError::Malformed));
}

#[test]
fn unknown_types_are_named() {
    let allocation = |kind: u16| (B256::ZERO, U256::ZERO, kind, Bytes::new());
    // uint16 takes a word like uint8.
    let exit = |asset_type: u16, allocation_type: u16| {
        let asset = alloy_primitives::Address::ZERO;
        vec![(asset, (asset_type, Bytes::new()), vec![allocation(allocation_type)])].abi_encode()
    };
    assert!(decode_outcome(&exit(3, 2)).is_ok());
    let error = decode_outcome(&exit(4, 2)).unwrap_err();
    assert_eq!(error, DecodeError::UnknownAssetType { value: 4 });
    assert_eq!(error.code(), "NITRO_UNKNOWN_ASSET_TYPE");
    let error = decode_outcome(&exit(3, 3)).unwrap_err();
    assert_eq!(error, DecodeError::UnknownAllocationType { value: 3 });
    assert_eq!(error.code(), "NITRO_UNKNOWN_ALLOCATION_TYPE");
}

#[test]
fn signatures_in_events_are_normalised_or_refused() {
    let r = B256::with_last_byte(1);
    let low = Signature::from_chain(r, B256::with_last_byte(2), 27).unwrap();
    let part = VariablePart { outcome: vec![], app_data: Bytes::new(), turn_num: 3, is_final: true };
    let candidate = SignedVariablePart { variable_part: part, signatures: vec![low] };
    let data = challenge_data(5, &[], &candidate);
    let (start, v) = (data.len() - 96, |v| B256::with_last_byte(v));
    assert_eq!(data[start..], [v(27), r, B256::with_last_byte(2)].concat());
    let with = |signature: [B256; 3]| {
        let data = [&data[..start], &signature.concat()].concat();
        AdjudicatorEvent::decode(&[CHALLENGE_REGISTERED, B256::ZERO], &data)
    };

    // n - 2, with the other v, is the same signature.
    let high = b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd036413f");
    let event = with([v(28), r, high]).unwrap();
    assert_eq!(event, with([v(27), r, B256::with_last_byte(2)]).unwrap());
    let AdjudicatorEvent::ChallengeRegistered { candidate, .. } = event else { panic!() };
    assert_eq!(candidate.signatures, [low]);

    for refused in [[v(0), r, r], [v(29), r, r], [v(27), B256::ZERO, r], [v(27), r, B256::ZERO]] {
        assert_eq!(with(refused).unwrap_err().code(), "NITRO_DECODE_SIGNATURE");
    }
}
