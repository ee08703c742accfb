//! The key is outside of the wallet: signatures come late, out of order, or never, and nothing is signed twice.

use alloy_primitives::B256;
use millstream_core::channel::{Kind, Status};
use millstream_core::protocol::{Event, LeaseTerms, Purpose, TransactionKind};
use millstream_core::wallet::{Command, Input, Purchase};

use crate::{Asset, DEPOSIT, World};

/// A world in which both keys are outside and answer at once.
fn outside() -> World {
    let mut world = World::new(Asset::Native);
    world.payer.use_outside_signer();
    world.payee.use_outside_signer();
    world.payee.configure(|config| config.policy.max_contribution = DEPOSIT);
    world
}

fn opened() -> World {
    let mut world = outside();
    world.propose();
    world.settle();
    world.assert_status(Status::Open);
    world
}

fn opened_ledger() -> World {
    let mut world = outside();
    world.propose_with(|terms| {
        terms.kind = Kind::Ledger;
        terms.payee_deposit = DEPOSIT;
    });
    world.settle();
    world.assert_status(Status::Open);
    world
}

/// Everybody signs later: nothing more is asked for while something waits, and everything is delivered in the end.
fn sign_and_settle(world: &mut World) {
    for _ in 0..30 {
        world.payer.sign_all(&mut world.chain);
        world.payee.sign_all(&mut world.chain);
        world.deliver();
        world.chain.mine(1);
        world.payer.watch(&mut world.chain);
        world.payee.watch(&mut world.chain);
    }
}

#[test]
fn a_whole_life_with_signatures_that_come_at_once() {
    let mut world = opened();
    world.paid(100);
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.payee_does(Command::GiveBack { channel_id: world.id, amount: 30 });
    world.deliver();
    world.payer_does(Command::TopUp { channel_id: world.id, amount: 1_000 });
    world.settle();
    world.payee_does(Command::Snapshot { channel_id: world.id });
    world.settle();
    world.paid(5);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 500 });
    world.settle();
    let next = world.payer.channel(&world.id).successor.expect("a successor").channel_id;
    world.id = next;
    world.assert_status(Status::Open);
    world.payee_does(Command::Withdraw { channel_id: world.id, amount: 25 });
    world.settle();
    world.id = world.payer.channel(&next).successor.expect("a successor").channel_id;
    world.assert_status(Status::Open);
    world.paid(1);
    world.close();
    world.assert_settled(76);
}

#[test]
fn a_whole_life_with_signatures_that_come_late() {
    let mut world = outside();
    world.payer.signs_later = true;
    world.payee.signs_later = true;
    let commands: [fn(B256) -> Command; 6] = [
        |channel_id| Command::Pay { channel_id, amount: 100, purchase: Purchase::default(), ticks: 0 },
        |channel_id| Command::Fold { channel_id },
        |channel_id| Command::Pay { channel_id, amount: 20, purchase: Purchase::default(), ticks: 0 },
        |channel_id| Command::TopUp { channel_id, amount: 1_000 },
        |channel_id| Command::Withdraw { channel_id, amount: 500 },
        |channel_id| Command::Pay { channel_id, amount: 3, purchase: Purchase::default(), ticks: 0 },
    ];
    world.propose();
    assert!(world.payer.outgoing.is_empty(), "nothing leaves unsigned");
    sign_and_settle(&mut world);
    world.assert_status(Status::Open);
    for command in commands {
        let command = command(world.id);
        world.payer_does(command);
        assert!(world.payer.outgoing.is_empty(), "nothing leaves unsigned");
        sign_and_settle(&mut world);
        if let Some(next) = world.payer.channel(&world.id).successor {
            world.id = next.channel_id;
        }
        world.assert_status(Status::Open);
    }
    world.payee_does(Command::CloseChannel { channel_id: world.id });
    sign_and_settle(&mut world);
    world.assert_status(Status::Closed);
    world.assert_settled(123);
}

