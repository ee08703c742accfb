//! Money that comes after a pay-out: the outcome that was paid out pays the rest of itself out of it.

use alloy_primitives::{B256, Bytes, U256};
use millstream_core::channel::Status;
use millstream_core::nitro::{SignedVariablePart, calls, challenge_digest, state_hash};
use millstream_core::protocol::{Event, TransactionKind};
use millstream_core::wallet::Command;
use millstream_tests::sim::states;

use crate::world::HOUR;
use crate::{Asset, DEPOSIT, World};

/// Somebody challenges with the base of a channel that the payer has.
fn challenge_with_the_base(world: &mut World, id: B256) {
    let channel = world.payer.channel(&id);
    let (terms, base) = (channel.terms.clone(), channel.base.expect("signed by both"));
    let candidate: SignedVariablePart = states::signed_base(&terms, &base, &[]).expect("signed by both");
    let digest = challenge_digest(state_hash(id, &candidate.variable_part));
    let signature = world.payer.sign_digest(digest);
    let data = calls::challenge(&terms.fixed_part(), &[], &candidate, &signature);
    send(world, 0, data);
}

fn send(world: &mut World, value: u128, data: Bytes) {
    let (account, adjudicator) = (world.payer.account, world.chain.adjudicator);
    world.chain.send(account, adjudicator, value, data).expect("anyone may do that");
}

/// The payer of a withdrawal challenges the successor, lets the outcome be paid out of nothing, and concludes only then.
pub(crate) fn a_successor_that_was_paid_out_before_its_money_came(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(10_000);
    world.payer.sends_later = true;
    world.payer_does(Command::Withdraw { channel_id: world.id, amount: 200_000 });
    world.deliver();
    let next = world.payee.channel(&world.id).successor.expect("a withdrawal").channel_id;
    challenge_with_the_base(&mut world, next);
    world.settle();
    assert_eq!(world.payee.status(&next), Status::Challenged);
    world.chain.pass(HOUR + 600);
    world.settle();
    world.settle();
    assert_eq!(world.payee.status(&next), Status::Closed);
    let nothing = Event::Closed { channel_id: next, paid: 0, refunded: 0, carried: 0 };
    assert!(world.payee.events.contains(&nothing), "{:?}", world.payee.events);
    world.payee.crash();
    world.payer.held.retain(|(_, transaction)| transaction.kind == TransactionKind::Conclude);
    world.payer.send_held(&mut world.chain);
    world.payee.transactions.clear();
    world.chain.mine(3);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Transfer]);
    world.settle();
    let paid = Event::Closed { channel_id: next, paid: 10_000, refunded: DEPOSIT - 210_000, carried: 0 };
    assert!(world.payee.events.contains(&paid), "{:?}", world.payee.events);
    world.id = next;
    world.assert_status(Status::Closed);
    world.assert_settled(10_000);
}

/// Blocks are taken back, and the conclusion is mined again before the deposit.
pub(crate) fn a_deposit_that_is_mined_after_the_conclusion(asset: Asset) {
    let mut world = World::new(asset);
    world.propose();
    let before = world.chain.snapshot();
    world.settle();
    world.paid(300);
    world.payer.sends_later = true;
    world.payer_does(Command::CloseChannel { channel_id: world.id });
    world.deliver();
    let conclude = world.payer.held[0].1.data.clone();
    world.payer.send_held(&mut world.chain);
    world.payer.sends_later = false;
    world.settle();
    world.assert_status(Status::Closed);
    world.chain.restore(&before);
    world.chain.mine(10);
    send(&mut world, 0, conclude);
    let (account, token, adjudicator) = (world.payer.account, world.asset, world.chain.adjudicator);
    if !token.is_zero() {
        let approve = calls::approve(adjudicator, U256::from(DEPOSIT));
        world.chain.send(account, token, 0, approve).expect("an approval");
    }
    let value = if token.is_zero() { DEPOSIT } else { 0 };
    let deposit = calls::deposit(token, world.id, world.chain_holds(), U256::from(DEPOSIT));
    send(&mut world, value, deposit);
    world.chain.mine(10);
    world.payer.watch_from_the_start(&mut world.chain);
    world.payee.watch_from_the_start(&mut world.chain);
    world.settle();
    world.assert_status(Status::Closed);
    world.assert_settled(300);
}

/// A pledge that was never deposited stays in the outcome: dust that comes for it is not worth a transaction.
#[test]
fn dust_is_not_paid_out() {
    let mut world = World::open(Asset::Native);
    world.payer.configure(|config| config.policy.exit_cost = 100);
    world.payer.sends_later = true;
    world.payer_does(Command::TopUp { channel_id: world.id, amount: 5_000 });
    world.deliver();
    world.payer.held.clear();
    world.payer.sends_later = false;
    world.close();
    world.payer.transactions.clear();
    for (amount, paid_out) in [(100, false), (1, true)] {
        let deposit = calls::deposit(world.asset, world.id, world.chain_holds(), U256::from(amount));
        send(&mut world, amount, deposit);
        world.settle();
        assert_eq!(world.payer.transactions.contains(&TransactionKind::Transfer), paid_out);
        assert_eq!(world.payee.transactions, [], "not its money");
        world.assert_status(Status::Closed);
    }
    world.assert_settled(0);
}

crate::with_both_assets!(
    a_successor_that_was_paid_out_before_its_money_came,
    a_deposit_that_is_mined_after_the_conclusion,
);
