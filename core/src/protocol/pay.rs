//! Paying: the payer signs a voucher, the payee checks and keeps it.

use crate::B256;
use crate::channel::{Channel, POSTFUND_TURN, Role, Status};
use crate::payment::{SignedVoucher, Voucher};
use crate::protocol::effects::{Effects, Event};
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
    if channel.role != Role::Payer {
        return Err(PayError::NotPayer);
    }
    let status = channel.status();
    if status != Status::Open {
        return Err(PayError::NotOpen { status });
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
    let serial = channel.last_serial().checked_add(1).ok_or(PayError::SerialsExhausted)?;
    let voucher = Voucher::flat(channel_id, POSTFUND_TURN, serial, cumulative_amount, memo);
    let payment = voucher.sign(context.domain, context.signer)?;
    channel.best = Some(payment);
    effects.pay(payment);
    Ok(())
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
    }
    effects.notify(Event::PaymentReceived {
        channel_id: voucher.channel_id,
        serial: voucher.serial,
        amount: voucher.cumulative_amount.saturating_sub(previous),
        cumulative_amount: voucher.cumulative_amount,
        memo: voucher.memo,
    });
    Ok(())
}

/// Checks everything about a new voucher but its signature, which is the dearest to check.
fn check_news(channel: &Channel, voucher: &Voucher) -> Result<(), PaymentError> {
    let status = channel.status();
    // A payer that we asked to close may have paid before it heard.
    let asked = status == Status::Closing && channel.closing.is_none() && !channel.leaving;
    if status != Status::Open && !asked {
        return Err(PaymentError::NotOpen { status });
    }
    if voucher.base_turn != POSTFUND_TURN {
        return Err(PaymentError::WrongBaseTurn { expected: POSTFUND_TURN, actual: voucher.base_turn });
    }
    let (serial, best) = (voucher.serial, channel.last_serial());
    if serial == best && best != 0 {
        return Err(PaymentError::Conflict { serial });
    }
    if serial <= best {
        return Err(PaymentError::Stale { serial, best });
    }
    let (amount, previous) = (voucher.cumulative_amount, channel.cumulative_amount());
    if amount < previous {
        return Err(PaymentError::Decreasing { amount, previous });
    }
    let deposit = channel.terms.deposit;
    if amount > deposit {
        return Err(PaymentError::AboveDeposit { amount, deposit });
    }
    Ok(())
}
