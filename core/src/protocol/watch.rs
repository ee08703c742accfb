//! What the chain reports: deposits, challenges, pay-outs, and reorganisations that take them back.

use alloc::vec::Vec;

use crate::channel::{
    Balances, Base, ChainEvent, Channel, Confirmed, Dispute, Guarantee, POSTFUND_TURN, Position, Posted, Role,
    Signatures, Split, State,
};
use crate::crypto::Signature;
use crate::nitro::{self, AdjudicatorEvent, SignedVariablePart, VariablePart, calls};
use crate::payment::{Claim, SignedVoucher};
use crate::protocol::dispute::{best_content, next_transaction};
use crate::protocol::effects::{Effects, Event};
use crate::protocol::open::{is_deposited, lock_funding};
use crate::protocol::reestablish::{keep_own, known_turn, question};
use crate::protocol::sign::set_base;
use crate::protocol::{Context, OpenError, relay};
use crate::{B256, Bytes};

/// An event of the adjudicator, and where it is in the chain.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) position: Position,
    /// Tells its log from others at the same place.
    pub(crate) mark: u64,
    pub(crate) event: AdjudicatorEvent,
    /// The data of the call that a checkpoint or a conclusion came with, if the host knows it.
    pub(crate) call: Option<Bytes>,
}

/// Whether an event has to wait, because one that comes after it was taken in before, in a block that the chain may not
/// have any more. Deposits of other assets are nobody's business.
pub(crate) fn is_overtaken(channel: &Channel, observed: &Observed, undone: Option<Position>) -> bool {
    let is_other = matches!(observed.event, AdjudicatorEvent::Deposited { asset, .. } if asset != channel.terms.asset);
    !is_other && channel.chain.is_overtaken(observed.position, observed.mark, undone)
}

/// Takes in an event of the channel that is deep enough in the chain. One that was taken in before is no news.
pub(crate) fn apply_event(
    context: &Context<'_>,
    channel: &mut Channel,
    Observed { position, mark, event, call }: Observed,
    effects: &mut Effects,
) -> Result<(), OpenError> {
    if channel.chain.last().is_some_and(|last| position <= last) {
        if call.is_some_and(|call| adopt_call(context, channel, &event, &call)) {
            next_transaction(context, channel, effects)?;
        }
        return Ok(());
    }
    let base_units = |value| u128::try_from(value).unwrap_or(u128::MAX);
    let terms = channel.terms.clone();
    let confirmed = |event| Confirmed { position, mark, event };
    match event {
        AdjudicatorEvent::Deposited { asset, holdings, .. } if asset == terms.asset => {
            channel.chain.push(&terms, confirmed(ChainEvent::Deposited(base_units(holdings))));
            if channel.aborted.is_some() && is_deposited(channel) {
                // Our deposit came after all: the channel opens, or what is ours goes back.
                channel.aborted = None;
                channel.deadline = Some(context.now);
            }
            lock_funding(context, channel, effects)?;
            super::outstanding_transactions(context, channel, effects)?;
        }
        AdjudicatorEvent::ChallengeRegistered { channel_id, finalizes_at, proof, candidate } => {
            adopt(context, channel, &proof, &candidate);
            let state_hash = nitro::state_hash(channel_id, &candidate.variable_part);
            // A payee claims unasked; a base can be put there by anybody.
            let could_be = channel.leaving || (channel.role == Role::Payee && channel.best.is_some());
            let ours = could_be && best_content(channel).is_some_and(|best| best.hash == state_hash);
            let outcome = nitro::encode_outcome(&candidate.variable_part.outcome).to_vec();
            let turn = candidate.variable_part.turn_num;
            note_turn(channel, turn, effects);
            let dispute = Dispute { turn, finalizes_at, state_hash, outcome, ours };
            channel.chain.push(&terms, confirmed(ChainEvent::Disputed(dispute)));
            channel.recording = false;
            effects.notify(Event::Challenged { channel_id, finalizes_at, ours });
            next_transaction(context, channel, effects)?;
        }
        AdjudicatorEvent::ChallengeCleared { new_turn_num_record: turn, .. }
        | AdjudicatorEvent::Checkpointed { new_turn_num_record: turn, .. } => {
            if let Some(call) = call {
                adopt_call(context, channel, &event, &call);
            }
            note_turn(channel, turn, effects);
            channel.chain.push(&terms, confirmed(ChainEvent::Recorded(turn)));
            // It was asked for once: payments since then do not make it due again.
            channel.recording = false;
            next_transaction(context, channel, effects)?;
        }
        AdjudicatorEvent::Concluded { finalizes_at, .. } => {
            // Only a final state that we signed concludes, even if the other side kept its signature to itself. If we lost
            // it, the call says what it was; without that, what we know of the money has to do.
            let shown = call.and_then(|call| concluded_part(channel, &call));
            let known = shown.or_else(|| channel.final_state().map(|state| state.part));
            let outcome = known.as_ref().map_or_else(|| terms.outcome(channel.balances()), |part| part.outcome.clone());
            let turn = known.map_or(channel.base_turn(), |part| part.turn_num);
            let ours = channel.closing.is_some_and(|closing| closing.submitter == channel.role);
            let outcome = nitro::encode_outcome(&outcome).to_vec();
            let dispute = Dispute { turn, finalizes_at, state_hash: B256::ZERO, outcome, ours };
            channel.chain.push(&terms, confirmed(ChainEvent::Disputed(dispute)));
        }
        AdjudicatorEvent::Reclaimed { .. } => {
            if let Some((index, paid)) = relay::reclaimed(channel, call.as_ref().map(AsRef::as_ref)) {
                channel.chain.push(&terms, confirmed(ChainEvent::Reclaimed(index, paid)));
            }
            next_transaction(context, channel, effects)?;
        }
        AdjudicatorEvent::AllocationUpdated { channel_id, initial_holdings, final_holdings, .. } => {
            let before = channel.facts().payout;
            let paid = ChainEvent::Paid(base_units(initial_holdings), base_units(final_holdings));
            channel.chain.push(&terms, confirmed(paid));
            if let Some(payout) = channel.facts().payout.filter(|payout| Some(*payout) != before) {
                let (paid, refunded, carried) = (payout.paid, payout.refunded, payout.carried);
                effects.notify(Event::Closed { channel_id, paid, refunded, carried });
            }
        }
        _ => {}
    }
    Ok(())
}

