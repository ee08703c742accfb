//! The quote: what the seller signs about a thing for sale. Its hash is the memo of the vouchers that pay for it.

use minicbor::{Decode, Encode};

use crate::cbor;
use crate::crypto::{SignError, Signature, SignatureError, Signer, eip712_digest, keccak256};
use crate::nitro::destination_address;
use crate::payment::voucher::{VoucherDomain, word, write_words};
use crate::{Address, B256};

/// The EIP-712 type of a quote. Its domain is that of the vouchers which pay for it.
pub const QUOTE_TYPE: &str = "Quote(bytes32 contentRoot,uint64 length,uint32 chunkSize,uint8 unit,uint128 price,\
                              address asset,address payee,bytes32 payeeDestination,uint64 challengeDuration,\
                              uint32 confirmations,uint64 expiresAt)";

/// The largest quote that is read, in bytes.
pub const MAX_QUOTE_BYTES: usize = 512;

/// What the price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum Unit {
    /// One chunk of the content, the last one included even if it is shorter.
    #[n(0)]
    Chunk,
}

/// What is for sale, and on which terms. Source: docs/protocol.md, Quotes and chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Quote {
    /// SHA-256 of the concatenated SHA-256 of every chunk.
    #[cbor(n(0), with = "cbor::b256")]
    pub content_root: B256,
    /// Length of the content in bytes.
    #[n(1)]
    pub length: u64,
    /// Length of every chunk but the last in bytes; not zero.
    #[n(2)]
    pub chunk_size: u32,
    /// What the price is for.
    #[n(3)]
    pub unit: Unit,
    /// Price of one unit, in base units of the asset.
    #[cbor(n(4), with = "cbor::amount")]
    pub price: u128,
    /// Token contract, or zero for the native asset.
    #[cbor(n(5), with = "cbor::address")]
    pub asset: Address,
    /// The seller's channel key, which signs the quote.
    #[cbor(n(6), with = "cbor::address")]
    pub payee: Address,
    /// Where the seller is paid out on chain.
    #[cbor(n(7), with = "cbor::b256")]
    pub payee_destination: B256,
    /// The challenge duration that the seller asks of a channel, in seconds.
    #[n(8)]
    pub challenge_duration: u64,
    /// How many blocks deep a deposit must be before it counts, the block of the deposit included.
    #[n(9)]
    pub confirmations: u32,
    /// Until when the quote holds, in seconds since 1970.
    #[n(10)]
    pub expires_at: u64,
}

/// Why a quote is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuoteError {
    /// More bytes than a quote may have; nothing was read.
    #[error("quote of {length} bytes is above the limit of {MAX_QUOTE_BYTES}")]
    TooLarge {
        /// How many bytes came.
        length: usize,
    },
    /// The bytes are not a quote.
    #[error("quote is malformed")]
    Malformed,
    /// The payee named in it did not sign it, or it was altered.
    #[error("quote is not signed by its payee: {0}")]
    Signature(SignatureError),
    /// Its time is over.
    #[error("quote expired at {expires_at} (now {now})")]
    Expired {
        /// Seconds since 1970.
        expires_at: u64,
        /// Seconds since 1970.
        now: u64,
    },
    /// It describes nothing that can be sold: no chunk size, no content, or a price whose total overflows.
    #[error("quote has impossible terms")]
    Impossible,
    /// Its payee would be paid out to a channel instead of an address: no channel can be opened for it.
    #[error("quote pays out to {destination}, which is no address")]
    Destination {
        /// What it names.
        destination: B256,
    },
    /// The channel key did not sign it.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl QuoteError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "QUOTE_TOO_LARGE",
            Self::Malformed => "QUOTE_MALFORMED",
            Self::Signature(_) => "QUOTE_SIGNATURE",
            Self::Expired { .. } => "QUOTE_EXPIRED",
            Self::Impossible => "QUOTE_IMPOSSIBLE",
            Self::Destination { .. } => "TERMS_DESTINATION",
            Self::Sign(error) => error.code(),
        }
    }
}

impl Quote {
    /// The EIP-712 struct hash: the memo of the vouchers that pay for this.
    pub fn hash(&self) -> B256 {
        let Unit::Chunk = self.unit;
        let words = [
            keccak256(QUOTE_TYPE),
            self.content_root,
            word(self.length.into()),
            word(self.chunk_size.into()),
            word(0),
            word(self.price),
            self.asset.into_word(),
            self.payee.into_word(),
            self.payee_destination,
            word(self.challenge_duration.into()),
            word(self.confirmations.into()),
            word(self.expires_at.into()),
        ];
        let mut bytes = [0u8; 12 * 32];
        write_words(&mut bytes, &words);
        keccak256(bytes)
    }

