//! The quote: what the seller signs about a thing for sale. Its hash is the memo of the vouchers that pay for it.

use crate::cbor;
use crate::crypto::{SignError, Signature, SignatureError, Signer, eip712_digest, keccak256};
use crate::nitro::destination_address;
use crate::payment::voucher::{VoucherDomain, word, write_words};
use crate::{Address, B256};

/// The EIP-712 type of a quote. Its domain is that of the vouchers which pay for it.
pub const QUOTE_TYPE: &str = "Quote(bytes32 contentRoot,uint64 length,uint32 chunkSize,uint32 chunks,uint8 unit,\
                              uint64 units,uint128 price,uint128 credit,address asset,address payee,\
                              bytes32 payeeDestination,uint64 challengeDuration,uint32 confirmations,uint64 expiresAt,\
                              bytes32 hubs)";

/// The largest quote that is read, in bytes.
pub const MAX_QUOTE_BYTES: usize = 512;

/// What the price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// One chunk of the content, the last one included even if it is shorter.
    Chunk,
    /// One byte.
    Byte,
    /// One second of play time.
    Second,
}

cbor::index!(Unit (3) { 0 Chunk, 1 Byte, 2 Second });

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::Chunk, Self::Byte, Self::Second];

    /// The unit as a word: `"chunk"`, `"byte"`, `"second"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chunk => "chunk",
            Self::Byte => "byte",
            Self::Second => "second",
        }
    }

    /// As the EIP-712 type of a quote has it.
    const fn number(self) -> u8 {
        match self {
            Self::Chunk => 0,
            Self::Byte => 1,
            Self::Second => 2,
        }
    }
}

/// What is for sale, and on which terms. Source: docs/protocol.md, Quotes and chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// SHA-256 of the manifest, which names the SHA-256 of every chunk.
    pub content_root: B256,
    /// Length of the content in bytes.
    pub length: u64,
    /// Length of every chunk but the last in bytes. Zero for a folder: its chunks are its files, each of its own length.
    pub chunk_size: u32,
    /// How many chunks the content has.
    pub chunks: u32,
    /// What the price is for.
    pub unit: Unit,
    /// How many units the whole content costs: of a file its chunks, its bytes or its seconds, of a folder those that are
    /// not free.
    pub units: u64,
    /// Price of one unit, in base units of the asset.
    pub price: u128,
    /// How much the seller serves ahead of payment on a channel, in base units.
    pub credit: u128,
    /// Token contract, or zero for the native asset.
    pub asset: Address,
    /// The seller's channel key, which signs the quote.
    pub payee: Address,
    /// Where the seller is paid out on chain.
    pub payee_destination: B256,
    /// The challenge duration that the seller asks of a channel, in seconds.
    pub challenge_duration: u64,
    /// How many blocks deep a deposit must be before it counts, the block of the deposit included.
    pub confirmations: u32,
    /// Until when the quote holds, in seconds since 1970.
    pub expires_at: u64,
    /// SHA-256 of the list of hubs that is sent beside the quote; zero if there is none.
    pub hubs: B256,
}

