//! Opening: prefund signed by both, deposits, postfund signed by both.

use alloc::vec::Vec;

use crate::channel::{Balances, Channel, POSTFUND_TURN, PREFUND_TURN, Proposal, Role, Signatures, Status, Terms};
use crate::crypto::Signature;
use crate::nitro::calls;
use crate::protocol::dispute::{next_transaction as next_dispute_transaction, ours_at_stake};
use crate::protocol::effects::{Effects, TransactionKind};
use crate::protocol::reestablish::report;
use crate::protocol::sign::{complete, promote};
use crate::protocol::{Context, OpenError, Policy, PolicyError};
use crate::wire::Message;
use crate::{B256, U256};

/// Payer: proposes a channel.
pub(crate) fn propose(context: &Context<'_>, terms: Terms, effects: &mut Effects) -> Result<Channel, OpenError> {
    terms.validate()?;
    context.policy.check(&terms, context.chain, context.now)?;
    if terms.payer != context.key.address() {
        return Err(OpenError::NotOurs);
    }
    let mut channel = Channel::new(terms, Role::Payer);
    channel.proposals.push(Proposal::agreed(PREFUND_TURN, channel.terms.deposits()));
    channel.deadline = Some(context.policy.funding_deadline(&channel.terms));
    complete(context, &mut channel, effects)?;
    Ok(channel)
}

/// Payee: accepts a proposal, or answers again if it is the same one. `unfunded` channels wait for their deposit.
pub(crate) fn accept_channel_open(
    context: &Context<'_>,
    existing: Option<&Channel>,
    unfunded: usize,
    destination: B256,
    terms: Terms,
    signature: Signature,
    effects: &mut Effects,
) -> Result<Channel, OpenError> {
    if let Some(channel) = existing {
        // The id does not cover deposits, asset and destinations: the same id on other terms would be a second prefund.
        if channel.terms != terms || channel.role != Role::Payee || channel.status() == Status::Closed {
            return Err(OpenError::Exists);
        }
        // While our signature is still to come there is nothing to say: a payer that is told so only asks again.
        if let Some(base) = channel.base {
            let ours = base.signatures.payee.filter(|_| base.turn == PREFUND_TURN);
            // A payer that asks again once the channel is open lost its record.
            effects.send(
                ours.map_or_else(
                    || report(channel),
                    |signature| Message::ChannelAccept { signature, hubs: Vec::new() },
                ),
            );
        }
        return Ok(channel.clone());
    }
    terms.validate()?;
    context.policy.check(&terms, context.chain, context.now)?;
    Policy::check_restored(&terms, context.restored_at)?;
    let (asked, maximum) = (terms.payee_deposit, context.policy.max_contribution);
    if asked > maximum {
        return Err(PolicyError::Contribution { asked, maximum }.into());
    }
    if terms.payee != context.key.address() || terms.payee_destination != destination {
        return Err(OpenError::NotOurs);
    }
    if unfunded >= context.policy.max_unfunded as usize {
        return Err(OpenError::TooManyUnfunded { limit: context.policy.max_unfunded });
    }
    let mut channel = Channel::new(terms, Role::Payee);
    let mut prefund = Proposal::agreed(PREFUND_TURN, channel.terms.deposits());
    prefund.base.state(&channel.terms).verify(&signature, channel.terms.payer)?;
    prefund.base.signatures = Signatures::by(Role::Payer, signature);
    channel.proposals.push(prefund);
    channel.deadline = Some(context.policy.funding_deadline(&channel.terms));
    complete(context, &mut channel, effects)?;
    next_transaction(&channel, effects);
    Ok(channel)
}

/// Payer: the prefund is signed by both, so the deposit is safe to make.
pub(crate) fn accept_channel_accept(
    channel: &mut Channel,
    signature: Signature,
    effects: &mut Effects,
) -> Result<(), OpenError> {
    let status = channel.status();
    if channel.role != Role::Payer || channel.predecessor.is_some() || channel.passage.is_some() {
        return Err(OpenError::WrongStatus { status });
    }
    if channel.base.is_some() {
        return Ok(());
    }
    let waits = matches!(status, Status::Initialized | Status::Disconnected);
    let prefund = channel.proposals.first_mut().filter(|_| waits);
    let prefund = prefund.ok_or(OpenError::WrongStatus { status })?;
    prefund.base.state(&channel.terms).verify(&signature, channel.terms.payee)?;
    prefund.base.signatures.set(Role::Payee, signature);
    promote(channel, effects);
    if channel.terms.payee_deposit == 0 {
        channel.deadline = None;
    }
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
    let status = channel.status();
    let is_funded_here = channel.predecessor.is_none() && channel.passage.is_none();
    let Some(base) = channel.base.filter(|_| status != Status::Aborted && is_funded_here) else {
        return Err(OpenError::WrongStatus { status });
    };
    if base.turn > PREFUND_TURN {
        // The payer asks again because our answer was lost.
        let ours = base.signatures.payee.filter(|_| channel.role == Role::Payee && base.turn == POSTFUND_TURN);
        effects.send_all(ours.map(|signature| Message::FundingLocked { signature, hubs: Vec::new() }));
        return Ok(());
    }
    let peer = channel.role.other();
    let mut postfund = match channel.proposals.first() {
        Some(proposal) => *proposal,
        None => Proposal { agreed: false, ..Proposal::agreed(POSTFUND_TURN, channel.terms.deposits()) },
    };
    if postfund.base.signatures.of(peer).is_none() {
        postfund.base.state(&channel.terms).verify(&signature, channel.peer())?;
        postfund.base.signatures.set(peer, signature);
        channel.proposals = alloc::vec![postfund];
        promote(channel, effects);
    }
    Ok(())
}

