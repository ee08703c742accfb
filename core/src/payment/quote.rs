//! The quote: what the seller signs about a thing for sale. Its hash is the memo of the vouchers that pay for it.

use minicbor::{Decode, Encode};

use crate::cbor;
use crate::crypto::{SignError, Signature, SignatureError, Signer, eip712_digest, keccak256};
use crate::payment::voucher::{VoucherDomain, word, write_words};
use crate::{Address, B256};

/// The EIP-712 type of a quote. Its domain is that of the vouchers which pay for it.
pub const QUOTE_TYPE: &str = "Quote(bytes32 contentRoot,uint64 length,uint32 chunkSize,uint8 unit,uint128 price,\
                              address asset,address payee,bytes32 payeeDestination,uint64 challengeDuration,\
                              uint32 confirmations,uint64 expiresAt)";

/// What the price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum Unit {
    /// One chunk of the content, the last one included even if it is shorter.
    #[n(0)]
    Chunk,
}

/// What is for sale, and on which terms. Source: protocol, Quotes.
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
}

impl QuoteError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "QUOTE_MALFORMED",
            Self::Signature(_) => "QUOTE_SIGNATURE",
            Self::Expired { .. } => "QUOTE_EXPIRED",
            Self::Impossible => "QUOTE_IMPOSSIBLE",
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

    /// Signs the quote with the seller's channel key.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the signer does not sign.
    pub fn sign<S: Signer + ?Sized>(
        self,
        domain: &VoucherDomain,
        signer: &S,
    ) -> Result<SignedQuote, SignError> {
        let signature = signer.sign_digest(&eip712_digest(domain.separator(), self.hash()))?;
        Ok(SignedQuote {
            quote: self,
            signature,
        })
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

    /// Reads a quote and checks that it can be acted on at `now` (seconds since 1970): signed by its payee for this
    /// domain, not expired, with possible terms.
    ///
    /// # Errors
    ///
    /// [`QuoteError`], for the first of these that fails.
    pub fn from_bytes(bytes: &[u8], domain: &VoucherDomain, now: u64) -> Result<Self, QuoteError> {
        let signed: Self = cbor::from_slice(bytes).map_err(|_| QuoteError::Malformed)?;
        let Self { quote, signature } = &signed;
        if quote.chunk_size == 0 || quote.length == 0 || quote.total().is_none() {
            return Err(QuoteError::Impossible);
        }
        let digest = eip712_digest(domain.separator(), quote.hash());
        signature
            .verify(&digest, quote.payee)
            .map_err(QuoteError::Signature)?;
        if quote.expires_at <= now {
            return Err(QuoteError::Expired {
                expires_at: quote.expires_at,
                now,
            });
        }
        Ok(signed)
    }
}
