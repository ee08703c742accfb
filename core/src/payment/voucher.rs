//! The voucher: the payer's signed promise of a cumulative amount, on top of a base state.

use crate::cbor;
use crate::crypto::{Eip712Domain, SignError, Signature, SignatureError, Signer, eip712_digest, keccak256};
use crate::payment::claim::last_redemption_turn;
use crate::{Address, B256};

/// `keccak256` of [`VOUCHER_TYPE`].
const VOUCHER_TYPE_HASH: B256 = B256::new([
    0x78, 0x9e, 0xe1, 0x4b, 0x2f, 0xbb, 0x4d, 0x27, 0xa8, 0xd6, 0x02, 0x2e, 0x3d, 0x95, 0xec, 0x07, 0x2d, 0x89, 0xf6,
    0x8d, 0xe0, 0x73, 0xbd, 0x19, 0x2b, 0x08, 0x10, 0x35, 0xc4, 0x60, 0xb9, 0xf1,
]);

/// The EIP-712 type of a voucher, as `StreamApp` hashes it.
pub const VOUCHER_TYPE: &str = "Voucher(bytes32 channelId,uint48 baseTurn,uint32 serial,uint128 cumulativeAmount,\
                                bytes32 tickTip,uint128 tickPrice,uint8 tickLimit,bytes32 memo)";

/// The EIP-712 domain of one `StreamApp` on one chain, with its separator computed once.
///
/// A voucher signed for one chain or contract is worth nothing on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoucherDomain {
    separator: B256,
}

impl VoucherDomain {
    /// The domain `{ name: "Millstream", version: "1", chainId, verifyingContract: stream_app }`.
    pub fn new(chain_id: u64, stream_app: Address) -> Self {
        let domain = Eip712Domain { name: "Millstream", version: "1", chain_id, verifying_contract: stream_app };
        Self { separator: domain.separator() }
    }

    /// The domain separator, `StreamApp.domainSeparator()`.
    pub const fn separator(&self) -> B256 {
        self.separator
    }
}

/// What the payer owes on a channel, to be redeemed by the payee alone. Source: docs/protocol.md, Vouchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The channel that pays.
    pub channel_id: B256,
    /// The turn of the base state that the voucher stands on; at most 2^48 - 1.
    pub base_turn: u64,
    /// 1, 2, 3 ... on this base; never signed twice with other content.
    pub serial: u32,
    /// Owed on top of the base outcome when no tick is shown, in base units.
    pub cumulative_amount: u128,
    /// The tip of the tick chain; zero if there are no ticks.
    pub tick_tip: B256,
    /// Owed per tick shown, in base units.
    pub tick_price: u128,
    /// How many ticks the chain has, 0 to 255.
    pub tick_limit: u8,
    /// What is paid for: the hash of the quote, or zero.
    pub memo: B256,
}

cbor::array!(Voucher { channel_id, base_turn, serial, cumulative_amount, tick_tip, tick_price, tick_limit, memo });

impl Voucher {
    /// A voucher without ticks.
    pub const fn flat(channel_id: B256, base_turn: u64, serial: u32, cumulative_amount: u128, memo: B256) -> Self {
        Self {
            channel_id,
            base_turn,
            serial,
            cumulative_amount,
            tick_tip: B256::ZERO,
            tick_price: 0,
            tick_limit: 0,
            memo,
        }
    }

    /// What is owed on top of the base with so many ticks shown, in base units: `cumulativeAmount + ticks * tickPrice`, or
    /// 2^128 - 1 if that is more.
    pub fn amount_with(&self, ticks: u8) -> u128 {
        self.cumulative_amount.saturating_add(self.tick_price.saturating_mul(ticks.into()))
    }

    /// The highest turn that a redemption of the voucher can have, with all its ticks.
    pub(crate) fn last_turn(&self) -> u64 {
        last_redemption_turn(self.base_turn, self.serial)
    }

