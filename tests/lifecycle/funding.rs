//! Two-sided funding: the payee deposits first, and whoever deposited alone has it back.

use millstream_core::channel::{Balances, Status, Terms};
use millstream_core::nitro::calls;
use millstream_core::protocol::TransactionKind;
use millstream_core::wallet::Command;

use alloy_primitives::U256;

use crate::{Asset, DEPOSIT, World};

const SHARE: u128 = 300_000;

fn two_sided(terms: &mut Terms) {
    terms.payee_deposit = SHARE;
}

fn world_of_two(asset: Asset) -> World {
    let mut world = World::new(asset);
    world.payee.configure(|config| config.policy.max_contribution = SHARE);
    world
}

pub(crate) fn both_deposit_the_payee_first(asset: Asset) {
    let mut world = world_of_two(asset);
    world.propose_with(two_sided);
    world.deliver();
    assert!(world.payee.transactions.contains(&TransactionKind::Deposit), "at once");
    assert!(world.payer.transactions.is_empty(), "not before the payee's is deep enough");
    world.chain.mine(2);
    world.payer.watch(&mut world.chain);
    assert!(world.payer.transactions.contains(&TransactionKind::Deposit));
    assert_eq!(world.chain.holdings(world.asset, world.id), DEPOSIT + SHARE);
    world.settle();
    world.assert_status(Status::Open);
    world.assert_split(DEPOSIT, SHARE);
    world.paid(500);
    world.close();
    world.assert_settled(500);
    assert!(world.payer.reverts.is_empty() && world.payee.reverts.is_empty());
}

pub(crate) fn a_payer_that_never_deposits_costs_the_payee_nothing(asset: Asset) {
    let mut world = world_of_two(asset);
    world.payer.sends_later = true;
    world.propose_with(two_sided);
    world.settle();
    world.assert_status(Status::Signed);
    world.assert_gains(0, -(SHARE as i128));
    world.payee.wait(&mut world.chain, 1_800);
    assert_eq!(world.payee.transactions.last(), Some(&TransactionKind::Challenge), "leaves with the prefund");
    world.run_out();
    assert_eq!(world.payee.status(&world.id), Status::Closed);
    world.assert_settled(0);
    // The payer's deposit was on its way all the time: it finds nothing that it expects.
    world.payer.send_held(&mut world.chain);
    let reasons: Vec<String> = world.payer.reverts.iter().map(|(_, revert)| revert.reason()).collect();
    assert_eq!(reasons, ["held != expectedHeld"]);
    world.assert_settled(0);
}

pub(crate) fn a_payee_that_never_deposits_costs_the_payer_nothing(asset: Asset) {
    let mut world = world_of_two(asset);
    world.payee.sends_later = true;
    world.propose_with(two_sided);
    world.settle();
    assert!(world.payer.transactions.is_empty());
    world.payer.wait(&mut world.chain, 1_800);
    world.payee.wait(&mut world.chain, 1_800);
    assert_eq!(world.payer.status(&world.id), Status::Aborted);
    // A payee whose deposit comes after all takes it back.
    world.payee.sends_later = false;
    world.payee.send_held(&mut world.chain);
    world.settle();
    world.payee.wait(&mut world.chain, 1);
    world.run_out();
    world.assert_settled(0);
}

pub(crate) fn strangers_cannot_keep_a_channel_from_opening(asset: Asset) {
    let mut world = world_of_two(asset);
    world.payee.sends_later = true;
    world.propose_with(two_sided);
    world.deliver();
    // Somebody else deposits a little first: the payee's deposit expected nothing there.
    let stranger = world.payer.account;
    let (asset, id, adjudicator) = (world.asset, world.id, world.chain.adjudicator);
    if !asset.is_zero() {
        let approve = calls::approve(adjudicator, U256::from(7));
        world.chain.send(stranger, asset, 0, approve).expect("an approval");
    }
    let dust = calls::deposit(asset, id, U256::ZERO, U256::from(7));
    let value = if asset.is_zero() { 7 } else { 0 };
    world.chain.send(stranger, adjudicator, value, dust).expect("anyone may deposit");
    world.payee.sends_later = false;
    world.payee.send_held(&mut world.chain);
    assert_eq!(world.payee.reverts[0].1.reason(), "held != expectedHeld");
    world.settle();
    world.settle();
    world.assert_status(Status::Open);
    assert_eq!(world.chain.holdings(asset, id), DEPOSIT + SHARE);
    world.paid(50);
    world.close();
    // The stranger's money counts as the payee's.
    world.assert_gains(-57, 57);
}

pub(crate) fn dust_wakes_no_channel_that_was_given_up(asset: Asset) {
    let mut world = World::new(asset);
    world.propose();
    world.payer.sends_later = true;
    world.deliver();
    world.payer.held.clear(); // the owner's account did not send it
    let command = Command::AbortChannel { channel_id: world.id };
    world.payer.command(&mut world.chain, command).expect("nothing is deposited");
    let (asset, id, adjudicator) = (world.asset, world.id, world.chain.adjudicator);
    let stranger = world.payee.account;
    if !asset.is_zero() {
        let approve = calls::approve(adjudicator, U256::from(1));
        world.chain.send(stranger, asset, 0, approve).expect("an approval");
    }
    let dust = calls::deposit(asset, id, U256::ZERO, U256::from(1));
    world.chain.send(stranger, adjudicator, u128::from(asset.is_zero()), dust).expect("anyone may deposit");
    world.settle();
    let deposits =
        |(_, transaction): &&(_, millstream_core::protocol::Transaction)| transaction.kind == TransactionKind::Deposit;
    assert_eq!(world.payer.held.iter().filter(deposits).count(), 0, "its owner gave the channel up");
}

/// A deposit that is on its way is not sent again, however often the host asks.
pub(crate) fn a_deposit_under_way_is_not_sent_twice(asset: Asset) {
    let mut world = World::new(asset);
    world.propose();
    world.deliver();
    let sent = world.payer.transactions.clone();
    assert!(sent.contains(&TransactionKind::Deposit));
    for _ in 0..3 {
        world.resume();
    }
    assert_eq!((&world.payer.transactions, world.payer.reverts.len()), (&sent, 0));
    world.settle();
    world.assert_status(Status::Open);
}

/// The payee's part is there from the start: it can be given back, and paid out.
pub(crate) fn what_the_payee_deposited_is_its_own(asset: Asset) {
    let mut world = World::open_with(asset, two_sided);
    world.paid(1_000);
    world.payee_does(Command::GiveBack { channel_id: world.id, amount: 101_000 });
    world.deliver();
    world.assert_split(DEPOSIT + 100_000, SHARE - 100_000);
    assert_eq!(world.payee.channel(&world.id).base.map(|base| base.balances), {
        Some(Balances { payer: DEPOSIT + 100_000, payee: SHARE - 100_000 })
    });
    world.payee_does(Command::LeaveChannel { channel_id: world.id });
    world.run_out();
    world.assert_status(Status::Closed);
    world.assert_gains(100_000, -100_000);
}

crate::with_both_assets!(
    both_deposit_the_payee_first,
    a_payer_that_never_deposits_costs_the_payee_nothing,
    a_payee_that_never_deposits_costs_the_payer_nothing,
    strangers_cannot_keep_a_channel_from_opening,
    dust_wakes_no_channel_that_was_given_up,
    a_deposit_under_way_is_not_sent_twice,
    what_the_payee_deposited_is_its_own,
);
