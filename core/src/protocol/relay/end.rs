//! Closing a virtual channel: the final state signed by all, then the guarantees removed as it says.

use alloc::vec::Vec;

use crate::channel::{
    Balances, Change, Channel, Closing, Hop, POSTFUND_TURN, Passage, Role, Signatures, Stage, Status,
};
use crate::crypto::Signature;
use crate::nitro::{self, MAX_UINT48};
use crate::protocol::effects::{Effects, Event};
use crate::protocol::relay::messages::{Form, agree, complete, hand_back, hand_on, is_whole, take_down, take_up};
use crate::protocol::relay::open::{offer, refuse};
use crate::protocol::relay::{Part, Way, is_held, leads, leave};
use crate::protocol::{CloseError, Context, MessageError, UpdateError, update};
use crate::wire::Message;

/// What everybody is to have of the channel's money, if that is certain: by the final state that all signed, or by the chain.
pub(super) fn settlement(context: &Context<'_>, channel: &Channel) -> Option<Balances> {
    // An answer in the last blocks may not be deep enough to be known.
    let time = context.heads.time_under(channel.terms.confirmations);
    if let Some(dispute) = channel.facts().dispute.as_ref().filter(|it| it.finalizes_at <= time) {
        let outcome = nitro::decode_outcome(&dispute.outcome).ok()?;
        let [payee, payer] = outcome.first()?.allocations.as_slice() else { return None };
        return Some(Balances { payer: payer.amount.try_into().ok()?, payee: payee.amount.try_into().ok()? });
    }
    channel.closing.filter(|_| channel.is_final_signed()).map(|closing| closing.balances)
}

/// Whoever takes part: wants the channel closed. The payer proposes the final state, the others ask for it.
pub(crate) fn request_close(
    context: &Context<'_>,
    channel: &mut Channel,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    let status = channel.status();
    if !matches!(status, Status::Open | Status::Signed | Status::Closing) || channel.leaving {
        return Err(CloseError::WrongStatus { status });
    }
    channel.close_requested = true;
    match (channel.role, channel.closing) {
        (Role::Payer, None) => propose_final(context, channel, effects)?,
        (_, None) => effects.send_to(channel.neighbours().0, Message::ShutdownRequest),
        (_, Some(_)) => super::outstanding(channel, effects),
    }
    Ok(())
}

/// Payer: signs the final state with everything that was paid.
fn propose_final(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), CloseError> {
    let turn = channel.next_turn().max(POSTFUND_TURN.saturating_add(1));
    if turn > MAX_UINT48 {
        return Err(CloseError::Turn { turn, minimum: turn });
    }
    let balances = channel.balances();
    let closing = Closing { turn, balances, signatures: Signatures::default(), submitter: Role::Payer };
    (channel.closing, channel.lease, channel.unsigned) = (Some(closing), None, None);
    agree(channel, Form::Final);
    Ok(complete(context, channel, effects)?)
}

/// Payer or hub: somebody below asks for the close.
pub(crate) fn accept_shutdown_request(
    context: &Context<'_>,
    channel: &mut Channel,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    let status = channel.status();
    match (channel.role, channel.closing) {
        (Role::Payee, _) => Err(CloseError::WrongRole),
        (Role::Payer, None) if matches!(status, Status::Open | Status::Signed) => {
            propose_final(context, channel, effects)
        }
        (Role::Hub, None) if matches!(status, Status::Open | Status::Signed | Status::Closing) => {
            channel.close_requested = true;
            effects.send_to(channel.neighbours().0, Message::ShutdownRequest);
            Ok(())
        }
        (_, Some(_)) => {
            super::outstanding(channel, effects);
            Ok(())
        }
        _ => Err(CloseError::WrongStatus { status }),
    }
}

