//! Reorganisations deeper than the agreed confirmations: what was undone is undone, what is mined again counts again.

use alloy_primitives::{Bytes, U256};
use millstream_core::channel::Status;
use millstream_core::nitro::calls;
use millstream_core::protocol::{Event, TransactionKind};
use millstream_core::wallet::{Command, Purchase};

use crate::{Asset, DEPOSIT, World};

/// Both see the other branch from where it starts.
fn reorganised(world: &mut World) {
    world.payer.watch_from_the_start(&mut world.chain);
    world.payee.watch_from_the_start(&mut world.chain);
    world.deliver();
}

fn was_reorganised(event: &Event) -> bool {
    matches!(event, Event::Reorganised { .. })
}

#[test]
fn a_deposit_is_undone_and_made_again() {
    let mut world = World::new(Asset::Native);
    world.propose();
    let before = world.chain.snapshot();
    world.settle();
    world.assert_status(Status::Open);
    world.paid(300);
    world.chain.restore(&before);
    world.chain.mine(20);
    world.payer.transactions.clear();
    reorganised(&mut world);
    assert!(world.payer.was_told(was_reorganised) && world.payee.was_told(was_reorganised));
    assert_eq!(world.payer.transactions, [TransactionKind::Deposit], "made again by itself");
    let pay = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    assert_eq!(world.payer_cannot(pay), "INSUFFICIENT_BALANCE");
    world.settle();
    world.paid(1);
    world.close();
    world.assert_settled(301);
}

/// The deposit is mined again by itself, in another block: nothing is deposited twice.
#[test]
fn a_deposit_that_is_mined_again_is_not_made_twice() {
    let mut world = World::new(Asset::Native);
    world.propose();
    let before = world.chain.snapshot();
    world.settle();
    world.chain.restore(&before);
    world.chain.mine(15);
    let deposit = calls::deposit(world.asset, world.id, U256::ZERO, U256::from(DEPOSIT));
    let (account, adjudicator) = (world.payer.account, world.chain.adjudicator);
    world.chain.send(account, adjudicator, DEPOSIT, deposit).expect("the same transaction");
    world.chain.mine(2);
    reorganised(&mut world);
    world.settle();
    world.assert_status(Status::Open);
    let reasons: Vec<String> = world.payer.reverts.iter().map(|(_, revert)| revert.reason()).collect();
    assert!(reasons.iter().all(|reason| reason == "held != expectedHeld"), "{reasons:?}");
    world.paid(5);
    world.close();
    world.assert_settled(5);
}

/// The deposit is mined again in an earlier block, on a branch that is still too short to say that the later one is gone.
#[test]
fn a_deposit_that_is_mined_again_in_an_earlier_block_is_not_lost() {
    let mut world = World::new(Asset::Native);
    world.propose();
    let before = world.chain.snapshot();
    world.chain.mine(40);
    world.settle();
    world.assert_status(Status::Open);
    world.paid(300);
    world.chain.restore(&before);
    let deposit = calls::deposit(world.asset, world.id, U256::ZERO, U256::from(DEPOSIT));
    let (account, adjudicator) = (world.payer.account, world.chain.adjudicator);
    world.chain.send(account, adjudicator, DEPOSIT, deposit).expect("the same transaction");
    world.chain.mine(4);
    reorganised(&mut world);
    // From here on nobody tells of that block again.
    world.chain.mine(14);
    world.payer.watch(&mut world.chain);
    world.payee.watch(&mut world.chain);
    world.chain.mine(40);
    world.settle();
    for party in [&world.payer, &world.payee] {
        assert_eq!(party.channel(&world.id).facts().holdings, DEPOSIT);
    }
    world.paid(5);
    world.close();
    world.assert_settled(305);
}

#[test]
fn a_challenge_is_undone() {
    let mut world = World::open(Asset::Native);
    world.paid(300);
    let mut cheat = world.payer.cheat();
    world.paid(50);
    let before = world.chain.snapshot();
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("a base");
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    world.payee.sends_later = true;
    world.payee.watch(&mut world.chain);
    world.assert_status(Status::Challenged);
    world.chain.restore(&before);
    world.chain.mine(20);
    reorganised(&mut world);
    world.assert_status(Status::Open);
    world.payee.sends_later = false;
    world.payee.held.clear();
    world.paid(50);
    // The same again, on the new branch: it is answered.
    cheat.watch(&mut world.chain);
    cheat.transactions.clear();
    cheat.crash();
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("a base");
    world.run_out();
    assert_eq!(world.payee.status(&world.id), Status::Closed);
    world.assert_settled(400);
}

