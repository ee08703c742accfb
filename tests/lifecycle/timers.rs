//! Silence: every state that waits for the other side has an end, and what it costs is weighed.

use millstream_core::channel::Status;
use millstream_core::protocol::{Event, TransactionKind};
use millstream_core::wallet::{Command, Purchase};

use crate::{Asset, DEPOSIT, World};

const DAY: u64 = 24 * 3_600;

fn is_silence(event: &Event) -> bool {
    matches!(event, Event::PeerSilent { .. })
}

/// What the payer waits for, and nobody answers.
fn waits_for_an_answer(exit_cost: u128, command: impl FnOnce(&World) -> Command) -> World {
    let mut world = World::new(Asset::Native);
    world.payer.configure(|config| config.policy.exit_cost = exit_cost);
    world.propose();
    world.settle();
    world.paid(1_000);
    let command = command(&world);
    world.payer_does(command);
    world.payer.outgoing.clear();
    world.payer.wait(&mut world.chain, DAY - 1);
    assert!(!world.payer.was_told(is_silence));
    world.payer.wait(&mut world.chain, 1);
    assert!(world.payer.was_told(is_silence));
    world
}

#[test]
fn a_payer_leaves_a_payee_that_does_not_answer_a_close_or_an_update() {
    for close in [true, false] {
        let mut world = waits_for_an_answer(0, |world| match close {
            true => Command::CloseChannel { channel_id: world.id },
            false => Command::Fold { channel_id: world.id },
        });
        assert_eq!(world.payer.transactions.last(), Some(&TransactionKind::Challenge));
        world.run_out();
        world.assert_status(Status::Closed);
        world.assert_settled(1_000);
    }
}

#[test]
fn nobody_leaves_for_less_than_it_costs() {
    let mut world = waits_for_an_answer(DEPOSIT - 1_000, |world| Command::Fold { channel_id: world.id });
    assert_eq!(world.payer.transactions, [TransactionKind::Deposit]);
    assert_eq!(world.payer.status(&world.id), Status::Open);
    // The payee comes back, and all goes on.
    world.resume();
    world.paid(1);
    world.close();
    world.assert_settled(1_001);
    let mut world = waits_for_an_answer(DEPOSIT - 1_001, |world| Command::Fold { channel_id: world.id });
    assert_eq!(world.payer.transactions, [TransactionKind::Deposit, TransactionKind::Challenge]);
    world.run_out();
    world.assert_settled(1_000);
}

#[test]
fn every_answer_gives_more_time() {
    let mut world = World::open(Asset::Native);
    world.paid(10);
    world.payee_does(Command::Fold { channel_id: world.id });
    world.payee.outgoing.clear();
    for _ in 0..3 {
        world.payee.wait(&mut world.chain, DAY - 1);
        // The payer says something: that it folds by itself is one way.
        world.payer_does(Command::Fold { channel_id: world.id });
        world.deliver();
        assert!(!world.payee.was_told(is_silence));
    }
    assert_eq!(world.payee.status(&world.id), Status::Open);
}

#[test]
fn a_payee_that_is_not_closed_with_leaves() {
    let mut world = World::open(Asset::Native);
    world.paid(10);
    world.payee_does(Command::CloseChannel { channel_id: world.id });
    world.payee.outgoing.clear();
    world.payee.wait(&mut world.chain, DAY);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge]);
    world.run_out();
    world.assert_status(Status::Closed);
    world.assert_settled(10);
}

#[test]
fn a_payee_whose_final_state_is_not_submitted_submits_it() {
    let mut world = World::open(Asset::Native);
    world.paid(10);
    world.payer.sends_later = true;
    world.payer_does(Command::CloseChannel { channel_id: world.id });
    world.deliver();
    assert!(world.payee.transactions.is_empty());
    world.payee.wait(&mut world.chain, DAY);
    assert_eq!(world.payee.transactions, [TransactionKind::Conclude]);
    world.settle();
    world.assert_settled(10);
}

