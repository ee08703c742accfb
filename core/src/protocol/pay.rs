//! Paying in a stream: the payer signs vouchers and releases their ticks, the payee checks and keeps the best claim.

use crate::B256;
use crate::channel::{Base, Channel, Kind, Lease, Role, Status};
use crate::nitro::MAX_UINT48;
use crate::payment::claim::last_redemption_turn;
use crate::payment::{ClaimError, Shown, SignedVoucher, Voucher};
use crate::protocol::effects::{Effects, Event};
use crate::protocol::sign::{ChainOf, complete};
use crate::protocol::{Context, PayError, PaymentError};
use crate::wire::{Payment, Tick};

/// What the payer's owner wants paid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// In base units.
    pub(crate) amount: u128,
    /// What is paid for.
    pub(crate) memo: B256,
    /// How many more payments of the same amount are prepared if this one needs a voucher.
    pub(crate) ticks: u8,
    /// Where it is bought; zero if that is not said.
    pub(crate) origin: B256,
    /// Which content it is for; zero if that is what the memo says.
    pub(crate) file: B256,
    /// Whether no tick of the voucher at hand will do.
    pub(crate) needs_voucher: bool,
}

impl Order {
    /// What the owner's rules take for the content.
    pub(crate) fn file(&self) -> B256 {
        if self.file.is_zero() { self.memo } else { self.file }
    }
}

/// Payer: pays `amount` more base units, with the next tick of the voucher at hand if it fits, else with a new voucher. The
/// caller knows the channel's id, a hash that need not be taken again with every payment.
pub(crate) fn pay(
    context: &Context<'_>,
    channel: &mut Channel,
    channel_id: B256,
    order: Order,
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
    let Order { amount, .. } = order;
    if amount == 0 {
        return Err(PayError::ZeroAmount);
    }
    let remaining = channel.remaining();
    if amount > remaining {
        return Err(PayError::InsufficientBalance { amount, remaining });
    }
    if tick(context, channel, &order, effects) {
        return Ok(());
    }
    let insufficient = PayError::InsufficientBalance { amount, remaining };
    let cumulative_amount = channel.cumulative_amount().checked_add(amount).ok_or(insufficient)?;
    let limit = affordable(remaining, amount, order.ticks);
    let base_turn = channel.base_turn();
    let most = cumulative_amount.saturating_add(amount.saturating_mul(limit.into()));
    let serial = serial_for(context, channel, most, limit, effects).ok_or(PayError::SerialsExhausted)?;
    let voucher = Voucher::flat(channel_id, base_turn, serial, cumulative_amount, order.memo);
    channel.unsigned = Some(with_ticks(context, voucher, amount, limit));
    channel.signed_turn = channel.signed_turn.max(last_redemption_turn(base_turn, serial));
    Ok(complete(context, channel, effects)?)
}

/// How many ticks of `amount` each a voucher over as much can have, out of `ticks` and of the `remaining` before it.
pub(crate) fn affordable(remaining: u128, amount: u128, ticks: u8) -> u8 {
    let affordable = remaining.saturating_sub(amount).checked_div(amount).unwrap_or(0);
    u8::try_from(affordable).unwrap_or(u8::MAX).min(ticks)
}

/// The voucher at hand and how many of its ticks pay just this; `None` if it takes another voucher.
pub(crate) fn next_tick(channel: &Channel, order: &Order) -> Option<(Voucher, u8)> {
    let voucher = channel.best?.voucher;
    let ticks = channel.shown.map_or(0, |shown| shown.ticks).checked_add(1)?;
    let fits = ticks <= voucher.tick_limit && voucher.tick_price == order.amount && voucher.memo == order.memo;
    (fits && !order.needs_voucher).then_some((voucher, ticks))
}