#[test]
fn a_pay_out_is_undone_and_made_again() {
    for leave in [true, false] {
        let mut world = World::open(Asset::Native);
        world.paid(300);
        if leave {
            world.payee_does(Command::LeaveChannel { channel_id: world.id });
            world.settle();
            world.chain.pass(3_600);
        } else {
            world.payer.sends_later = true;
            world.payer_does(Command::CloseChannel { channel_id: world.id });
            world.deliver();
        }
        let before = world.chain.snapshot();
        world.payer.sends_later = false;
        world.payer.send_held(&mut world.chain);
        world.settle();
        world.assert_status(Status::Closed);
        world.chain.restore(&before);
        world.chain.mine(20);
        reorganised(&mut world);
        assert!(world.payer.was_told(was_reorganised));
        world.settle();
        world.assert_status(Status::Closed);
        world.assert_settled(300);
    }
}

/// A withdrawal is undone: the successor has nothing until it is made again, perhaps never.
#[test]
fn a_withdrawal_is_undone_and_made_again() {
    let mut world = World::open(Asset::Native);
    world.paid(300);
    world.payer.sends_later = true;
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 1_000 });
    world.deliver();
    let (first, next) = (world.id, world.payer.channel(&world.id).successor.expect("a successor").channel_id);
    let before = world.chain.snapshot();
    world.payer.sends_later = false;
    world.payer.send_held(&mut world.chain);
    world.settle();
    assert_eq!(world.payer.status(&next), Status::Open);
    world.chain.restore(&before);
    world.chain.mine(20);
    world.payer.sends_later = true;
    world.payee.sends_later = true;
    reorganised(&mut world);
    for party in [&world.payer, &world.payee] {
        assert_eq!((party.status(&first), party.status(&next)), (Status::Withdrawing, Status::Signed));
        assert_eq!(party.channel(&next).facts().holdings, 0);
    }
    world.payer.sends_later = false;
    world.payee.sends_later = false;
    world.payer.send_held(&mut world.chain);
    world.payee.held.clear();
    world.settle();
    world.id = next;
    world.assert_status(Status::Open);
    assert_eq!(world.payee.channel(&next).facts().holdings, DEPOSIT - 1_000);
    world.paid(5);
    world.close();
    world.assert_settled(305);
}

/// On the other branch a stale state is paid out instead of the withdrawal: the successor is over.
#[test]
fn a_withdrawal_that_lost_to_another_branch() {
    let mut world = World::open(Asset::Native);
    world.paid(300);
    let mut cheat = world.payee.cheat();
    world.payer.sends_later = true;
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 1_000 });
    world.deliver();
    let (first, next) = (world.id, world.payer.channel(&world.id).successor.expect("a successor").channel_id);
    let before = world.chain.snapshot();
    world.payer.sends_later = false;
    world.payer.send_held(&mut world.chain);
    world.settle();
    assert_eq!(world.payer.status(&next), Status::Open);
    world.chain.restore(&before);
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: first }).expect("a voucher");
    world.chain.mine(3);
    cheat.watch(&mut world.chain);
    world.chain.pass(3_600);
    cheat.watch(&mut world.chain);
    world.chain.mine(20);
    reorganised(&mut world);
    world.settle();
    for party in [&world.payer, &world.payee] {
        assert_eq!((party.status(&first), party.status(&next)), (Status::Closed, Status::Aborted));
    }
    world.assert_settled(300);
}

/// An event moves to another block of the new branch without changing: it is counted once.
#[test]
fn an_event_that_moves_is_counted_once() {
    let mut world = World::open(Asset::Native);
    world.paid(40);
    let before = world.chain.snapshot();
    let data: Bytes = calls::deposit(world.asset, world.id, U256::from(DEPOSIT), U256::from(7));
    let (account, adjudicator) = (world.payee.account, world.chain.adjudicator);
    world.chain.send(account, adjudicator, 7, data.clone()).expect("anyone may deposit");
    world.settle();
    assert_eq!(world.payer.channel(&world.id).facts().holdings, DEPOSIT + 7);
    world.chain.restore(&before);
    world.chain.mine(12);
    world.chain.send(account, adjudicator, 7, data).expect("anyone may deposit");
    world.chain.mine(3);
    reorganised(&mut world);
    assert_eq!(world.payer.channel(&world.id).facts().holdings, DEPOSIT + 7);
    assert_eq!(world.payee.channel(&world.id).facts().holdings, DEPOSIT + 7);
}

/// The store fails while a deposit is taken back: it is taken back with the next block, however far that is.
#[test]
fn what_is_gone_is_gone_although_the_store_failed() {
    let mut world = World::new(Asset::Native);
    world.propose();
    let before = world.chain.snapshot();
    world.settle();
    world.chain.restore(&before);
    world.chain.mine(30);
    world.payee.failing_commits = 1;
    world.payee.watch_from_the_start(&mut world.chain);
    assert_eq!(world.payee.channel(&world.id).facts().holdings, DEPOSIT, "not stored");
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.channel(&world.id).facts().holdings, 0);
}
