//! New splits that both sign: payments in a ledger; folding, giving back and topping up in a stream.
//!
//! Only the payer proposes, so two proposals never cross; a payee that wants something asks for it. Each proposal has a
//! turn of its own. A refused turn is burned: it, and what was queued on it, is never proposed again.

use alloc::string::String;

use crate::channel::{
    Balances, Change, Channel, Kind, MAX_GUARANTEES, PREFUND_TURN, Proposal, Request, Role, Signatures, Split, State,
    Status, Wish,
};
use crate::crypto::Signature;
use crate::nitro::MAX_UINT48;
use crate::protocol::effects::{Effects, Event};
use crate::protocol::open;
use crate::protocol::outstanding::{outstanding_messages, proposal_message};
use crate::protocol::reestablish::report;
use crate::protocol::sign::{complete, promote};
use crate::protocol::{Context, UpdateError};
use crate::wire::Message;

/// How many proposals may wait for the payee at once.
const MAX_QUEUE: usize = 16;

/// Turns above this are refused, so that nobody can use up the turns of a channel with one signature.
const MAX_BASE_TURN: u64 = MAX_UINT48 >> 1;

/// A split that came from the payer.
pub(crate) struct Proposed {
    pub(crate) turn: u64,
    pub(crate) follows: u64,
    pub(crate) balances: Balances,
    pub(crate) answers: Option<u64>,
    pub(crate) change: Option<Change>,
    pub(crate) signature: Signature,
}

/// What a new state says.
struct Next {
    balances: Balances,
    change: Option<Change>,
    answers: Option<u64>,
}

impl From<Balances> for Next {
    fn from(balances: Balances) -> Self {
        Self { balances, change: None, answers: None }
    }
}

/// Payer: pays in a ledger, in which every payment is a new split.
pub(crate) fn pay_in_ledger(
    context: &Context<'_>,
    channel: &mut Channel,
    amount: u128,
    effects: &mut Effects,
) -> Result<(), UpdateError> {
    let balances = channel.newest_split().balances;
    let next = balances.pay(Role::Payer, amount).ok_or(UpdateError::Balance { balances })?;
    propose(context, channel, next.into(), effects)
}

/// Leader of a ledger: sets a guarantee aside, or releases one. The caller has checked it against the virtual channel.
pub(crate) fn change(
    context: &Context<'_>,
    channel: &mut Channel,
    change: Change,
    answers: Option<u64>,
    effects: &mut Effects,
) -> Result<(), UpdateError> {
    let split = channel.newest_split();
    let next = split.apply(change).ok_or(UpdateError::Balance { balances: split.balances })?;
    propose(context, channel, Next { balances: next.balances, change: Some(change), answers }, effects)
}

/// Payer: signs a new base that contains everything paid.
pub(crate) fn fold(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), UpdateError> {
    let balances = channel.newest_split().balances;
    propose(context, channel, balances.into(), effects)
}

/// Payer: raises its part by `amount`. Both sign first, then the payer deposits: the payee is paid out first, so what is
/// there already covers it.
pub(crate) fn top_up(
    context: &Context<'_>,
    channel: &mut Channel,
    amount: u128,
    effects: &mut Effects,
) -> Result<(), UpdateError> {
    if amount == 0 {
        return Err(UpdateError::ZeroAmount);
    }
    let balances = channel.newest_split().balances;
    let raised = balances.raise(Role::Payer, amount).ok_or(UpdateError::Balance { balances })?;
    propose(context, channel, raised.into(), effects)
}

/// Payee: asks the payer for something, one thing at a time: an answer to a request that was replaced would be refused, and
/// with it what is queued on it.
pub(crate) fn request(channel: &mut Channel, wish: Wish, effects: &mut Effects) -> Result<(), UpdateError> {
    check_open(channel, Role::Payee)?;
    if channel.request.is_some() {
        return Err(UpdateError::Busy);
    }
    let balances = channel.balances();
    let amount = match wish {
        Wish::Fold => None,
        Wish::Give(amount) | Wish::Withdraw(amount) => Some(amount),
        Wish::Change(change) if channel.split().apply(change).is_some() => None,
        Wish::Change(_) => return Err(UpdateError::Balance { balances }),
    };
    match amount {
        Some(0) => return Err(UpdateError::ZeroAmount),
        Some(amount) if amount > balances.payee => return Err(UpdateError::Balance { balances }),
        _ => {}
    }
    channel.requests = channel.requests.saturating_add(1);
    channel.request = Some(Request { number: channel.requests, wish });
    effects.send(Message::UpdateRequest { number: channel.requests, wish });
    Ok(())
}