/// The final state that a call concluded with, if both of us signed it.
fn concluded_part(channel: &Channel, call: &[u8]) -> Option<VariablePart> {
    let SignedVariablePart { variable_part, signatures } = calls::decode_conclude(call).ok()?;
    let hash = nitro::state_hash(channel.terms.channel_id(), &variable_part);
    let signed_by = |key| signatures.iter().any(|one| nitro::verify_state_signature(hash, one, key).is_ok());
    let is_ours = variable_part.is_final && signed_by(channel.terms.payer) && signed_by(channel.terms.payee);
    is_ours.then_some(variable_part)
}

/// Takes back every event from `from` on: a reorganisation dropped them although they were deep enough.
///
/// What they stood for may happen again in another place, so what we owe the chain is for the caller to look at, once it
/// knows.
pub(crate) fn reorganise(channel: &mut Channel, from: Position, effects: &mut Effects) {
    let terms = channel.terms.clone();
    channel.chain.undo(&terms, from);
    effects.notify(Event::Reorganised { channel_id: terms.channel_id() });
}

/// Learns from the call that recorded a turn, unless we have a state of that turn. Says whether there was anything to learn.
fn adopt_call(context: &Context<'_>, channel: &mut Channel, event: &AdjudicatorEvent, call: &[u8]) -> bool {
    let (AdjudicatorEvent::ChallengeCleared { new_turn_num_record: turn, .. }
    | AdjudicatorEvent::Checkpointed { new_turn_num_record: turn, .. }) = *event
    else {
        return false;
    };
    let before = supported_turn(channel);
    if let (true, Ok((proof, candidate))) = (turn > before, calls::decode_checkpoint(call)) {
        adopt(context, channel, &proof, &candidate);
    }
    let now = supported_turn(channel);
    if channel.stale.is_some_and(|turn| turn <= now) {
        channel.stale = None;
    }
    now > before
}

/// The highest turn that we can put on chain alone. A payer that signed a voucher cannot redeem it.
pub(crate) fn supported_turn(channel: &Channel) -> u64 {
    let posted = channel.posted.as_ref().filter(|posted| posted.base_turn == channel.base_turn());
    let claim = posted.and_then(|posted| Claim::from_app_data(&posted.app_data).ok());
    match channel.role {
        Role::Payer => proven_turn(channel).max(claim.map_or(0, |claim| claim.turn())),
        Role::Payee => known_turn(channel),
        Role::Hub => proven_turn(channel),
    }
}

