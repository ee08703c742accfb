//! Paying in a stream: the payer signs a voucher, the payee checks and keeps it.

use crate::B256;
use crate::channel::{Channel, Kind, Lease, Role, Status};
use crate::nitro::MAX_UINT48;
use crate::payment::claim::last_redemption_turn;
use crate::payment::{SignedVoucher, Voucher};
use crate::protocol::effects::{Effects, Event};
use crate::protocol::sign::complete;
use crate::protocol::{Context, PayError, PaymentError};

/// Payer: signs a voucher for `amount` more base units. The caller knows the channel's id, a hash that need not be taken
/// again with every payment.
pub(crate) fn pay(
    context: &Context<'_>,
    channel: &mut Channel,
    channel_id: B256,
    (amount, memo): (u128, B256),
    effects: &mut Effects,
) -> Result<(), PayError> {
    if channel.role != Role::Payer || channel.terms.kind != Kind::Stream {
        return Err(PayError::NotPayer);
    }
    let status = channel.status();
    if status != Status::Open {
        return Err(PayError::NotOpen { status });
    }
    if !channel.proposals.is_empty() || channel.unsigned.is_some() {
        return Err(PayError::Busy);
    }
    if amount == 0 {
        return Err(PayError::ZeroAmount);
    }
    let remaining = channel.remaining();
    if amount > remaining {
        return Err(PayError::InsufficientBalance { amount, remaining });
    }
    let insufficient = PayError::InsufficientBalance { amount, remaining };
    let cumulative_amount = channel.cumulative_amount().checked_add(amount).ok_or(insufficient)?;
    let base_turn = channel.base_turn();
    let serial = serial_for(context, channel, cumulative_amount, effects).ok_or(PayError::SerialsExhausted)?;
    channel.unsigned = Some(Voucher::flat(channel_id, base_turn, serial, cumulative_amount, memo));
    channel.signed_turn = channel.signed_turn.max(last_redemption_turn(base_turn, serial));
    Ok(complete(context, channel, effects)?)
}

/// The next serial: within the lease if there is one and it reaches that far, else above everything signed, under a new
/// lease if the wallet takes leases.
fn serial_for(
    context: &Context<'_>,
    channel: &mut Channel,
    cumulative_amount: u128,
    effects: &mut Effects,
) -> Option<u32> {
    let base_turn = channel.base_turn();
    let last_turn = |serial| last_redemption_turn(base_turn, serial);
    if let Some(lease) = channel.lease {
        let serial = channel.last_serial().checked_add(1)?;
        if last_turn(serial) <= lease.turn && cumulative_amount <= lease.amount {
            effects.leased = true;
            return Some(serial);
        }
    }
    let serial = channel.next_serial().filter(|serial| last_turn(*serial) <= MAX_UINT48)?;
    channel.lease = context.lease.and_then(|terms| {
        let turn = last_turn(serial.checked_add(terms.payments.checked_sub(1)?)?);
        let amount = cumulative_amount.checked_add(terms.amount)?;
        (terms.payments > 1 && turn <= MAX_UINT48).then_some(Lease { turn, amount })
    });
    if let Some(lease) = channel.lease {
        channel.signed_turn = lease.turn;
    }
    Some(serial)
}

/// Payee: checks a voucher and keeps it. The same voucher again is no news and no error.
pub(crate) fn accept_payment(
    context: &Context<'_>,
    channel: &mut Channel,
    payment: SignedVoucher,
    effects: &mut Effects,
) -> Result<(), PaymentError> {
    if channel.role != Role::Payee {
        return Err(PaymentError::NotPayee);
    }
    let voucher = payment.voucher;
    let previous = channel.cumulative_amount();
    if channel.best != Some(payment) {
        check_news(channel, &voucher)?;
        payment.verify(context.domain, channel.terms.payer)?;
        channel.best = Some(payment);
        // A payer that pays on has given its withdrawal up.
        channel.successor = None;
    }
    effects.notify(Event::PaymentReceived {
        channel_id: voucher.channel_id,
        serial: voucher.serial,
        amount: voucher.cumulative_amount.saturating_sub(previous),
        cumulative_amount: channel.paid(),
        memo: voucher.memo,
    });
    Ok(())
}

/// Checks everything about a new voucher but its signature, which is the dearest to check.
fn check_news(channel: &Channel, voucher: &Voucher) -> Result<(), PaymentError> {
    let status = channel.status();
    // A payer that we asked to close may have paid before it heard.
    let asked = status == Status::Closing && channel.closing.is_none() && !channel.leaving;
    let withdrawing = status == Status::Withdrawing && channel.closing.is_none();
    let base = channel.base.filter(|_| status == Status::Open || asked || withdrawing);
    let base = base.ok_or(PaymentError::NotOpen { status })?;
    if channel.terms.kind != Kind::Stream {
        return Err(PaymentError::NotPayee);
    }
    if voucher.base_turn != base.turn {
        return Err(PaymentError::WrongBaseTurn { expected: base.turn, actual: voucher.base_turn });
    }
    let (serial, best) = (voucher.serial, channel.last_serial());
    if serial == best && best != 0 {
        return Err(PaymentError::Conflict { serial });
    }
    if serial <= best {
        return Err(PaymentError::Stale { serial, best });
    }
    if voucher.last_turn() > MAX_UINT48 {
        return Err(PaymentError::SerialTooHigh { serial });
    }
    let (amount, previous) = (voucher.cumulative_amount, channel.cumulative_amount());
    if amount < previous {
        return Err(PaymentError::Decreasing { amount, previous });
    }
    // What the payer pledged but did not deposit yet covers nothing.
    let covered = channel.facts().holdings.saturating_sub(base.balances.payee);
    let limit = base.balances.payer.saturating_sub(channel.terms.reserve).min(covered);
    if amount > limit {
        return Err(PaymentError::AboveDeposit { amount, deposit: limit });
    }
    Ok(())
}
