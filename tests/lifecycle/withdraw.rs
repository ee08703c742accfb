//! Withdrawing: one transaction pays a part out and the rest goes on in a successor, whatever the other side does.

use alloy_primitives::{B256, U256};
use millstream_core::channel::Status;
use millstream_core::nitro::calls;
use millstream_core::protocol::{Event, TransactionKind};
use millstream_core::wallet::{Command, Purchase};

use crate::{Asset, DEPOSIT, World};

fn pay_in(world: &mut World, id: B256, amount: u128) {
    world.payer_does(Command::Pay { channel_id: id, amount, purchase: Purchase::default(), ticks: 0 });
    world.deliver();
}

/// The channel that goes on, as both see it.
fn successor(world: &World) -> B256 {
    let next = world.payer.channel(&world.id).successor.expect("a withdrawal").channel_id;
    assert_eq!(world.payee.channel(&world.id).successor.map(|successor| successor.channel_id), Some(next));
    next
}

/// Goes on in the successor: pays 5,000 and closes it.
fn goes_on(world: &mut World, next: B256) {
    world.id = next;
    world.assert_status(Status::Open);
    pay_in(world, next, 5_000);
    world.close();
}

pub(crate) fn the_payer_withdraws(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    world.deliver();
    let next = successor(&world);
    world.settle();
    world.assert_status(Status::Closed);
    let first = world.id;
    assert_eq!(world.payer.transactions.last(), Some(&TransactionKind::Conclude), "who asks submits");
    world.assert_gains(200_000 - DEPOSIT as i128, 0);
    assert_eq!(world.chain.holdings(world.asset, next), DEPOSIT - 200_000);
    let carried = Event::Closed { channel_id: first, paid: 0, refunded: 200_000, carried: DEPOSIT - 200_000 };
    assert!(world.payer.events.contains(&carried) && world.payee.events.contains(&carried));
    world.id = next;
    world.assert_split(DEPOSIT - 210_000, 10_000);
    goes_on(&mut world, next);
    world.assert_settled(15_000);
    assert_eq!(world.chain.holdings(world.asset, first), 0);
}

pub(crate) fn the_payee_withdraws(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    world.payee_does(Command::Withdraw { channel_id: world.id, amount: 4_000 });
    world.deliver();
    let next = successor(&world);
    world.settle();
    world.assert_status(Status::Closed);
    assert_eq!(world.payee.transactions, [TransactionKind::Conclude], "who asks submits");
    world.assert_gains(-(DEPOSIT as i128), 4_000);
    goes_on(&mut world, next);
    world.assert_settled(15_000);
}

/// A withdrawal from a successor, and one more: the money goes from channel to channel.
pub(crate) fn successors_have_successors(asset: Asset) {
    let mut world = World::open(asset);
    for _ in 0..3 {
        let id = world.id;
        pay_in(&mut world, id, 1_000);
        world.payer.now += 1;
        world.payee.now += 1;
        world.payer_does(Command::Withdraw { channel_id: id, amount: 100 });
        world.deliver();
        let next = successor(&world);
        world.settle();
        world.assert_status(Status::Closed);
        world.id = next;
        world.assert_status(Status::Open);
    }
    let next = world.id;
    goes_on(&mut world, next);
    world.assert_settled(8_000);
}

/// The host reports the same blocks again and again; the successor keeps what it has.
pub(crate) fn a_successor_stays_funded_when_blocks_are_reported_again(asset: Asset) {
    let mut world = World::open(asset);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    world.deliver();
    let next = successor(&world);
    world.settle();
    world.payer.watch_from_the_start(&mut world.chain);
    world.payee.watch_from_the_start(&mut world.chain);
    world.payer.crash();
    world.payee.crash();
    world.payer.watch(&mut world.chain);
    world.payee.watch(&mut world.chain);
    assert!(!world.payer.was_told(|event| matches!(event, Event::Reorganised { .. })));
    goes_on(&mut world, next);
    world.assert_settled(5_000);
}

/// Somebody deposits into the concluded channel: that is no new money of the successor.
pub(crate) fn dust_in_the_concluded_channel_does_not_touch_the_successor(asset: Asset) {
    let mut world = World::open(asset);
    let first = world.id;
    world.payer_does(Command::Withdraw { channel_id: first, amount: 200_000 });
    world.deliver();
    let next = successor(&world);
    world.settle();
    world.payer_does(Command::TopUp { channel_id: next, amount: 50_000 });
    world.settle();
    assert_eq!(world.payer.channel(&next).facts().holdings, DEPOSIT - 150_000);
    let (asset, adjudicator, stranger) = (world.asset, world.chain.adjudicator, world.payee.account);
    if !asset.is_zero() {
        let approve = calls::approve(adjudicator, U256::from(3));
        world.chain.send(stranger, asset, 0, approve).expect("an approval");
    }
    let dust = calls::deposit(asset, first, U256::ZERO, U256::from(3));
    world.chain.send(stranger, adjudicator, if asset.is_zero() { 3 } else { 0 }, dust).expect("anyone may deposit");
    world.settle();
    assert_eq!(world.payer.channel(&next).facts().holdings, DEPOSIT - 150_000);
    assert_eq!(world.payee.channel(&next).facts().holdings, DEPOSIT - 150_000);
    goes_on(&mut world, next);
    world.assert_gains(-5_000, 5_000 - 3);
}

