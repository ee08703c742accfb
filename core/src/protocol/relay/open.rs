//! Opening a virtual channel: the prefund signed by all, a guarantee in every ledger, the postfund.

use alloc::boxed::Box;

use crate::channel::{
    Change, Channel, Guarantee, Hop, Kind, MAX_GUARANTEES, Passage, Reservation, Role, Route, Stage, Status, Terms,
    Wish,
};
use crate::crypto::Signature;
use crate::protocol::effects::Effects;
use crate::protocol::relay::end::is_bound_below;
use crate::protocol::relay::messages::{Form, agree, complete, hand_back, hand_on, sheet, take_down, take_up};
use crate::protocol::relay::{Part, Way, is_held, leads, place};
use crate::protocol::{Context, MessageError, OpenError, Policy, UpdateError, update};
use crate::wire::Message;
use crate::{Address, B256};

/// Payer: proposes a virtual channel along a route whose first ledger is ours.
pub(crate) fn propose(
    context: &Context<'_>,
    terms: Terms,
    route: Route,
    ledger: &mut Part,
    effects: &mut Effects,
) -> Result<Channel, OpenError> {
    terms.validate()?;
    context.policy.check(&terms, context.chain, context.now)?;
    if terms.payer != context.key.address() {
        return Err(OpenError::NotOurs);
    }
    let mut channel = made(terms, route, Role::Payer, 0)?;
    check_ledger(&channel, &ledger.channel, channel.neighbours().1.unwrap_or_default())?;
    let ours = ledger.channel.role;
    reserve(&mut ledger.channel, &channel, 0, ours)?;
    begin(context, &mut channel);
    complete(context, &mut channel, effects)?;
    Ok(channel)
}

/// A record without signatures.
fn made(terms: Terms, route: Route, role: Role, place: usize) -> Result<Channel, OpenError> {
    let passage = Passage::new(route, place, terms.participants().len()).ok_or(OpenError::Route)?;
    let mut channel = Channel::new(terms, role);
    channel.passage = Some(Box::new(passage));
    Ok(channel)
}

fn begin(context: &Context<'_>, channel: &mut Channel) {
    agree(channel, Form::Prefund);
    // What is promised to it is missing for others.
    let soon = context.now.saturating_add(context.policy.opening_timeout);
    channel.deadline = Some(context.policy.funding_deadline(&channel.terms).min(soon));
}

/// A proposal that came from upstream.
pub(crate) struct Proposed {
    pub(crate) terms: Terms,
    pub(crate) route: Route,
    pub(crate) signature: Signature,
    pub(crate) hubs: alloc::vec::Vec<Signature>,
}

/// Hub or payee: a channel is proposed. `ledgers` are ours on its way, the one before us first.
pub(crate) fn accept_channel_open(
    context: &Context<'_>,
    sender: Address,
    destination: B256,
    unfunded: usize,
    proposed: Proposed,
    (upstream, downstream): (&mut Channel, Option<&mut Part>),
    effects: &mut Effects,
) -> Result<Channel, OpenError> {
    let Proposed { terms, route, signature, hubs } = proposed;
    terms.validate()?;
    context.policy.check(&terms, context.chain, context.now)?;
    Policy::check_restored(&terms, context.restored_at)?;
    let keys = terms.participants();
    let place = keys.iter().position(|key| *key == context.key.address()).ok_or(OpenError::NotOurs)?;
    let before = place.checked_sub(1).and_then(|before| keys.get(before));
    if before != Some(&sender) {
        return Err(OpenError::NotOurs);
    }
    if unfunded >= context.policy.max_unfunded as usize {
        return Err(OpenError::TooManyUnfunded { limit: context.policy.max_unfunded });
    }
    let role = if terms.payee == context.key.address() { Role::Payee } else { Role::Hub };
    if role == Role::Payee && terms.payee_destination != destination {
        return Err(OpenError::NotOurs);
    }
    let mut channel = made(terms, route, role, place)?;
    check_ledger(&channel, upstream, sender)?;
    if let (Role::Hub, Some(downstream)) = (role, downstream) {
        let after = keys.get(place.saturating_add(1)).copied().unwrap_or_default();
        check_ledger(&channel, &downstream.channel, after)?;
        check_served(context, &channel, sender, upstream)?;
        // Whoever asks for our money has as much of its own.
        let (theirs, ours) = (upstream.role.other(), downstream.channel.role);
        reserve(upstream, &channel, place.saturating_sub(1), theirs)?;
        reserve(&mut downstream.channel, &channel, place, ours)?;
    }
    take_down(&mut channel, Form::Prefund, signature, &hubs)?;
    begin(context, &mut channel);
    complete(context, &mut channel, effects)?;
    Ok(channel)
}

