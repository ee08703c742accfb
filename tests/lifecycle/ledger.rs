//! Ledgers: money both ways, a queue of proposals, and every way out with the newest state.

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Kind, Status, Terms};
use millstream_core::protocol::{Event, TransactionKind};
use millstream_core::wallet::{Command, Input, Purchase};

use crate::party::Parcel;
use crate::world::HOUR;
use crate::{Asset, DEPOSIT, World};

fn of_two(terms: &mut Terms) {
    terms.kind = Kind::Ledger;
    terms.payee_deposit = DEPOSIT;
}

fn pay(world: &World, amount: u128) -> Command {
    Command::Pay { channel_id: world.id, amount, purchase: Purchase::default(), ticks: 0 }
}

fn leader_pays(world: &mut World, amount: u128) {
    let command = pay(world, amount);
    world.payer_does(command);
}

fn follower_pays(world: &mut World, amount: u128) {
    let command = pay(world, amount);
    world.payee_does(command);
}

pub(crate) fn money_goes_both_ways(asset: Asset) {
    let mut world = World::open_with(asset, of_two);
    leader_pays(&mut world, 1_000);
    world.deliver();
    follower_pays(&mut world, 300_000);
    world.deliver();
    leader_pays(&mut world, 50);
    world.deliver();
    world.assert_split(DEPOSIT - 1_050 + 300_000, DEPOSIT + 1_050 - 300_000);
    world.close();
    world.assert_gains(298_950, -298_950);
    assert_eq!(world.chain.holdings(world.asset, world.id), 0);
}

pub(crate) fn either_side_leaves_with_the_newest_state(asset: Asset) {
    for leader in [true, false] {
        let mut world = World::open_with(asset, of_two);
        leader_pays(&mut world, 1_000);
        world.deliver();
        follower_pays(&mut world, 250);
        world.deliver();
        let leave = Command::LeaveChannel { channel_id: world.id };
        if leader {
            world.payer_does(leave)
        } else {
            world.payee_does(leave)
        }
        world.run_out();
        world.assert_status(Status::Closed);
        world.assert_settled(750);
    }
}

pub(crate) fn an_older_split_is_answered(asset: Asset) {
    for leader in [true, false] {
        let mut world = World::open_with(asset, of_two);
        let mut cheat = if leader { world.payer.cheat() } else { world.payee.cheat() };
        if leader {
            leader_pays(&mut world, 1_000)
        } else {
            follower_pays(&mut world, 1_000)
        }
        world.deliver();
        cheat.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("an old split");
        // Its own wallet would answer as well; it is switched off.
        for _ in 0..3 {
            world.chain.mine(3);
            let honest = if leader { &mut world.payee } else { &mut world.payer };
            honest.watch(&mut world.chain);
            world.chain.pass(HOUR + 600);
            let honest = if leader { &mut world.payee } else { &mut world.payer };
            honest.watch(&mut world.chain);
        }
        let paid: i128 = if leader { 1_000 } else { -1_000 };
        world.assert_gains(-paid, paid);
    }
}

#[test]
fn several_proposals_are_under_way_at_once() {
    let mut world = World::open_with(Asset::Native, of_two);
    for amount in [1, 20, 300] {
        leader_pays(&mut world, amount);
    }
    assert_eq!(world.payer.channel(&world.id).proposals.len(), 3);
    world.assert_unchanged_base();
    world.deliver();
    world.assert_split(DEPOSIT - 321, DEPOSIT + 321);
    for _ in 0..16 {
        leader_pays(&mut world, 1);
    }
    let command = pay(&world, 1);
    assert_eq!(world.payer_cannot(command), "CHANNEL_BUSY");
    world.deliver();
    world.close();
    world.assert_settled(337);
}

