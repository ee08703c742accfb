//! What we still owe the other side and the chain, rebuilt from the record.

use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Channel, Closing, POSTFUND_TURN, PREFUND_TURN, Proposal, Role, Status};
use crate::crypto::{SignError, Signature};
use crate::protocol::effects::Effects;
use crate::protocol::{Context, close, dispute, open};
use crate::wire::Message;

/// The messages that the other side may still be waiting for: sent again after a restart or a lost connection. They
/// never say anything that the record does not already commit us to.
pub(crate) fn outstanding_messages(channel: &Channel) -> Vec<Message> {
    if matches!(channel.status(), Status::Closed | Status::Aborted | Status::Challenged) {
        return Vec::new();
    }
    if channel.passage.is_some() {
        // Those of virtual channels go to more than one peer.
        return Vec::new();
    }
    if let Some(message) = closing_message(channel) {
        return alloc::vec![message];
    }
    let mut messages: Vec<Message> =
        (0..channel.proposals.len()).filter_map(|index| proposal_message(channel, index)).collect();
    if messages.is_empty() {
        messages.extend(base_message(channel));
    }
    if channel.role == Role::Payee && channel.closing.is_none() {
        if channel.close_requested {
            messages.push(Message::ShutdownRequest);
        }
        if let Some(request) = channel.request {
            messages.push(Message::UpdateRequest { number: request.number, wish: request.wish });
        }
    }
    messages
}

/// What we say of a proposal that we signed.
pub(crate) fn proposal_message(channel: &Channel, index: usize) -> Option<Message> {
    let proposal = channel.proposals.get(index)?;
    let base = proposal.base;
    let signature = base.signatures.of(channel.role)?;
    if let (POSTFUND_TURN, Some(predecessor)) = (base.turn, channel.predecessor) {
        return Some(successor_message(channel, predecessor, signature));
    }
    Some(match (base.turn, channel.role) {
        (PREFUND_TURN, Role::Payer) => {
            Message::ChannelOpen { terms: channel.terms.clone(), signature, route: None, hubs: Vec::new() }
        }
        (PREFUND_TURN, _) => Message::ChannelAccept { signature, hubs: Vec::new() },
        (POSTFUND_TURN, _) => Message::FundingLocked { signature, hubs: Vec::new() },
        (turn, Role::Payer) => {
            let before = index.checked_sub(1).and_then(|index| channel.proposals.get(index));
            let follows = before.map_or(channel.base_turn(), |proposal| proposal.base.turn);
            let Proposal { answers, change, .. } = *proposal;
            Message::Update { turn, follows, balances: base.balances, answers, signature, change }
        }
        (turn, _) => Message::UpdateAck { turn, signature },
    })
}

/// What we say of the postfund of a channel whose money comes from another one.
fn successor_message(channel: &Channel, predecessor: B256, signature: Signature) -> Message {
    match channel.role {
        Role::Payer => Message::SuccessorOpen { predecessor, terms: channel.terms.clone(), signature },
        Role::Payee | Role::Hub => Message::SuccessorAccept { signature },
    }
}

/// The last thing that we said when the base got its second signature: the other side may have missed it.
fn base_message(channel: &Channel) -> Option<Message> {
    let base = channel.base?;
    let signature = base.signatures.of(channel.role)?;
    match (base.turn, channel.role) {
        (PREFUND_TURN, Role::Payer) => None,
        (PREFUND_TURN, _) => Some(Message::ChannelAccept { signature, hubs: Vec::new() }),
        (POSTFUND_TURN, Role::Payee) if channel.predecessor.is_some() => Some(Message::SuccessorAccept { signature }),
        (POSTFUND_TURN, _) if channel.predecessor.is_none() => {
            Some(Message::FundingLocked { signature, hubs: Vec::new() })
        }
        (_, Role::Payer) => None,
        (turn, _) => Some(Message::UpdateAck { turn, signature }),
    }
}

/// What we say of the final state, if we signed it.
pub(crate) fn closing_message(channel: &Channel) -> Option<Message> {
    let closing = channel.closing?;
    let signature = closing.signatures.of(channel.role)?;
    Some(match channel.role {
        Role::Payer => {
            let Closing { turn, balances, submitter, .. } = closing;
            let successor = channel.successor.map(|successor| successor.channel_id);
            Message::Shutdown { turn, balances, submitter, successor, signature, hubs: Vec::new() }
        }
        Role::Payee | Role::Hub => Message::ShutdownAck { signature, hubs: Vec::new() },
    })
}

/// Adds the transactions that we owe the chain now, rebuilt from the record.
pub(crate) fn outstanding_transactions(
    context: &Context<'_>,
    channel: &Channel,
    effects: &mut Effects,
) -> Result<(), SignError> {
    match channel.status() {
        Status::Closed => {
            dispute::next_late_transaction(context, channel, effects);
            return Ok(());
        }
        Status::Aborted => return Ok(()),
        _ => {}
    }
    let recording = channel.recording && channel.closing.is_none();
    if channel.facts().dispute.is_some() || channel.leaving || recording {
        dispute::next_transaction(context, channel, effects)?;
    } else if channel.passage.is_some() {
        // It ends in its ledgers; the chain is for those who leave.
    } else if channel.closing.is_some() {
        close::next_transaction(channel, effects);
    } else {
        open::next_transaction(channel, effects);
    }
    Ok(())
}
