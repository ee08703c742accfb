//! What happens when the other side does not answer: every state that waits for it has an end.

use crate::channel::{Channel, Role, Status};
use crate::crypto::SignError;
use crate::protocol::dispute::{can_leave, next_transaction, ours_at_stake};
use crate::protocol::effects::{Effects, Event};
use crate::protocol::{Context, relay};

/// Whether money is in the channel and the other side owes us an answer.
pub(crate) fn awaits_peer(channel: &Channel) -> bool {
    if channel.passage.is_some() {
        return relay::awaits_peer(channel);
    }
    match channel.status() {
        Status::Signed => {
            channel.facts().holdings > 0 && channel.predecessor.is_none() && !channel.proposals.is_empty()
        }
        Status::Open => !channel.proposals.is_empty() || channel.request.is_some(),
        // Once both signed, it is for the side that asked to submit.
        Status::Closing | Status::Withdrawing => !channel.leaving && !is_ours_to_submit(channel),
        Status::Disconnected | Status::Stale => true,
        _ => false,
    }
}

fn is_ours_to_submit(channel: &Channel) -> bool {
    channel.is_final_signed() && channel.closing.is_some_and(|closing| closing.submitter == channel.role)
}

/// The other side did not answer in time: gives up what can be given up, and otherwise leaves alone if that is worth its
/// cost.
pub(crate) fn unanswered(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), SignError> {
    if !awaits_peer(channel) {
        return Ok(());
    }
    effects.notify(Event::PeerSilent { channel_id: channel.terms.channel_id() });
    channel.request = None;
    if channel.role == Role::Payer && channel.closing.is_none() {
        // The final state was never signed, so nothing can go to the successor.
        channel.successor = None;
    }
    if awaits_peer(channel) {
        let ours = ours_at_stake(channel);
        if ours > context.policy.exit_cost && can_leave(channel) {
            channel.leaving = true;
            next_transaction(context, channel, effects)?;
        }
    }
    Ok(())
}
