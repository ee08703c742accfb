//! Closing together: one final state, one transaction.
//!
//! Only the payer proposes a final state; a payee that wants to close asks for one. So two proposals never cross, and no
//! turn is signed twice. The side that asked first submits the transaction; the other can still do so by leaving.

use crate::B256;
use crate::channel::{Balances, Change, Channel, Closing, POSTFUND_TURN, Role, Signatures, State, Status};
use crate::crypto::Signature;
use crate::nitro::{MAX_UINT48, calls};
use crate::protocol::effects::{Effects, TransactionKind};
use crate::protocol::outstanding::outstanding_messages;
use crate::protocol::sign::complete;
use crate::protocol::{CloseError, Context, relay};
use crate::wire::Message;

/// Either: asks for the close. Asking again says the same again.
pub(crate) fn request_close(
    context: &Context<'_>,
    channel: &mut Channel,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    if channel.passage.is_some() {
        return relay::request_close(context, channel, effects);
    }
    check_free(channel)?;
    match channel.status() {
        Status::Open | Status::Closing if !channel.leaving => {}
        Status::Withdrawing if channel.closing.is_none() => give_withdrawal_up(channel),
        status => return Err(CloseError::WrongStatus { status }),
    }
    channel.close_requested = true;
    match (channel.role, channel.closing) {
        (Role::Payer, None) => propose(context, channel, effects)?,
        (_, None) => effects.send(Message::ShutdownRequest),
        _ => {
            effects.send_all(outstanding_messages(channel));
            next_transaction(channel, effects);
        }
    }
    Ok(())
}

/// Payer: the payee asks for the close.
pub(crate) fn accept_shutdown_request(
    context: &Context<'_>,
    channel: &mut Channel,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    if channel.role != Role::Payer {
        return Err(CloseError::WrongRole);
    }
    check_free(channel)?;
    match channel.status() {
        Status::Open => propose(context, channel, effects),
        Status::Withdrawing if channel.closing.is_none() => {
            give_withdrawal_up(channel);
            propose(context, channel, effects)
        }
        Status::Closing if channel.closing.is_some() => {
            effects.send_all(outstanding_messages(channel));
            Ok(())
        }
        status => Err(CloseError::WrongStatus { status }),
    }
}

/// A final state pays out everything, so nothing may be set aside.
fn check_free(channel: &Channel) -> Result<(), CloseError> {
    let added = channel.proposals.iter().filter(|proposal| matches!(proposal.change, Some(Change::Add { .. })));
    let count = channel.guarantees.len().max(channel.reserved.len()).saturating_add(added.count());
    if count > 0 { Err(CloseError::Guarantees { count }) } else { Ok(()) }
}

/// The final state that pays into the successor was never signed, so nothing can go there. A payee gives up only what it
/// asked for: the payer decides.
fn give_withdrawal_up(channel: &mut Channel) {
    channel.request = None;
    if channel.role == Role::Payer {
        channel.successor = None;
    }
}

/// Payee: signs the final state that the payer proposes, if it pays at least what is owed.
pub(crate) fn accept_shutdown(
    context: &Context<'_>,
    channel: &mut Channel,
    mut proposal: Closing,
    successor: Option<B256>,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    if channel.role != Role::Payee {
        return Err(CloseError::WrongRole);
    }
    check_free(channel)?;
    if let Some(closing) = channel.closing {
        if (closing.turn, closing.balances) != (proposal.turn, proposal.balances) {
            return Err(CloseError::Conflict);
        }
        effects.send_all(outstanding_messages(channel));
        return Ok(());
    }
    let status = channel.status();
    if !matches!(status, Status::Open | Status::Closing | Status::Withdrawing) || channel.leaving {
        return Err(CloseError::WrongStatus { status });
    }
    if successor != channel.successor.map(|successor| successor.channel_id) {
        if successor.is_some() {
            return Err(CloseError::WrongSuccessor);
        }
        // A payer that closes has given its withdrawal up.
        channel.successor = None;
    }
    check_final(channel, &proposal)?;
    let signature = proposal.signatures.payer.ok_or(CloseError::WrongRole)?;
    let state = State::closing(&channel.terms, &proposal, channel.successor.as_ref());
    state.verify(&signature, channel.terms.payer)?;
    let asked = channel.close_requested || channel.successor.is_some_and(|next| next.submitter == Role::Payee);
    if !asked {
        // A payer cannot make us pay for a transaction that we did not ask for.
        proposal.submitter = Role::Payer;
    }
    channel.proposals.clear();
    channel.request = None;
    channel.closing = Some(proposal);
    Ok(complete(context, channel, effects)?)
}