    /// How many chunks the content has.
    pub fn chunks(&self) -> u64 {
        self.length.div_ceil(u64::from(self.chunk_size.max(1)))
    }

    /// The price of the whole content, in base units; `None` if it is above 2^128 - 1.
    pub fn total(&self) -> Option<u128> {
        self.price.checked_mul(u128::from(self.chunks()))
    }

    /// The address that the seller is paid out to.
    ///
    /// # Errors
    ///
    /// [`QuoteError::Destination`] if it is none.
    pub fn payout_address(&self) -> Result<Address, QuoteError> {
        let destination = self.payee_destination;
        destination_address(destination).ok_or(QuoteError::Destination { destination })
    }

    /// Checks that there is something to sell, in chunks, for a price that can be paid.
    fn check_possible(&self) -> Result<(), QuoteError> {
        let possible = self.chunk_size > 0 && self.length > 0 && self.total().is_some();
        if possible { Ok(()) } else { Err(QuoteError::Impossible) }
    }

    /// Signs the quote with the seller's channel key, if a buyer could act on it.
    ///
    /// # Errors
    ///
    /// [`QuoteError::Impossible`], [`QuoteError::Destination`]; [`QuoteError::Sign`] if the signer does not sign.
    pub fn sign<S: Signer + ?Sized>(self, domain: &VoucherDomain, signer: &S) -> Result<SignedQuote, QuoteError> {
        self.check_possible()?;
        self.payout_address()?;
        let signature = signer.sign_digest(&eip712_digest(domain.separator(), self.hash()))?;
        Ok(SignedQuote { quote: self, signature })
    }
}

/// A quote with its seller's signature: what travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedQuote {
    /// The quote.
    #[n(0)]
    pub quote: Quote,
    /// The payee's signature.
    #[n(1)]
    pub signature: Signature,
}

impl SignedQuote {
    /// The quote as CBOR, about 260 bytes.
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads a quote and checks that it can be acted on at `now` (seconds since 1970): of at most [`MAX_QUOTE_BYTES`],
    /// with possible terms, signed by its payee for this domain, not expired, paid out to an address.
    ///
    /// # Errors
    ///
    /// [`QuoteError`], for the first of these that fails.
    pub fn from_bytes(bytes: &[u8], domain: &VoucherDomain, now: u64) -> Result<Self, QuoteError> {
        if bytes.len() > MAX_QUOTE_BYTES {
            return Err(QuoteError::TooLarge { length: bytes.len() });
        }
        let signed: Self = cbor::from_slice(bytes).map_err(|_| QuoteError::Malformed)?;
        let Self { quote, signature } = &signed;
        quote.check_possible()?;
        let digest = eip712_digest(domain.separator(), quote.hash());
        signature.verify(&digest, quote.payee).map_err(QuoteError::Signature)?;
        if quote.expires_at <= now {
            return Err(QuoteError::Expired { expires_at: quote.expires_at, now });
        }
        quote.payout_address()?;
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256, hex};
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::LocalSigner;

    const NOW: u64 = 1_800_000_000;

    fn domain() -> VoucherDomain {
        VoucherDomain::new(31_337, Address::repeat_byte(0x5a))
    }

    fn quote() -> Quote {
        Quote {
            content_root: B256::repeat_byte(0x11),
            length: 5_000_001,
            chunk_size: 262_144,
            unit: Unit::Chunk,
            price: 10_000_000_000_000,
            asset: Address::ZERO,
            payee: address!("75E0De31eCa89159a26b09cc3b5eF4736A4f8969"),
            payee_destination: Address::repeat_byte(0xcd).into_word(),
            challenge_duration: 3_600,
            confirmations: 2,
            expires_at: 1_900_000_000,
        }
    }

    fn signer() -> LocalSigner {
        LocalSigner::from_secret_bytes(&[0xb2; 32]).unwrap()
    }

    /// Signs whatever it is, as a seller may that does not use this library.
    fn sign(quote: Quote) -> alloc::vec::Vec<u8> {
        let signature = signer().sign_digest(&eip712_digest(domain().separator(), quote.hash())).unwrap();
        SignedQuote { quote, signature }.to_bytes()
    }

