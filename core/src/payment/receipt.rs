//! The receipt: the seller's signature on what it delivered and was paid. Anybody can check it, offline.

use crate::cbor;
use crate::crypto::{SignError, Signature, SignatureError, Signer, eip712_digest, keccak256};
use crate::payment::voucher::{VoucherDomain, word, write_words};
use crate::{Address, B256};

/// The EIP-712 type of a receipt. Its domain is that of the vouchers which paid.
pub const RECEIPT_TYPE: &str =
    "Receipt(bytes32 channelId,bytes32 quote,uint64 chunk,uint64 chunks,uint128 cumulativeAmount,uint64 issuedAt)";

/// The largest receipt that is read, in bytes.
pub const MAX_RECEIPT_BYTES: usize = 256;

/// What a seller says it delivered. Source: docs/protocol.md, Quotes, chunks, receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The channel that paid.
    pub channel_id: B256,
    /// The hash of the quote that was bought on.
    pub quote: B256,
    /// The chunk that this was given for, from 0.
    pub chunk: u64,
    /// How many different chunks of the quote were bought so far, this one included.
    pub chunks: u64,
    /// All that was paid on the channel so far, in base units.
    pub cumulative_amount: u128,
    /// When, in seconds since 1970, by the seller's clock.
    pub issued_at: u64,
}

cbor::array!(Receipt { channel_id, quote, chunk, chunks, cumulative_amount, issued_at });

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// More bytes than a receipt may have; nothing was read.
    #[error("receipt of {length} bytes is above the limit of {MAX_RECEIPT_BYTES}")]
    TooLarge {
        /// How many bytes came.
        length: usize,
    },
    /// The bytes are not a receipt.
    #[error("receipt is malformed")]
    Malformed,
    /// The seller did not sign it, or it was altered.
    #[error("receipt is not signed by the seller: {0}")]
    Signature(SignatureError),
}

impl ReceiptError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "RECEIPT_TOO_LARGE",
            Self::Malformed => "RECEIPT_MALFORMED",
            Self::Signature(_) => "RECEIPT_SIGNATURE",
        }
    }
}

impl Receipt {
    /// The EIP-712 digest that the seller signs.
    pub fn digest(&self, domain: &VoucherDomain) -> B256 {
        let words = [
            keccak256(RECEIPT_TYPE),
            self.channel_id,
            self.quote,
            word(self.chunk.into()),
            word(self.chunks.into()),
            word(self.cumulative_amount),
            word(self.issued_at.into()),
        ];
        let mut bytes = [0u8; 7 * 32];
        write_words(&mut bytes, &words);
        eip712_digest(domain.separator(), keccak256(bytes))
    }

    /// Signs the receipt with the seller's channel key.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the signer does not sign.
    pub fn sign<S: Signer + ?Sized>(self, domain: &VoucherDomain, signer: &S) -> Result<SignedReceipt, SignError> {
        let signature = signer.sign_digest(&self.digest(domain))?;
        Ok(SignedReceipt { receipt: self, signature })
    }
}

/// A receipt with its seller's signature: what travels and is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// The seller's signature of [`Receipt::digest`].
    pub signature: Signature,
}

cbor::array!(SignedReceipt { receipt, signature });

impl SignedReceipt {
    /// The receipt as CBOR, about 170 bytes.
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads a receipt and checks that `seller`, the payee of the channel, signed it for this domain. It has one form, byte
    /// for byte.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`], for the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8], domain: &VoucherDomain, seller: Address) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLarge { length: bytes.len() });
        }
        let signed: Self = cbor::from_slice(bytes).ok_or(ReceiptError::Malformed)?;
        if signed.to_bytes() != bytes {
            return Err(ReceiptError::Malformed);
        }
        signed.signature.verify(&signed.receipt.digest(domain), seller).map_err(ReceiptError::Signature)?;
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256, hex};
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::LocalSigner;

    const SELLER: Address = address!("75E0De31eCa89159a26b09cc3b5eF4736A4f8969");

    fn domain() -> VoucherDomain {
        VoucherDomain::new(31_337, Address::repeat_byte(0x5a))
    }

    fn receipt() -> Receipt {
        Receipt {
            channel_id: B256::repeat_byte(0x22),
            quote: B256::repeat_byte(0x44),
            chunk: u64::MAX,
            chunks: 7,
            cumulative_amount: u128::MAX,
            issued_at: 1_800_000_000,
        }
    }

    fn signed() -> SignedReceipt {
        receipt().sign(&domain(), &LocalSigner::from_secret_bytes(&[0xb2; 32]).unwrap()).unwrap()
    }

    /// Expected values: ethers 6, `TypedDataEncoder.hash` and `Wallet.signTypedData`.
    #[test]
    fn digest_and_signature_are_those_of_ethers() {
        let digest = b256!("34813e969a4a8ff70ae1a312bf126674bcf3a6d52f95aad89b8b11d886104022");
        assert_eq!(receipt().digest(&domain()), digest);
        let expected = hex!(
            "e52b854d0f0d17b042c26e01f3b466103eed05d8d5a6ea940a4567347e8717a5787af0f48516709906b2781bc64c2486"
            "e51a205d4b0a3c3e9e567eccbcc83e7e1b"
        );
        assert_eq!(signed().signature.to_bytes(), expected);
    }

    #[test]
    fn a_receipt_is_read_as_it_was_written_and_only_of_its_seller() {
        let bytes = signed().to_bytes();
        assert_eq!(SignedReceipt::from_bytes(&bytes, &domain(), SELLER), Ok(signed()));
        let code = |bytes: &[u8], domain, seller| SignedReceipt::from_bytes(bytes, &domain, seller).unwrap_err().code();
        assert_eq!(code(&bytes, domain(), Address::ZERO), "RECEIPT_SIGNATURE");
        assert_eq!(code(&bytes, VoucherDomain::new(1, Address::repeat_byte(0x5a)), SELLER), "RECEIPT_SIGNATURE");
        assert_eq!(code(&[&bytes[..], &[0]].concat(), domain(), SELLER), "RECEIPT_MALFORMED");
        assert_eq!(code(&[0; 257], domain(), SELLER), "RECEIPT_TOO_LARGE");
    }

    proptest! {
        /// No flipped bit and no truncation of a receipt is a receipt; random bytes are an error, never a panic.
        #[test]
        fn damaged_receipts_are_refused(at in 0usize..400, bit in 0u8..8, noise: alloc::vec::Vec<u8>) {
            let good = signed().to_bytes();
            let mut flipped = good.clone();
            flipped[at % good.len()] ^= 1 << bit;
            for bytes in [flipped, good[..at % good.len()].to_vec(), noise] {
                prop_assert!(SignedReceipt::from_bytes(&bytes, &domain(), SELLER).is_err());
            }
        }
    }
}