/// Releases the next tick of the voucher at hand, if it pays just this. `false` if it does not.
///
/// Ticks are not stored as they go: the voucher that allows them is. What a crash forgets was released at most up to the
/// lease, and the payee knows.
fn tick(context: &Context<'_>, channel: &mut Channel, order: &Order, effects: &mut Effects) -> bool {
    let Some((voucher, ticks)) = next_tick(channel, order) else { return false };
    let Some(preimage) = context.key.preimage(&ChainOf::voucher(&voucher), ticks) else { return false };
    let leased = |lease: &Lease| voucher.last_turn() <= lease.turn && voucher.amount_with(ticks) <= lease.amount;
    if channel.lease.as_ref().is_some_and(leased) {
        effects.leased = true;
    } else {
        let amount = voucher.amount_with(voucher.tick_limit);
        channel.lease = Some(Lease { turn: voucher.last_turn(), amount });
    }
    let shown = Shown { ticks, preimage };
    channel.shown = Some(shown);
    let Voucher { channel_id, serial, .. } = voucher;
    effects.pay(Payment::Tick(Tick { channel_id, serial, shown }));
    true
}

/// The voucher with a chain of `limit` ticks, if the key can make one.
fn with_ticks(context: &Context<'_>, voucher: Voucher, price: u128, limit: u8) -> Voucher {
    if limit == 0 {
        // A chain that nobody uses would push another one out of memory.
        return voucher;
    }
    let chain = ChainOf { limit, ..ChainOf::voucher(&voucher) };
    match context.key.preimage(&chain, 0) {
        Some(tick_tip) => Voucher { tick_tip, tick_price: price, tick_limit: limit, ..voucher },
        None => voucher,
    }
}

/// The next serial: within the lease if there is one and it reaches that far, else above everything signed, under a new
/// lease if the wallet takes leases or the voucher has ticks. `most` is what the voucher and its ticks can pay.
fn serial_for(
    context: &Context<'_>,
    channel: &mut Channel,
    most: u128,
    ticks: u8,
    effects: &mut Effects,
) -> Option<u32> {
    let base_turn = channel.base_turn();
    let last_turn = |serial| last_redemption_turn(base_turn, serial);
    if let Some(lease) = channel.lease {
        let serial = channel.last_serial().checked_add(1)?;
        if last_turn(serial) <= lease.turn && most <= lease.amount {
            effects.leased = true;
            return Some(serial);
        }
    }
    let serial = channel.next_serial().filter(|serial| last_turn(*serial) <= MAX_UINT48)?;
    let own = (ticks > 0).then_some(Lease { turn: last_turn(serial), amount: most });
    let taken = context.lease.and_then(|terms| {
        let turn = last_turn(serial.checked_add(terms.payments.checked_sub(1)?)?);
        let amount = most.checked_add(terms.amount)?;
        (terms.payments > 1 && turn <= MAX_UINT48).then_some(Lease { turn, amount })
    });
    channel.lease = taken.or(own);
    if let Some(lease) = channel.lease {
        channel.signed_turn = lease.turn;
    }
    Some(serial)
}

/// Payee: checks a payment and keeps it if it is worth more than what is known. One that says no more than that, in
/// whatever order they came, is no news and no error.
pub(crate) fn accept_payment(
    context: &Context<'_>,
    channel: &mut Channel,
    payment: Payment,
    effects: &mut Effects,
) -> Result<(), PaymentError> {
    if channel.role != Role::Payee {
        return Err(PaymentError::NotPayee);
    }
    let before = (channel.best, channel.shown, channel.cumulative_amount());
    let memo = match payment {
        Payment::Claim { signed, shown } => {
            accept_voucher(context, channel, signed)?;
            // The ticks of an older voucher are in what the newer one owes.
            if let Some(shown) = shown.filter(|_| channel.best == Some(signed)) {
                accept_ticks(channel, shown)?;
            }
            signed.voucher.memo
        }
        Payment::Tick(Tick { serial, shown, .. }) => {
            check_open(channel)?;
            let best = channel.best.filter(|best| best.voucher.serial >= serial);
            let voucher = best.ok_or(PaymentError::UnknownVoucher { serial })?.voucher;
            if voucher.serial > serial {
                return Err(PaymentError::Stale { serial, best: voucher.serial });
            }
            accept_ticks(channel, shown)?;
            voucher.memo
        }
    };
    if (channel.best, channel.shown) != (before.0, before.1) {
        // A payer that pays on has given its withdrawal up.
        channel.successor = None;
    }
    effects.notify(Event::PaymentReceived {
        channel_id: payment.channel_id(),
        serial: channel.last_serial(),
        ticks: channel.shown.map_or(0, |shown| shown.ticks),
        amount: channel.cumulative_amount().saturating_sub(before.2),
        cumulative_amount: channel.paid(),
        memo,
    });
    Ok(())
}

