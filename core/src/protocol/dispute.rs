//! Leaving alone, answering the other side, and putting our best state on chain.

use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Base, Channel, Dispute, Role, State, Status};
use crate::crypto::SignError;
use crate::nitro::{self, SignedVariablePart, calls};
use crate::payment::Claim;
use crate::protocol::close::conclude;
use crate::protocol::effects::{Effects, TransactionKind};
use crate::protocol::watch::supported_turn;
use crate::protocol::{Context, LeaveError, Purpose, relay};

/// How long the side that did not challenge waits for the other to pay out, in seconds: one transaction is enough.
const TRANSFER_GRACE: u64 = 600;

/// Either: leaves without the other side, with the best state we have.
pub(crate) fn leave(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), LeaveError> {
    let status = channel.status();
    if matches!(status, Status::Initialized | Status::Closed | Status::Aborted) {
        return Err(LeaveError::WrongStatus { status });
    }
    if channel.backing() == 0 {
        return Err(LeaveError::NothingDeposited);
    }
    if ours_at_stake(channel) == 0 {
        return Err(LeaveError::NothingToClaim);
    }
    if !can_leave(channel) {
        return Err(LeaveError::NotNewer { turn: supported_turn(channel) });
    }
    (channel.leaving, channel.recording) = (true, false);
    Ok(next_transaction(context, channel, effects)?)
}

/// Whether we have a state that the chain would take: not if the other side recorded a newer one than any that we can
/// support.
pub(crate) fn can_leave(channel: &Channel) -> bool {
    let facts = channel.facts();
    facts.dispute.is_some() || channel.is_final_signed() || supported_turn(channel) >= facts.turn_record
}

/// What leaving alone would bring us, in base units. Of what is set aside for virtual channels it may be anything.
pub(crate) fn ours_at_stake(channel: &Channel) -> u128 {
    let agreed = channel.closing.filter(|_| channel.is_final_signed());
    let balances = match (agreed, channel.successor) {
        (Some(closing), Some(successor)) => closing.balances.saturating_add(successor.balances),
        (Some(closing), None) => closing.balances,
        (None, _) => channel.balances(),
    };
    let holdings = channel.backing();
    let ours = match channel.role {
        Role::Payee => balances.payee.min(holdings),
        Role::Payer => balances.payer.min(holdings.saturating_sub(balances.payee)),
        // It frees what the hub has set aside.
        Role::Hub => holdings,
    };
    ours.saturating_add(channel.split().guaranteed())
}

/// Either: puts our best state on chain while the channel goes on: no lower state counts from then on.
pub(crate) fn snapshot(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), LeaveError> {
    let status = channel.status();
    if !matches!(status, Status::Open | Status::Challenged) {
        return Err(LeaveError::WrongStatus { status });
    }
    let turn = best_content(channel).ok_or(LeaveError::NothingToClaim)?.part.turn_num;
    channel.recording = true;
    if !record(context, channel, effects)? {
        return Err(LeaveError::NotNewer { turn });
    }
    Ok(())
}

/// Submits the snapshot that was asked for, unless the chain has our best state by now. Says whether it does not.
fn record(context: &Context<'_>, channel: &Channel, effects: &mut Effects) -> Result<bool, SignError> {
    let turn_record = channel.facts().turn_record;
    let is_newer = channel.recording && best_content(channel).is_some_and(|best| best.part.turn_num > turn_record);
    if is_newer && let Some(best) = best_state(context, channel)? {
        let data = calls::checkpoint(&channel.terms.fixed_part(), &best.proof, &best.candidate);
        effects.submit(channel, TransactionKind::Checkpoint, 0, data);
    }
    Ok(is_newer)
}

/// Either: answers a challenge with a newer state, after which the channel goes on; gives up leaving alone.
pub(crate) fn clear(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), LeaveError> {
    let status = channel.status();
    match channel.facts().dispute.as_ref() {
        Some(dispute) if context.chain_time < dispute.finalizes_at => {}
        _ => return Err(LeaveError::WrongStatus { status }),
    }
    channel.leaving = false;
    snapshot(context, channel, effects)
}

/// When the channel's dispute next asks for a transaction, in seconds of the chain's clock.
pub(crate) fn due(channel: &Channel) -> Option<u64> {
    let facts = channel.facts();
    let dispute = facts.dispute.as_ref()?;
    if facts.payout.is_some() {
        return (late(channel, dispute) > 0).then_some(dispute.finalizes_at);
    }
    if channel.passage.is_some() {
        // Nothing is paid out, but its ledgers can be settled from then on.
        return Some(dispute.finalizes_at);
    }
    let grace = if dispute.ours { 0 } else { TRANSFER_GRACE };
    let reclaimable = relay::reclaimable_at(channel, dispute)?;
    Some(dispute.finalizes_at.max(reclaimable).saturating_add(grace))
}

/// What came for us once everybody had been paid, in base units: what a withdrawal carried on, or a deposit that was late.
/// The adjudicator keeps an outcome that it could not pay in full, and pays the rest of it out of whatever comes.
fn late(channel: &Channel, dispute: &Dispute) -> u128 {
    let left = channel.payout_of(&dispute.outcome);
    share(channel, &dispute.outcome).saturating_add(left.carried)
}

/// Pays out what came once everybody had been paid, if it is worth its cost: anybody can deposit dust.
pub(crate) fn next_late_transaction(context: &Context<'_>, channel: &Channel, effects: &mut Effects) {
    let dispute = channel.facts().dispute.as_ref().filter(|dispute| context.chain_time >= dispute.finalizes_at);
    if let Some(dispute) = dispute.filter(|dispute| late(channel, dispute) > context.policy.exit_cost) {
        transfer(channel, dispute, effects);
    }
}