/// Hub or payee: the final state comes from upstream.
pub(crate) fn accept_shutdown(
    context: &Context<'_>,
    channel: &mut Channel,
    (turn, balances): (u64, Balances),
    (signature, hubs): (Signature, &[Signature]),
    effects: &mut Effects,
) -> Result<(), CloseError> {
    let status = channel.status();
    if channel.role == Role::Payer {
        return Err(CloseError::WrongRole);
    }
    if let Some(closing) = channel.closing {
        if (closing.turn, closing.balances) != (turn, balances) {
            return Err(CloseError::Conflict);
        }
        if channel.is_final_signed() {
            hand_back(channel, Form::Final, effects);
        } else {
            hand_on(channel, Form::Final, effects);
        }
        return Ok(());
    }
    let is_over = matches!(status, Status::Aborted | Status::Closed | Status::Initialized);
    // A hub that was restored may have signed another one, and has nobody to ask.
    if is_over || channel.aborted.is_some() || channel.unsure {
        return Err(CloseError::WrongStatus { status });
    }
    let deposit = channel.terms.deposit;
    if !is_whole(channel, balances) {
        return Err(CloseError::AboveDeposit { claimed: balances.payee, deposit });
    }
    let owed = channel.cumulative_amount();
    if balances.payee < owed {
        return Err(CloseError::Underpays { claimed: balances.payee, owed });
    }
    let best = channel.best.map_or(0, |signed| signed.voucher.last_turn());
    let minimum = channel.signed_turn.max(best).max(POSTFUND_TURN).saturating_add(1);
    if turn < minimum || turn > MAX_UINT48 {
        return Err(CloseError::Turn { turn, minimum });
    }
    channel.closing = Some(Closing { turn, balances, signatures: Signatures::default(), submitter: Role::Payer });
    take_down(channel, Form::Final, signature, hubs)?;
    agree(channel, Form::Final);
    Ok(complete(context, channel, effects)?)
}

/// Payer or hub: everyone below signed the final state.
pub(crate) fn accept_shutdown_ack(
    channel: &mut Channel,
    signature: Signature,
    hubs: &[Signature],
    effects: &mut Effects,
) -> Result<(), CloseError> {
    let status = channel.status();
    if channel.role == Role::Payee || channel.closing.is_none() {
        return Err(CloseError::WrongStatus { status });
    }
    if take_up(channel, Form::Final, signature, hubs)? && channel.role == Role::Hub {
        hand_back(channel, Form::Final, effects);
    }
    Ok(())
}

/// A neighbour gave the channel up before it opened.
pub(crate) fn refused(context: &Context<'_>, way: &mut Way<'_>, from_below: bool, code: &str) {
    let channel = &mut way.channel.channel;
    let is_bound_below = is_bound_below(channel);
    let Some(passage) = &mut channel.passage else { return };
    if channel.closing.is_some() || channel.aborted.is_some() {
        return;
    }
    if !passage.is_bound() || (from_below && !is_bound_below) {
        refuse(context, way, code);
    } else if from_below {
        // What we have set aside for it has to come back first.
        passage.refused = true;
    }
}

/// Whether the ledger after us may have to pay.
pub(super) fn is_bound_below(channel: &Channel) -> bool {
    channel.passage.as_ref().is_some_and(|passage| passage.downstream.as_ref().is_some_and(Hop::is_bound))
}

/// A ledger's other side did not sign what we offered. It may still do so, until a later state takes its place.
pub(crate) fn not_signed(channel: &mut Channel, change: Change) {
    if let (Change::Add { .. }, Some(passage)) = (change, &mut channel.passage) {
        passage.refused = true;
    }
}

