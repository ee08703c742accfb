//! Closing together, and leaving alone with the best that one has.

use millstream_core::channel::Status;
use millstream_core::protocol::{Event, TransactionKind};
use millstream_core::wallet::Command;

use crate::world::HOUR;
use crate::{Asset, DEPOSIT, World};

pub(crate) fn opens_pays_and_closes(asset: Asset) {
    let mut world = World::open(asset);
    for amount in [1, 250_000, 99] {
        world.pay(amount);
        world.deliver();
    }
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 250_100);
    world.payer.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
    world.settle();
    assert_eq!(world.payer.status(&world.id), Status::Closed);
    assert_eq!(world.payee.status(&world.id), Status::Closed);
    world.assert_settled(250_100);
    let closed = Event::Closed { channel_id: world.id, paid: 250_100, refunded: DEPOSIT - 250_100, carried: 0 };
    assert!(world.payer.events.contains(&closed) && world.payee.events.contains(&closed));
    let mut expected = vec![TransactionKind::Deposit, TransactionKind::Conclude];
    if matches!(asset, Asset::Token) {
        expected.insert(0, TransactionKind::Approve);
    }
    assert_eq!(world.payer.transactions, expected);
    assert!(world.payee.transactions.is_empty() && world.payer.reverts.is_empty());
}

fn leave(world: &mut World, payer: bool) {
    let command = Command::LeaveChannel { channel_id: world.id };
    let party = if payer { &mut world.payer } else { &mut world.payee };
    party.command(&mut world.chain, command).expect("something is deposited");
}

pub(crate) fn payee_leaves_with_its_best_voucher(asset: Asset) {
    let mut world = World::open(asset);
    world.pay(300);
    world.pay(200);
    world.deliver();
    leave(&mut world, false);
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.status(&world.id), Status::Challenged);
    world.chain.pass(HOUR - 10);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge], "not before the time is over");
    world.chain.pass(10);
    world.payee.watch(&mut world.chain);
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge, TransactionKind::Transfer]);
    assert_eq!(world.payee.status(&world.id), Status::Closed);
    world.assert_settled(500);
}

/// Lets the payer's challenge be confirmed, its time pass, and the pay-out be confirmed.
fn payer_gets_everything_back(world: &mut World) {
    for _ in 0..2 {
        world.chain.mine(3);
        world.payer.watch(&mut world.chain);
        world.chain.pass(HOUR);
        world.payer.watch(&mut world.chain);
    }
    assert_eq!(world.payer.status(&world.id), Status::Closed);
    world.assert_settled(0);
}

fn payer_leaves_a_payee_that_is_gone(asset: Asset, paid: u128) {
    let mut world = World::open(asset);
    if paid > 0 {
        world.pay(paid);
        world.payer.outgoing.clear(); // the payee never saw it
    }
    leave(&mut world, true);
    payer_gets_everything_back(&mut world);
}

pub(crate) fn payer_takes_its_deposit_back(asset: Asset) {
    payer_leaves_a_payee_that_is_gone(asset, 0);
    payer_leaves_a_payee_that_is_gone(asset, 123);
}

pub(crate) fn payee_answers_a_stale_challenge(asset: Asset) {
    let mut world = World::open(asset);
    world.pay(400);
    world.deliver();
    // The payer challenges with the postfund, where everything is still its own.
    leave(&mut world, true);
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge], "answered by itself");
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    world.chain.pass(HOUR);
    world.payee.watch(&mut world.chain);
    let both = [TransactionKind::Challenge, TransactionKind::Transfer];
    assert_eq!(world.payee.transactions, both, "its own answer is its own to pay out, at once");
    for _ in 0..3 {
        world.payer.watch(&mut world.chain);
        world.payee.watch(&mut world.chain);
        world.chain.pass(HOUR);
    }
    assert_eq!(world.payer.status(&world.id), Status::Closed);
    assert_eq!(world.payee.status(&world.id), Status::Closed);
    world.assert_settled(400);
}

crate::with_both_assets!(
    opens_pays_and_closes,
    payee_leaves_with_its_best_voucher,
    payer_takes_its_deposit_back,
    payee_answers_a_stale_challenge,
);