    /// Expected values: ethers 6, `TypedDataEncoder.hashStruct` and `Wallet.signTypedData`.
    #[test]
    fn hash_and_signature_are_those_of_ethers() {
        let hash = b256!("bd25a1f27d7cd8e90b64e5d1f737375b43bab5165f1f129bf887c773e0c44bea");
        assert_eq!(quote().hash(), hash);
        let signed = SignedQuote::from_bytes(&sign(quote()), &domain(), NOW).unwrap();
        let expected = hex!(
            "19a71146ab47cd6a80cdcb4c05c4abd424193f0f5766176968909de0161e4166189ad94fac7eef421e22fd18a038036e"
            "a933a8d99d3715689552eb3764ac94d71b"
        );
        assert_eq!(signed.signature.to_bytes(), expected);
        assert_eq!((quote().chunks(), quote().total()), (20, Some(200_000_000_000_000)));
    }

    #[test]
    fn a_seller_signs_only_what_a_buyer_can_act_on() {
        let signed = |quote: Quote| quote.sign(&domain(), &signer()).map(|signed| signed.to_bytes());
        assert_eq!(signed(quote()), Ok(sign(quote())));
        for impossible in
            [Quote { chunk_size: 0, ..quote() }, Quote { length: 0, ..quote() }, Quote { price: u128::MAX, ..quote() }]
        {
            assert_eq!(signed(impossible), Err(QuoteError::Impossible));
        }
        let destination = B256::repeat_byte(0xcd);
        let to_channel = Quote { payee_destination: destination, ..quote() };
        assert_eq!(signed(to_channel), Err(QuoteError::Destination { destination }));
        assert_eq!(quote().payout_address(), Ok(Address::repeat_byte(0xcd)));
    }

    #[test]
    fn expired_foreign_and_impossible_quotes_are_refused() {
        let code = |quote, domain, now| SignedQuote::from_bytes(&sign(quote), &domain, now).unwrap_err().code();
        assert_eq!(code(quote(), domain(), 1_900_000_000), "QUOTE_EXPIRED");
        assert_eq!(code(quote(), VoucherDomain::new(1, Address::repeat_byte(0x5a)), NOW), "QUOTE_SIGNATURE");
        assert_eq!(code(Quote { payee: Address::ZERO, ..quote() }, domain(), NOW), "QUOTE_SIGNATURE");
        assert_eq!(code(Quote { chunk_size: 0, ..quote() }, domain(), NOW), "QUOTE_IMPOSSIBLE");
        assert_eq!(code(Quote { length: 0, ..quote() }, domain(), NOW), "QUOTE_IMPOSSIBLE");
        assert_eq!(code(Quote { price: u128::MAX, ..quote() }, domain(), NOW), "QUOTE_IMPOSSIBLE");
        let to_channel = Quote { payee_destination: B256::repeat_byte(0xcd), ..quote() };
        assert_eq!(code(to_channel, domain(), NOW), "TERMS_DESTINATION");
        assert_eq!(code(to_channel, domain(), 1_900_000_000), "QUOTE_EXPIRED");
    }

    /// A field that is not known is passed over: here a byte string that fills the quote up to `length`.
    fn padded(length: usize) -> alloc::vec::Vec<u8> {
        let quote = sign(quote());
        let padding = length - quote.len() - 3;
        let head = [&[0x83], &quote[1..], &[0x59], &u16::try_from(padding).unwrap().to_be_bytes()].concat();
        [head, alloc::vec![0; padding]].concat()
    }

    #[test]
    fn a_quote_is_read_up_to_the_limit() {
        let read = |length| SignedQuote::from_bytes(&padded(length), &domain(), NOW).map(|signed| signed.quote);
        assert_eq!(padded(512).len(), 512);
        assert_eq!(read(512), Ok(quote()));
        assert_eq!(read(513), Err(QuoteError::TooLarge { length: 513 }));
        assert_eq!(read(513).unwrap_err().code(), "QUOTE_TOO_LARGE");
    }

    proptest! {
        /// No flipped bit and no truncation of a quote is a quote; random bytes are an error, never a panic.
        #[test]
        fn damaged_quotes_are_refused(at in 0usize..400, bit in 0u8..8, noise: alloc::vec::Vec<u8>) {
            let good = sign(quote());
            let mut flipped = good.clone();
            flipped[at % good.len()] ^= 1 << bit;
            for bytes in [flipped, good[..at % good.len()].to_vec(), noise] {
                prop_assert!(SignedQuote::from_bytes(&bytes, &domain(), NOW).is_err());
            }
        }
    }
}