/// Payer: the payee asks for a new split. Each request is granted once. Withdrawals are for the caller.
pub(crate) fn accept_update_request(
    context: &Context<'_>,
    channel: &mut Channel,
    Request { number, wish }: Request,
    effects: &mut Effects,
) -> Result<(), UpdateError> {
    if channel.role != Role::Payer {
        return Err(UpdateError::WrongRole);
    }
    if number <= channel.requests {
        effects.send_all(outstanding_messages(channel));
        return Ok(());
    }
    let split = channel.newest_split();
    let balances = split.balances;
    let change = match wish {
        Wish::Change(change) => Some(change),
        _ => None,
    };
    let next = match wish {
        Wish::Give(amount) => balances.pay(Role::Payee, amount),
        Wish::Fold | Wish::Withdraw(_) => Some(balances),
        Wish::Change(change) => split.apply(change).map(|split| split.balances),
    };
    let next = Next { balances: next.ok_or(UpdateError::Balance { balances })?, change, answers: Some(number) };
    channel.requests = number;
    propose(context, channel, next, effects)
}

/// Payee: checks a new split and signs it if it takes nothing from us that we did not offer. What it sets aside or releases
/// was checked against the virtual channel by the caller.
pub(crate) fn accept_update(
    context: &Context<'_>,
    channel: &mut Channel,
    proposed: Proposed,
    effects: &mut Effects,
) -> Result<(), UpdateError> {
    let Proposed { turn, follows, balances, answers, change, signature } = proposed;
    let waiting = channel.proposals.last().map(|proposal| proposal.base);
    let Some(newest) = waiting.or(channel.base) else {
        return Err(UpdateError::WrongStatus { status: channel.status() });
    };
    if channel.role == Role::Payee && turn == newest.turn && balances == newest.balances && turn > PREFUND_TURN {
        effects.send_all(outstanding_messages(channel));
        return Ok(());
    }
    check_open(channel, Role::Payee)?;
    if turn <= newest.turn {
        return Err(UpdateError::Stale { turn, newest: newest.turn });
    }
    if turn <= channel.signed_turn {
        return Err(UpdateError::GivenUp { turn });
    }
    if follows != newest.turn {
        // Something between was lost: the payer sends it again when it sees how far we are.
        effects.send(report(channel));
        return Ok(());
    }
    if channel.proposals.len() >= MAX_QUEUE {
        return Err(UpdateError::Busy);
    }
    check_turn(channel, turn)?;
    let owed = channel.balances().payee;
    let offered = match channel.request.filter(|request| Some(request.number) == answers) {
        Some(Request { wish: Wish::Give(amount), .. }) => amount,
        _ => 0,
    };
    if change.is_none() && balances.payee < owed.saturating_sub(offered) {
        return Err(UpdateError::Underpays { offered: balances.payee, owed });
    }
    let split = check_next(channel, balances, change)?;
    let mut proposal = Proposal { answers, change, ..Proposal::agreed(turn, balances) };
    State::base(&channel.terms, turn, &split).verify(&signature, channel.terms.payer)?;
    proposal.base.signatures = Signatures::by(Role::Payer, signature);
    channel.proposals.push(proposal);
    Ok(complete(context, channel, effects)?)
}

/// Payer: the payee signed a new split, and with it everything before it.
pub(crate) fn accept_update_ack(
    channel: &mut Channel,
    turn: u64,
    signature: Signature,
    effects: &mut Effects,
) -> Result<(), UpdateError> {
    if channel.role != Role::Payer {
        return Err(UpdateError::WrongRole);
    }
    if turn <= channel.base_turn() {
        return Ok(());
    }
    let newest = channel.base_turn();
    let index = channel.proposals.iter().position(|proposal| proposal.base.turn == turn);
    let index = index.ok_or(UpdateError::Stale { turn, newest })?;
    if let Some(state) = channel.proposal_state(index) {
        state.verify(&signature, channel.terms.payee)?;
    }
    if let Some(proposal) = channel.proposals.get_mut(index) {
        proposal.base.signatures.set(Role::Payee, signature);
    }
    promote(channel, effects);
    if channel.lagging {
        effects.send_all(proposal_message(channel, 0));
        channel.lagging = !channel.proposals.is_empty();
    }
    open::next_transaction(channel, effects);
    Ok(())
}

