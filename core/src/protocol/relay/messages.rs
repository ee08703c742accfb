//! The signatures of a virtual channel, and the messages that carry them from neighbour to neighbour.
//!
//! A state is signed on its way: the payer's signature and those of the hubs go down, the payee's and those of the hubs come
//! back up. So each participant ends with all of them.

use alloc::vec::Vec;

use crate::Address;
use crate::channel::{Balances, Base, Channel, POSTFUND_TURN, PREFUND_TURN, Role, Sheet, Signatures, State, Status};
use crate::crypto::{SignError, Signature, SignatureError};
use crate::protocol::effects::Effects;
use crate::protocol::{Context, Purpose};
use crate::wire::Message;

/// The states of a virtual channel that everyone signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Prefund,
    Postfund,
    Final,
}

/// The signatures of a form.
pub(super) fn sheet(channel: &Channel, form: Form) -> Option<&Sheet> {
    let passage = channel.passage.as_ref()?;
    Some(match form {
        Form::Prefund => &passage.prefund,
        Form::Postfund => &passage.postfund,
        Form::Final => &passage.last,
    })
}

pub(super) fn sheet_mut(channel: &mut Channel, form: Form) -> Option<&mut Sheet> {
    let passage = channel.passage.as_mut()?;
    Some(match form {
        Form::Prefund => &mut passage.prefund,
        Form::Postfund => &mut passage.postfund,
        Form::Final => &mut passage.last,
    })
}

/// What is signed.
fn state(channel: &Channel, form: Form) -> Option<State> {
    let base = |turn| {
        let base = Base { turn, balances: channel.terms.deposits(), signatures: Signatures::default() };
        base.state(&channel.terms)
    };
    match form {
        Form::Prefund => Some(base(PREFUND_TURN)),
        Form::Postfund => Some(base(POSTFUND_TURN)),
        Form::Final => channel.final_state(),
    }
}

/// Decides to sign a form.
pub(super) fn agree(channel: &mut Channel, form: Form) {
    if let Some(sheet) = sheet_mut(channel, form) {
        sheet.agreed = true;
    }
}

/// Gives up what was agreed and not signed: a final state can be proposed again at a higher turn, without a prefund or postfund
/// the channel does not open.
pub(crate) fn give_up_unsigned(channel: &mut Channel) {
    let place = super::place(channel);
    let count = channel.terms.participants().len();
    let Some(passage) = &mut channel.passage else { return };
    let is_missing = |sheet: &Sheet| sheet.agreed && sheet.of(place).is_none();
    if is_missing(&passage.last) {
        passage.last = Sheet::new(count);
        (channel.closing, channel.close_requested) = (None, false);
    }
    passage.refused |= is_missing(&passage.prefund) || is_missing(&passage.postfund);
}

/// Signs what we agreed to and hands it on; makes the base of what the signatures allow.
pub(crate) fn complete(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), SignError> {
    let place = super::place(channel);
    for form in [Form::Prefund, Form::Postfund, Form::Final] {
        if sheet(channel, form).is_none_or(|sheet| !sheet.agreed || sheet.of(place).is_some()) {
            continue;
        }
        let Some(state) = state(channel, form) else { continue };
        channel.signed_turn = channel.signed_turn.max(state.part.turn_num);
        let Some(signature) = context.key.sign(&channel.terms, state.digest(), Purpose::State)? else { break };
        if let Some(sheet) = sheet_mut(channel, form) {
            sheet.set(place, signature);
        }
        hand_on(channel, form, effects);
    }
    promote(channel);
    Ok(())
}

/// The base is the prefund once everyone signed it, and the postfund once we did: the payer pays on its own signature, and the
/// others sign last.
pub(super) fn promote(channel: &mut Channel) {
    let place = super::place(channel);
    let Some(passage) = &channel.passage else { return };
    let turn = if passage.postfund.of(place).is_some() {
        POSTFUND_TURN
    } else if passage.prefund.complete().is_some() {
        PREFUND_TURN
    } else {
        return;
    };
    if channel.base.is_none_or(|base| base.turn < turn) {
        channel.base = Some(Base { turn, balances: channel.terms.deposits(), signatures: Signatures::default() });
        channel.signed_turn = channel.signed_turn.max(turn);
        if turn == POSTFUND_TURN {
            channel.deadline = None;
        }
    }
}

/// Sends what we have of a form to whoever is next.
pub(super) fn hand_on(channel: &Channel, form: Form, effects: &mut Effects) {
    let (upstream, downstream) = channel.neighbours();
    match channel.role {
        Role::Payee => effects_up(channel, form, upstream, effects),
        _ => effects_down(channel, form, downstream, effects),
    }
}

fn effects_down(channel: &Channel, form: Form, peer: Option<Address>, effects: &mut Effects) {
    if let Some(message) = down(channel, form) {
        effects.send_to(peer, message);
    }
}

fn effects_up(channel: &Channel, form: Form, peer: Option<Address>, effects: &mut Effects) {
    if let Some(message) = up(channel, form) {
        effects.send_to(peer, message);
    }
}

