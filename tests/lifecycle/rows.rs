//! What goes on chain besides deposits and closes: snapshots, leaving alone, answers to stale states, and redemptions
//! against a payer that refuses.

use millstream_core::channel::Status;
use millstream_core::protocol::{Event, TransactionKind};
use millstream_core::wallet::{Command, Purchase};

use crate::world::HOUR;
use crate::{Asset, DEPOSIT, World};

/// The side that is still there watches until the channel is paid out.
fn alone(world: &mut World, payer: bool) {
    for _ in 0..3 {
        world.chain.mine(3);
        let party = if payer { &mut world.payer } else { &mut world.payee };
        party.watch(&mut world.chain);
        world.chain.pass(HOUR + 600);
        let party = if payer { &mut world.payer } else { &mut world.payee };
        party.watch(&mut world.chain);
    }
    let party = if payer { &world.payer } else { &world.payee };
    assert_eq!(party.status(&world.id), Status::Closed);
}

/// After the payee's snapshot no older state counts; the channel goes on.
pub(crate) fn a_snapshot_of_the_payee(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(1_000);
    let mut cheat = world.payer.cheat();
    world.paid(2_000);
    world.payee_does(Command::Snapshot { channel_id: world.id });
    assert_eq!(world.payee.transactions, [TransactionKind::Checkpoint]);
    world.settle();
    world.assert_status(Status::Open);
    let leave = Command::LeaveChannel { channel_id: world.id };
    cheat.command(&mut world.chain, leave).expect("it believes that it has the newest state");
    assert_eq!(cheat.reverts[0].1.reason(), "turnNumRecord decreased.");
    world.paid(4_000);
    world.close();
    world.assert_settled(7_000);
}

/// A payer has a snapshot of the base that both signed.
pub(crate) fn a_snapshot_of_the_payer(asset: Asset) {
    let mut world = World::open(asset);
    let mut cheat = world.payee.cheat();
    world.paid(1_000);
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.payer_does(Command::Snapshot { channel_id: world.id });
    world.settle();
    world.assert_status(Status::Open);
    assert_eq!(world.payer_cannot(Command::Snapshot { channel_id: world.id }), "CHECKPOINT_NOT_NEWER");
    let leave = Command::LeaveChannel { channel_id: world.id };
    assert!(cheat.command(&mut world.chain, leave).is_err(), "it had nothing then");
    world.paid(10);
    world.close();
    world.assert_settled(1_010);
}

/// The payee puts a redemption on record and falls silent: its call says what the payer can leave with.
pub(crate) fn a_payer_leaves_with_the_payees_redemption(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(1_000);
    world.payee_does(Command::Snapshot { channel_id: world.id });
    world.settle();
    world.payee.outgoing.clear();
    world.payer_does(Command::LeaveChannel { channel_id: world.id });
    assert_eq!(world.payer.transactions.last(), Some(&TransactionKind::Challenge));
    assert!(world.payer.reverts.is_empty(), "{:?}", world.payer.reverts);
    alone(&mut world, true);
    world.assert_settled(1_000);
}

/// A host that does not tell the data of the call: the payer is stale, and not out of its money.
pub(crate) fn a_payer_that_is_not_told_the_call_is_stale(asset: Asset) {
    let mut world = World::open(asset);
    world.payer.sees_calls = false;
    world.paid(1_000);
    world.payee_does(Command::Snapshot { channel_id: world.id });
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    assert_eq!(world.payer.status(&world.id), Status::Stale);
    world.payer.outgoing.clear();
    assert_eq!(world.payer_cannot(Command::LeaveChannel { channel_id: world.id }), "CHECKPOINT_NOT_NEWER");
    world.payer.wait(&mut world.chain, 24 * 3_600);
    assert_eq!(world.payer.status(&world.id), Status::Stale, "silence does not change that");
    // Told at last, it leaves.
    world.payer.sees_calls = true;
    world.payer.watch_from_the_start(&mut world.chain);
    assert_eq!(world.payer.status(&world.id), Status::Open);
    world.payer_does(Command::LeaveChannel { channel_id: world.id });
    alone(&mut world, true);
    world.assert_settled(1_000);
}

/// The other side refuses to sign anything: the payee redeems its best voucher, and a better one answers a worse one.
pub(crate) fn a_redemption_is_forced(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(1_000);
    let mut old = world.payee.cheat();
    world.paid(2_000);
    world.payer.outgoing.clear();
    old.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("a voucher");
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge], "the newer voucher answers");
    alone(&mut world, false);
    world.assert_settled(3_000);
}

/// The payer challenges with a base from before a fold; the payee has the newer one.
pub(crate) fn a_stale_base_is_slashed(asset: Asset) {
    let mut world = World::open(asset);
    let mut cheat = world.payer.cheat();
    world.paid(700);
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("a base");
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge]);
    alone(&mut world, false);
    world.assert_settled(700);
}

/// The payee challenges with a redemption on an older base although both signed a newer one; the payer clears it, and the
/// two go on.
pub(crate) fn a_challenge_is_cleared_and_payments_go_on(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(1_000);
    let mut old = world.payee.cheat();
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    old.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("a voucher");
    world.settle();
    world.assert_status(Status::Challenged);
    assert!(world.payer.was_told(|event| matches!(event, Event::Challenged { ours: false, .. })));
    let pay = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    assert_eq!(world.payer_cannot(pay), "CHANNEL_NOT_OPEN");
    world.payer_does(Command::ClearChallenge { channel_id: world.id });
    assert_eq!(world.payer.transactions.last(), Some(&TransactionKind::Checkpoint));
    world.settle();
    world.assert_status(Status::Open);
    world.paid(500);
    world.close();
    world.assert_settled(1_500);
}

/// Nobody can clear a challenge whose time is over.
pub(crate) fn a_challenge_that_ran_out_cannot_be_cleared(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(1_000);
    let mut old = world.payee.cheat();
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    old.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("a voucher");
    world.settle();
    world.chain.pass(HOUR);
    world.payer.watch(&mut world.chain);
    assert_eq!(world.payer_cannot(Command::ClearChallenge { channel_id: world.id }), "CHANNEL_WRONG_STATUS");
    world.run_out();
    world.assert_status(Status::Closed);
    world.assert_settled(1_000);
}

/// Once a channel was paid out, deposits of others stay outside of it, and the wallet makes none.
pub(crate) fn nothing_is_deposited_after_a_close(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10);
    world.close();
    let transactions = world.payer.transactions.len();
    let command = Command::TopUp { channel_id: world.id, amount: 5 };
    assert_eq!(world.payer_cannot(command), "CHANNEL_WRONG_STATUS");
    world.resume();
    world.settle();
    assert_eq!(world.payer.transactions.len(), transactions);
    assert_eq!(world.payer.channel(&world.id).facts().payout.map(|payout| payout.refunded), Some(DEPOSIT - 10));
    world.assert_settled(10);
}

crate::with_both_assets!(
    a_snapshot_of_the_payee,
    a_snapshot_of_the_payer,
    a_payer_leaves_with_the_payees_redemption,
    a_payer_that_is_not_told_the_call_is_stale,
    a_redemption_is_forced,
    a_stale_base_is_slashed,
    a_challenge_is_cleared_and_payments_go_on,
    a_challenge_that_ran_out_cannot_be_cleared,
    nothing_is_deposited_after_a_close,
);