/// Keeps a voucher if it is newer than the best one.
fn accept_voucher(context: &Context<'_>, channel: &mut Channel, signed: SignedVoucher) -> Result<(), PaymentError> {
    if channel.best == Some(signed) {
        return Ok(());
    }
    let base = check_open(channel)?;
    let SignedVoucher { voucher, .. } = signed;
    let (serial, best) = (voucher.serial, channel.last_serial());
    if voucher.base_turn != base.turn {
        return Err(PaymentError::WrongBaseTurn { expected: base.turn, actual: voucher.base_turn });
    }
    if serial == best && best != 0 {
        return Err(PaymentError::Conflict { serial });
    }
    if serial == 0 {
        return Err(PaymentError::Stale { serial, best });
    }
    if voucher.last_turn() > MAX_UINT48 {
        return Err(PaymentError::SerialTooHigh { serial });
    }
    let (amount, previous) = (voucher.cumulative_amount, channel.cumulative_amount());
    if serial > best {
        if amount < previous {
            return Err(PaymentError::Decreasing { amount, previous });
        }
        check_covered(channel, &base, amount)?;
    } else if amount > previous {
        return Err(PaymentError::Decreasing { amount: previous, previous: amount });
    }
    // The signature is the dearest to check, so it comes last. An older voucher changes nothing, but whoever shows it must
    // be the payer: it may be asking for what was paid for.
    signed.verify(context.domain, channel.terms.payer)?;
    if serial > best {
        channel.set_best(signed, None);
    }
    Ok(())
}

/// Keeps ticks of the best voucher if they are more than those known.
fn accept_ticks(channel: &mut Channel, shown: Shown) -> Result<(), PaymentError> {
    if channel.shown == Some(shown) {
        return Ok(());
    }
    let base = check_open(channel)?;
    let voucher = channel.best.ok_or(PaymentError::UnknownVoucher { serial: 0 })?.voucher;
    let (ticks, tick_limit) = (shown.ticks, voucher.tick_limit);
    if ticks > tick_limit {
        return Err(ClaimError::TooManyTicks { ticks, tick_limit }.into());
    }
    if ticks == 0 || !shown.follows(channel.shown, voucher.tick_tip) {
        return Err(ClaimError::WrongPreimage.into());
    }
    if channel.shown.is_none_or(|best| ticks > best.ticks) {
        let amount = voucher.tick_price.checked_mul(ticks.into());
        let amount = amount.and_then(|more| more.checked_add(voucher.cumulative_amount)).unwrap_or(u128::MAX);
        check_covered(channel, &base, amount)?;
        channel.shown = Some(shown);
    }
    Ok(())
}

/// The base that payments stand on, if they are taken now.
fn check_open(channel: &Channel) -> Result<Base, PaymentError> {
    let status = channel.status();
    // A payer that we asked to close may have paid before it heard.
    let asked = status == Status::Closing && channel.closing.is_none() && !channel.leaving;
    let withdrawing = status == Status::Withdrawing && channel.closing.is_none();
    let base = channel.base.filter(|_| status == Status::Open || asked || withdrawing);
    let base = base.ok_or(PaymentError::NotOpen { status })?;
    if channel.terms.kind == Kind::Stream { Ok(base) } else { Err(PaymentError::NotPayee) }
}

/// What the payer pledged but did not deposit yet covers nothing.
fn check_covered(channel: &Channel, base: &Base, amount: u128) -> Result<(), PaymentError> {
    let covered = channel.backing().saturating_sub(base.balances.payee);
    let deposit = base.balances.payer.saturating_sub(channel.terms.reserve).min(covered);
    if amount > deposit { Err(PaymentError::AboveDeposit { amount, deposit }) } else { Ok(()) }
}