/// Hands back what came from below.
pub(super) fn hand_back(channel: &Channel, form: Form, effects: &mut Effects) {
    effects_up(channel, form, channel.neighbours().0, effects);
}

/// What goes down: the signatures of everybody from the payer to us, once ours is there.
fn down(channel: &Channel, form: Form) -> Option<Message> {
    let passage = channel.passage.as_ref()?;
    let mut signatures = sheet(channel, form)?.before(super::place(channel).checked_add(1)?)?;
    let signature = *signatures.first()?;
    let hubs = signatures.split_off(1);
    Some(match form {
        Form::Prefund => {
            Message::ChannelOpen { terms: channel.terms.clone(), signature, route: Some(passage.route.clone()), hubs }
        }
        Form::Postfund => Message::FundingLocked { signature, hubs },
        Form::Final => {
            let closing = channel.closing?;
            let (turn, balances, submitter) = (closing.turn, closing.balances, closing.submitter);
            Message::Shutdown { turn, balances, submitter, successor: None, signature, hubs }
        }
    })
}

/// What comes back up: the signatures of everybody from us to the payee.
fn up(channel: &Channel, form: Form) -> Option<Message> {
    let place = super::place(channel);
    let sheet = sheet(channel, form)?;
    let mut hubs = Vec::from([sheet.of(place)?]);
    hubs.extend(sheet.after(place)?);
    let signature = hubs.pop()?;
    match form {
        Form::Prefund => Some(Message::ChannelAccept { signature, hubs }),
        // Whoever is upstream needs no more than its own guarantee.
        Form::Postfund => None,
        Form::Final => Some(Message::ShutdownAck { signature, hubs }),
    }
}

/// Takes the signatures of everybody before us in. Says whether any was new.
pub(super) fn take_down(
    channel: &mut Channel,
    form: Form,
    signature: Signature,
    hubs: &[Signature],
) -> Result<bool, SignatureError> {
    let given: Vec<Signature> = core::iter::once(signature).chain(hubs.iter().copied()).collect();
    take(channel, form, 0, super::place(channel), &given)
}

/// Takes the signatures of everybody after us in. Says whether any was new.
pub(super) fn take_up(
    channel: &mut Channel,
    form: Form,
    signature: Signature,
    hubs: &[Signature],
) -> Result<bool, SignatureError> {
    let given: Vec<Signature> = hubs.iter().copied().chain([signature]).collect();
    let first = super::place(channel).saturating_add(1);
    let count = channel.terms.participants().len().saturating_sub(first);
    take(channel, form, first, count, &given)
}

fn take(
    channel: &mut Channel,
    form: Form,
    first: usize,
    count: usize,
    given: &[Signature],
) -> Result<bool, SignatureError> {
    if given.len() != count {
        // One for each participant on that side, no more and no less.
        return Err(SignatureError::Invalid);
    }
    let keys = channel.terms.participants();
    let mut news = Vec::new();
    for ((place, key), signature) in keys.iter().enumerate().skip(first).zip(given) {
        if sheet(channel, form).and_then(|sheet| sheet.of(place)) == Some(*signature) {
            continue;
        }
        if let Some(state) = state(channel, form) {
            state.verify(signature, *key)?;
            news.push((place, *signature));
        }
    }
    let is_news = !news.is_empty();
    if let Some(sheet) = sheet_mut(channel, form) {
        for (place, signature) in news {
            sheet.set(place, signature);
        }
    }
    Ok(is_news)
}

/// What our neighbours may still wait for: sent again after a restart or a lost connection.
pub(crate) fn outstanding(channel: &Channel, effects: &mut Effects) {
    let Some(passage) = &channel.passage else { return };
    let (upstream, downstream) = channel.neighbours();
    if matches!(channel.status(), Status::Closed | Status::Aborted | Status::Challenged) {
        return;
    }
    if let Some(code) = channel.aborted.clone().or_else(|| passage.refused.then(|| "REFUSED".into())) {
        let is_refused_below = !super::end::is_bound_below(channel);
        effects.send_to(upstream.filter(|_| is_refused_below), Message::Abort { code });
        return;
    }
    if channel.closing.is_some() {
        effects_down(channel, Form::Final, downstream, effects);
        effects_up(channel, Form::Final, upstream, effects);
        return;
    }
    if channel.close_requested && channel.role != Role::Payer {
        effects.send_to(upstream, Message::ShutdownRequest);
    }
    if passage.postfund.complete().is_none() || channel.role != Role::Payee {
        if passage.prefund.complete().is_none() {
            effects_down(channel, Form::Prefund, downstream, effects);
        } else {
            effects_up(channel, Form::Prefund, upstream, effects);
        }
        effects_down(channel, Form::Postfund, downstream, effects);
    }
}

/// The parts of a final state as everyone must sign it: all of the money, nothing more.
pub(super) fn is_whole(channel: &Channel, balances: Balances) -> bool {
    balances.total() == channel.terms.deposits().total()
}
