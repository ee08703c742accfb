//! Both sides are there: open, pay, close.

use millstream_core::channel::Status;
use millstream_core::protocol::TransactionKind;
use millstream_core::wallet::{Command, Purchase};

use crate::{Asset, DEPOSIT, World};

#[test]
fn payee_can_ask_for_the_close_and_submits_it() {
    let mut world = World::open(Asset::Native);
    world.pay(77);
    world.deliver();
    world.payee.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
    world.settle();
    assert_eq!(world.payee.transactions, [TransactionKind::Conclude]);
    assert_eq!(world.payer.transactions, [TransactionKind::Deposit]);
    world.assert_settled(77);
}

#[test]
fn both_asking_at_once_close_once() {
    let mut world = World::open(Asset::Native);
    world.pay(5);
    world.deliver();
    world.payer.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
    world.payee.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
    world.settle();
    world.assert_settled(5);
    let submitted = world.payer.transactions.len() + world.payee.transactions.len();
    assert_eq!(submitted, 2, "one deposit and one conclude; a second conclude reverts");
}

#[test]
fn a_voucher_that_never_arrived_is_paid_at_the_close() {
    let mut world = World::open(Asset::Native);
    world.pay(10);
    world.deliver();
    world.pay(5);
    world.payer.outgoing.clear();
    world.payer.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
    world.settle();
    world.assert_settled(15);
}

#[test]
fn the_whole_deposit_can_be_paid_and_not_a_unit_more() {
    let mut world = World::open(Asset::Native);
    world.pay(DEPOSIT);
    world.deliver();
    let command = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    let error = world.payer.command(&mut world.chain, command).expect_err("nothing is left");
    assert_eq!(error.code(), "INSUFFICIENT_BALANCE");
    world.payee.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
    world.settle();
    world.assert_settled(DEPOSIT);
}

#[test]
fn nothing_is_open_before_the_deposit_is_deep_enough() {
    let mut world = World::new(Asset::Native);
    world.propose();
    world.deliver();
    assert_eq!(world.payer.transactions, [TransactionKind::Deposit]);
    for _ in 0..2 {
        world.payer.watch(&mut world.chain);
        world.payee.watch(&mut world.chain);
        world.deliver();
        assert_eq!(world.payer.status(&world.id), Status::Signed);
        assert_eq!(world.payee.status(&world.id), Status::Signed);
        world.chain.mine(1);
    }
    world.settle();
    assert_eq!(world.payee.status(&world.id), Status::Open);
}

#[test]
fn a_deposit_that_a_reorganisation_took_away_opens_nothing() {
    let mut world = World::new(Asset::Native);
    world.propose();
    world.deliver();
    world.payee.watch(&mut world.chain);
    // The same blocks again, without the deposit.
    let mut update = world.chain.update(0);
    update.logs.clear();
    update.head_block += 10;
    world.payee.input(&mut world.chain, millstream_core::wallet::Input::Chain(update)).expect("an empty chain");
    assert_eq!(world.payee.channel(&world.id).facts().holdings, 0);
    assert_eq!(world.payee.status(&world.id), Status::Signed);
}

#[test]
fn a_channel_nobody_funds_is_given_up() {
    let mut world = World::new(Asset::Native);
    world.propose();
    world.payer.outgoing.clear();
    let later = crate::party::NOW + 1_800;
    world.payer.wallet.handle(millstream_core::wallet::Input::Tick, later).expect("time goes on");
    assert_eq!(world.payer.status(&world.id), Status::Aborted);
}
