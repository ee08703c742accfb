//! Leaving alone, and what the chain reports: deposits, challenges, pay-outs.

use crate::B256;
use crate::channel::{Channel, Dispute, Payout, Role, State, Status};
use crate::nitro::{self, AdjudicatorEvent, SignedVariablePart, calls};
use crate::protocol::close::conclude;
use crate::protocol::effects::{Effects, Event, TransactionKind};
use crate::protocol::open::lock_funding;
use crate::protocol::{Context, LeaveError, OpenError};

/// How long the side that did not challenge waits for the other to pay out, in seconds: one transaction is enough.
const TRANSFER_GRACE: u64 = 600;

/// Either: leaves without the other side, with the best state we have.
pub(crate) fn leave(
    context: &Context<'_>,
    channel: &mut Channel,
    chain_time: u64,
    effects: &mut Effects,
) -> Result<(), LeaveError> {
    match channel.status() {
        Status::Signed | Status::Open | Status::Closing | Status::Challenged => {}
        status => return Err(LeaveError::WrongStatus { status }),
    }
    if channel.holdings == 0 {
        return Err(LeaveError::NothingDeposited);
    }
    if channel.role == Role::Payee && channel.best.is_none() && channel.signed_final().is_none() {
        return Err(LeaveError::NothingToClaim);
    }
    channel.leaving = true;
    Ok(next_transaction(context, channel, chain_time, effects)?)
}

/// Takes in an event of the channel that is deep enough in the chain.
pub(crate) fn apply_event(
    context: &Context<'_>,
    channel: &mut Channel,
    event: AdjudicatorEvent,
    chain_time: u64,
    effects: &mut Effects,
) -> Result<(), OpenError> {
    match event {
        AdjudicatorEvent::Deposited { asset, holdings, .. }
            if asset == channel.terms.asset && channel.payout.is_none() =>
        {
            channel.holdings = u128::try_from(holdings).unwrap_or(u128::MAX);
            lock_funding(context, channel, effects)?;
        }
        AdjudicatorEvent::ChallengeRegistered { channel_id, finalizes_at, candidate, .. } => {
            let state_hash = nitro::state_hash(channel_id, &candidate.variable_part);
            // A payee answers unasked; a payer's base can be put there by anybody.
            let could_be = channel.leaving || channel.role == Role::Payee;
            let ours = could_be && best_state(context, channel)?.is_some_and(|best| best.state_hash == state_hash);
            let outcome = nitro::encode_outcome(&candidate.variable_part.outcome).to_vec();
            let turn = candidate.variable_part.turn_num;
            channel.dispute = Some(Dispute { turn, finalizes_at, state_hash, outcome, ours });
            effects.notify(Event::Challenged { channel_id, finalizes_at, ours });
            next_transaction(context, channel, chain_time, effects)?;
        }
        AdjudicatorEvent::ChallengeCleared { .. } | AdjudicatorEvent::Checkpointed { .. } => {
            channel.dispute = None;
            if channel.leaving {
                next_transaction(context, channel, chain_time, effects)?;
            }
        }
        AdjudicatorEvent::Concluded { finalizes_at, .. } => {
            let Some(signed) = channel.signed_final() else {
                return Ok(());
            };
            let outcome = nitro::encode_outcome(&signed.variable_part.outcome).to_vec();
            let turn = signed.variable_part.turn_num;
            let ours = channel.closing.is_some_and(|closing| closing.submitter == channel.role);
            channel.dispute = Some(Dispute { turn, finalizes_at, state_hash: B256::ZERO, outcome, ours });
        }
        AdjudicatorEvent::AllocationUpdated { channel_id, initial_holdings, final_holdings, .. } => {
            channel.holdings = u128::try_from(final_holdings).unwrap_or(u128::MAX);
            let before = u128::try_from(initial_holdings).unwrap_or(u128::MAX);
            let moved = before.saturating_sub(channel.holdings);
            if let Some(payout) = payout(channel, before).filter(|payout| payout.total() <= moved) {
                channel.payout = Some(payout);
                let Payout { paid, refunded } = payout;
                effects.notify(Event::Closed { channel_id, paid, refunded });
            }
        }
        _ => {}
    }
    Ok(())
}