#[test]
fn a_payer_whose_deposit_is_not_acknowledged_takes_it_back() {
    let mut world = World::new(Asset::Native);
    world.propose();
    world.deliver();
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    world.payer.outgoing.clear();
    world.payer.wait(&mut world.chain, DAY);
    assert_eq!(world.payer.transactions, [TransactionKind::Deposit, TransactionKind::Challenge]);
    world.run_out();
    assert_eq!(world.payer.status(&world.id), Status::Closed);
    world.assert_settled(0);
}

#[test]
fn a_request_that_is_not_answered_is_given_up() {
    let mut world = World::open(Asset::Native);
    world.paid(10);
    world.payee_does(Command::GiveBack { channel_id: world.id, amount: 4 });
    world.payee.outgoing.clear();
    world.payee.wait(&mut world.chain, DAY);
    assert!(world.payee.was_told(is_silence));
    assert_eq!(world.payee.status(&world.id), Status::Open);
    world.payee_does(Command::GiveBack { channel_id: world.id, amount: 3 });
    world.deliver();
    world.assert_split(DEPOSIT - 7, 7);
}

#[test]
fn a_ping_says_that_somebody_is_there() {
    let mut world = World::open(Asset::Native);
    let before = (world.payer.commits, world.payee.commits);
    world.payer_does(Command::Ping { channel_id: world.id });
    world.payee_does(Command::Ping { channel_id: world.id });
    world.deliver();
    let alive = |event: &Event| matches!(event, Event::PeerAlive { .. });
    assert!(world.payer.was_told(alive) && world.payee.was_told(alive));
    assert_eq!((world.payer.commits, world.payee.commits), before, "not worth a write");
}

#[test]
fn guards_keep_small_money_out() {
    let mut world = World::new(Asset::Native);
    world.payee.configure(|config| config.policy.min_deposit = DEPOSIT + 1);
    world.propose();
    world.deliver();
    assert_eq!(world.payer.errors_of_peer(), ["POLICY_DEPOSIT"]);

    let mut world = World::new(Asset::Native);
    world.payee.configure(|config| config.policy.exit_cost = DEPOSIT);
    world.propose();
    world.deliver();
    assert_eq!(world.payer.errors_of_peer(), ["POLICY_EXIT_COST"]);

    let mut world = World::new(Asset::Native);
    world.payee.configure(|config| config.policy.max_contribution = 5);
    world.propose_with(|terms| terms.payee_deposit = 6);
    world.deliver();
    assert_eq!(world.payer.errors_of_peer(), ["POLICY_CONTRIBUTION"]);
    assert_eq!(world.payer.status(&world.id), Status::Aborted);
}

/// The reserve stays with the payer until the close.
#[test]
fn the_reserve_stays() {
    let mut world = World::open_with(Asset::Native, |terms| terms.reserve = 1_000);
    world.paid(DEPOSIT - 1_000);
    let pay = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    assert_eq!(world.payer_cannot(pay), "INSUFFICIENT_BALANCE");
    let withdraw = Command::Withdraw { channel_id: world.id, amount: 1 };
    assert_eq!(world.payer_cannot(withdraw), "TERMS_RESERVE");
    world.close();
    world.assert_settled(DEPOSIT - 1_000);
}

/// A restart does not give a silent peer another day.
#[test]
fn the_time_to_answer_goes_on_over_a_restart() {
    let mut world = World::open(Asset::Native);
    world.payer_does(Command::TopUp { channel_id: world.id, amount: 5 });
    world.payer.outgoing.clear();
    let by = world.payer.channel(&world.id).answer_by.expect("the payee owes an answer");
    world.payer.wait(&mut world.chain, 3_600);
    world.payer.crash();
    world.payer_does(Command::Resume { channel_id: world.id });
    world.payer.outgoing.clear();
    assert_eq!(world.payer.channel(&world.id).answer_by, Some(by));
    world.payer.wait(&mut world.chain, 23 * 3_600);
    assert!(world.payer.was_told(is_silence));
}