cbor::array!(Quote {
    content_root,
    length,
    chunk_size,
    chunks,
    unit,
    units,
    price,
    credit,
    asset,
    payee,
    payee_destination,
    challenge_duration,
    confirmations,
    expires_at,
    hubs,
});

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
    /// It describes nothing that can be sold: no content, chunks or units that do not add up, or a total that overflows.
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
        let words = [
            keccak256(QUOTE_TYPE),
            self.content_root,
            word(self.length.into()),
            word(self.chunk_size.into()),
            word(self.chunks.into()),
            word(self.unit.number().into()),
            word(self.units.into()),
            word(self.price),
            word(self.credit),
            self.asset.into_word(),
            self.payee.into_word(),
            self.payee_destination,
            word(self.challenge_duration.into()),
            word(self.confirmations.into()),
            word(self.expires_at.into()),
            self.hubs,
        ];
        let mut bytes = [0u8; 16 * 32];
        write_words(&mut bytes, &words);
        keccak256(bytes)
    }

    /// The price of the whole content, in base units; `None` if it is above 2^128 - 1.
    pub fn total(&self) -> Option<u128> {
        self.price.checked_mul(u128::from(self.units))
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

    /// Checks that there is something to sell, in chunks and units that add up, for a price that can be paid.
    fn check_possible(&self) -> Result<(), QuoteError> {
        let (chunks, units) = (u64::from(self.chunks), self.units);
        let is_cut = match self.chunk_size {
            0 => chunks <= self.length,
            size => chunks == self.length.div_ceil(u64::from(size)),
        };
        let most = match self.unit {
            Unit::Chunk => chunks,
            Unit::Byte => self.length,
            Unit::Second => units,
        };
        // Only a folder has chunks that are free.
        let is_priced = if self.chunk_size == 0 { units <= most } else { units == most };
        let possible = chunks > 0 && units > 0 && is_cut && is_priced && self.total().is_some();
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedQuote {
    /// The quote.
    pub quote: Quote,
    /// The payee's signature.
    pub signature: Signature,
}

cbor::array!(SignedQuote { quote, signature });

impl SignedQuote {
    /// The quote as CBOR, about 300 bytes.
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
        let signed: Self = cbor::from_slice(bytes).ok_or(QuoteError::Malformed)?;
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
            chunks: 20,
            unit: Unit::Chunk,
            units: 20,
            price: 10_000_000_000_000,
            credit: 30_000_000_000_000,
            asset: Address::ZERO,
            payee: address!("75E0De31eCa89159a26b09cc3b5eF4736A4f8969"),
            payee_destination: Address::repeat_byte(0xcd).into_word(),
            challenge_duration: 3_600,
            confirmations: 2,
            expires_at: 1_900_000_000,
            hubs: B256::repeat_byte(0x44),
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
        let hash = b256!("05a2ba763cb6d5a3517182547df8418789a3c3a4a4b1a6b96a569febf9e6b7b4");
        assert_eq!(quote().hash(), hash);
        let by_byte = Quote { unit: Unit::Byte, units: 5_000_001, ..quote() };
        assert_eq!(by_byte.hash(), b256!("aefcb4c4f4f31c9bda96b2e8fd8e4059d5e517b86623fc0ba9957e34eb4dc18f"));
        let folder = Quote { chunk_size: 0, unit: Unit::Second, units: 600, ..quote() };
        assert_eq!(folder.hash(), b256!("99c2892f777a4ed9c73f6617ee036f5629d5efab83eba36982224d9120b6956b"));
        let signed = SignedQuote::from_bytes(&sign(quote()), &domain(), NOW).unwrap();
        let expected = hex!(
            "e86826da561cbcfd80e9e75d430c01f63163a351683f0a2956d42ea4c2602d923f5f990ed0fc3b46fa6c361f7ed93a44"
            "bca4b4d539478af4f943f043327ef7dc1b"
        );
        assert_eq!(signed.signature.to_bytes(), expected);
        assert_eq!(quote().total(), Some(200_000_000_000_000));
    }

    /// A folder of 20 files.
    fn folder() -> Quote {
        Quote { chunk_size: 0, ..quote() }
    }

    /// Quotes whose chunks and units add up.
    fn possible() -> [Quote; 5] {
        [
            Quote { unit: Unit::Byte, units: 5_000_001, ..quote() },
            Quote { unit: Unit::Second, units: 7, ..quote() },
            Quote { units: 3, ..folder() },
            Quote { unit: Unit::Byte, units: 5_000_000, ..folder() },
            Quote { unit: Unit::Second, units: 1_000_000, ..folder() },
        ]
    }

    /// Quotes whose do not, or that cost more than there is.
    fn impossible() -> [Quote; 12] {
        [
            Quote { length: 0, ..quote() },
            Quote { length: 0, chunks: 0, units: 0, ..quote() },
            Quote { chunks: 19, units: 19, ..quote() },
            Quote { units: 19, ..quote() },
            Quote { units: 0, ..quote() },
            Quote { unit: Unit::Byte, units: 20, ..quote() },
            Quote { unit: Unit::Second, units: 0, ..quote() },
            Quote { units: 21, ..folder() },
            Quote { unit: Unit::Byte, units: 5_000_002, ..folder() },
            Quote { chunks: 5_000_002, ..folder() },
            Quote { chunks: 0, ..folder() },
            Quote { price: u128::MAX, ..quote() },
        ]
    }

    #[test]
    fn a_seller_signs_only_what_a_buyer_can_act_on() {
        let signed = |quote: Quote| quote.sign(&domain(), &signer()).map(|signed| signed.to_bytes());
        assert_eq!(signed(quote()), Ok(sign(quote())));
        for impossible in impossible() {
            assert_eq!(signed(impossible), Err(QuoteError::Impossible), "{impossible:?}");
        }
        for possible in possible() {
            assert_eq!(signed(possible), Ok(sign(possible)), "{possible:?}");
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
        for impossible in impossible() {
            assert_eq!(code(impossible, domain(), NOW), "QUOTE_IMPOSSIBLE");
        }
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