/// Payer: the payee refused a split. What was queued on it falls with it.
pub(crate) fn accept_update_error(channel: &mut Channel, turn: u64, code: String, effects: &mut Effects) {
    let refused = channel.proposals.iter().position(|proposal| proposal.base.turn == turn && turn > 1);
    if let (Role::Payer, Some(index)) = (channel.role, refused) {
        channel.proposals.truncate(index);
        effects.notify(Event::UpdateRefused { channel_id: channel.terms.channel_id(), turn, code });
    }
}

/// Signs a split as the next state and sends it.
fn propose(
    context: &Context<'_>,
    channel: &mut Channel,
    Next { balances, change, answers }: Next,
    effects: &mut Effects,
) -> Result<(), UpdateError> {
    check_open(channel, Role::Payer)?;
    let limit = match channel.terms.kind {
        // While a new base is under way, nobody knows which base a voucher would stand on.
        Kind::Stream => 1,
        Kind::Ledger => MAX_QUEUE,
    };
    if channel.proposals.len() >= limit || channel.unsigned.is_some() {
        return Err(UpdateError::Busy);
    }
    check_next(channel, balances, change)?;
    let turn = channel.next_turn();
    check_turn(channel, turn)?;
    channel.proposals.push(Proposal { answers, change, ..Proposal::agreed(turn, balances) });
    Ok(complete(context, channel, effects)?)
}

/// Checks a new split against the one before it, and what is there. Returns it.
fn check_next(channel: &Channel, balances: Balances, change: Option<Change>) -> Result<Split, UpdateError> {
    let before = channel.newest_split();
    let invalid = UpdateError::Balance { balances };
    let next = match change {
        Some(change) => before.apply(change).filter(|next| next.balances == balances).ok_or(invalid)?,
        None => Split { balances, guarantees: before.guarantees.clone() },
    };
    if next.guarantees.len() > MAX_GUARANTEES {
        return Err(UpdateError::TooManyGuarantees { limit: MAX_GUARANTEES });
    }
    check_split(channel, &before, &next)?;
    check_covered(channel, &next)?;
    Ok(next)
}

fn check_open(channel: &Channel, role: Role) -> Result<(), UpdateError> {
    let status = channel.status();
    if channel.passage.is_some() {
        Err(UpdateError::Virtual)
    } else if channel.role != role {
        Err(UpdateError::WrongRole)
    } else if status != Status::Open {
        Err(UpdateError::WrongStatus { status })
    } else {
        Ok(())
    }
}

/// A turn must be above everything that may have been signed, and leave room for what follows.
fn check_turn(channel: &Channel, turn: u64) -> Result<(), UpdateError> {
    let best = channel.best.map_or(0, |signed| signed.voucher.last_turn());
    if turn <= best || turn > MAX_BASE_TURN {
        return Err(UpdateError::Turn { turn });
    }
    Ok(())
}

/// The payee's part and what is set aside have to be there; the payer's may be pledged.
fn check_covered(channel: &Channel, split: &Split) -> Result<(), UpdateError> {
    let (payee, holdings) = (split.balances.payee.saturating_add(split.guaranteed()), channel.facts().holdings);
    if payee > holdings { Err(UpdateError::NotCovered { payee, holdings }) } else { Ok(()) }
}

/// A split may raise the whole, never lower it, and leaves each side its reserve.
fn check_split(channel: &Channel, before: &Split, split: &Split) -> Result<(), UpdateError> {
    let balances = split.balances;
    let invalid = UpdateError::Balance { balances };
    let (Some(total), Some(total_before)) = (split.total(), before.total()) else { return Err(invalid) };
    if total < total_before {
        return Err(invalid);
    }
    for role in [Role::Payer, Role::Payee] {
        let (now, was, reserve) = (balances.of(role), before.balances.of(role), channel.terms.reserve);
        if now < reserve && now < was {
            return Err(UpdateError::Reserve { left: now, reserve });
        }
    }
    Ok(())
}
