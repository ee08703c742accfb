//! The states of a stream channel: prefund, postfund, redemptions and the final state.

use crate::channel::record::{Channel, Signatures};
use crate::channel::terms::Terms;
use crate::crypto::{SignError, Signature, SignatureError, Signer};
use crate::nitro::{self, SignedVariablePart, VariablePart};
use crate::payment::claim::redemption_turn;
use crate::payment::{Claim, SignedVoucher};
use crate::{Address, B256, Bytes};

/// The turn that everyone signs before the deposit, so that a deposit can always be recovered.
pub const PREFUND_TURN: u64 = 0;
/// The turn that everyone signs once the deposit is deep enough: the first base of vouchers.
pub const POSTFUND_TURN: u64 = 1;

/// One state of a channel: what is signed, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) part: VariablePart,
    pub(crate) hash: B256,
}

impl State {
    fn new(terms: &Terms, part: VariablePart) -> Self {
        let hash = nitro::state_hash(terms.channel_id(), &part);
        Self { part, hash }
    }

    /// The prefund or postfund state: everything still belongs to the payer.
    pub(crate) fn funding(terms: &Terms, turn_num: u64) -> Self {
        let outcome = terms.outcome(0).unwrap_or_default();
        Self::new(terms, VariablePart { outcome, app_data: Bytes::new(), turn_num, is_final: false })
    }

    /// The final state at `turn_num` after `claimed` base units; `None` above the deposit.
    pub(crate) fn closing(terms: &Terms, turn_num: u64, claimed: u128) -> Option<Self> {
        let outcome = terms.outcome(claimed)?;
        Some(Self::new(terms, VariablePart { outcome, app_data: Bytes::new(), turn_num, is_final: true }))
    }

    /// The redemption of a voucher without its ticks; `None` if it claims more than the deposit.
    pub(crate) fn redemption(terms: &Terms, signed: &SignedVoucher) -> Option<Self> {
        let claim = Claim::without_ticks(signed);
        let outcome = terms.outcome(signed.voucher.cumulative_amount)?;
        let part = VariablePart { outcome, app_data: claim.to_app_data(), turn_num: claim.turn(), is_final: false };
        Some(Self::new(terms, part))
    }

    /// Signs the state with a participant's channel key.
    pub(crate) fn sign<S: Signer + ?Sized>(&self, signer: &S) -> Result<Signature, SignError> {
        nitro::sign_state(signer, self.hash)
    }

    /// Checks a participant's signature.
    pub(crate) fn verify(&self, signature: &Signature, signer: Address) -> Result<(), SignatureError> {
        nitro::verify_state_signature(self.hash, signature, signer)
    }

    /// The state as the contract takes it. Missing signatures are left out, never padded.
    pub(crate) fn signed_by(self, signatures: impl IntoIterator<Item = Signature>) -> SignedVariablePart {
        SignedVariablePart { variable_part: self.part, signatures: signatures.into_iter().collect() }
    }
}

/// The turn of the final state: above every voucher signed on the base, in the place of the next serial.
pub(crate) fn closing_turn(last_serial: u32) -> u64 {
    redemption_turn(POSTFUND_TURN, last_serial).saturating_add(1 << 8)
}

impl Channel {
    /// The newest state signed by both that vouchers can stand on, with its signatures: the postfund, else the prefund.
    pub(crate) fn newest_base(&self) -> Option<SignedVariablePart> {
        let signed = |signatures: &Signatures, turn| {
            let (payer, payee) = signatures.both()?;
            Some(State::funding(&self.terms, turn).signed_by([payer, payee]))
        };
        signed(&self.postfund, POSTFUND_TURN).or_else(|| signed(&self.prefund, PREFUND_TURN))
    }

    /// The final state with both signatures, if it was agreed.
    pub(crate) fn signed_final(&self) -> Option<SignedVariablePart> {
        let closing = self.closing.as_ref()?;
        let (payer, payee) = closing.signatures.both()?;
        Some(State::closing(&self.terms, closing.turn, closing.claimed)?.signed_by([payer, payee]))
    }
}
