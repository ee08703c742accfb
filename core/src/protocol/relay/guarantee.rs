//! The guarantees of a virtual channel in the ledgers on its way: when one may come, and when it may go.

use crate::B256;
use crate::channel::{Balances, Change, Channel, Hop, Kind, Role, Stage, Status, Wish, is_guarantee};
use crate::nitro;
use crate::protocol::relay::end::settlement;
use crate::protocol::relay::{Way, is_held};
use crate::protocol::{Context, UpdateError};

/// Checks a change of a ledger that the other side wants against the virtual channel that it is for; or a removal that we do.
///
/// A guarantee may come once everyone signed the prefund, over all of the channel's money, with the fee of the route. It may go
/// when the downstream side gets at least what it may owe itself, and the upstream side pays at most what it is sure of.
///
/// # Errors
///
/// [`UpdateError::UnknownGuarantee`] for one on other terms, or of a channel that is over; [`UpdateError::GuaranteeSplit`].
pub(crate) fn check_change(
    context: &Context<'_>,
    ledger: &Channel,
    channel: &mut Channel,
    change: Change,
) -> Result<(), UpdateError> {
    let ledger_id = ledger.terms.channel_id();
    let status = channel.status();
    let place = super::place(channel);
    let (least, most) = exposure(context, channel);
    let is_dead = channel.aborted.is_some();
    let refundable = refundable(channel, true);
    let amount = channel.terms.deposit;
    let passage = channel.passage.as_mut().ok_or(UpdateError::UnknownGuarantee)?;
    let is_upstream_side = passage.downstream.is_some_and(|hop| hop.ledger == ledger_id);
    let is_prefunded = passage.prefund.complete().is_some();
    let hop_place = if is_upstream_side { place } else { place.saturating_sub(1) };
    let fee_due = passage.route.fee_from(hop_place);
    let is_refused = passage.refused;
    let hop = passage.hop_mut(&ledger_id).ok_or(UpdateError::UnknownGuarantee)?;
    match change {
        Change::Add { guarantee, fee } => {
            let payer = if is_upstream_side { ledger.role } else { ledger.role.other() };
            let fits = guarantee.amount == amount && guarantee.payer == payer && Some(fee) == fee_due && is_prefunded;
            let is_over = status == Status::Closed || is_dead || is_refused;
            // Of our money only we decide: the other side may propose it if we asked, and never ask for it.
            let is_ours = !is_upstream_side || is_asked(ledger, change);
            if !fits || is_over || !is_ours || ledger.terms.kind != Kind::Ledger {
                return Err(UpdateError::UnknownGuarantee);
            }
        }
        Change::Remove { paid, refund, .. } => {
            let fits = if is_upstream_side { paid <= most } else { paid >= least && refund <= refundable };
            if !fits || paid > amount {
                return Err(UpdateError::GuaranteeSplit { paid, least, most });
            }
            (hop.paid, hop.refund) = (paid, refund);
        }
    }
    Ok(())
}

fn is_asked(ledger: &Channel, change: Change) -> bool {
    ledger.request.is_some_and(|request| request.wish == Wish::Change(change))
}

/// What the ledger before us has to bring us, at least, and what the one after us may cost, at most.
pub(super) fn exposure(context: &Context<'_>, channel: &Channel) -> (u128, u128) {
    let all = channel.terms.deposit;
    let settled = settlement(context, channel).map(|balances| balances.payee);
    let Some(passage) = &channel.passage else { return (all, 0) };
    let paid = |hop: Option<Hop>| hop.filter(|hop| hop.stage == Stage::Released).map(|hop| hop.paid);
    match channel.role {
        Role::Payee => (settled.unwrap_or_else(|| channel.cumulative_amount()), 0),
        Role::Payer => (all, settled.unwrap_or_else(|| channel.cumulative_amount())),
        Role::Hub => {
            let below = passage.downstream;
            let least = match below.map(|hop| hop.stage) {
                Some(Stage::Released) => paid(below).unwrap_or(all),
                Some(Stage::Idle) if channel.aborted.is_some() => 0,
                _ => settled.unwrap_or(all),
            };
            // Without the guarantee before us nobody pays us what the channel says.
            let sure = settled.filter(|_| is_held(passage.upstream));
            (least, paid(passage.upstream).or(sure).unwrap_or(0))
        }
    }
}

