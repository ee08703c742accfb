//! Top up: both sign the raise, then the payer deposits; whatever the payee does in between, nothing is lost.

use millstream_core::channel::Status;
use millstream_core::protocol::TransactionKind;
use millstream_core::wallet::{Command, Purchase};

use crate::{Asset, DEPOSIT, World};

const MORE: u128 = 500_000;

fn top_up(world: &mut World) {
    world.payer_does(Command::TopUp { channel_id: world.id, amount: MORE });
    world.deliver();
}

pub(crate) fn raises_then_deposits(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(400_000);
    top_up(&mut world);
    world.assert_split(DEPOSIT - 400_000 + MORE, 400_000);
    assert_eq!(world.chain.holdings(world.asset, world.id), DEPOSIT + MORE, "deposited once both had signed");
    // Until it is deep enough, only the old deposit counts.
    let pay = |amount| Command::Pay { channel_id: world.id, amount, purchase: Purchase::default(), ticks: 0 };
    let (all, more) = (pay(DEPOSIT - 400_000), pay(1));
    world.payer_does(all);
    world.deliver();
    assert_eq!(world.payer_cannot(more.clone()), "INSUFFICIENT_BALANCE");
    world.settle();
    world.payer_does(more);
    world.deliver();
    world.assert_split(MORE - 1, DEPOSIT + 1);
    world.close();
    world.assert_settled(DEPOSIT + 1);
    assert!(world.payer.reverts.is_empty() && world.payee.reverts.is_empty());
}

/// The payer deposited on the raise, and the payee closes on the base before it: the raise is the answer.
pub(crate) fn a_close_on_the_old_base_is_answered(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(400_000);
    let mut cheat = world.payee.cheat();
    top_up(&mut world);
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("it has a voucher");
    assert_eq!(cheat.transactions, [TransactionKind::Challenge]);
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    assert_eq!(world.payer.transactions.last(), Some(&TransactionKind::Challenge), "answered by itself");
    // The payee is not seen again.
    for _ in 0..3 {
        world.chain.mine(3);
        world.payer.watch(&mut world.chain);
        world.chain.pass(4_200);
        world.payer.watch(&mut world.chain);
    }
    assert_eq!(world.payer.status(&world.id), Status::Closed);
    world.assert_settled(400_000);
}

/// The payee closes on the old base before the deposit is mined: the deposit finds what it does not expect.
pub(crate) fn a_deposit_that_comes_after_the_pay_out_fails(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(400_000);
    let mut cheat = world.payee.cheat();
    world.payer.sends_later = true;
    top_up(&mut world);
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("it has a voucher");
    world.chain.mine(3);
    cheat.watch(&mut world.chain);
    world.chain.pass(3_600);
    cheat.watch(&mut world.chain);
    assert_eq!(cheat.transactions.last(), Some(&TransactionKind::Transfer));
    world.payer.sends_later = false;
    world.payer.send_held(&mut world.chain);
    let deposits = world.payer.reverts.iter().filter(|(kind, _)| *kind == TransactionKind::Deposit);
    let reasons: Vec<String> = deposits.map(|(_, revert)| revert.reason()).collect();
    assert_eq!(reasons, ["held != expectedHeld"]);
    world.settle();
    assert_eq!(world.payer.status(&world.id), Status::Closed);
    world.assert_settled(400_000);
}

/// Both close while the deposit is mined and not deep enough: it comes back with the rest.
pub(crate) fn a_close_does_not_leave_a_young_deposit_behind(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(400_000);
    top_up(&mut world);
    assert_eq!(world.chain.holdings(world.asset, world.id), DEPOSIT + MORE);
    world.close();
    world.assert_settled(400_000);
}

/// The raise was agreed, and the owner's account never sends the deposit.
pub(crate) fn a_pledge_without_a_deposit_binds_nobody(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(400_000);
    world.payer.sends_later = true;
    top_up(&mut world);
    world.payer.held.clear();
    world.payer.sends_later = false;
    world.paid(100_000);
    world.close();
    world.assert_settled(500_000);
}

pub(crate) fn a_pledge_without_a_deposit_can_be_left(asset: Asset) {
    for payer in [true, false] {
        let mut world = World::open(asset);
        world.paid(400_000);
        world.payer.sends_later = true;
        top_up(&mut world);
        world.payer.held.clear();
        world.payer.sends_later = false;
        world.paid(100_000);
        let leave = Command::LeaveChannel { channel_id: world.id };
        if payer {
            world.payer_does(leave)
        } else {
            world.payee_does(leave)
        }
        world.run_out();
        world.assert_status(Status::Closed);
        world.assert_settled(500_000);
    }
}

crate::with_both_assets!(
    raises_then_deposits,
    a_close_on_the_old_base_is_answered,
    a_deposit_that_comes_after_the_pay_out_fails,
    a_close_does_not_leave_a_young_deposit_behind,
    a_pledge_without_a_deposit_binds_nobody,
    a_pledge_without_a_deposit_can_be_left,
);
