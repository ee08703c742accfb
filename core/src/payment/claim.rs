//! The claim: a voucher with the ticks shown for it, as the payee puts it on chain.

use crate::crypto::{Signature, SignatureError};
use crate::payment::ticks::{Shown, hash_chain};
use crate::payment::voucher::{SignedVoucher, Voucher, VoucherDomain, word, write_words};
use crate::{Address, B256, Bytes, U256};

/// ABI size of a `Claim`: 13 words, all static.
const CLAIM_BYTES: usize = 13 * 32;

/// `Signature` of the adjudicator as it stands on chain, whatever its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSignature {
    /// The recovery id: 27 or 28 if it is to be accepted.
    pub v: u8,
    /// The first half.
    pub r: B256,
    /// The second half.
    pub s: B256,
}

impl From<Signature> for RawSignature {
    fn from(signature: Signature) -> Self {
        Self { v: signature.v(), r: signature.r(), s: signature.s() }
    }
}

impl TryFrom<RawSignature> for Signature {
    type Error = SignatureError;

    fn try_from(RawSignature { v, r, s }: RawSignature) -> Result<Self, SignatureError> {
        let mut bytes = [0u8; 65];
        write_words(&mut bytes, &[r, s]);
        if let Some(last) = bytes.last_mut() {
            *last = v;
        }
        Self::from_bytes(&bytes)
    }
}

/// `StreamApp.Claim`: a voucher, its signature, and how many ticks of its chain were released.
///
/// The signature is kept as it stands on chain, which allows forms that [`Signature`] refuses; [`Claim::verify`]
/// refuses them as the contract does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The voucher.
    pub voucher: Voucher,
    /// The payer's signature, unchecked.
    pub signature: RawSignature,
    /// How many ticks are claimed, at most the voucher's `tick_limit`.
    pub ticks: u8,
    /// What hashes `ticks` times to the voucher's `tick_tip`; the tip itself when no tick is claimed.
    pub preimage: B256,
}

/// Why a claim is worth nothing. The variants mirror the custom errors of `StreamApp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The bytes are not an ABI-encoded `Claim`.
    #[error("claim is malformed")]
    Malformed,
    /// More ticks than the voucher's chain has.
    #[error("claim of {ticks} ticks on a voucher with {tick_limit}")]
    TooManyTicks {
        /// Ticks claimed.
        ticks: u8,
        /// The voucher's limit.
        tick_limit: u8,
    },
    /// The preimage does not lead to the voucher's tip.
    #[error("preimage does not belong to the voucher's tick chain")]
    WrongPreimage,
    /// The signature is not one that the contract accepts.
    #[error("voucher signature is invalid")]
    InvalidSignature,
    /// Somebody else signed.
    #[error("voucher was signed by {actual}, not by the payer {expected}")]
    WrongSigner {
        /// The channel's payer.
        expected: Address,
        /// Who signed.
        actual: Address,
    },
}

impl ClaimError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "CLAIM_MALFORMED",
            Self::TooManyTicks { .. } => "CLAIM_TOO_MANY_TICKS",
            Self::WrongPreimage => "CLAIM_WRONG_PREIMAGE",
            Self::InvalidSignature => "CLAIM_INVALID_SIGNATURE",
            Self::WrongSigner { .. } => "CLAIM_WRONG_SIGNER",
        }
    }
}

impl Claim {
    /// The claim of a voucher with the ticks shown for it. Without any it is worth the cumulative amount alone.
    pub fn new(signed: &SignedVoucher, shown: Option<Shown>) -> Self {
        let SignedVoucher { voucher, signature } = *signed;
        let Shown { ticks, preimage } = shown.unwrap_or(Shown { ticks: 0, preimage: voucher.tick_tip });
        Self { voucher, signature: signature.into(), ticks, preimage }
    }

    /// The ticks that it shows, if any.
    pub(crate) fn shown(&self) -> Option<Shown> {
        (self.ticks > 0).then_some(Shown { ticks: self.ticks, preimage: self.preimage })
    }

    /// What the claim moves from payer to payee, in base units: `cumulativeAmount + ticks * tickPrice`.
    pub fn claimed(&self) -> U256 {
        // 2^128 + 2^8 * 2^128 is far below 2^256.
        U256::from(self.voucher.tick_price)
            .saturating_mul(U256::from(self.ticks))
            .saturating_add(U256::from(self.voucher.cumulative_amount))
    }