/// When the channel's dispute next asks for a transaction, in seconds of the chain's clock.
pub(crate) fn due(channel: &Channel) -> Option<u64> {
    if channel.payout.is_some() {
        return None;
    }
    let dispute = channel.dispute.as_ref()?;
    let grace = if dispute.ours { 0 } else { TRANSFER_GRACE };
    Some(dispute.finalizes_at.saturating_add(grace))
}

/// The transaction that leaving alone, or answering the other side, asks for now.
pub(crate) fn next_transaction(
    context: &Context<'_>,
    channel: &Channel,
    chain_time: u64,
    effects: &mut Effects,
) -> Result<(), crate::crypto::SignError> {
    let finalised = |dispute: &Dispute| chain_time >= dispute.finalizes_at;
    match &channel.dispute {
        Some(dispute) if finalised(dispute) => {
            if due(channel).is_some_and(|due| chain_time >= due) {
                transfer(channel, dispute, effects);
            }
            return Ok(());
        }
        Some(dispute) if dispute.state_hash.is_zero() => return Ok(()),
        _ => {}
    }
    if conclude(channel, effects) {
        return Ok(());
    }
    let Some(best) = best_state(context, channel)? else {
        return Ok(());
    };
    let better = match &channel.dispute {
        // A payee answers whatever pays it less; the payer's own best is the base, which nobody can better against it.
        Some(dispute) => channel.role == Role::Payee && best.candidate.variable_part.turn_num > dispute.turn,
        None => channel.leaving,
    };
    if better {
        let signature = nitro::sign_challenge(context.signer, best.state_hash)?;
        let fixed = channel.terms.fixed_part();
        let data = calls::challenge(&fixed, &best.proof, &best.candidate, &signature);
        effects.submit(channel, TransactionKind::Challenge, 0, data);
    }
    Ok(())
}

/// The best state that a side can support alone.
struct BestState {
    proof: alloc::vec::Vec<SignedVariablePart>,
    candidate: SignedVariablePart,
    state_hash: B256,
}

/// Payer: the newest base. Payee: the redemption of its best voucher on the postfund. `None` if there is nothing.
fn best_state(context: &Context<'_>, channel: &Channel) -> Result<Option<BestState>, crate::crypto::SignError> {
    let Some(base) = channel.newest_base() else {
        return Ok(None);
    };
    let redemption = match (channel.role, &channel.best) {
        (Role::Payee, Some(best)) => State::redemption(&channel.terms, best),
        (Role::Payee, None) => return Ok(None),
        (Role::Payer, _) => None,
    };
    Ok(Some(match redemption {
        Some(state) => {
            let (state_hash, signature) = (state.hash, state.sign(context.signer)?);
            BestState { proof: alloc::vec![base], candidate: state.signed_by([signature]), state_hash }
        }
        None => {
            let state_hash = nitro::state_hash(channel.terms.channel_id(), &base.variable_part);
            BestState { proof: alloc::vec::Vec::new(), candidate: base, state_hash }
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

/// What the outcome on chain pays out of `holdings`: payer first, then payee, as the adjudicator does.
fn payout(channel: &Channel, holdings: u128) -> Option<Payout> {
    let outcome = nitro::decode_outcome(&channel.dispute.as_ref()?.outcome).ok()?;
    let amounts = outcome.first()?.allocations.iter().map(|allocation| allocation.amount);
    let mut left = holdings;
    let mut take = amounts.map(|amount| {
        let part = u128::try_from(amount).unwrap_or(u128::MAX).min(left);
        left = left.saturating_sub(part);
        part
    });
    Some(Payout { refunded: take.next()?, paid: take.next()? })
}
