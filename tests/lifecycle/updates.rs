//! Updates of a stream: fold, give back, and what happens when one is lost or refused.

use alloy_primitives::B256;
use millstream_core::channel::{Balances, Base, Status};
use millstream_core::protocol::Event;
use millstream_core::wallet::{Command, Purchase};

use crate::{Asset, DEPOSIT, World};

pub(crate) fn both_roles_fold(asset: Asset) {
    let mut world = World::open(asset);
    for payer in [true, false, true] {
        world.paid(1_000);
        world.paid(500);
        let fold = Command::Fold { channel_id: world.id };
        if payer {
            world.payer_does(fold)
        } else {
            world.payee_does(fold)
        }
        world.deliver();
        for party in [&world.payer, &world.payee] {
            let channel = party.channel(&world.id);
            let base = channel.base.expect("a base");
            assert_eq!((channel.best, base.balances), (None, channel.balances()), "vouchers start again");
        }
    }
    world.assert_split(DEPOSIT - 4_500, 4_500);
    world.paid(1);
    assert_eq!(world.payee.channel(&world.id).last_serial(), 1);
    world.close();
    world.assert_settled(4_501);
}

pub(crate) fn the_payee_gives_back(asset: Asset) {
    let mut world = World::open(asset);
    world.paid(1_000);
    assert_eq!(world.payee_cannot(Command::GiveBack { channel_id: world.id, amount: 1_001 }), "UPDATE_BALANCE");
    assert_eq!(world.payee_cannot(Command::GiveBack { channel_id: world.id, amount: 0 }), "UPDATE_ZERO_AMOUNT");
    world.payee_does(Command::GiveBack { channel_id: world.id, amount: 400 });
    world.deliver();
    world.assert_split(DEPOSIT - 600, 600);
    // Asked again it is not given again.
    world.resume();
    world.assert_split(DEPOSIT - 600, 600);
    world.paid(7);
    world.close();
    world.assert_settled(607);
}

/// What the payee offered is taken once, whatever is lost on the way.
#[test]
fn an_offer_is_taken_once() {
    for lost in 0..3 {
        let mut world = World::open(Asset::Native);
        world.paid(1_000);
        world.payee_does(Command::GiveBack { channel_id: world.id, amount: 400 });
        for step in 0..3 {
            let (from, to) =
                if step == 1 { (&mut world.payer, &mut world.payee) } else { (&mut world.payee, &mut world.payer) };
            let Some(parcel) = from.outgoing.pop_front() else { break };
            if step != lost {
                to.receive(&mut world.chain, parcel).expect("a fair message");
            }
        }
        world.resume();
        world.assert_split(DEPOSIT - 600, 600);
        world.paid(1);
        world.close();
        world.assert_settled(601);
    }
}

#[test]
fn no_voucher_is_signed_while_a_base_is_under_way() {
    let mut world = World::open(Asset::Native);
    world.paid(100);
    world.payer_does(Command::Fold { channel_id: world.id });
    let pay = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    assert_eq!(world.payer_cannot(pay), "CHANNEL_BUSY");
    assert_eq!(world.payer_cannot(Command::Fold { channel_id: world.id }), "CHANNEL_BUSY");
    world.deliver();
    world.paid(1);
}

/// A voucher that is in flight while both fold is in the base already.
#[test]
fn a_voucher_in_flight_is_part_of_the_fold() {
    let mut world = World::open(Asset::Native);
    world.pay(100);
    let late = world.payer.outgoing.pop_front().expect("a payment");
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.assert_split(DEPOSIT - 100, 100);
    let error = world.payee.receive(&mut world.chain, late).expect_err("on the old base");
    assert_eq!(error.code(), "VOUCHER_WRONG_BASE_TURN");
    world.close();
    world.assert_settled(100);
}

/// The payer believes in less than it paid: its fold is refused, the turn burned, and vouchers go on.
#[test]
fn a_refused_fold_burns_its_turn_and_vouchers_go_on() {
    let mut world = World::open(Asset::Native);
    world.paid(1_000);
    let record = {
        let mut channel = world.payer.channel(&world.id).clone();
        let balances = Balances { payer: DEPOSIT - 1, payee: 1 };
        channel.base = channel.base.map(|base| Base { balances, ..base });
        channel.best = None;
        channel.to_bytes()
    };
    let good = world.payer.store.borrow()[&world.id].1.clone();
    world.payer.store.borrow_mut().entry(world.id).and_modify(|stored| stored.1 = record);
    world.payer.crash();
    world.payer_does(Command::Fold { channel_id: world.id });
    let burned = world.payer.channel(&world.id).signed_turn;
    world.deliver();
    let refused = |event: &Event| matches!(event, Event::UpdateRefused { code, .. } if code == "UPDATE_UNDERPAYS");
    assert!(world.payer.was_told(refused));
    assert_eq!(world.payer.status(&world.id), Status::Open);
    // It finds its record again, but remembers the turn.
    let mut channel = millstream_core::channel::Channel::from_bytes(world.id, &good).expect("a record");
    channel.signed_turn = burned;
    channel.sent = world.payer.channel(&world.id).sent;
    world.payer.store.borrow_mut().entry(world.id).and_modify(|stored| stored.1 = channel.to_bytes());
    world.payer.crash();
    world.paid(50);
    assert!(world.payee.channel(&world.id).last_serial() > 2, "the serial above the burned turn");
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.assert_split(DEPOSIT - 1_050, 1_050);
    world.close();
    world.assert_settled(1_050);
}

/// Each message of an update may be lost; the two go on.
#[test]
fn lost_messages_of_an_update_are_sent_again() {
    for lost in 0..2 {
        for (command, split) in [
            (Command::Fold { channel_id: B256::ZERO }, (DEPOSIT - 300, 300)),
            (Command::TopUp { channel_id: B256::ZERO, amount: 50 }, (DEPOSIT - 250, 300)),
        ] {
            let mut world = World::open(Asset::Native);
            world.paid(300);
            let channel_id = world.id;
            world.payer_does(match command {
                Command::TopUp { amount, .. } => Command::TopUp { channel_id, amount },
                _ => Command::Fold { channel_id },
            });
            if lost == 1 {
                let update = world.payer.outgoing.pop_front().expect("an update");
                world.payee.receive(&mut world.chain, update).expect("a fair update");
            }
            world.payer.outgoing.clear();
            world.payee.outgoing.clear();
            world.payer.crash();
            world.resume();
            world.assert_split(split.0, split.1);
            world.settle();
            world.paid(1);
            world.close();
            world.assert_settled(301);
        }
    }
}

crate::with_both_assets!(both_roles_fold, the_payee_gives_back);
