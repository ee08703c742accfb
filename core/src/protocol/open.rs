//! Opening: terms, prefund, deposit, postfund.

use crate::U256;
use crate::channel::{Channel, POSTFUND_TURN, PREFUND_TURN, Role, State, Status, Terms};
use crate::crypto::Signature;
use crate::nitro::calls;
use crate::protocol::effects::{Effects, TransactionKind};
use crate::protocol::{Context, OpenError};
use crate::wire::Message;

/// Payer: makes a channel from terms and proposes it.
pub(crate) fn propose(context: &Context<'_>, terms: Terms, effects: &mut Effects) -> Result<Channel, OpenError> {
    terms.validate()?;
    context.policy.check(&terms, context.chain, context.now)?;
    if terms.payer != context.signer.address() {
        return Err(OpenError::NotOurs);
    }
    let mut channel = Channel::new(terms, Role::Payer);
    let signature = State::funding(&channel.terms, PREFUND_TURN).sign(context.signer)?;
    channel.prefund.payer = Some(signature);
    channel.deadline = Some(context.policy.funding_deadline(&channel.terms));
    effects.send(Message::ChannelOpen { terms: channel.terms.clone(), signature });
    Ok(channel)
}

/// Payee: takes part in a proposed channel, or says so again if it does already.
///
/// `existing` is the record under the same id, `unfunded` how many channels wait for their deposit.
pub(crate) fn accept_channel_open(
    context: &Context<'_>,
    existing: Option<&Channel>,
    unfunded: usize,
    destination: crate::B256,
    terms: Terms,
    signature: Signature,
    effects: &mut Effects,
) -> Result<Channel, OpenError> {
    if let Some(channel) = existing {
        // The id does not cover deposit, asset and destinations: the same id on other terms would be a second prefund.
        if channel.terms != terms || channel.role != Role::Payee || channel.payout.is_some() {
            return Err(OpenError::Exists);
        }
        if let Some(signature) = channel.prefund.payee {
            effects.send(Message::ChannelAccept { signature });
        }
        return Ok(channel.clone());
    }
    terms.validate()?;
    context.policy.check(&terms, context.chain, context.now)?;
    if terms.payee != context.signer.address() || terms.payee_destination != destination {
        return Err(OpenError::NotOurs);
    }
    if unfunded >= context.policy.max_unfunded as usize {
        return Err(OpenError::TooManyUnfunded { limit: context.policy.max_unfunded });
    }
    let prefund = State::funding(&terms, PREFUND_TURN);
    prefund.verify(&signature, terms.payer)?;
    let ours = prefund.sign(context.signer)?;
    let mut channel = Channel::new(terms, Role::Payee);
    channel.prefund.payer = Some(signature);
    channel.prefund.payee = Some(ours);
    channel.deadline = Some(context.policy.funding_deadline(&channel.terms));
    effects.send(Message::ChannelAccept { signature: ours });
    Ok(channel)
}

/// Payer: the prefund is signed by both, so the deposit is safe to make.
pub(crate) fn accept_channel_accept(
    channel: &mut Channel,
    signature: Signature,
    effects: &mut Effects,
) -> Result<(), OpenError> {
    if channel.role != Role::Payer {
        return Err(OpenError::WrongStatus { status: channel.status() });
    }
    if channel.prefund.payee.is_some() {
        return Ok(());
    }
    if channel.aborted.is_some() {
        return Err(OpenError::WrongStatus { status: channel.status() });
    }
    State::funding(&channel.terms, PREFUND_TURN).verify(&signature, channel.terms.payee)?;
    channel.prefund.payee = Some(signature);
    channel.deadline = None;
    next_transaction(channel, effects);
    Ok(())
}

/// Either: keeps the other side's signature of the postfund, and answers if ours is there already.
///
/// It may come before we saw the deposit ourselves; the channel opens when we have.
pub(crate) fn accept_funding_locked(
    channel: &mut Channel,
    signature: Signature,
    effects: &mut Effects,
) -> Result<(), OpenError> {
    if channel.prefund.both().is_none() || channel.aborted.is_some() {
        return Err(OpenError::WrongStatus { status: channel.status() });
    }
    let peer = channel.peer_role();
    if channel.postfund.of(peer).is_none() {
        State::funding(&channel.terms, POSTFUND_TURN).verify(&signature, channel.peer())?;
        channel.postfund.set(peer, signature);
    } else if let (Role::Payee, Some(signature)) = (channel.role, channel.postfund.payee) {
        // The payer asks again because our answer was lost.
        effects.send(Message::FundingLocked { signature });
    }
    Ok(())
}

/// Either: the chain holds the deposit, deep enough. Signs the postfund, once.
pub(crate) fn lock_funding(
    context: &Context<'_>,
    channel: &mut Channel,
    effects: &mut Effects,
) -> Result<(), OpenError> {
    let locked = channel.postfund.of(channel.role).is_some();
    if locked || channel.prefund.both().is_none() || channel.holdings < channel.terms.deposit {
        return Ok(());
    }
    let signature = State::funding(&channel.terms, POSTFUND_TURN).sign(context.signer)?;
    channel.postfund.set(channel.role, signature);
    channel.deadline = None;
    channel.aborted = None;
    effects.send(Message::FundingLocked { signature });
    Ok(())
}

/// Gives up a channel before it is funded. A deposit that arrives later can still be recovered with the prefund.
pub(crate) fn abort(channel: &mut Channel, code: &str) -> Result<(), OpenError> {
    match channel.status() {
        Status::Initialized | Status::Signed
            if channel.holdings == 0 && channel.postfund.of(channel.role).is_none() =>
        {
            channel.aborted = Some(code.into());
            channel.deadline = None;
            Ok(())
        }
        Status::Aborted => Ok(()),
        status => Err(OpenError::WrongStatus { status }),
    }
}

/// Gives up a channel whose deadline passed without a deposit. Says whether it did.
pub(crate) fn expire(channel: &mut Channel, now: u64) -> bool {
    channel.deadline.is_some_and(|deadline| deadline <= now) && abort(channel, "TIMEOUT").is_ok()
}

/// The deposit that the payer still owes. `expectedHeld` makes it fail rather than pay twice.
pub(crate) fn next_transaction(channel: &Channel, effects: &mut Effects) {
    let signed = channel.prefund.both().is_some();
    if channel.role != Role::Payer || !signed || channel.holdings >= channel.terms.deposit {
        return;
    }
    let (amount, data) = channel.terms.deposit_call(channel.holdings);
    if channel.terms.is_native() {
        effects.submit(channel, TransactionKind::Deposit, amount, data);
    } else {
        let approval = calls::approve(channel.terms.chain.adjudicator, U256::from(amount));
        effects.submit(channel, TransactionKind::Approve, 0, approval);
        effects.submit(channel, TransactionKind::Deposit, 0, data);
    }
}