/// Hub or payee: the same proposal again; what we said to it was lost.
pub(crate) fn repeat(channel: &Channel, terms: &Terms, effects: &mut Effects) -> Result<(), OpenError> {
    if channel.terms != *terms || channel.role == Role::Payer {
        return Err(OpenError::Exists);
    }
    if let Some(code) = channel.aborted.clone() {
        effects.send_to(channel.neighbours().0, Message::Abort { code });
        return Ok(());
    }
    if sheet(channel, Form::Prefund).is_some_and(|sheet| sheet.complete().is_some()) {
        hand_back(channel, Form::Prefund, effects);
    } else {
        hand_on(channel, Form::Prefund, effects);
    }
    Ok(())
}

/// A ledger on the way is one between us and our neighbour, of the same asset on the same chain, and open.
fn check_ledger(channel: &Channel, ledger: &Channel, neighbour: Address) -> Result<(), OpenError> {
    let (of, ours) = (&ledger.terms, &channel.terms);
    let fits =
        of.kind == Kind::Ledger && of.chain == ours.chain && of.asset == ours.asset && ledger.peer() == neighbour;
    if !fits {
        return Err(OpenError::Route);
    }
    match ledger.status() {
        Status::Open if !ledger.close_requested => Ok(()),
        status => Err(OpenError::Ledger { status }),
    }
}

/// The owner's terms for standing between others.
fn check_served(
    context: &Context<'_>,
    channel: &Channel,
    sender: Address,
    upstream: &Channel,
) -> Result<(), OpenError> {
    let policy = context.policy.hub.as_ref().ok_or(OpenError::NotServed)?;
    let amount = channel.terms.deposit;
    if !(policy.serves.is_empty() || policy.serves.contains(&sender))
        || (policy.max_amount > 0 && amount > policy.max_amount)
    {
        return Err(OpenError::NotServed);
    }
    let set_aside = upstream.guarantees.iter().filter(|one| one.payer == upstream.role.other());
    let set_aside = set_aside.fold(amount, |sum, one| sum.saturating_add(one.amount));
    let set_aside = set_aside.saturating_add(upstream.promised(upstream.role.other()));
    if policy.max_per_peer > 0 && set_aside > policy.max_per_peer {
        return Err(OpenError::Liquidity { needed: set_aside, available: policy.max_per_peer });
    }
    let index = place(channel).saturating_sub(1);
    let offered = channel.passage.as_ref().and_then(|passage| passage.route.fees.get(index).copied()).unwrap_or(0);
    let asked = policy.fee_for(amount);
    if offered < asked { Err(OpenError::Fee { offered, asked }) } else { Ok(()) }
}

/// Promises money of one side of a ledger to a channel, if there is enough that is not promised yet. `place` is that of the
/// ledger on the way.
fn reserve(ledger: &mut Channel, channel: &Channel, place: usize, payer: Role) -> Result<(), OpenError> {
    let passage = channel.passage.as_ref().ok_or(OpenError::Route)?;
    let (channel_id, amount) = (channel.terms.channel_id(), channel.terms.deposit);
    let fee = passage.route.fee_from(place).ok_or(OpenError::Route)?;
    let needed = amount.checked_add(fee).ok_or(OpenError::Route)?;
    let split = ledger.newest_split();
    let side = split.balances.of(payer);
    let available = side.saturating_sub(ledger.terms.reserve).saturating_sub(ledger.promised(payer));
    if needed > available {
        return Err(OpenError::Liquidity { needed, available });
    }
    if split.guarantees.len().saturating_add(ledger.promises().count()) >= MAX_GUARANTEES {
        return Err(OpenError::TooManyGuarantees { limit: MAX_GUARANTEES });
    }
    ledger.reserved.push(Reservation { channel_id, amount: needed, payer });
    Ok(())
}

/// Payer or hub: everyone after us signed the prefund.
pub(crate) fn accept_channel_accept(
    context: &Context<'_>,
    channel: &mut Channel,
    signature: Signature,
    hubs: &[Signature],
    effects: &mut Effects,
) -> Result<(), OpenError> {
    let status = channel.status();
    if channel.role == Role::Payee || matches!(status, Status::Aborted | Status::Closed) {
        return Err(OpenError::WrongStatus { status });
    }
    if take_up(channel, Form::Prefund, signature, hubs)? && channel.role == Role::Hub {
        hand_back(channel, Form::Prefund, effects);
    }
    Ok(complete(context, channel, effects)?)
}

/// Hub or payee: everyone before us signed the postfund.
pub(crate) fn accept_funding_locked(
    channel: &mut Channel,
    signature: Signature,
    hubs: &[Signature],
    effects: &mut Effects,
) -> Result<(), OpenError> {
    let status = channel.status();
    if channel.role == Role::Payer || matches!(status, Status::Aborted | Status::Closed) {
        return Err(OpenError::WrongStatus { status });
    }
    if !take_down(channel, Form::Postfund, signature, hubs)? && channel.role == Role::Hub {
        // It was said before, so what we said to it may have been lost.
        hand_on(channel, Form::Postfund, effects);
    }
    Ok(())
}

