//! Withdrawing without closing: the channel is concluded into a part for its owner and a successor that goes on.
//!
//! The successor's postfund is signed by both before the final state that pays into it: so the money that goes there can
//! always be recovered. It needs no prefund, because nothing is deposited.

use crate::B256;
use crate::channel::{
    Balances, ChainEvent, Channel, Closing, Confirmed, POSTFUND_TURN, Proposal, Request, Role, Signatures, Status,
    Successor, Terms, Wish, derive_nonce,
};
use crate::crypto::{Signature, keccak256};
use crate::protocol::effects::{Effects, Event};
use crate::protocol::sign::{complete, promote};
use crate::protocol::{Context, WithdrawError};

/// Payer: takes `amount` of the money of `submitter` out. Returns the channel that goes on.
pub(crate) fn withdraw(
    context: &Context<'_>,
    channel: &mut Channel,
    submitter: Role,
    amount: u128,
    effects: &mut Effects,
) -> Result<(B256, Channel), WithdrawError> {
    if channel.role != Role::Payer {
        return Err(WithdrawError::WrongRole);
    }
    check_open(channel)?;
    if amount == 0 {
        return Err(WithdrawError::ZeroAmount);
    }
    let balances = channel.balances();
    let exit = match submitter {
        Role::Payer => Balances { payer: amount, payee: 0 },
        Role::Payee | Role::Hub => Balances { payer: 0, payee: amount },
    };
    let rest = balances.checked_sub(exit).ok_or(WithdrawError::Balance { amount, balances })?;
    if balances.total().is_none_or(|total| total > channel.facts().holdings) {
        return Err(WithdrawError::NotDeposited);
    }
    let terms = successor_terms(context, channel, rest);
    terms.validate()?;
    let channel_id = terms.channel_id();
    let mut successor = Channel::new(terms, Role::Payer);
    successor.predecessor = Some(channel.terms.channel_id());
    successor.proposals.push(Proposal::agreed(POSTFUND_TURN, rest));
    complete(context, &mut successor, effects)?;
    channel.successor = Some(Successor { channel_id, balances: rest, ready: false, submitter });
    Ok((channel_id, successor))
}

/// Payee: signs the postfund of a successor, if it leaves us what is ours less what we asked to withdraw.
pub(crate) fn accept_successor_open(
    context: &Context<'_>,
    channel: &mut Channel,
    existing: Option<&Channel>,
    (terms, signature): (Terms, Signature),
    effects: &mut Effects,
) -> Result<Channel, WithdrawError> {
    if channel.role != Role::Payee {
        return Err(WithdrawError::WrongRole);
    }
    if let Some(successor) = existing {
        if successor.terms != terms || successor.predecessor != Some(channel.terms.channel_id()) {
            return Err(WithdrawError::Terms);
        }
        effects.send_all(super::outstanding::outstanding_messages(successor));
        return Ok(successor.clone());
    }
    let status = channel.status();
    if channel.successor.is_none() {
        check_open(channel)?;
    } else if status != Status::Withdrawing || channel.closing.is_some() {
        return Err(WithdrawError::WrongStatus { status });
    }
    terms.validate()?;
    let rest = terms.deposits();
    let expected = Terms { nonce: terms.nonce, ..successor_terms(context, channel, rest) };
    if terms != expected || context.policy.check_time(&terms, context.now).is_err() {
        return Err(WithdrawError::Terms);
    }
    let (wished, submitter) = wished(channel);
    let owed = channel.balances().payee.saturating_sub(wished);
    if rest.payee < owed {
        return Err(WithdrawError::Underpays { offered: rest.payee, owed });
    }
    let channel_id = terms.channel_id();
    let mut successor = Channel::new(terms, Role::Payee);
    successor.predecessor = Some(channel.terms.channel_id());
    let mut postfund = Proposal::agreed(POSTFUND_TURN, rest);
    postfund.base.state(&successor.terms).verify(&signature, successor.terms.payer)?;
    postfund.base.signatures = Signatures::by(Role::Payer, signature);
    successor.proposals.push(postfund);
    complete(context, &mut successor, effects)?;
    channel.successor = Some(Successor { channel_id, balances: rest, ready: true, submitter });
    Ok(successor)
}