/// Checks that a final state leaves us what is ours, out of what is there.
fn check_final(channel: &Channel, proposal: &Closing) -> Result<(), CloseError> {
    let kept = channel.successor.map_or(Balances::default(), |successor| successor.balances);
    let claimed = proposal.balances.payee.saturating_add(kept.payee);
    let owed = channel.balances().payee;
    if claimed < owed {
        return Err(CloseError::Underpays { claimed, owed });
    }
    let best = channel.best.map_or(0, |signed| signed.voucher.last_turn());
    let minimum = channel.base_turn().max(channel.signed_turn).max(best).saturating_add(1);
    if proposal.turn < minimum || proposal.turn > MAX_UINT48 {
        return Err(CloseError::Turn { turn: proposal.turn, minimum });
    }
    let all = proposal.balances.total().and_then(|exits| exits.checked_add(kept.total()?));
    // The payer's own part may exceed what is there: it is paid last.
    let ours = all.and_then(|all| all.checked_sub(proposal.balances.payer));
    let holdings = channel.facts().holdings;
    match ours {
        Some(ours) if ours <= holdings => Ok(()),
        _ => Err(CloseError::AboveDeposit { claimed, deposit: holdings }),
    }
}

/// Payer: the payee signed the final state.
pub(crate) fn accept_shutdown_ack(
    channel: &mut Channel,
    signature: Signature,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    let status = channel.status();
    let (Role::Payer, Some(mut closing)) = (channel.role, channel.closing) else {
        return Err(CloseError::WrongStatus { status });
    };
    if closing.signatures.payee.is_some() {
        return Ok(());
    }
    State::closing(&channel.terms, &closing, channel.successor.as_ref()).verify(&signature, channel.terms.payee)?;
    closing.signatures.payee = Some(signature);
    channel.closing = Some(closing);
    next_transaction(channel, effects);
    Ok(())
}

/// The one transaction, for the side that asked first.
pub(crate) fn next_transaction(channel: &Channel, effects: &mut Effects) {
    let submitter = channel.closing.map(|closing| closing.submitter);
    if submitter == Some(channel.role) && channel.facts().payout.is_none() {
        conclude(channel, effects);
    }
}

/// Submits the final state if both signed it. Says whether they did.
pub(crate) fn conclude(channel: &Channel, effects: &mut Effects) -> bool {
    let Some(candidate) = channel.signed_final() else {
        return false;
    };
    let fixed_part = channel.terms.fixed_part();
    let data = match &channel.passage {
        // It holds nothing that could be paid out.
        Some(_) => calls::conclude(&fixed_part, &candidate),
        None => calls::conclude_and_transfer_all_assets(&fixed_part, &candidate),
    };
    effects.submit(channel, TransactionKind::Conclude, 0, data);
    true
}

/// Payer: signs the final state with everything that was paid. What was proposed and not answered is given up: the final
/// state is above it.
///
/// It names all that was pledged: a deposit that is mined and not deep enough is paid out with the rest. A final state over
/// less would leave it behind, and could be concluded again over it.
fn propose(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), CloseError> {
    let balances = match channel.proposals.last() {
        // The payee may have signed it already, so it may own what it says.
        Some(proposal) if proposal.base.turn > POSTFUND_TURN => proposal.base.balances,
        _ => channel.balances(),
    };
    let submitter = if channel.close_requested { Role::Payer } else { Role::Payee };
    let turn = channel.next_turn();
    if turn > MAX_UINT48 {
        return Err(CloseError::Turn { turn, minimum: turn });
    }
    channel.closing = Some(Closing { turn, balances, signatures: Signatures::default(), submitter });
    channel.lease = None;
    Ok(complete(context, channel, effects)?)
}
