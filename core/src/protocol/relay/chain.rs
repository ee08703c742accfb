//! Virtual channels on chain: what the chain says of them is told to the ledgers, which reclaim by it.

use alloc::vec::Vec;

use crate::channel::{Channel, Dispute, Hop, Stage, Verdict, is_guarantee};
use crate::nitro::{self, Allocation, SignedVariablePart, calls};
use crate::protocol::effects::TransactionKind;
use crate::protocol::relay::messages::{Form, promote, sheet_mut};
use crate::protocol::relay::{Part, Way, leave};
use crate::protocol::{Context, MessageError, dispute};
use crate::{B256, Bytes};

/// Tells our ledgers what the chain says of the channel.
pub(super) fn report(way: &mut Way<'_>) {
    let channel_id = way.channel.channel_id;
    let verdict = way.channel.channel.facts().dispute.as_ref().and_then(|dispute| {
        let paid = allocations(&dispute.outcome).first()?.amount.try_into().ok()?;
        Some(Verdict { channel_id, finalizes_at: dispute.finalizes_at, paid })
    });
    let bound = hops(way, Hop::is_bound);
    for ledger in way.ledgers().filter(|ledger| bound.contains(&ledger.channel_id)) {
        ledger.channel.verdicts.retain(|known| known.channel_id != channel_id);
        ledger.channel.verdicts.extend(verdict);
    }
}

/// The ledgers of the hops that are as `is_wanted` says.
fn hops(way: &Way<'_>, is_wanted: impl Fn(&Hop) -> bool) -> Vec<B256> {
    let hops = way.channel.channel.passage.iter().flat_map(|passage| passage.hops());
    hops.filter(|hop| is_wanted(hop)).map(|hop| hop.ledger).collect()
}

/// Goes on chain with the channel when one of its ledgers does, and reclaims what both have made final.
pub(super) fn follow(context: &Context<'_>, way: &mut Way<'_>) -> Result<(), MessageError> {
    let channel_id = way.channel.channel_id;
    let held = hops(way, |hop| hop.stage == Stage::Held);
    let verdict = way.channel.channel.facts().dispute.clone();
    let mut is_called = false;
    for ledger in way.ledgers().filter(|ledger| held.contains(&ledger.channel_id)) {
        let facts = ledger.channel.facts();
        let names = |dispute: &Dispute| allocations(&dispute.outcome).iter().any(|one| one.destination == channel_id);
        is_called |= ledger.channel.leaving || facts.dispute.as_ref().is_some_and(names);
        if let Some(verdict) = &verdict {
            reclaim(context, ledger, channel_id, verdict);
        }
    }
    if is_called && !way.channel.channel.leaving && verdict.is_none() {
        leave(context, way.channel)?;
    }
    Ok(())
}

/// Reclaims the guarantee of a channel that is final, in a ledger that is final, when it is our turn.
fn reclaim(context: &Context<'_>, ledger: &mut Part, channel_id: B256, verdict: &Dispute) {
    let Part { channel, effects, .. } = ledger;
    let Some(dispute) = &channel.facts().dispute else { return };
    let is_due = dispute::due(channel).is_some_and(|due| due <= context.chain_time);
    let allocations = allocations(&dispute.outcome);
    let place = (0u64..).zip(&allocations).find(|(_, one)| is_guarantee(one) && one.destination == channel_id);
    let (true, Some((index, _))) = (is_due && verdict.finalizes_at <= context.chain_time, place) else { return };
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

/// Which guarantee of a ledger was reclaimed and what of it went to the downstream side: as the call says, or, if that is not
/// known, the first one whose channel is on chain, as we do it.
pub(crate) fn reclaimed(channel: &Channel, call: Option<&[u8]>) -> Option<(u64, u128)> {
    if let Some((index, target)) = call.and_then(|call| calls::decode_reclaim(call).ok()) {
        return Some((index, allocations(&target).first()?.amount.try_into().ok()?));
    }
    let guarantees = guarantees_in(channel, &channel.facts().dispute.as_ref()?.outcome);
    let paid = |one: &Allocation| {
        channel.verdicts.iter().find(|verdict| verdict.channel_id == one.destination).map(|verdict| verdict.paid)
    };
    (0u64..).zip(&guarantees).find_map(|(index, one)| Some((index, paid(one)?)))
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