    /// The EIP-712 digest that the payer signs, `StreamApp.voucherDigest(voucher)`.
    pub fn digest(&self, domain: &VoucherDomain) -> B256 {
        let mut words = [0u8; 9 * 32];
        write_words(&mut words, &[VOUCHER_TYPE_HASH]);
        if let Some(rest) = words.get_mut(32..) {
            write_words(rest, &self.words());
        }
        eip712_digest(domain.separator, keccak256(words))
    }

    /// Signs the voucher with the payer's channel key.
    ///
    /// The caller sees to it that a serial is never signed twice with other content, and that the voucher is stored
    /// before it leaves.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the signer does not sign.
    pub fn sign<S: Signer + ?Sized>(self, domain: &VoucherDomain, signer: &S) -> Result<SignedVoucher, SignError> {
        let signature = signer.sign_digest(&self.digest(domain))?;
        Ok(SignedVoucher { voucher: self, signature })
    }

    /// The eight ABI words of the struct, in order.
    pub(super) fn words(&self) -> [B256; 8] {
        [
            self.channel_id,
            word(u128::from(self.base_turn)),
            word(u128::from(self.serial)),
            word(self.cumulative_amount),
            self.tick_tip,
            word(self.tick_price),
            word(u128::from(self.tick_limit)),
            self.memo,
        ]
    }
}

/// A voucher with its payer's signature: what travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedVoucher {
    /// The voucher.
    pub voucher: Voucher,
    /// The payer's signature over [`Voucher::digest`].
    pub signature: Signature,
}

cbor::array!(SignedVoucher { voucher, signature });

impl SignedVoucher {
    /// Checks that `payer` signed the voucher for this domain.
    ///
    /// # Errors
    ///
    /// [`SignatureError::WrongSigner`] if somebody else did, or if any field was changed.
    pub fn verify(&self, domain: &VoucherDomain, payer: Address) -> Result<(), SignatureError> {
        self.signature.verify(&self.voucher.digest(domain), payer)
    }
}

/// An unsigned integer as an ABI word.
pub(super) fn word(value: u128) -> B256 {
    B256::left_padding_from(&value.to_be_bytes())
}

/// Writes `words` one after the other into `buffer`, as far as there is room.
pub(super) fn write_words(buffer: &mut [u8], words: &[B256]) {
    for (slot, word) in buffer.chunks_exact_mut(32).zip(words) {
        slot.copy_from_slice(word.as_slice());
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{b256, hex};

    use super::*;
    use crate::crypto::LocalSigner;

    #[test]
    fn type_hash_is_that_of_the_type_string() {
        assert_eq!(keccak256(VOUCHER_TYPE), VOUCHER_TYPE_HASH);
    }

    /// Expected values: ethers 6, `TypedDataEncoder.hash` and `Wallet.signTypedData`, with every field at its largest.
    #[test]
    fn digest_and_signature_are_those_of_ethers() {
        let signer = LocalSigner::from_secret_bytes(&[0xb2; 32]).unwrap();
        let domain = VoucherDomain::new(31_337, Address::repeat_byte(0x5a));
        let voucher = Voucher {
            channel_id: B256::repeat_byte(0x22),
            base_turn: (1 << 48) - 1,
            serial: u32::MAX,
            cumulative_amount: u128::MAX,
            tick_tip: B256::repeat_byte(0x33),
            tick_price: 7,
            tick_limit: 255,
            memo: B256::repeat_byte(0x44),
        };
        let digest = b256!("72ac41d7326936b60940dce33a2da2e529de8f5e6e55037c4cdd5b46f64683cd");
        assert_eq!(voucher.digest(&domain), digest);
        let signed = voucher.sign(&domain, &signer).unwrap();
        let expected = hex!(
            "4bfb14ab69bf01df104aac279b932d75069b43b294514010afc64fc1fb7bb4502e7a7d215ecd236bd4c84664d25e225b"
            "641538392f93aa520cb7804e624bdef91c"
        );
        assert_eq!(signed.signature.to_bytes(), expected);
        assert_eq!(signed.verify(&domain, signer.address()), Ok(()));
    }
}