#[test]
fn leaving_alone_takes_a_redemption_and_a_challenge() {
    let mut world = opened();
    world.paid(100);
    world.payee.signs_later = true;
    world.payee_does(Command::LeaveChannel { channel_id: world.id });
    assert!(world.payee.transactions.is_empty());
    let purposes = |world: &World| world.payee.asked.iter().map(|asked| asked.purpose).collect::<Vec<_>>();
    assert_eq!(purposes(&world), [Purpose::State]);
    world.payee.sign(&mut world.chain, 0);
    assert_eq!(purposes(&world), [Purpose::Challenge]);
    world.payee.sign(&mut world.chain, 0);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge]);
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    assert_eq!(purposes(&world), [], "its own challenge asks for nothing more");
    assert!(world.payee.was_told(|event| matches!(event, Event::Challenged { ours: true, .. })));
    world.chain.pass(3_600);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge, TransactionKind::Transfer]);
    world.settle();
    world.assert_settled(100);
}

/// A snapshot takes the payee's signature, which comes when it comes, even after a crash; and it is made once.
#[test]
fn a_snapshot_waits_for_its_signature() {
    for crash in [false, true] {
        let mut world = opened();
        world.paid(100);
        world.payee.signs_later = true;
        world.payee_does(Command::Snapshot { channel_id: world.id });
        assert!(world.payee.transactions.is_empty());
        if crash {
            world.payee.crash();
            world.payee_does(Command::Resume { channel_id: world.id });
        }
        world.payee.sign_all(&mut world.chain);
        assert_eq!(world.payee.transactions, [TransactionKind::Checkpoint]);
        world.payee.signs_later = false;
        world.settle();
        world.assert_status(Status::Open);
        world.paid(10);
        world.payee_does(Command::Resume { channel_id: world.id });
        world.settle();
        assert_eq!(world.payee.transactions, [TransactionKind::Checkpoint], "asked for once");
        world.close();
        world.assert_settled(110);
    }
}

#[test]
fn a_stale_challenge_is_answered_when_the_signatures_come() {
    let mut world = opened();
    let mut cheat = world.payer.cheat();
    world.paid(100);
    world.payee.signs_later = true;
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("an old base");
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    world.payee.sign_all(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge]);
    world.payee.signs_later = false;
    world.run_out();
    assert_eq!(world.payee.status(&world.id), Status::Closed);
    world.assert_settled(100);
}

/// While a voucher waits for its signature no other one is made; what comes in between is taken.
#[test]
fn other_inputs_come_in_between() {
    let mut world = opened();
    world.payer.signs_later = true;
    world.pay(100);
    let pay = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    assert_eq!(world.payer_cannot(pay), "CHANNEL_BUSY");
    assert_eq!(world.payer_cannot(Command::Fold { channel_id: world.id }), "CHANNEL_BUSY");
    world.payer.watch(&mut world.chain);
    world.payee_does(Command::Ping { channel_id: world.id });
    world.deliver();
    assert_eq!(world.payer.asked.len(), 2, "the voucher and the pong");
    world.payer.sign(&mut world.chain, 1);
    world.payer.sign(&mut world.chain, 0);
    world.deliver();
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 100);
    assert!(world.payee.was_told(|event| matches!(event, Event::PeerAlive { .. })));
}

/// The queue of a ledger is signed in every order, and delivered in the one.
#[test]
fn a_queue_is_signed_out_of_order() {
    for last in [false, true] {
        let mut world = opened_ledger();
        world.payer.signs_later = true;
        for amount in [1, 20, 300] {
            world.payer_does(Command::Pay { channel_id: world.id, amount, purchase: Purchase::default(), ticks: 0 });
        }
        while !world.payer.asked.is_empty() {
            let index = if last { world.payer.asked.len() - 1 } else { 0 };
            world.payer.sign(&mut world.chain, index);
            world.deliver();
        }
        world.resume();
        sign_and_settle(&mut world);
        world.assert_split(DEPOSIT - 321, DEPOSIT + 321);
    }
}

#[test]
fn a_declined_voucher_is_never_made_and_its_serial_is_gone() {
    let mut world = opened();
    world.payer.signs_later = true;
    world.pay(100);
    world.payer.decline(&mut world.chain, 0);
    assert!(world.payer.was_told(|event| matches!(event, Event::SignRefused { .. })));
    assert_eq!(world.payer.channel(&world.id).cumulative_amount(), 0);
    world.payer.signs_later = false;
    world.paid(7);
    assert_eq!(world.payee.channel(&world.id).last_serial(), 2);
    world.close();
    world.assert_settled(7);
}