/// The transaction that leaving alone, or answering the other side, asks for now.
pub(crate) fn next_transaction(
    context: &Context<'_>,
    channel: &Channel,
    effects: &mut Effects,
) -> Result<(), SignError> {
    let facts = channel.facts();
    match &facts.dispute {
        Some(dispute) if context.chain_time >= dispute.finalizes_at => {
            if facts.payout.is_some() {
                next_late_transaction(context, channel, effects);
                return Ok(());
            }
            let is_due = channel.passage.is_none() && due(channel).is_some_and(|due| context.chain_time >= due);
            // While anything is set aside nobody can be paid out: the channels that it is for have it reclaimed.
            if is_due && relay::guarantees_in(channel, &dispute.outcome).is_empty() {
                transfer(channel, dispute, effects);
            }
            return Ok(());
        }
        Some(dispute) if dispute.state_hash.is_zero() => return Ok(()),
        _ => {}
    }
    if conclude(channel, effects) || record(context, channel, effects)? {
        return Ok(());
    }
    if !best_content(channel).is_some_and(|best| is_called_for(channel, &best)) {
        return Ok(());
    }
    match best_state(context, channel)? {
        Some(best) => challenge(context, channel, best, effects),
        None => Ok(()),
    }
}

/// Whether our best state should go on chain: to leave, or because it pays us more than the one that stands there.
fn is_called_for(channel: &Channel, best: &State) -> bool {
    let (facts, turn) = (channel.facts(), best.part.turn_num);
    match &facts.dispute {
        None => channel.leaving && turn >= facts.turn_record,
        Some(dispute) => {
            let share = |outcome: &[u8]| share(channel, outcome);
            let encoded = nitro::encode_outcome(&best.part.outcome);
            // What a guarantee is worth to us, only its channel says: a state that has others is never left standing.
            let guarantees_differ =
                relay::guarantees_in(channel, &encoded) != relay::guarantees_in(channel, &dispute.outcome);
            turn > dispute.turn && (guarantees_differ || share(&encoded) > share(&dispute.outcome))
        }
    }
}

/// What an outcome pays us out of what the chain holds.
fn share(channel: &Channel, outcome: &[u8]) -> u128 {
    let payout = channel.payout_of(outcome);
    match channel.role {
        Role::Payer => payout.refunded,
        Role::Payee => payout.paid,
        Role::Hub => 0,
    }
}

fn challenge(
    context: &Context<'_>,
    channel: &Channel,
    best: BestState,
    effects: &mut Effects,
) -> Result<(), SignError> {
    let digest = nitro::challenge_digest(best.state_hash);
    if let Some(signature) = context.key.sign(&channel.terms, digest, Purpose::Challenge)? {
        let data = calls::challenge(&channel.terms.fixed_part(), &best.proof, &best.candidate, &signature);
        effects.submit(channel, TransactionKind::Challenge, 0, data);
    }
    Ok(())
}

/// What the best state says that we can support alone, whether it is signed or not: an outside signer is asked only for
/// what is needed.
pub(crate) fn best_content(channel: &Channel) -> Option<State> {
    let (base, proven) = channel.proven_base()?;
    Some(best_redemption(channel, &base).unwrap_or_else(|| State::new(&channel.terms, proven.variable_part)))
}

/// Payee: the redemption of its best voucher. Payer: the one that the payee put on chain.
fn best_redemption(channel: &Channel, base: &Base) -> Option<State> {
    let claim = match channel.role {
        Role::Payee => channel.claim()?,
        Role::Payer => {
            let posted = channel.posted.as_ref().filter(|posted| posted.base_turn == base.turn)?;
            Claim::from_app_data(&posted.app_data).ok()?
        }
        Role::Hub => return None,
    };
    if claim.voucher.base_turn != base.turn {
        return None;
    }
    State::redemption(&channel.terms, base, &claim)
}

/// The best state that we can support alone.
struct BestState {
    proof: Vec<SignedVariablePart>,
    candidate: SignedVariablePart,
    state_hash: B256,
}

/// Payee: the redemption of its best voucher. Payer: the base, or the redemption that the payee put above it. `None` if
/// there is nothing yet, or if a signature was asked for and will come.
fn best_state(context: &Context<'_>, channel: &Channel) -> Result<Option<BestState>, SignError> {
    let Some((base, signed)) = channel.proven_base() else { return Ok(None) };
    let redeemed = match (best_redemption(channel, &base), channel.role) {
        (Some(state), Role::Payee) => match context.key.sign(&channel.terms, state.digest(), Purpose::State)? {
            Some(signature) => Some((state, signature)),
            None => return Ok(None),
        },
        (Some(state), Role::Payer) => Some(state).zip(channel.posted.as_ref().map(|posted| posted.signature)),
        (_, _) => None,
    };
    Ok(Some(match redeemed {
        Some((state, signature)) => {
            let state_hash = state.hash;
            BestState { proof: alloc::vec![signed], candidate: state.signed_by([signature]), state_hash }
        }
        None => {
            let state_hash = nitro::state_hash(channel.terms.channel_id(), &signed.variable_part);
            BestState { proof: Vec::new(), candidate: signed, state_hash }
        }
    }))
}

/// Pays out a finalised outcome.
fn transfer(channel: &Channel, dispute: &Dispute, effects: &mut Effects) {
    // The outcome was encoded by us from an event that we decoded, so it reads.
    if let Ok(outcome) = nitro::decode_outcome(&dispute.outcome) {
        let data = calls::transfer_all_assets(channel.terms.channel_id(), &outcome, dispute.state_hash);
        effects.submit(channel, TransactionKind::Transfer, 0, data);
    }
}
