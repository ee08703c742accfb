//! After a restart or a lost connection: both sides say what they have, and the one behind catches up.

use alloc::vec::Vec;

use crate::channel::{Base, Channel, Guarantee, POSTFUND_TURN, Role, Split, State, Status};
use crate::payment::{Claim, Shown, SignedVoucher};
use crate::protocol::effects::Effects;
use crate::protocol::outstanding::{outstanding_messages, proposal_message};
use crate::protocol::sign::{promote, set_base};
use crate::protocol::{Context, PaymentError, ReestablishError, open, pay};
use crate::wire::{Message, Payment};

/// How many turns a restored payer leaves out, in case its backup misses some that it signed: a million vouchers, and
/// room for a quarter of a million restores below 2^46.
pub(crate) const RESTORE_GAP: u64 = 1 << 28;

/// What the other side says that it has.
pub(crate) struct Said {
    pub(crate) base: Option<Base>,
    pub(crate) voucher: Option<SignedVoucher>,
    pub(crate) shown: Option<Shown>,
    pub(crate) asks: Option<u64>,
    pub(crate) answers: Option<u64>,
    pub(crate) guarantees: Vec<Guarantee>,
}

/// What we have: the newest state signed by both and the newest voucher on it.
fn statement(channel: &Channel, asks: Option<u64>, answers: Option<u64>) -> Message {
    let base = channel.base.filter(|base| base.signatures.both().is_some());
    let speaks = base.is_some() || channel.passage.is_some();
    let (voucher, shown) = if speaks { (channel.best, channel.shown) } else { (None, None) };
    let guarantees = channel.guarantees.clone();
    Message::ChannelReestablish { base, voucher, asks, answers, shown, guarantees }
}

/// Says what we have and asks the other side for the same.
pub(crate) fn question(channel: &Channel) -> Message {
    statement(channel, Some(channel.question), None)
}

/// Says what we have, unasked.
pub(crate) fn report(channel: &Channel) -> Message {
    statement(channel, None, None)
}

/// The highest turn that we can prove. A final state that one side signed proves nothing: what both signed before it may be
/// all that we ever have.
pub(crate) fn known_turn(channel: &Channel) -> u64 {
    let voucher = channel.best.map_or(0, |signed| signed.voucher.last_turn());
    let closing = channel.closing.filter(|_| channel.is_final_signed()).map_or(0, |closing| closing.turn);
    channel.base_turn().max(voucher).max(closing)
}

/// Either: the other side says what it has. Whoever is behind takes over what both signed.
pub(crate) fn accept_reestablish(
    context: &Context<'_>,
    channel: &mut Channel,
    Said { base, voucher, shown, asks, answers, guarantees }: Said,
    effects: &mut Effects,
) -> Result<(), ReestablishError> {
    let status = channel.status();
    if matches!(status, Status::Closed | Status::Aborted) {
        return Err(ReestablishError::WrongStatus { status });
    }
    if let Some(base) = base {
        adopt_base(channel, base, guarantees, effects)?;
    }
    if answers == Some(channel.question) {
        channel.unsure = false;
    }
    // A payee takes payments only on an open channel, and the payment may be what it lacks.
    let doubts = (channel.stale.take(), core::mem::take(&mut channel.unsure));
    if let Some(voucher) = voucher.filter(|signed| signed.voucher.base_turn == channel.base_turn()) {
        adopt_payment(context, channel, (voucher, shown), effects)?;
    }
    channel.stale = doubts.0.filter(|turn| *turn > known_turn(channel));
    channel.unsure = doubts.1;
    let (theirs, ours) = (base.map_or(0, |base| base.turn), channel.base_turn());
    let behind = theirs < ours || (channel.role == Role::Payee && (voucher, shown) != (channel.best, channel.shown));
    if asks.is_some() || (behind && channel.role == Role::Payee) {
        // Whoever doubts asks again: its question may be what was lost.
        let question = channel.question;
        effects.send(statement(channel, asks.and(channel.unsure.then_some(question)), asks));
    }
    if asks.is_some() || (behind && channel.proposals.is_empty()) {
        effects.send_all(outstanding_messages(channel));
    } else if channel.role == Role::Payer && theirs <= ours && !channel.proposals.is_empty() {
        // It says so of every proposal that came out of order: if each were answered with all of them, they would breed.
        channel.lagging = true;
        effects.send_all(proposal_message(channel, 0));
    }
    open::next_transaction(channel, effects);
    Ok(())
}

/// Takes over a base that both signed and that is newer than everything we have.
fn adopt_base(
    channel: &mut Channel,
    base: Base,
    guarantees: Vec<Guarantee>,
    effects: &mut Effects,
) -> Result<(), ReestablishError> {
    let Some([payer, payee]) = base.signatures.both() else { return Err(ReestablishError::NotSigned) };
    if base.turn <= known_turn(channel) && channel.base.is_some() {
        return Ok(());
    }
    let state =
        State::base(&channel.terms, base.turn, &Split { balances: base.balances, guarantees: guarantees.clone() });
    state.verify(&payer, channel.terms.payer)?;
    state.verify(&payee, channel.terms.payee)?;
    let is_it = |index: &usize| channel.proposal_state(*index).is_some_and(|proposed| proposed.hash == state.hash);
    let known = (0..channel.proposals.len()).find(is_it);
    match known.and_then(|index| channel.proposals.get_mut(index)) {
        // The answer to our own proposal was lost.
        Some(proposal) => {
            proposal.base.signatures = base.signatures;
            promote(channel, effects);
        }
        None => {
            channel.proposals.clear();
            set_base(channel, base, guarantees);
        }
    }
    if base.turn >= POSTFUND_TURN {
        (channel.deadline, channel.aborted) = (None, None);
    }
    Ok(())
}

/// Payer: what we paid and may have forgotten. Payee: a payment that may have been lost.
fn adopt_payment(
    context: &Context<'_>,
    channel: &mut Channel,
    (signed, shown): (SignedVoucher, Option<Shown>),
    effects: &mut Effects,
) -> Result<(), ReestablishError> {
    let claim = Claim::new(&signed, shown);
    let known = channel.claim().map_or(0, |claim| claim.turn());
    if signed.voucher.channel_id != channel.terms.channel_id() || claim.turn() <= known {
        return Ok(());
    }
    match channel.role {
        Role::Payee if channel.status() == Status::Open => {
            Ok(pay::accept_payment(context, channel, Payment::Claim { signed, shown }, effects)?)
        }
        Role::Payee | Role::Hub => Ok(()),
        Role::Payer => {
            signed.verify(context.domain, channel.terms.payer)?;
            claim.verify_ticks().map_err(PaymentError::from)?;
            keep_own(channel, signed, claim.shown());
            Ok(())
        }
    }
}

/// Payer: keeps what it paid itself and had forgotten. A voucher that the backup knows of as still to be signed is older:
/// signed now, it would take the place of what was paid since.
pub(crate) fn keep_own(channel: &mut Channel, signed: SignedVoucher, shown: Option<Shown>) {
    channel.unsigned = channel.unsigned.filter(|voucher| voucher.serial > signed.voucher.serial);
    channel.set_best(signed, shown);
}