#[test]
fn a_declined_close_leaves_the_channel_open() {
    let mut world = opened();
    world.paid(5);
    world.payer.signs_later = true;
    world.payer_does(Command::CloseChannel { channel_id: world.id });
    world.payer.decline(&mut world.chain, 0);
    world.payer.signs_later = false;
    world.assert_status(Status::Open);
    world.paid(5);
    world.close();
    world.assert_settled(10);
}

/// The payee's owner does not sign a split: the payer is told, burns the turn and pays on.
#[test]
fn a_declined_split_is_refused() {
    let mut world = opened();
    world.paid(5);
    world.payee.signs_later = true;
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.payee.decline(&mut world.chain, 0);
    world.payee.sign_all(&mut world.chain);
    world.deliver();
    assert!(world.payer.was_told(|event| matches!(event, Event::UpdateRefused { .. })));
    world.payee.signs_later = false;
    world.paid(5);
    world.close();
    world.assert_settled(10);
}

/// After a crash the same is asked for again: the digest that was stored.
#[test]
fn a_crash_between_question_and_answer_asks_for_the_same() {
    let commands: [fn(B256) -> Command; 4] = [
        |channel_id| Command::Pay { channel_id, amount: 100, purchase: Purchase::default(), ticks: 0 },
        |channel_id| Command::Fold { channel_id },
        |channel_id| Command::TopUp { channel_id, amount: 9 },
        |channel_id| Command::CloseChannel { channel_id },
    ];
    for command in commands {
        let mut world = opened();
        world.paid(50);
        world.payer.signs_later = true;
        let command = command(world.id);
        world.payer_does(command);
        let first = world.payer.asked[0];
        world.payer.crash();
        let late = Input::Signed { digest: first.digest, signature: vec![27; 65] };
        assert!(world.payer.input(&mut world.chain, late).is_err(), "not asked since the restart");
        world.payer_does(Command::Resume { channel_id: world.id });
        let again = world.payer.asked.iter().position(|asked| *asked == first).expect("the same digest");
        world.payer.sign(&mut world.chain, again);
        sign_and_settle(&mut world);
        let paid = world.payer.channel(&world.id).paid();
        world.payer.signs_later = false;
        world.payee.signs_later = false;
        if world.payer.status(&world.id) == Status::Open {
            world.close();
        }
        world.assert_settled(paid);
    }
}

#[test]
fn a_signature_of_somebody_else_is_refused() {
    let mut world = opened();
    world.payer.signs_later = true;
    world.pay(100);
    let digest = world.payer.asked[0].digest;
    let stranger = millstream_core::crypto::LocalSigner::from_secret_bytes(&[7; 32]).expect("a key");
    let signature = millstream_core::crypto::Signer::sign_digest(&stranger, &digest).expect("signs");
    let signature = signature.to_bytes().to_vec();
    let input = Input::Signed { digest, signature: signature.clone() };
    let error = world.payer.input(&mut world.chain, input).expect_err("not our key");
    assert_eq!(error.code(), "SIGNATURE_WRONG_SIGNER");
    assert!(world.payer.outgoing.is_empty());
    world.payer.sign(&mut world.chain, 0);
    world.deliver();
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 100);
}

/// A payee whose signer takes its time says nothing to a payer that asks again: the two would repeat themselves for ever.
#[test]
fn a_proposal_that_waits_for_the_signer_can_be_repeated() {
    let mut world = outside();
    world.payee.signs_later = true;
    world.propose();
    world.deliver();
    world.payer_does(Command::Resume { channel_id: world.id });
    world.deliver();
    sign_and_settle(&mut world);
    world.assert_status(Status::Open);
}

/// Under a lease, too, a serial that the owner declined is not used for something else.
#[test]
fn a_declined_voucher_takes_its_lease_with_it() {
    let mut world = World::new(Asset::Native);
    world.payer.use_outside_signer();
    world.payer.configure(|config| config.lease = Some(LeaseTerms { payments: 10, amount: 10_000 }));
    world.propose();
    world.settle();
    world.paid(100);
    world.payer.signs_later = true;
    world.pay(50);
    world.payer.decline(&mut world.chain, 0);
    world.payer.signs_later = false;
    world.paid(7);
    assert_eq!(world.payee.channel(&world.id).last_serial(), 11, "above all that was reserved");
    world.close();
    world.assert_settled(107);
}
