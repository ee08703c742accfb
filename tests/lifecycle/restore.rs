//! Old backups: nothing is signed before the other side was asked, serials never repeat, and liars gain nothing.

use millstream_core::channel::{Balances, Status, Terms, derive_nonce};
use millstream_core::wallet::{Command, Input, Purchase};

use crate::party::{NOW, Parcel, Party};
use crate::{Asset, DEPOSIT, PAYER, World};

fn pay_one(world: &World) -> Command {
    Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 }
}

#[test]
fn a_restored_payer_asks_before_it_signs() {
    let mut world = World::open(Asset::Native);
    world.paid(100);
    let backup = world.payer.backup();
    world.paid(200);
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.paid(400);
    let serial = world.payee.channel(&world.id).last_serial();
    world.payer.restore(&mut world.chain, backup);
    assert_eq!(world.payer.status(&world.id), Status::Disconnected);
    let commands = [
        pay_one(&world),
        Command::Fold { channel_id: world.id },
        Command::TopUp { channel_id: world.id, amount: 1 },
        Command::Withdraw { channel_id: world.id, amount: 1 },
        Command::CloseChannel { channel_id: world.id },
    ];
    for command in commands {
        let code = world.payer_cannot(command);
        assert!(["CHANNEL_NOT_OPEN", "CHANNEL_WRONG_STATUS"].contains(&code), "{code}");
    }
    world.deliver();
    world.assert_split(DEPOSIT - 700, 700);
    world.paid(1);
    assert!(world.payee.channel(&world.id).last_serial() > serial + 1_000_000, "far above what was forgotten");
    world.close();
    world.assert_settled(701);
}

#[test]
fn a_restored_payee_is_told_what_it_was_paid() {
    let mut world = World::open(Asset::Native);
    world.paid(100);
    let backup = world.payee.backup();
    world.paid(200);
    world.payee.restore(&mut world.chain, backup);
    assert_eq!(world.payee.status(&world.id), Status::Disconnected);
    world.deliver();
    world.assert_status(Status::Open);
    world.assert_split(DEPOSIT - 300, 300);
    // With that it can leave alone.
    world.payee.watch(&mut world.chain);
    world.payee_does(Command::LeaveChannel { channel_id: world.id });
    world.run_out();
    world.assert_settled(300);
}

#[test]
fn a_restored_payee_is_given_the_newest_base() {
    let mut world = World::open(Asset::Native);
    let backup = world.payee.backup();
    world.paid(200);
    world.payee_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.paid(30);
    world.payee.restore(&mut world.chain, backup);
    world.deliver();
    world.settle();
    world.assert_split(DEPOSIT - 230, 230);
    world.paid(1);
    world.close();
    world.assert_settled(231);
}

/// Any moment of opening may be the last one in the backup.
#[test]
fn a_backup_from_the_opening_is_brought_up_to_date() {
    for payer in [true, false] {
        for moment in 0..4 {
            let mut world = World::new(Asset::Native);
            world.propose();
            for step in 0..moment {
                match step {
                    0 => world.deliver(),
                    1 => {
                        world.chain.mine(3);
                        world.payer.watch(&mut world.chain);
                    }
                    _ => world.settle(),
                }
            }
            let party = if payer { &world.payer } else { &world.payee };
            let backup = party.backup();
            world.settle();
            world.paid(500);
            let party = if payer { &mut world.payer } else { &mut world.payee };
            let known = !backup.is_empty();
            party.restore(&mut world.chain, backup);
            if !known {
                continue;
            }
            world.settle();
            // Only its own host knows that something is amiss.
            let resume = Command::Resume { channel_id: world.id };
            if payer {
                world.payer_does(resume)
            } else {
                world.payee_does(resume)
            }
            world.settle();
            assert_eq!(world.payer.status(&world.id), Status::Open, "payer {payer}, moment {moment}");
            world.assert_status(Status::Open);
            world.assert_split(DEPOSIT - 500, 500);
            world.paid(1);
            world.close();
            world.assert_settled(501);
        }
    }
}

/// A backup restored twice leaves out other turns each time.
#[test]
fn two_restores_never_meet() {
    let mut world = World::open(Asset::Native);
    let backup = world.payer.backup();
    for round in 1..4 {
        world.payer.restore(&mut world.chain, backup.clone());
        world.deliver();
        world.payer.watch(&mut world.chain);
        world.paid(10);
        assert_eq!(world.payee.channel(&world.id).paid(), 10 * round);
    }
    world.close();
    world.assert_settled(30);
}

/// The payee hides the newest voucher from a restored payer. It gains nothing that it was not paid.
#[test]
fn a_payee_that_lies_to_a_restored_payer_gains_nothing() {
    let mut world = World::open(Asset::Native);
    world.paid(100);
    let backup = world.payer.backup();
    let mut liar = world.payee.cheat();
    world.paid(200);
    world.payer.restore(&mut world.chain, backup);
    let question = world.payer.outgoing.pop_front().expect("a question");
    liar.receive(&mut world.chain, question).expect("a fair question");
    while let Some(lie) = liar.outgoing.pop_front() {
        world.payer.receive(&mut world.chain, lie).expect("an old truth");
    }
    assert_eq!(world.payer.balances(&world.id), Balances { payer: DEPOSIT - 100, payee: 100 });
    // The payer goes on from there; the payee redeems what pays it most, which is what it was paid.
    world.pay(50);
    world.payer.outgoing.clear();
    world.payee_does(Command::LeaveChannel { channel_id: world.id });
    world.run_out();
    assert_eq!(world.payee.status(&world.id), Status::Closed);
    world.assert_settled(300);
}