/// Every subset of three updates and their three acknowledgements may be lost; asking again brings both level.
#[test]
fn lost_updates_and_acks_are_made_up_for() {
    for lost in 0u32..64 {
        let mut world = World::open_with(Asset::Native, of_two);
        for amount in [1, 20, 300] {
            leader_pays(&mut world, amount);
        }
        for index in 0..3 {
            let parcel = world.payer.outgoing.pop_front().expect("an update");
            if lost & (1 << index) == 0 {
                let _ = world.payee.receive(&mut world.chain, parcel);
            }
        }
        for index in 3..6 {
            let Some(parcel) = world.payee.outgoing.pop_front() else { break };
            if lost & (1 << index) == 0 {
                let _ = world.payer.receive(&mut world.chain, parcel);
            }
        }
        world.deliver();
        world.resume();
        world.assert_split(DEPOSIT - 321, DEPOSIT + 321);
        leader_pays(&mut world, 4_000);
        world.deliver();
        world.assert_split(DEPOSIT - 4_321, DEPOSIT + 4_321);
        assert!(world.payer.channel(&world.id).proposals.is_empty(), "lost {lost:#b}");
    }
}

/// Messages come twice and in every order.
#[test]
fn duplicates_and_disorder_change_nothing() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for to in orders {
        for back in orders {
            let mut world = World::open_with(Asset::Native, of_two);
            for amount in [1, 20, 300] {
                leader_pays(&mut world, amount);
            }
            let updates: Vec<_> = world.payer.outgoing.drain(..).collect();
            for index in to.into_iter().chain(to) {
                let _ = world.payee.receive(&mut world.chain, updates[index].clone());
            }
            let answers: Vec<_> = world.payee.outgoing.drain(..).collect();
            for index in back.into_iter().chain(3..answers.len()).chain(back) {
                if let Some(answer) = answers.get(index) {
                    let _ = world.payer.receive(&mut world.chain, answer.clone());
                }
            }
            world.deliver();
            world.resume();
            world.assert_split(DEPOSIT - 321, DEPOSIT + 321);
            world.close();
            world.assert_settled(321);
        }
    }
}

/// A follower that pays twice in a row: the second waits for the first.
#[test]
fn a_follower_has_one_wish_at_a_time() {
    let mut world = World::open_with(Asset::Native, of_two);
    follower_pays(&mut world, 10);
    let command = pay(&world, 20);
    assert_eq!(world.payee_cannot(command), "CHANNEL_BUSY");
    world.deliver();
    follower_pays(&mut world, 20);
    world.deliver();
    world.assert_split(DEPOSIT + 30, DEPOSIT - 30);
}

/// The leader refuses a wish: the follower may wish for something else.
#[test]
fn a_refused_wish_is_over() {
    let mut world = World::open_with(Asset::Native, |terms| {
        of_two(terms);
        terms.reserve = 1_000;
    });
    // The leader does not propose what would leave the follower less than its reserve.
    follower_pays(&mut world, DEPOSIT - 999);
    world.deliver();
    assert_eq!(world.payee.errors_of_peer(), ["UPDATE_RESERVE"]);
    world.assert_split(DEPOSIT, DEPOSIT);
    follower_pays(&mut world, DEPOSIT - 1_000);
    world.deliver();
    world.assert_split(2 * DEPOSIT - 1_000, 1_000);
    let (command, reserve) = (pay(&world, 1), pay(&world, 2 * DEPOSIT - 1_000));
    assert_eq!(world.payer_cannot(reserve), "UPDATE_RESERVE");
    world.payer_does(command);
    world.deliver();
    world.close();
    world.assert_gains(DEPOSIT as i128 - 1_001, 1_001 - DEPOSIT as i128);
}

/// Both pay at the same time.
#[test]
fn payments_cross() {
    let mut world = World::open_with(Asset::Native, of_two);
    leader_pays(&mut world, 5);
    follower_pays(&mut world, 70);
    leader_pays(&mut world, 900);
    world.deliver();
    world.assert_split(DEPOSIT - 905 + 70, DEPOSIT + 905 - 70);
    world.close();
    world.assert_settled(835);
}