/// Payer: the payee signed the successor's postfund, so the final state that pays into it can be signed.
pub(crate) fn accept_successor_accept(
    context: &Context<'_>,
    channel: &mut Channel,
    successor: &mut Channel,
    signature: Signature,
    (effects, successor_effects): (&mut Effects, &mut Effects),
) -> Result<(), WithdrawError> {
    let status = channel.status();
    if successor.role != Role::Payer {
        return Err(WithdrawError::WrongRole);
    }
    if let Some(postfund) = successor.proposals.first_mut() {
        postfund.base.state(&successor.terms).verify(&signature, successor.terms.payee)?;
        postfund.base.signatures.set(Role::Payee, signature);
        promote(successor, successor_effects);
    }
    let id = successor.terms.channel_id();
    match channel.successor.as_mut().filter(|successor| successor.channel_id == id) {
        Some(successor) => successor.ready = true,
        None => return Err(WithdrawError::WrongStatus { status }),
    }
    propose_final(context, channel, effects)
}

/// Payer: signs the final state of a withdrawal whose successor is ready.
fn propose_final(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), WithdrawError> {
    let Some(successor) = channel.successor.filter(|successor| successor.ready && channel.closing.is_none()) else {
        return Ok(());
    };
    let now = channel.balances();
    let exits = now.checked_sub(successor.balances).ok_or(WithdrawError::Balance { amount: 0, balances: now })?;
    let turn = channel.next_turn();
    let (signatures, submitter) = (Signatures::default(), successor.submitter);
    channel.closing = Some(Closing { turn, balances: exits, signatures, submitter });
    Ok(complete(context, channel, effects)?)
}

/// What the concluded channel paid out is what its successor has, or will never have; a reorganisation takes both back.
pub(crate) fn credit(channel: &Channel, successor: &mut Channel, effects: &mut Effects) {
    let payout = channel.facts().payout;
    let carried = payout.map_or(0, |payout| payout.carried);
    if successor.chain.carried() != carried {
        let terms = successor.terms.clone();
        let paid = channel.chain.recent().last().filter(|_| carried > 0);
        let event = ChainEvent::Carried(carried);
        successor.chain.carry(&terms, paid.map(|paid| Confirmed { position: paid.position, mark: paid.mark, event }));
        effects.notify(match carried {
            0 => Event::Reorganised { channel_id: terms.channel_id() },
            _ => Event::Succeeded { channel_id: channel.terms.channel_id(), successor: terms.channel_id() },
        });
    }
    if carried > 0 {
        successor.aborted = None;
    } else if payout.is_some() && successor.facts().holdings == 0 {
        successor.aborted = Some("PREDECESSOR_CLOSED".into());
    }
}

/// The successor of a withdrawal that was given up before its final state was signed: nothing will ever come.
pub(crate) fn give_up(successor: &mut Channel) {
    if matches!(successor.status(), Status::Initialized | Status::Signed) && successor.facts().holdings == 0 {
        successor.aborted = Some("WITHDRAWAL_GIVEN_UP".into());
    }
}

/// The payee's withdrawal that is under way: how much of its own it takes out, and who submits.
fn wished(channel: &Channel) -> (u128, Role) {
    match channel.request {
        Some(Request { wish: Wish::Withdraw(amount), .. }) => (amount, Role::Payee),
        _ => (0, Role::Payer),
    }
}

/// The same terms with a nonce of their own. It cannot repeat: a channel has one successor, named by the second and by
/// the channel itself.
fn successor_terms(context: &Context<'_>, channel: &Channel, rest: Balances) -> Terms {
    let [a, b, c, d, ..] = keccak256(channel.terms.channel_id()).0;
    let nonce = derive_nonce(context.now, u32::from_be_bytes([a, b, c, d]));
    Terms { nonce, deposit: rest.payer, payee_deposit: rest.payee, ..channel.terms.clone() }
}

fn check_open(channel: &Channel) -> Result<(), WithdrawError> {
    if channel.passage.is_some() || !channel.guarantees.is_empty() || !channel.reserved.is_empty() {
        return Err(WithdrawError::Virtual);
    }
    let status = channel.status();
    if status != Status::Open {
        return Err(WithdrawError::WrongStatus { status });
    }
    if !channel.proposals.is_empty() || channel.unsigned.is_some() {
        return Err(WithdrawError::Busy);
    }
    Ok(())
}