/// The payer hides what it paid from a restored payee: that is what the backup was too old for. What is on chain is safe.
#[test]
fn a_payer_that_lies_to_a_restored_payee_cannot_go_below_the_chain() {
    let mut world = World::open(Asset::Native);
    let backup = world.payee.backup();
    world.paid(100);
    world.payee_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.paid(50);
    world.payee_does(Command::Snapshot { channel_id: world.id });
    world.settle();
    world.payee.restore(&mut world.chain, backup);
    world.payee.outgoing.clear();
    // The payer says nothing; the chain says enough.
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.balances(&world.id), Balances { payer: DEPOSIT - 150, payee: 150 });
    world.payee_does(Command::LeaveChannel { channel_id: world.id });
    world.payer.outgoing.clear();
    for _ in 0..2 {
        world.chain.mine(3);
        world.payee.watch(&mut world.chain);
        world.chain.pass(3_600);
        world.payee.watch(&mut world.chain);
    }
    assert_eq!(world.payee.status(&world.id), Status::Closed);
    world.assert_settled(150);
}

/// A side that is behind the chain signs nothing, and is helped by an honest peer.
#[test]
fn a_stale_side_signs_nothing_until_it_is_told() {
    for payer in [true, false] {
        let mut world = World::open(Asset::Native);
        let party = if payer { &world.payer } else { &world.payee };
        let backup = party.backup();
        world.paid(100);
        world.payer_does(Command::Fold { channel_id: world.id });
        world.deliver();
        world.payer_does(Command::Snapshot { channel_id: world.id });
        world.settle();
        let party = if payer { &mut world.payer } else { &mut world.payee };
        party.sees_calls = false;
        party.restore(&mut world.chain, backup);
        party.outgoing.clear();
        party.watch(&mut world.chain);
        assert_eq!(party.status(&world.id), Status::Stale);
        let close = Command::CloseChannel { channel_id: world.id };
        let code = if payer { world.payer_cannot(close) } else { world.payee_cannot(close) };
        assert_eq!(code, "CHANNEL_WRONG_STATUS");
        world.deliver();
        world.resume();
        world.assert_status(Status::Open);
        world.assert_split(DEPOSIT - 100, 100);
        world.paid(1);
        world.close();
        world.assert_settled(101);
    }
}

/// Somebody recorded what the peer said once, and says it again to a restored payer.
#[test]
fn an_old_answer_does_not_count() {
    let mut world = World::open(Asset::Native);
    world.paid(100);
    world.payee_does(Command::Resume { channel_id: world.id });
    let recorded = world.payee.outgoing.front().cloned().expect("what the payee has");
    world.deliver();
    let backup = world.payer.backup();
    world.paid(200);
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.payer_does(Command::Ping { channel_id: world.id });
    world.deliver();
    world.payer.restore(&mut world.chain, backup);
    let _ = world.payer.receive(&mut world.chain, recorded);
    // Whatever it believed in between, the real answer puts it right.
    world.deliver();
    world.resume();
    world.assert_split(DEPOSIT - 300, 300);
    world.paid(1);
    world.close();
    world.assert_settled(301);
}

/// The payer's proposal of the world's channel, made anew by a wallet that knows nothing of it.
fn proposed_anew(world: &mut World, change: impl FnOnce(&mut Terms)) -> Parcel {
    let mut liar = Party::new(&mut world.chain, PAYER);
    let mut terms = liar.terms(&world.payee, world.asset, DEPOSIT);
    change(&mut terms);
    liar.now = liar.now.max(terms.proposed_at());
    liar.command(&mut world.chain, Command::OpenChannel(terms)).expect("a proposal");
    liar.outgoing.pop_front().expect("a proposal")
}

/// With a second prefund that asks for a deposit of the payee, the first one would pay that out to the payer.
#[test]
fn a_restored_payee_signs_no_second_prefund() {
    let mut world = World::new(Asset::Native);
    world.payee.configure(|config| config.policy.max_contribution = DEPOSIT);
    let backup = world.payee.backup();
    world.propose();
    world.deliver();
    assert_eq!(world.payee.status(&world.id), Status::Signed);
    world.payee.restore(&mut world.chain, backup);
    for start_again in [false, true] {
        if start_again {
            world.payee.crash();
            world.payee.input(&mut world.chain, Input::Restore(Vec::new())).expect("a restore not long ago");
        }
        let parcel = proposed_anew(&mut world, |terms| terms.payee_deposit = 500);
        let refused = world.payee.receive(&mut world.chain, parcel).map_err(|error| error.code());
        assert_eq!(refused, Err("POLICY_PROPOSAL_TIME"));
        assert!(world.payee.transactions.is_empty());
    }
    // What is proposed later is no channel that it may have forgotten.
    world.payee.now += 601;
    let now = world.payee.now;
    assert!(now > NOW + 600);
    let parcel = proposed_anew(&mut world, |terms| {
        terms.payee_deposit = 500;
        terms.nonce = derive_nonce(now, 1);
    });
    world.payee.receive(&mut world.chain, parcel).expect("a new channel");
}