/// The payee never answers: the payer gives the withdrawal up and pays on.
pub(crate) fn an_unanswered_withdrawal_is_given_up(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    world.payer.outgoing.clear();
    assert_eq!(world.payer.status(&world.id), Status::Withdrawing);
    let pay = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    assert_eq!(world.payer_cannot(pay), "CHANNEL_NOT_OPEN");
    world.payer.wait(&mut world.chain, 24 * 3_600);
    assert!(world.payer.was_told(|event| matches!(event, Event::PeerSilent { .. })));
    assert_eq!(world.payer.status(&world.id), Status::Open);
    world.paid(500);
    world.close();
    world.assert_settled(10_500);
}

/// The payee signed the successor and then nothing more: its answer comes when the payer has given up.
pub(crate) fn a_withdrawal_that_was_given_up_stays_given_up(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    let proposal = world.payer.outgoing.pop_front().expect("a successor");
    world.payee.receive(&mut world.chain, proposal).expect("a fair one");
    world.payer.wait(&mut world.chain, 24 * 3_600);
    assert_eq!(world.payer.status(&world.id), Status::Open);
    world.deliver();
    assert_eq!(world.payer.status(&world.id), Status::Open, "the acceptance came too late");
    world.paid(500);
    assert_eq!(world.payee.status(&world.id), Status::Open, "a payer that pays on has given it up");
    world.close();
    world.assert_settled(10_500);
}

/// The payee has both signatures of the final state and keeps its own: the payer leaves, the payee concludes.
pub(crate) fn a_payee_that_withholds_its_signature_and_concludes_alone(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    world.deliver_until_shutdown();
    assert_eq!(world.payee.status(&world.id), Status::Withdrawing);
    world.payee.outgoing.clear(); // it keeps its signature to itself
    let first = world.id;
    let next = successor(&world);
    world.payer.wait(&mut world.chain, 24 * 3_600);
    assert_eq!(world.payer.transactions.last(), Some(&TransactionKind::Challenge), "leaves with the base");
    // The payee uses the final state against the challenge.
    world.payee_does(Command::LeaveChannel { channel_id: first });
    assert_eq!(world.payee.transactions, [TransactionKind::Conclude]);
    world.settle();
    world.assert_status(Status::Closed);
    let closed = Event::Closed { channel_id: first, paid: 0, refunded: 200_000, carried: DEPOSIT - 200_000 };
    assert!(world.payer.events.contains(&closed), "{:?}", world.payer.events);
    goes_on(&mut world, next);
    world.assert_settled(15_000);
}

/// The payee withholds its signature and stays silent: the payer has its money back, the payee what it was paid.
pub(crate) fn a_payee_that_withholds_its_signature_is_left(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    world.deliver_until_shutdown();
    world.payee.outgoing.clear();
    let mut cheat = world.payee.cheat();
    world.payer.wait(&mut world.chain, 24 * 3_600);
    world.chain.mine(3);
    world.payer.watch(&mut world.chain);
    world.chain.pass(3_600);
    world.payer.watch(&mut world.chain);
    // Nobody answered, so the base was paid out, where the payer has everything. The final state comes too late.
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("it has a final state");
    world.settle();
    assert_eq!(world.payer.status(&world.id), Status::Closed);
    world.assert_gains(0, 0);
}

/// While a withdrawal is under way the payee closes with an old voucher: whoever has the final state concludes.
pub(crate) fn a_stale_close_during_a_withdrawal(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    let mut cheat = world.payee.cheat();
    world.paid(5_000);
    world.payer.sends_later = true;
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    world.deliver();
    let next = successor(&world);
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("it has a voucher");
    world.payer.sends_later = false;
    world.payer.send_held(&mut world.chain);
    world.settle();
    world.assert_status(Status::Closed);
    goes_on(&mut world, next);
    world.assert_settled(20_000);
}

/// Before the final state is signed, an old voucher is just a stale close; the payer's part is greater with it.
pub(crate) fn a_stale_close_before_the_withdrawal_is_agreed(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    let mut cheat = world.payee.cheat();
    world.paid(5_000);
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    world.payer.outgoing.clear();
    cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("it has a voucher");
    world.payee.store.borrow_mut().clear(); // it forgot the rest
    for _ in 0..3 {
        world.chain.mine(3);
        world.payer.watch(&mut world.chain);
        world.chain.pass(4_200);
        world.payer.watch(&mut world.chain);
    }
    assert_eq!(world.payer.status(&world.id), Status::Closed);
    world.assert_settled(10_000);
}

crate::with_both_assets!(
    the_payer_withdraws,
    the_payee_withdraws,
    successors_have_successors,
    a_successor_stays_funded_when_blocks_are_reported_again,
    dust_in_the_concluded_channel_does_not_touch_the_successor,
    an_unanswered_withdrawal_is_given_up,
    a_withdrawal_that_was_given_up_stays_given_up,
    a_payee_that_withholds_its_signature_and_concludes_alone,
    a_payee_that_withholds_its_signature_is_left,
    a_stale_close_during_a_withdrawal,
    a_stale_close_before_the_withdrawal_is_agreed,
);