/// The turn of the newest state that we can prove everyone signed.
fn proven_turn(channel: &Channel) -> u64 {
    match &channel.passage {
        Some(_) => channel.proven_base().map_or(0, |(base, _)| base.turn),
        None => channel.base_turn(),
    }
}

/// Learns from a state that somebody showed the chain: a base that we signed and do not have, or a claim.
fn adopt(context: &Context<'_>, channel: &mut Channel, proof: &[SignedVariablePart], candidate: &SignedVariablePart) {
    let shown = proof.first().unwrap_or(candidate);
    if channel.passage.is_some() {
        relay::adopt_postfund(channel, shown);
    }
    let base = signed_base(channel, shown).filter(|(base, _)| base.turn > known_turn(channel));
    if let Some((base, guarantees)) = base.filter(|_| channel.passage.is_none()) {
        channel.proposals.retain(|proposal| proposal.base.turn > base.turn);
        if channel.proposals.iter().any(|proposal| proposal.change.is_some()) || channel.guarantees != guarantees {
            // What they set aside was said of another base.
            channel.proposals.clear();
        }
        set_base(channel, base, guarantees);
    }
    let (Some(base), Ok(claim)) = (channel.base, Claim::from_app_data(&candidate.variable_part.app_data)) else {
        return;
    };
    let of_channel = claim.voucher.channel_id == channel.terms.channel_id() && claim.voucher.base_turn == base.turn;
    if !of_channel || base.turn < POSTFUND_TURN || claim.verify(context.domain, channel.terms.payer).is_err() {
        return;
    }
    if let Some(signature) = redemption_signature(channel, &base, &claim, candidate) {
        let app_data = claim.to_app_data().to_vec();
        channel.posted = Some(Posted { base_turn: base.turn, app_data, signature });
    }
    let known = channel.claim().map_or(0, |claim| claim.turn());
    if let (true, Ok(signature)) = (claim.turn() > known, claim.signature.try_into()) {
        keep_own(channel, SignedVoucher { voucher: claim.voucher, signature }, claim.shown());
    }
}

/// Payer: the payee's signature of a redemption, if it is newer than the one we have.
fn redemption_signature(
    channel: &Channel,
    base: &Base,
    claim: &Claim,
    candidate: &SignedVariablePart,
) -> Option<Signature> {
    let before = channel.posted.as_ref().filter(|posted| posted.base_turn == base.turn);
    let before = before.and_then(|posted| Claim::from_app_data(&posted.app_data).ok()).map_or(0, |claim| claim.turn());
    if channel.role != Role::Payer || claim.turn() <= before {
        return None;
    }
    let state = State::redemption(&channel.terms, base, claim)?;
    let payee = channel.terms.payee;
    candidate.signatures.iter().find(|signature| state.verify(signature, payee).is_ok()).copied()
}

/// A state of the chain as a base, if both of us signed it.
fn signed_base(channel: &Channel, signed: &SignedVariablePart) -> Option<(Base, Vec<Guarantee>)> {
    let part = &signed.variable_part;
    let [exit] = part.outcome.as_slice() else { return None };
    let [guarantees @ .., payee, payer] = exit.allocations.as_slice() else { return None };
    let balances = Balances { payer: payer.amount.try_into().ok()?, payee: payee.amount.try_into().ok()? };
    let guarantees = guarantees.iter().map(|one| Guarantee::from_allocation(&channel.terms, one));
    let guarantees: Vec<Guarantee> = guarantees.collect::<Option<_>>()?;
    let state = State::base(&channel.terms, part.turn_num, &Split { balances, guarantees: guarantees.clone() });
    let by = |key| signed.signatures.iter().find(|signature| state.verify(signature, key).is_ok()).copied();
    let signatures = Signatures { payer: Some(by(channel.terms.payer)?), payee: Some(by(channel.terms.payee)?) };
    Some((Base { turn: part.turn_num, balances, signatures }, guarantees))
}

/// Remembers that a newer state is on chain than any we could put there, and asks the other side for it.
fn note_turn(channel: &mut Channel, turn: u64, effects: &mut Effects) {
    if turn > supported_turn(channel) && channel.base.is_some() {
        channel.stale = Some(channel.stale.map_or(turn, |known| known.max(turn)));
        effects.send(question(channel));
    }
}
