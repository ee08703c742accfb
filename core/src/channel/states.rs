//! The states of a channel as they are signed: bases, redemptions and the final state.

use crate::channel::balances::{Balances, Role};
use crate::channel::guarantee::Split;
use crate::channel::record::Channel;
use crate::channel::signed::{Base, Closing, Signatures, Successor};
use crate::channel::terms::{Kind, Terms};
use crate::crypto::{Signature, SignatureError};
use crate::nitro::{self, SignedVariablePart, VariablePart};
use crate::payment::Claim;
use crate::payment::claim::redemption_turn;
use crate::{Address, B256, Bytes};

/// The turn that everyone signs before the deposit, so that a deposit can always be recovered.
pub const PREFUND_TURN: u64 = 0;
/// The turn that everyone signs once the deposits are deep enough: the first base of vouchers.
pub const POSTFUND_TURN: u64 = 1;
/// The turns that one serial takes: one for the voucher and one for each tick.
const TURNS_PER_SERIAL: u64 = 1 << 8;

/// One state of a channel: what is signed, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) part: VariablePart,
    pub(crate) hash: B256,
}

impl State {
    /// The state with this part.
    pub(crate) fn new(terms: &Terms, part: VariablePart) -> Self {
        let hash = nitro::state_hash(terms.channel_id(), &part);
        Self { part, hash }
    }

    /// A base: a turn and a split.
    pub(crate) fn base(terms: &Terms, turn_num: u64, split: &Split) -> Self {
        let outcome = split.outcome(terms);
        Self::new(terms, VariablePart { outcome, app_data: Bytes::new(), turn_num, is_final: false })
    }

    /// The final state. What goes on to a successor stands between the payee's part and the payer's.
    pub(crate) fn closing(terms: &Terms, closing: &Closing, successor: Option<&Successor>) -> Self {
        let Balances { payer, payee } = closing.balances;
        let outcome = match successor {
            None => terms.outcome(closing.balances),
            Some(successor) => {
                let rest = successor.balances.total().unwrap_or(u128::MAX);
                let payee = Some((terms.payee_destination, payee)).filter(|(_, amount)| *amount > 0);
                let payer = Some((terms.payer_destination, payer)).filter(|(_, amount)| *amount > 0);
                terms.outcome_to(payee.into_iter().chain([(successor.channel_id, rest)]).chain(payer))
            }
        };
        Self::new(terms, VariablePart { outcome, app_data: Bytes::new(), turn_num: closing.turn, is_final: true })
    }

    /// The redemption of a claim; `None` if it claims more than the base has for the payer.
    pub(crate) fn redemption(terms: &Terms, base: &Base, claim: &Claim) -> Option<Self> {
        let claimed = u128::try_from(claim.claimed()).ok()?;
        let outcome = terms.outcome(base.balances.pay(Role::Payer, claimed)?);
        let part = VariablePart { outcome, app_data: claim.to_app_data(), turn_num: claim.turn(), is_final: false };
        Some(Self::new(terms, part))
    }

    /// What a participant signs.
    pub(crate) fn digest(&self) -> B256 {
        crate::crypto::eip191_digest(self.hash)
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

impl Base {
    /// The state to be signed, of a channel that sets nothing aside.
    pub(crate) fn state(&self, terms: &Terms) -> State {
        State::base(terms, self.turn, &Split { balances: self.balances, ..Split::default() })
    }
}

impl Channel {
    /// The base as a state.
    pub(crate) fn base_state(&self) -> Option<State> {
        let base = self.base?;
        Some(State::base(&self.terms, base.turn, &self.split_of(&base)))
    }

    /// How the money is split now: the base with the best voucher on top, and what is set aside.
    pub fn split(&self) -> Split {
        Split { balances: self.balances(), guarantees: self.guarantees.clone() }
    }

    /// The split with the first `count` of the states that are to follow the base.
    pub(crate) fn split_after(&self, count: usize) -> Split {
        let mut split = self.split();
        for proposal in self.proposals.iter().take(count) {
            // What a state changes was checked when it was proposed.
            let changed = proposal.change.and_then(|change| split.apply(change));
            split = Split { balances: proposal.base.balances, ..changed.unwrap_or(split) };
        }
        split
    }

    /// The split of the base itself.
    pub(crate) fn split_of(&self, base: &Base) -> Split {
        Split { balances: base.balances, guarantees: self.guarantees.clone() }
    }

    /// The split of the newest state, signed by both or on the way to that.
    pub(crate) fn newest_split(&self) -> Split {
        self.split_after(self.proposals.len())
    }

    /// The state of a proposal.
    pub(crate) fn proposal_state(&self, index: usize) -> Option<State> {
        let turn = self.proposals.get(index)?.base.turn;
        Some(State::base(&self.terms, turn, &self.split_after(index.saturating_add(1))))
    }

    /// The newest state that we can prove to have been signed by everyone, with their signatures.
    pub(crate) fn proven_base(&self) -> Option<(Base, SignedVariablePart)> {
        let Some(passage) = &self.passage else {
            let base = self.base?;
            return Some((base, self.base_state()?.signed_by(base.signatures.both()?)));
        };
        let balances = self.terms.deposits();
        let newest_first = [(POSTFUND_TURN, &passage.postfund), (PREFUND_TURN, &passage.prefund)];
        let (turn, signatures) = newest_first.into_iter().find_map(|(turn, sheet)| Some((turn, sheet.complete()?)))?;
        let base = Base { turn, balances, signatures: Signatures::default() };
        Some((base, base.state(&self.terms).signed_by(signatures)))
    }

    /// The final state with the signatures of all, if it was agreed.
    pub(crate) fn signed_final(&self) -> Option<SignedVariablePart> {
        let signatures = match &self.passage {
            Some(passage) => passage.last.complete()?,
            None => self.closing?.signatures.both()?.to_vec(),
        };
        Some(self.final_state()?.signed_by(signatures))
    }

    /// Whether everyone signed the final state.
    pub fn is_final_signed(&self) -> bool {
        match &self.passage {
            Some(passage) => self.closing.is_some() && passage.last.complete().is_some(),
            None => self.closing.is_some_and(|closing| closing.signatures.both().is_some()),
        }
    }

    /// The final state, if one was proposed.
    pub(crate) fn final_state(&self) -> Option<State> {
        Some(State::closing(&self.terms, self.closing.as_ref()?, self.successor.as_ref()))
    }

    /// The lowest turn of a base or final state that is above everything that may have been signed on this base.
    pub(crate) fn next_turn(&self) -> u64 {
        match self.terms.kind {
            Kind::Ledger => self.signed_turn.saturating_add(1),
            Kind::Stream => redemption_turn(self.base_turn(), self.next_serial().unwrap_or(u32::MAX)),
        }
    }

    /// The lowest serial on this base whose turns are above everything that may have been signed; `None` if none is
    /// left.
    pub(crate) fn next_serial(&self) -> Option<u32> {
        let used = self.signed_turn.saturating_sub(self.base_turn()) / TURNS_PER_SERIAL;
        u32::try_from(used).ok()?.checked_add(1)
    }

    /// The turn of the base, zero before there is one.
    pub(crate) fn base_turn(&self) -> u64 {
        self.base.map_or(0, |base| base.turn)
    }
}
