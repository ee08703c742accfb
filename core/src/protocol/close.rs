//! Closing together: one final state, one transaction.
//!
//! Only the payer proposes a final state; a payee that wants to close asks for one. So two proposals never cross, and no
//! turn is signed twice. The side that asked first submits the transaction; the other can still do so by leaving.

use crate::channel::{Channel, Closing, Role, State, Status, closing_turn};
use crate::crypto::Signature;
use crate::nitro::{MAX_UINT48, calls};
use crate::protocol::effects::{Effects, TransactionKind};
use crate::protocol::{CloseError, Context};

/// Either: asks for the close. Asking again says the same again.
pub(crate) fn request_close(
    context: &Context<'_>,
    channel: &mut Channel,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    match channel.status() {
        Status::Open | Status::Closing if !channel.leaving => channel.close_requested = true,
        status => return Err(CloseError::WrongStatus { status }),
    }
    if channel.closing.is_none() && channel.role == Role::Payer {
        propose(context, channel)?;
    }
    next_message(channel, effects);
    next_transaction(channel, effects);
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
    match channel.status() {
        Status::Open => propose(context, channel)?,
        Status::Closing if channel.closing.is_some() => {}
        status => return Err(CloseError::WrongStatus { status }),
    }
    next_message(channel, effects);
    Ok(())
}

/// Payee: signs the final state that the payer proposes, if it pays at least what is owed.
pub(crate) fn accept_shutdown(
    context: &Context<'_>,
    channel: &mut Channel,
    mut proposal: Closing,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    if channel.role != Role::Payee {
        return Err(CloseError::WrongRole);
    }
    let Closing { turn, claimed, .. } = proposal;
    if let Some(closing) = &channel.closing {
        if (closing.turn, closing.claimed) != (turn, claimed) {
            return Err(CloseError::Conflict);
        }
        next_message(channel, effects);
        return Ok(());
    }
    let status = channel.status();
    if !matches!(status, Status::Open | Status::Closing) || channel.leaving {
        return Err(CloseError::WrongStatus { status });
    }
    let owed = channel.cumulative_amount();
    if claimed < owed {
        return Err(CloseError::Underpays { claimed, owed });
    }
    let minimum = closing_turn(channel.last_serial());
    if turn < minimum || turn > MAX_UINT48 {
        return Err(CloseError::Turn { turn, minimum });
    }
    let deposit = channel.terms.deposit;
    let Some(state) = State::closing(&channel.terms, turn, claimed) else {
        return Err(CloseError::AboveDeposit { claimed, deposit });
    };
    let signature = proposal.signatures.payer.ok_or(CloseError::WrongRole)?;
    state.verify(&signature, channel.terms.payer)?;
    proposal.signatures.payee = Some(state.sign(context.signer)?);
    if !channel.close_requested {
        // A payer cannot make us pay for a transaction that we did not ask for.
        proposal.submitter = Role::Payer;
    }
    channel.closing = Some(proposal);
    next_message(channel, effects);
    next_transaction(channel, effects);
    Ok(())
}

/// Payer: the payee signed the final state.
pub(crate) fn accept_shutdown_ack(
    channel: &mut Channel,
    signature: Signature,
    effects: &mut Effects,
) -> Result<(), CloseError> {
    let status = channel.status();
    let (Role::Payer, Some(closing)) = (channel.role, channel.closing.as_mut()) else {
        return Err(CloseError::WrongStatus { status });
    };
    if closing.signatures.payee.is_some() {
        return Ok(());
    }
    let Some(state) = State::closing(&channel.terms, closing.turn, closing.claimed) else {
        return Err(CloseError::WrongStatus { status });
    };
    state.verify(&signature, channel.terms.payee)?;
    closing.signatures.payee = Some(signature);
    next_transaction(channel, effects);
    Ok(())
}

/// The one transaction, for the side that asked first.
pub(crate) fn next_transaction(channel: &Channel, effects: &mut Effects) {
    let submitter = channel.closing.map(|closing| closing.submitter);
    if submitter == Some(channel.role) && channel.payout.is_none() {
        conclude(channel, effects);
    }
}

/// Submits the final state if both signed it. Says whether they did.
pub(crate) fn conclude(channel: &Channel, effects: &mut Effects) -> bool {
    let Some(candidate) = channel.signed_final() else {
        return false;
    };
    let data = calls::conclude_and_transfer_all_assets(&channel.terms.fixed_part(), &candidate);
    effects.submit(channel, TransactionKind::Conclude, 0, data);
    true
}

/// Payer: signs the final state with everything that was paid.
fn propose(context: &Context<'_>, channel: &mut Channel) -> Result<(), CloseError> {
    let (turn, claimed) = (closing_turn(channel.last_serial()), channel.cumulative_amount());
    let deposit = channel.terms.deposit;
    let state = State::closing(&channel.terms, turn, claimed).ok_or(CloseError::AboveDeposit { claimed, deposit })?;
    let submitter = if channel.close_requested { Role::Payer } else { Role::Payee };
    let signature = state.sign(context.signer)?;
    channel.closing = Some(Closing::proposed(turn, claimed, submitter, signature));
    Ok(())
}

fn next_message(channel: &Channel, effects: &mut Effects) {
    if let Some(message) = super::outstanding_message(channel) {
        effects.send(message);
    }
}
