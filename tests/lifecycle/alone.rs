//! The other side is gone: what else can happen on the way out.

use millstream_core::channel::Status;
use millstream_core::protocol::TransactionKind;
use millstream_core::wallet::Command;

use crate::{Asset, World};

use crate::world::HOUR;

fn leave(world: &mut World, payer: bool) {
    let command = Command::LeaveChannel { channel_id: world.id };
    let party = if payer { &mut world.payer } else { &mut world.payee };
    party.command(&mut world.chain, command).expect("something is deposited");
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

#[test]
fn a_deposit_is_recovered_when_the_payee_never_opens() {
    let mut world = World::new(Asset::Native);
    world.propose();
    world.deliver();
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    world.payer.outgoing.clear();
    assert_eq!(world.payer.status(&world.id), Status::Signed);
    leave(&mut world, true);
    payer_gets_everything_back(&mut world);
}

#[test]
fn the_side_that_challenged_pays_out_and_the_other_waits_for_it() {
    let mut world = World::open(Asset::Native);
    world.pay(400);
    world.deliver();
    leave(&mut world, false);
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    world.payee.watch(&mut world.chain);
    world.chain.pass(HOUR);
    world.payer.watch(&mut world.chain);
    assert!(!world.payer.transactions.contains(&TransactionKind::Transfer));
    world.chain.pass(600);
    world.payer.watch(&mut world.chain);
    assert!(world.payer.transactions.contains(&TransactionKind::Transfer), "the payee is gone after all");
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    world.assert_settled(400);
}

#[test]
fn an_agreed_close_that_the_other_side_withholds_is_concluded() {
    let mut world = World::open(Asset::Native);
    world.pay(40);
    world.deliver();
    world.payer.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
    while let Some(parcel) = world.payer.outgoing.pop_front() {
        world.payee.receive(&mut world.chain, parcel).expect("a fair close");
    }
    world.payee.outgoing.clear(); // the acknowledgement is lost and the payer is gone
    leave(&mut world, false);
    assert_eq!(world.payee.transactions, [TransactionKind::Conclude]);
    world.assert_settled(40);
}

#[test]
fn leaving_needs_something_to_leave_with() {
    let mut world = World::new(Asset::Native);
    world.propose();
    let command = Command::LeaveChannel { channel_id: world.id };
    let error = world.payer.command(&mut world.chain, command.clone()).expect_err("nothing is signed");
    assert_eq!(error.code(), "CHANNEL_WRONG_STATUS");
    world.deliver();
    let error = world.payer.command(&mut world.chain, command.clone()).expect_err("nothing is confirmed");
    assert_eq!(error.code(), "LEAVE_NOTHING_DEPOSITED");
    world.settle();
    let error = world.payee.command(&mut world.chain, command).expect_err("nothing was paid");
    assert_eq!(error.code(), "LEAVE_NOTHING_TO_CLAIM");
}

/// The payer asked for the close before it heard that its split was signed. The payee records the split and is gone: the
/// chain shows it to the payer, which can leave with it.
#[test]
fn a_split_that_the_chain_shows_is_taken_although_a_close_waits() {
    let mut world = World::open(Asset::Native);
    world.paid(40);
    world.payer_does(Command::Fold { channel_id: world.id });
    let split = world.payer.outgoing.pop_front().expect("a split");
    world.payee.receive(&mut world.chain, split).expect("a fair one");
    world.payee.outgoing.clear();
    world.payer_does(Command::CloseChannel { channel_id: world.id });
    world.payer.outgoing.clear();
    world.payee_does(Command::Snapshot { channel_id: world.id });
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    leave(&mut world, true);
    for _ in 0..2 {
        world.chain.pass(HOUR);
        world.chain.mine(3);
        world.payer.watch(&mut world.chain);
    }
    world.assert_settled(40);
}