/// What of the fee in the ledger before us (or after us) goes back, in base units: all that was paid for a channel that never
/// opened, as far as it comes back to us.
pub(super) fn refundable(channel: &Channel, is_before: bool) -> u128 {
    let Some(passage) = &channel.passage else { return 0 };
    let fee_from = |place| passage.route.fee_from(place).unwrap_or(0);
    let place = super::place(channel);
    let below = match passage.downstream {
        Some(hop) if hop.stage == Stage::Released => hop.refund,
        Some(hop) if hop.stage == Stage::Idle => fee_from(place),
        _ => 0,
    };
    match (is_before, place.checked_sub(1)) {
        // Whoever is below us in the ledger after us decides what of it comes back; all of it, if it is honest.
        (false, _) => fee_from(place),
        (true, Some(before)) if channel.aborted.is_some() => {
            fee_from(before).saturating_sub(fee_from(place)).saturating_add(below)
        }
        (true, _) => 0,
    }
}

/// Brings the hops of a channel up to what the ledgers say.
pub(super) fn sync(context: &Context<'_>, way: &mut Way<'_>) {
    let channel_id = way.channel.channel_id;
    let settled = settlement(context, &way.channel.channel);
    let Way { channel, upstream, downstream, .. } = way;
    for ledger in upstream.iter_mut().chain(downstream).map(|part| &mut *part.channel) {
        let ledger_id = ledger.terms.channel_id();
        let Some(hop) = channel.channel.passage.as_mut().and_then(|passage| passage.hop_mut(&ledger_id)) else {
            continue;
        };
        *hop = synced(context, *hop, ledger, channel_id, settled);
        let is_waiting = matches!(hop.stage, Stage::Idle | Stage::Offered);
        if !is_waiting || channel.channel.aborted.is_some() {
            ledger.reserved.retain(|promise| promise.channel_id != channel_id);
        }
        if hop.stage == Stage::Released && ledger.facts().dispute.is_none() {
            ledger.verdicts.retain(|verdict| verdict.channel_id != channel_id);
        }
    }
}

fn synced(context: &Context<'_>, hop: Hop, ledger: &Channel, channel_id: B256, settled: Option<Balances>) -> Hop {
    let adds = |change: Option<Change>| matches!(change, Some(Change::Add { guarantee, .. }) if guarantee.channel_id == channel_id);
    let offered = ledger.proposals.iter().filter(|proposal| proposal.agreed && adds(proposal.change));
    let offered = offered.map(|proposal| proposal.base.turn).max();
    let turn = hop.turn.max(offered.unwrap_or(0));
    let is_in_base = ledger.split().guarantee(&channel_id).is_some();
    if is_gone_on_chain(context, ledger, channel_id) {
        if hop.stage == Stage::Idle {
            return hop;
        }
        let paid = settled.map_or(hop.paid, |settled| settled.payee);
        return Hop { stage: Stage::Released, turn, paid, ..hop };
    }
    let stage = match hop.stage {
        _ if is_in_base => Stage::Held,
        _ if offered.is_some() => Stage::Offered,
        // The other side may still sign what we offered, until a later state takes its place.
        Stage::Offered if ledger.base_turn() <= turn => Stage::Offered,
        Stage::Offered => Stage::Idle,
        Stage::Held => Stage::Released,
        stage => stage,
    };
    Hop { stage, turn, ..hop }
}

/// Whether the chain decided for a state of the ledger that does not have the guarantee, or has reclaimed it.
fn is_gone_on_chain(context: &Context<'_>, ledger: &Channel, channel_id: B256) -> bool {
    let time = context.heads.time_under(ledger.terms.confirmations);
    let Some(dispute) = ledger.facts().dispute.as_ref().filter(|it| it.finalizes_at <= time) else {
        return false;
    };
    let outcome = nitro::decode_outcome(&dispute.outcome).unwrap_or_default();
    let allocations = outcome.first().map(|exit| exit.allocations.as_slice()).unwrap_or_default();
    !allocations.iter().any(|one| is_guarantee(one) && one.destination == channel_id)
}