/// A close over what is under way: the final state has all of it.
#[test]
fn a_close_takes_along_what_was_not_acknowledged() {
    let mut world = World::open_with(Asset::Native, of_two);
    for amount in [1, 20, 300] {
        leader_pays(&mut world, amount);
    }
    world.payer.outgoing.clear();
    world.close();
    world.assert_settled(321);
}

/// Two assets are two channels.
#[test]
fn two_assets_are_two_channels() {
    let mut world = World::open_with(Asset::Token, of_two);
    let tokens = world.id;
    world.asset = Address::ZERO;
    world.propose_with(|terms| {
        of_two(terms);
        terms.nonce += 1;
    });
    world.settle();
    world.assert_status(Status::Open);
    follower_pays(&mut world, 7);
    world.deliver();
    (world.id, world.asset) = (tokens, world.chain.token);
    leader_pays(&mut world, 11);
    world.deliver();
    let native: Vec<B256> = world.payer.wallet.channels().map(|(id, _)| *id).filter(|id| *id != tokens).collect();
    world.close();
    world.assert_settled(11);
    (world.id, world.asset) = (native[0], Address::ZERO);
    world.close();
    world.assert_gains(7, -7);
}

/// The follower refuses: the turn and what is queued on it are burned, and the next payments go on.
#[test]
fn a_refused_split_burns_its_turn_and_the_queue() {
    let mut world = World::open_with(Asset::Native, of_two);
    leader_pays(&mut world, 5);
    world.deliver();
    // A leader restored without asking believes in the split before.
    let record = {
        let mut channel = world.payer.channel(&world.id).clone();
        channel.base = channel.base.map(|base| millstream_core::channel::Base {
            balances: millstream_core::channel::Balances { payer: DEPOSIT, payee: DEPOSIT },
            ..base
        });
        channel.to_bytes()
    };
    world.payer.store.borrow_mut().entry(world.id).and_modify(|stored| stored.1 = record);
    world.payer.crash();
    leader_pays(&mut world, 1);
    leader_pays(&mut world, 2);
    let turns: Vec<u64> = world.payer.channel(&world.id).proposals.iter().map(|next| next.base.turn).collect();
    world.deliver();
    let refused = |event: &Event| matches!(event, Event::UpdateRefused { code, .. } if code == "UPDATE_UNDERPAYS");
    assert!(world.payer.was_told(refused));
    assert!(world.payer.channel(&world.id).proposals.is_empty());
    leader_pays(&mut world, 50);
    assert!(world.payer.channel(&world.id).proposals[0].base.turn > turns[1]);
    world.deliver();
    world.assert_split(DEPOSIT - 50, DEPOSIT + 50);
    world.close();
    world.assert_settled(50);
    assert_eq!(world.payer.transactions.last(), Some(&TransactionKind::Conclude));
}

crate::with_both_assets!(money_goes_both_ways, either_side_leaves_with_the_newest_state, an_older_split_is_answered,);

/// A seller that takes streams alone is not drawn into a ledger.
#[test]
fn a_kind_that_is_not_taken_is_refused() {
    let mut world = World::new(Asset::Native);
    world.payee.configure(|config| config.policy.kinds = vec![Kind::Stream]);
    let mut terms = world.payer.terms(&world.payee, Address::ZERO, DEPOSIT);
    terms.kind = Kind::Ledger;
    world.id = terms.channel_id();
    world.payer_does(Command::OpenChannel(terms));
    let Some(Parcel::Message(open)) = world.payer.outgoing.pop_front() else { panic!("a proposal") };
    let error = world.payee.input(&mut world.chain, Input::Message(open)).expect_err("not taken");
    assert_eq!(error.code(), "POLICY_KIND");
    assert!(world.payee.wallet.channel(&world.id).is_none());
}