/// A channel that somebody put on chain before anything was set aside for it will not open any more.
pub(super) fn give_up_if_challenged(context: &Context<'_>, way: &mut Way<'_>) {
    let channel = &way.channel.channel;
    let is_bound = channel.passage.as_ref().is_some_and(|passage| passage.is_bound());
    if channel.status() == Status::Challenged && !is_bound && channel.aborted.is_none() {
        refuse(context, way, "CHALLENGED");
    }
}

/// Offers the guarantee in the ledger after us, if the one before us is held.
pub(super) fn proceed(context: &Context<'_>, way: &mut Way<'_>) -> Result<(), MessageError> {
    let channel = &way.channel.channel;
    let place = place(channel);
    let Some(passage) = &channel.passage else { return Ok(()) };
    if passage.refused && channel.aborted.is_none() && !is_bound_below(channel) {
        refuse(context, way, "REFUSED");
        return Ok(());
    }
    let is_ready = channel.aborted.is_none()
        && channel.closing.is_none()
        && !passage.refused
        && passage.prefund.complete().is_some()
        && passage.downstream.is_some_and(|hop| hop.stage == Stage::Idle)
        && (place == 0 || (is_held(passage.upstream) && passage.postfund.before(place).is_some()));
    let (true, Some(ledger)) = (is_ready, way.downstream.as_deref_mut()) else { return Ok(()) };
    let guarantee =
        Guarantee { channel_id: way.channel.channel_id, amount: channel.terms.deposit, payer: ledger.channel.role };
    let fee = passage.route.fee_from(place).ok_or(OpenError::Route)?;
    let change = Change::Add { guarantee, fee };
    let ledger_id = ledger.channel_id;
    match offer(context, ledger, change) {
        Ok(()) => {}
        Err(UpdateError::Busy) => way.busy.push(ledger_id),
        Err(error) => refuse(context, way, error.code()),
    }
    Ok(())
}

/// Proposes a change of a ledger, or asks its leader to.
pub(super) fn offer(context: &Context<'_>, ledger: &mut Part, change: Change) -> Result<(), UpdateError> {
    let Part { channel, effects, .. } = ledger;
    if leads(channel) {
        if channel.proposals.iter().any(|proposal| proposal.change == Some(change)) {
            return Ok(());
        }
        return update::change(context, channel, change, None, effects);
    }
    let wish = Wish::Change(change);
    if channel.request.is_some_and(|request| request.wish == wish) {
        return Ok(());
    }
    update::request(channel, wish, effects)
}

/// The owner does not want a channel any more that has not opened.
pub(crate) fn abort(context: &Context<'_>, way: &mut Way<'_>) -> Result<(), OpenError> {
    let channel = &way.channel.channel;
    let status = channel.status();
    let is_locked = channel.passage.as_ref().is_some_and(|passage| passage.postfund.agreed);
    match status {
        Status::Initialized | Status::Signed if !is_locked => refuse(context, way, "ABORTED"),
        Status::Aborted => {}
        status => return Err(OpenError::WrongStatus { status }),
    }
    Ok(())
}

/// Gives a channel up that has not opened. What upstream set aside goes back.
pub(super) fn refuse(context: &Context<'_>, way: &mut Way<'_>, code: &str) {
    let (upstream, downstream) = way.channel.channel.neighbours();
    let channel = &mut way.channel.channel;
    channel.aborted = Some(code.into());
    // It is remembered for as long as it could be proposed again, on other terms.
    channel.deadline = Some(context.policy.funding_deadline(&channel.terms));
    way.channel.effects.send_to(downstream, Message::Abort { code: code.into() });
    way.channel.effects.send_to(upstream, Message::Abort { code: code.into() });
    if channel.role == Role::Payer
        && let Some(passage) = &mut channel.passage
    {
        passage.refused = true;
    }
}

/// Signs the postfund when our part of the way is funded.
pub(super) fn lock(context: &Context<'_>, way: &mut Way<'_>) -> Result<(), OpenError> {
    let Part { channel, effects, .. } = &mut *way.channel;
    let place = place(channel);
    let Some(passage) = &channel.passage else { return Ok(()) };
    let is_funded = match channel.role {
        Role::Payer => passage.downstream.as_ref().is_some_and(Hop::is_bound),
        Role::Hub => is_held(passage.upstream) && passage.downstream.as_ref().is_some_and(Hop::is_bound),
        Role::Payee => is_held(passage.upstream),
    };
    let is_signed_before = passage.postfund.before(place).is_some();
    if is_funded && is_signed_before && !passage.postfund.agreed && channel.aborted.is_none() && !passage.refused {
        agree(channel, Form::Postfund);
        complete(context, channel, effects)?;
    }
    Ok(())
}

/// Gives up a channel whose time to open has passed.
pub(crate) fn expire(context: &Context<'_>, way: &mut Way<'_>) {
    let channel = &mut way.channel.channel;
    if channel.deadline.is_none_or(|deadline| deadline > context.now) {
        return;
    }
    channel.deadline = None;
    let is_locked = channel.passage.as_ref().is_some_and(|passage| passage.postfund.agreed);
    if !is_locked && channel.aborted.is_none() {
        refuse(context, way, "TIMEOUT");
    }
}