/// A payee that forgot at once could be asked for a second prefund of the same channel, with a deposit of its own.
#[test]
fn a_channel_that_was_given_up_is_remembered_while_it_could_be_proposed_again() {
    let mut world = World::new(Asset::Native);
    world.payee.configure(|config| config.policy.max_contribution = DEPOSIT);
    world.propose();
    world.deliver();
    world.payee_does(Command::AbortChannel { channel_id: world.id });
    for (seconds, code) in [(0, "CHANNEL_EXISTS"), (1_799, "CHANNEL_EXISTS"), (1, "POLICY_PROPOSAL_TIME")] {
        world.payee.wait(&mut world.chain, seconds);
        let parcel = proposed_anew(&mut world, |terms| terms.payee_deposit = 10);
        let refused = world.payee.receive(&mut world.chain, parcel).map_err(|error| error.code());
        assert_eq!(refused, Err(code));
    }
    assert!(world.payee.store.borrow().is_empty(), "forgotten in the end");
}

/// The backup was made while the signer was asked for the first of two payments: it is not signed over the second.
#[test]
fn a_voucher_that_the_backup_waits_for_does_not_replace_newer_ones() {
    let mut world = World::new(Asset::Native);
    world.payer.use_outside_signer();
    world.propose();
    world.settle();
    world.payer.signs_later = true;
    world.pay(3);
    let backup = world.payer.backup();
    assert!(world.payer.channel(&world.id).unsigned.is_some());
    world.payer.sign_all(&mut world.chain);
    world.payer.signs_later = false;
    world.deliver();
    world.paid(11);
    world.payer.restore(&mut world.chain, backup);
    world.settle();
    world.resume();
    world.assert_split(DEPOSIT - 14, 14);
    world.paid(1);
    world.close();
    world.assert_settled(15);
}

/// What the backup says of a branch of the chain that is gone is forgotten.
#[test]
fn a_restored_wallet_forgets_events_that_are_gone() {
    let mut world = World::new(Asset::Native);
    world.propose();
    let before = world.chain.snapshot();
    world.settle();
    let backup = world.payee.backup();
    assert_eq!(world.payee.channel(&world.id).facts().holdings, DEPOSIT);
    world.chain.restore(&before);
    world.chain.mine(30);
    world.payee.restore(&mut world.chain, backup);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.channel(&world.id).facts().holdings, 0);
}

/// The channel was concluded with a split that the backup does not know: that it is over is known all the same.
#[test]
fn a_conclusion_that_the_backup_lacks_is_the_end() {
    for sees_calls in [false, true] {
        let mut world = World::open(Asset::Native);
        let backup = world.payee.backup();
        world.payer_does(Command::TopUp { channel_id: world.id, amount: 700 });
        world.settle();
        world.paid(200);
        world.close();
        world.payee.restore(&mut world.chain, backup);
        world.payee.sees_calls = sees_calls;
        world.payee.transactions.clear();
        world.settle();
        assert_eq!(world.payee.status(&world.id), Status::Closed);
        assert!(world.payee.transactions.is_empty(), "there is nothing to pay out");
        let payout = world.payee.channel(&world.id).facts().payout.expect("paid out");
        assert_eq!(payout.paid + payout.refunded, DEPOSIT + 700);
        assert_eq!(payout.paid == 200, sees_calls, "the call says who got what");
    }
}

/// The final state of a withdrawal came after the backup: the call that concluded says that the rest went on.
#[test]
fn a_withdrawal_that_the_backup_has_half_goes_on() {
    let mut world = World::open(Asset::Native);
    world.paid(300);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 1_000 });
    let proposal = world.payer.outgoing.pop_front().expect("a successor");
    world.payee.receive(&mut world.chain, proposal).expect("a fair one");
    let backup = world.payee.backup();
    world.settle();
    world.payee.restore(&mut world.chain, backup);
    world.settle();
    world.assert_status(Status::Closed);
    world.id = world.payee.channel(&world.id).successor.expect("a withdrawal").channel_id;
    world.resume();
    world.assert_status(Status::Open);
    world.paid(5);
    world.close();
    world.assert_gains(-305, 305);
}

/// The store has the channel and not its successor: the channel hears of its own end.
#[test]
fn a_channel_without_the_record_of_its_successor_is_watched() {
    let mut world = World::open(Asset::Native);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 1_000 });
    world.deliver();
    let next = world.payee.channel(&world.id).successor.expect("a withdrawal").channel_id;
    world.payee.store.borrow_mut().remove(&next);
    world.payee.crash();
    world.settle();
    assert_eq!(world.payee.status(&world.id), Status::Closed);
}