/// Either: the chain holds the deposits, deep enough. Signs the postfund, once.
pub(crate) fn lock_funding(
    context: &Context<'_>,
    channel: &mut Channel,
    effects: &mut Effects,
) -> Result<(), OpenError> {
    let locked = channel.proposals.first().is_some_and(|proposal| proposal.agreed);
    let funded = channel.terms.deposits().total().is_some_and(|total| channel.facts().holdings >= total);
    let is_prefund = channel.base.is_some_and(|base| base.turn == PREFUND_TURN) && channel.passage.is_none();
    if !is_prefund || locked || !funded {
        return Ok(());
    }
    match channel.proposals.first_mut() {
        Some(postfund) => postfund.agreed = true,
        None => channel.proposals.push(Proposal::agreed(POSTFUND_TURN, channel.terms.deposits())),
    }
    channel.deadline = None;
    channel.aborted = None;
    Ok(complete(context, channel, effects)?)
}

/// Whether the chain holds our deposit, if we make one, and what comes before it.
pub(crate) fn is_deposited(channel: &Channel) -> bool {
    let Balances { payer, payee } = channel.terms.deposits();
    let needed = match channel.role {
        Role::Payee | Role::Hub => payee,
        Role::Payer => payee.saturating_add(payer),
    };
    channel.facts().holdings >= needed
}

/// Gives up a channel before it is funded. A deposit that arrives later can still be recovered with the prefund.
pub(crate) fn abort(channel: &mut Channel, code: &str) -> Result<(), OpenError> {
    match channel.status() {
        Status::Initialized | Status::Signed
            if channel.facts().holdings == 0
                && channel.predecessor.is_none()
                && channel.proposals.iter().all(|proposal| proposal.base.turn == 0) =>
        {
            channel.aborted = Some(code.into());
            // A payee remembers what it signed for as long as the proposal could be made again, on other terms.
            channel.deadline = channel.deadline.filter(|_| channel.role == Role::Payee);
            Ok(())
        }
        Status::Aborted => Ok(()),
        status => Err(OpenError::WrongStatus { status }),
    }
}

/// Gives up a channel whose deadline passed without a deposit; takes ours back if the other side never made its own.
pub(crate) fn expire(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), OpenError> {
    if channel.deadline.is_none_or(|deadline| deadline > context.now) {
        return Ok(());
    }
    channel.deadline = None;
    let funding = channel.base_turn() == PREFUND_TURN && channel.facts().payout.is_none();
    if abort(channel, "TIMEOUT").is_err() && funding && ours_at_stake(channel) > context.policy.exit_cost {
        channel.leaving = true;
        next_dispute_transaction(context, channel, effects)?;
    }
    Ok(())
}

/// The deposit that we still owe: the payee's first, because its part is paid out first, and then the payer's, now or
/// after a top up. `expectedHeld` makes it fail rather than pay twice.
pub(crate) fn next_transaction(channel: &Channel, effects: &mut Effects) {
    let inherits = channel.predecessor.is_some() && channel.base_turn() <= POSTFUND_TURN;
    let is_owed = !inherits && channel.passage.is_none() && matches!(channel.status(), Status::Signed | Status::Open);
    let Some(base) = channel.base.filter(|_| is_owed) else {
        return;
    };
    let holdings = channel.facts().holdings;
    let payees = channel.terms.payee_deposit;
    let (from, to) = match channel.role {
        Role::Payee | Role::Hub => (0, payees),
        Role::Payer => (payees, channel.split_of(&base).total().unwrap_or(0)),
    };
    if !(from..to).contains(&holdings) || (channel.role == Role::Payee && base.turn > PREFUND_TURN) {
        return;
    }
    let amount = to.saturating_sub(holdings);
    let terms = &channel.terms;
    let deposit = calls::deposit(terms.asset, terms.channel_id(), U256::from(holdings), U256::from(amount));
    if terms.is_native() {
        effects.submit(channel, TransactionKind::Deposit, amount, deposit);
    } else {
        let approval = calls::approve(terms.chain.adjudicator, U256::from(amount));
        effects.submit(channel, TransactionKind::Approve, 0, approval);
        effects.submit(channel, TransactionKind::Deposit, 0, deposit);
    }
}
