//! Virtual channels on chain: what the chain says of them is told to the ledgers, which reclaim by it.

use alloc::vec::Vec;

use crate::channel::{Channel, Dispute, Stage, Verdict, is_guarantee, reclaimed};
use crate::nitro::{self, Allocation, SignedVariablePart, calls};
use crate::protocol::effects::{Effects, TransactionKind};
use crate::protocol::relay::messages::{Form, promote, sheet_mut};
use crate::protocol::relay::{Way, leave};
use crate::protocol::{Context, MessageError};
use crate::{B256, Bytes};

/// Tells our ledgers what the chain says of the channel.
pub(super) fn report(way: &mut Way<'_>) {
    let channel_id = way.channel.channel_id;
    let verdict = way.channel.channel.facts().dispute.as_ref().map(|dispute| Verdict {
        channel_id,
        finalizes_at: dispute.finalizes_at,
        state_hash: dispute.state_hash,
        outcome: dispute.outcome.clone(),
    });
    let held: Vec<B256> = way
        .channel
        .channel
        .passage
        .iter()
        .flat_map(|passage| passage.hops())
        .filter(|hop| hop.is_bound())
        .map(|hop| hop.ledger)
        .collect();
    for ledger in way.ledgers() {
        if !held.contains(&ledger.channel_id) {
            continue;
        }
        let known = ledger.channel.verdicts.iter().position(|known| known.channel_id == channel_id);
        match (known, &verdict) {
            (Some(index), None) => _ = ledger.channel.verdicts.remove(index),
            (Some(index), Some(verdict)) => {
                if let Some(known) = ledger.channel.verdicts.get_mut(index) {
                    known.clone_from(verdict);
                }
            }
            (None, Some(verdict)) => ledger.channel.verdicts.push(verdict.clone()),
            (None, None) => {}
        }
    }
}

/// Goes on chain with the channel when one of its ledgers does, and lets the ledgers do what is their turn.
pub(super) fn follow(context: &Context<'_>, way: &mut Way<'_>) -> Result<(), MessageError> {
    let channel_id = way.channel.channel_id;
    let held: Vec<B256> = way
        .channel
        .channel
        .passage
        .iter()
        .flat_map(|passage| passage.hops())
        .filter(|hop| hop.stage == Stage::Held)
        .map(|hop| hop.ledger)
        .collect();
    let mut is_called = false;
    for ledger in way.ledgers().filter(|ledger| held.contains(&ledger.channel_id)) {
        let facts = ledger.channel.facts();
        let names = |dispute: &Dispute| allocations(&dispute.outcome).iter().any(|one| one.destination == channel_id);
        is_called |= ledger.channel.leaving || facts.dispute.as_ref().is_some_and(names);
        if facts.dispute.is_some() && facts.payout.is_none() {
            super::dispute::next_transaction(context, &ledger.channel, &mut ledger.effects)
                .map_err(crate::protocol::CloseError::from)?;
        }
    }
    let is_there = way.channel.channel.facts().dispute.is_some();
    if is_called && !way.channel.channel.leaving && !is_there {
        leave(context, way.channel)?;
    }
    Ok(())
}

fn allocations(outcome: &[u8]) -> Vec<Allocation> {
    let exit = nitro::decode_outcome(outcome).ok().and_then(|outcome| outcome.into_iter().next());
    exit.map_or_else(Vec::new, |exit| exit.allocations)
}

/// What an outcome of a ledger sets aside; nothing for other channels.
pub(crate) fn guarantees_in(channel: &Channel, outcome: &[u8]) -> Vec<Allocation> {
    match channel.passage {
        Some(_) => Vec::new(),
        None => allocations(outcome).into_iter().filter(is_guarantee).collect(),
    }
}

/// When a guarantee of a final ledger can be reclaimed, in seconds of the chain's clock: at once if there is none; `None` if the
/// chain does not know any of the channels yet.
pub(crate) fn reclaimable_at(channel: &Channel, dispute: &Dispute) -> Option<u64> {
    let guarantees = guarantees_in(channel, &dispute.outcome);
    if guarantees.is_empty() {
        return Some(0);
    }
    let verdicts = channel.verdicts.iter().filter(|it| guarantees.iter().any(|one| one.destination == it.channel_id));
    verdicts.map(|verdict| verdict.finalizes_at).min()
}

/// Reclaims the first guarantee of a final ledger whose channel is final. Says whether there is any guarantee left: while there
/// is, nobody can be paid out.
pub(crate) fn reclaim(context: &Context<'_>, channel: &Channel, dispute: &Dispute, effects: &mut Effects) -> bool {
    let guarantees = guarantees_in(channel, &dispute.outcome);
    let verdict = |one: &Allocation| {
        let mut verdicts = channel.verdicts.iter();
        verdicts.find(|it| it.channel_id == one.destination && it.finalizes_at <= context.chain_time)
    };
    if let Some((index, verdict)) = (0u64..).zip(&guarantees).find_map(|(index, one)| Some((index, verdict(one)?))) {
        let arguments = calls::ReclaimArgs {
            source_channel_id: channel.terms.channel_id(),
            source_state_hash: dispute.state_hash,
            source_outcome_bytes: Bytes::copy_from_slice(&dispute.outcome),
            source_asset_index: 0,
            index_of_target_in_source: index,
            target_state_hash: verdict.state_hash,
            target_outcome_bytes: Bytes::copy_from_slice(&verdict.outcome),
            target_asset_index: 0,
        };
        effects.submit(channel, TransactionKind::Reclaim, 0, calls::reclaim(&arguments));
    }
    !guarantees.is_empty()
}

/// The outcome of a ledger after one of its guarantees was reclaimed: as the call says, or, if that is not known, by the first
/// guarantee whose channel is on chain, as we do it.
pub(crate) fn reclaimed_outcome(channel: &Channel, call: Option<&[u8]>) -> Option<Vec<u8>> {
    let outcome = &channel.facts().dispute.as_ref()?.outcome;
    if let Some((index, target)) = call.and_then(|call| calls::decode_reclaim(call).ok()) {
        return reclaimed(outcome, index, &target);
    }
    let guarantees = guarantees_in(channel, outcome);
    let known = |one: &Allocation| channel.verdicts.iter().find(|verdict| verdict.channel_id == one.destination);
    let (index, verdict) = guarantees.iter().enumerate().find_map(|(index, one)| Some((index, known(one)?)))?;
    reclaimed(outcome, index, &verdict.outcome)
}

/// Learns the signatures of the postfund from a state that somebody showed the chain.
pub(crate) fn adopt_postfund(channel: &mut Channel, shown: &SignedVariablePart) {
    let hash = nitro::state_hash(channel.terms.channel_id(), &shown.variable_part);
    let postfund = crate::channel::Base {
        turn: crate::channel::POSTFUND_TURN,
        balances: channel.terms.deposits(),
        signatures: Default::default(),
    };
    if postfund.state(&channel.terms).hash != hash {
        return;
    }
    for (place, key) in channel.terms.participants().into_iter().enumerate() {
        let by = |signature: &&crate::crypto::Signature| nitro::verify_state_signature(hash, signature, key).is_ok();
        let found = shown.signatures.iter().find(by).copied();
        if let (Some(signature), Some(sheet)) = (found, sheet_mut(channel, Form::Postfund)) {
            sheet.set(place, signature);
        }
    }
    promote(channel);
}