/// Has the guarantees removed whose channel is over, where it is ours to propose.
pub(super) fn settle(context: &Context<'_>, way: &mut Way<'_>) -> Result<(), MessageError> {
    let channel = way.channel.channel.clone();
    let settled = settlement(context, &channel);
    let (least, most) = super::guarantee::exposure(context, &channel);
    let Some(passage) = &channel.passage else { return Ok(()) };
    let is_dead = channel.aborted.is_some() || passage.refused;
    let refunds = [(true, passage.upstream), (false, passage.downstream)].map(|(is_before, hop)| {
        let is_refunded = settled.is_none() && is_dead && hop.is_some();
        if is_refunded { super::guarantee::refundable(&channel, is_before) } else { 0 }
    });
    let was_released_below = passage.downstream.is_some_and(|hop| hop.stage == Stage::Released);
    let removals = [
        // The ledger before us brings what we may owe.
        (
            true,
            is_held(passage.upstream) && (settled.is_some() || channel.aborted.is_some() || was_released_below),
            least,
        ),
        // The one after us costs what we are sure of, or nothing.
        (
            false,
            is_held(passage.downstream) && (settled.is_some() || is_dead),
            settled.map_or(0, |it| it.payee).min(most),
        ),
    ];
    for ((is_before, is_due, paid), refund) in removals.into_iter().zip(refunds) {
        let ledger = if is_before { way.upstream.as_deref_mut() } else { way.downstream.as_deref_mut() };
        let Some(ledger) = ledger.filter(|ledger| ledger.channel.status() == Status::Open) else { continue };
        withdraw_offer(context, passage, ledger)?;
        // Whoever follows asks only for what the chain says: the leader may have looked at it before it was deep enough.
        let is_ours = leads(&ledger.channel) || channel.facts().dispute.is_some();
        if !is_due || !is_ours {
            continue;
        }
        let change = Change::Remove { channel_id: way.channel.channel_id, paid, refund };
        let waits = ledger.channel.proposals.iter().any(|proposal| {
            matches!(proposal.change, Some(Change::Remove { channel_id, .. }) if channel_id == way.channel.channel_id)
        });
        if waits || super::check_change(context, &ledger.channel, &mut way.channel.channel, change).is_err() {
            continue;
        }
        let ledger_id = ledger.channel_id;
        match offer(context, ledger, change) {
            Ok(()) => {}
            Err(UpdateError::Busy) => way.busy.push(ledger_id),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Puts a state without the guarantee above one with it that the other side refused, or that was queued on such a one: with a
/// signature of ours out, it could still sign that. Then the guarantee can be offered again.
fn withdraw_offer(context: &Context<'_>, passage: &Passage, ledger: &mut Part) -> Result<(), MessageError> {
    let hop = passage.hops().find(|hop| hop.ledger == ledger.channel_id && hop.stage == Stage::Offered);
    let is_free = leads(&ledger.channel) && ledger.channel.proposals.is_empty();
    if hop.is_some_and(|hop| ledger.channel.base_turn() <= hop.turn) && is_free {
        update::fold(context, &mut ledger.channel, &mut ledger.effects)?;
    }
    Ok(())
}

/// Whether somebody owes us an answer.
pub(crate) fn awaits_peer(channel: &Channel) -> bool {
    match channel.status() {
        // A hub that gave up has nothing at stake.
        Status::Closing => channel.role != Role::Hub || channel.aborted.is_none(),
        Status::Open => channel.passage.as_ref().is_some_and(|passage| passage.refused),
        Status::Disconnected | Status::Stale => true,
        Status::Challenged => channel.passage.as_ref().is_some_and(|passage| passage.is_bound()),
        _ => false,
    }
}

/// Nobody answered in time: the channel goes on chain; if it is settled already, what still guarantees it does.
pub(crate) fn unanswered(context: &Context<'_>, way: &mut Way<'_>) -> Result<(), MessageError> {
    // Its ledgers may have gone on without it.
    super::guarantee::sync(context, way);
    if !awaits_peer(&way.channel.channel) {
        return Ok(());
    }
    let channel_id = way.channel.channel_id;
    way.channel.effects.notify(Event::PeerSilent { channel_id });
    if way.channel.channel.passage.as_ref().is_some_and(|passage| !passage.is_bound()) {
        // Nothing is at stake, and from here on nothing will be.
        refuse(context, way, "SILENT");
        return Ok(());
    }
    if way.channel.channel.terms.deposit <= context.policy.exit_cost {
        return Ok(());
    }
    let is_settled = settlement(context, &way.channel.channel).is_some();
    let bound: Vec<Hop> = way.channel.channel.passage.iter().flat_map(|it| it.hops()).copied().collect();
    if bound.iter().any(Hop::is_bound) {
        leave(context, way.channel)?;
    }
    for ledger in way.ledgers() {
        let is_held = bound.iter().any(|hop| hop.ledger == ledger.channel_id && hop.stage == Stage::Held);
        let is_free = !ledger.channel.leaving && ledger.channel.facts().dispute.is_none();
        if is_settled && is_held && is_free {
            leave(context, ledger)?;
        }
    }
    Ok(())
}
