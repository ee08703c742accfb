//! `SignedQuote::from_bytes`. Its signature is made again here, so that what lies behind is reached.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use millstream_core::Address;
use millstream_core::crypto::{Signer, eip712_digest};
use millstream_core::nitro::destination_address;
use millstream_core::payment::{MAX_QUOTE_BYTES, Quote, QuoteError, SignedQuote, Unit, VoucherDomain};
use millstream_fuzz::{PAYEE, above_limit, bounded, longer};

static DOMAIN: LazyLock<VoucherDomain> = LazyLock::new(|| VoucherDomain::new(31_337, Address::repeat_byte(0x5a)));

fuzz_target!(|input: &[u8]| {
    let refused = above_limit(MAX_QUOTE_BYTES, input, |bytes| SignedQuote::from_bytes(bytes, &DOMAIN, 0));
    assert_eq!(refused, Err(QuoteError::TooLarge { length: MAX_QUOTE_BYTES + 1 }));
    if input.len() > MAX_QUOTE_BYTES {
        return;
    }

    let read = bounded(input, |bytes| SignedQuote::from_bytes(bytes, &DOMAIN, 0));
    // The decoder proper also reads the first value of longer input.
    let Ok(SignedQuote { mut quote, .. }) = minicbor::decode(input) else {
        return assert_eq!(read, Err(QuoteError::Malformed));
    };
    quote.payee = PAYEE.address();
    // Whatever it says is signed here, as a seller may that does not use this library.
    let digest = eip712_digest(DOMAIN.separator(), quote.hash());
    let signed = SignedQuote { quote, signature: PAYEE.sign_digest(&digest).expect("a local key") };
    let bytes = signed.to_bytes();
    let possible = is_possible(&quote);
    let destination = quote.payee_destination;
    let expected = |now| match (possible, quote.expires_at) {
        (false, _) => Err(QuoteError::Impossible),
        (true, expires_at) if expires_at <= now => Err(QuoteError::Expired { expires_at, now }),
        (true, _) if destination_address(destination).is_none() => Err(QuoteError::Destination { destination }),
        (true, _) => Ok(signed),
    };
    // A seller signs what a buyer reads at any time before it expires.
    if quote.expires_at > 0 {
        assert_eq!(quote.sign(&DOMAIN, &*PAYEE), expected(0));
    }
    for now in [0, quote.expires_at.saturating_sub(1), quote.expires_at, u64::MAX] {
        assert_eq!(SignedQuote::from_bytes(&bytes, &DOMAIN, now), expected(now));
    }
    assert_eq!(SignedQuote::from_bytes(&longer(&bytes), &DOMAIN, 0), Err(QuoteError::Malformed));
    if let Some(total) = quote.total() {
        assert!(quote.units == 0 || total / u128::from(quote.units) == quote.price);
    }
});

/// Whether a quote is for something, in chunks and units that add up.
fn is_possible(quote: &Quote) -> bool {
    let (length, chunks, units) = (quote.length, u64::from(quote.chunks), quote.units);
    if length == 0 || chunks == 0 || units == 0 || quote.price.checked_mul(units.into()).is_none() {
        return false;
    }
    if quote.chunk_size == 0 {
        return chunks <= length
            && match quote.unit {
                Unit::Chunk => units <= chunks,
                Unit::Byte => units <= length,
                _ => true,
            };
    }
    // The last chunk is the one that the last byte is in.
    chunks - 1 == (length - 1) / u64::from(quote.chunk_size)
        && match quote.unit {
            Unit::Chunk => units == chunks,
            Unit::Byte => units == length,
            _ => true,
        }
}