    /// The turn of the redemption: `baseTurn + (serial << 8) + ticks`, so that a better claim has a higher turn.
    pub fn turn(&self) -> u64 {
        redemption_turn(self.voucher.base_turn, self.voucher.serial).saturating_add(u64::from(self.ticks))
    }

    /// Checks ticks, preimage and the payer's signature, in the contract's order.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] for the first of them that fails.
    pub fn verify(&self, domain: &VoucherDomain, payer: Address) -> Result<(), ClaimError> {
        self.verify_ticks()?;
        self.verify_signature(domain, payer)
    }

    pub(crate) fn verify_ticks(&self) -> Result<(), ClaimError> {
        let tick_limit = self.voucher.tick_limit;
        if self.ticks > tick_limit {
            return Err(ClaimError::TooManyTicks { ticks: self.ticks, tick_limit });
        }
        if hash_chain(self.preimage, self.ticks) != self.voucher.tick_tip {
            return Err(ClaimError::WrongPreimage);
        }
        Ok(())
    }

    pub(super) fn verify_signature(&self, domain: &VoucherDomain, payer: Address) -> Result<(), ClaimError> {
        let signature = Signature::try_from(self.signature).map_err(|_| ClaimError::InvalidSignature)?;
        match signature.verify(&self.voucher.digest(domain), payer) {
            Ok(()) => Ok(()),
            Err(SignatureError::WrongSigner { expected, recovered }) => {
                Err(ClaimError::WrongSigner { expected, actual: recovered })
            }
            Err(_) => Err(ClaimError::InvalidSignature),
        }
    }

    /// `abi.encode(claim)`, the `appData` of a redemption: 416 bytes.
    pub fn to_app_data(&self) -> Bytes {
        let mut bytes = [0u8; CLAIM_BYTES];
        write_words(&mut bytes, &self.voucher.words());
        if let Some(rest) = bytes.get_mut(8 * 32..) {
            let RawSignature { v, r, s } = self.signature;
            write_words(rest, &[word(v.into()), r, s, word(self.ticks.into()), self.preimage]);
        }
        Bytes::copy_from_slice(&bytes)
    }

    /// Reads what `abi.decode(appData, (Claim))` reads: bytes after the 13 words are ignored, as the contract does.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Malformed`] if there are fewer bytes, or an integer does not fit its type.
    pub fn from_app_data(bytes: &[u8]) -> Result<Self, ClaimError> {
        let mut words = bytes.chunks_exact(32).take(13).map(B256::from_slice);
        let mut next = || words.next().ok_or(ClaimError::Malformed);
        Ok(Self {
            voucher: Voucher {
                channel_id: next()?,
                base_turn: u64::try_from(uint(next()?, 48)?).map_err(|_| ClaimError::Malformed)?,
                serial: u32::try_from(uint(next()?, 32)?).map_err(|_| ClaimError::Malformed)?,
                cumulative_amount: uint(next()?, 128)?,
                tick_tip: next()?,
                tick_price: uint(next()?, 128)?,
                tick_limit: u8::try_from(uint(next()?, 8)?).map_err(|_| ClaimError::Malformed)?,
                memo: next()?,
            },
            signature: RawSignature {
                v: u8::try_from(uint(next()?, 8)?).map_err(|_| ClaimError::Malformed)?,
                r: next()?,
                s: next()?,
            },
            ticks: u8::try_from(uint(next()?, 8)?).map_err(|_| ClaimError::Malformed)?,
            preimage: next()?,
        })
    }
}

/// The turn of a redemption without ticks: `baseTurn + (serial << 8)`. Exact for every turn below 2^48.
pub(crate) fn redemption_turn(base_turn: u64, serial: u32) -> u64 {
    base_turn.saturating_add(u64::from(serial) << 8)
}

/// The last turn that belongs to a serial, that of its 255th tick. Exact for every turn below 2^48.
pub(crate) fn last_redemption_turn(base_turn: u64, serial: u32) -> u64 {
    redemption_turn(base_turn, serial).saturating_add(u64::from(u8::MAX))
}

/// Reads an unsigned integer of at most `bits` bits (up to 128) from an ABI word.
fn uint(word: B256, bits: u32) -> Result<u128, ClaimError> {
    match u128::try_from(U256::from_be_bytes(word.0)) {
        Ok(value) if value.checked_shr(bits).unwrap_or(0) == 0 => Ok(value),
        _ => Err(ClaimError::Malformed),
    }
}
