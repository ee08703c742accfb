//! Few channels in memory, many in the store; and two processes on one store.

use alloy_primitives::B256;
use millstream_core::channel::{Kind, Status, derive_nonce};
use millstream_core::protocol::{Event, LeaseTerms};
use millstream_core::wallet::{Command, Purchase, StoredRecord};

use crate::party::{NOW, Party, deliver};
use crate::{Asset, DEPOSIT, World};

const CHANNELS: u32 = 50;

/// What a party has stored of a channel.
fn stored(party: &Party, id: B256) -> millstream_core::channel::Channel {
    let bytes = party.store.borrow()[&id].1.clone();
    millstream_core::channel::Channel::from_bytes(id, &bytes).expect("a record")
}

/// Fifty open channels between two wallets that keep one each in memory.
fn crowded() -> (World, Vec<B256>) {
    let mut world = World::new(Asset::Native);
    world.payer.configure(|config| config.max_loaded = 1);
    world.payee.configure(|config| config.max_loaded = 1);
    let ids: Vec<B256> = (0..CHANNELS)
        .map(|number| {
            world.propose_with(|terms| terms.nonce = derive_nonce(NOW, number));
            world.id
        })
        .collect();
    world.settle();
    world.settle();
    for party in [&world.payer, &world.payee] {
        for id in &ids {
            assert_eq!(stored(party, *id).status(), Status::Open);
        }
        assert!(party.wallet.channels().count() <= 3, "{} in memory", party.wallet.channels().count());
    }
    (world, ids)
}

fn pay(world: &mut World, id: B256, amount: u128) {
    world.payer_does(Command::Pay { channel_id: id, amount, purchase: Purchase::default(), ticks: 0 });
    world.deliver();
}

#[test]
fn fifty_channels_and_one_in_memory() {
    let (mut world, ids) = crowded();
    for (index, id) in ids.iter().enumerate() {
        pay(&mut world, *id, 10 + index as u128);
    }
    for id in ids.iter().rev() {
        pay(&mut world, *id, 1_000);
    }
    // A stale close of each kind: it is answered although its channel is not in memory.
    let paid: u128 = (0..u128::from(CHANNELS)).map(|index| 1_010 + index).sum();
    for id in &ids {
        world.payer_does(Command::LeaveChannel { channel_id: *id });
    }
    for _ in 0..4 {
        world.settle();
        world.chain.pass(3_600);
    }
    world.settle();
    for id in &ids {
        assert_eq!(stored(&world.payee, *id).status(), Status::Closed);
    }
    let paid = i128::try_from(paid).expect("small");
    world.assert_gains(-paid, paid);
}

#[test]
fn a_withdrawal_needs_two_records_and_gets_them() {
    let (mut world, ids) = crowded();
    for payer in [true, false] {
        let first = ids[usize::from(payer)];
        pay(&mut world, first, 100);
        let withdraw = Command::Withdraw { channel_id: first, amount: 50 };
        if payer {
            world.payer_does(withdraw)
        } else {
            world.payee_does(withdraw)
        }
        world.settle();
        pay(&mut world, ids[7], 1);
        world.settle();
        assert_eq!(stored(&world.payer, first).status(), Status::Closed);
        let next = stored(&world.payee, first).successor.expect("a successor").channel_id;
        pay(&mut world, next, 1);
        assert_eq!(stored(&world.payee, next).status(), Status::Open);
        world.payer_does(Command::CloseChannel { channel_id: next });
        world.settle();
        assert_eq!(stored(&world.payee, next).status(), Status::Closed);
    }
    // 101 each, and the two that were paid elsewhere are still in their channels.
    let open = i128::from(CHANNELS - 2) * i128::try_from(DEPOSIT).expect("small");
    world.assert_gains(-202 - open, 202);
}

/// Events of channels that are not ours come and go without a trace.
#[test]
fn foreign_channels_are_no_business_of_ours() {
    let mut world = World::open(Asset::Native);
    world.paid(10);
    let mut strangers = (Party::new(&mut world.chain, 0x71), Party::new(&mut world.chain, 0x72));
    let terms = strangers.0.terms(&strangers.1, world.asset, DEPOSIT);
    let foreign = terms.channel_id();
    strangers.0.command(&mut world.chain, Command::OpenChannel(terms)).expect("good terms");
    deliver(&mut world.chain, &mut strangers.0, &mut strangers.1);
    let events = world.payer.events.len();
    world.settle();
    world.settle();
    assert!(world.payer.wallet.channel(&foreign).is_none() && world.payee.wallet.channel(&foreign).is_none());
    assert_eq!(world.payer.events.len(), events);
    let leave = Command::LeaveChannel { channel_id: foreign };
    assert_eq!(world.payer_cannot(leave), "UNKNOWN_CHANNEL");
    world.close();
    world.assert_settled(10);
}

/// Two processes of one payer: only one of them ever lets a voucher of a serial out.
#[test]
fn two_payers_on_one_store_never_sign_one_serial_twice() {
    let mut world = World::open(Asset::Native);
    world.paid(10);
    let mut other = world.payer.second_process();
    let pay = |amount| Command::Pay { channel_id: world.id, amount, purchase: Purchase::default(), ticks: 0 };
    let (first, second, third) = (pay(100), pay(7), pay(1_000));
    world.payer.command(&mut world.chain, first).expect("open");
    other.command(&mut world.chain, second.clone()).expect("the step itself is right");
    assert!(other.outgoing.is_empty(), "somebody else wrote first");
    assert!(other.was_told(|event| matches!(event, Event::CommitFailed { .. })));
    other.command(&mut world.chain, second).expect("on the record of the first");
    world.payer.command(&mut world.chain, third).expect("the step itself is right");
    assert_eq!(world.payer.outgoing.len(), 1, "only the first one left");
    world.payer.outgoing.append(&mut other.outgoing);
    let serials: Vec<u32> = world
        .payer
        .outgoing
        .iter()
        .filter_map(|parcel| match parcel {
            crate::party::Parcel::Payment(bytes) => millstream_core::wire::decode_payment(bytes).ok(),
            crate::party::Parcel::Message(_) => None,
        })
        .map(|payment| payment.serial())
        .collect();
    assert_eq!(serials, [2, 3]);
    world.deliver();
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 117);
}

/// The same with leases, where most payments write nothing.
#[test]
fn two_payers_on_one_store_never_share_a_lease() {
    let mut world = World::new(Asset::Native);
    world.payer.configure(|config| config.lease = Some(LeaseTerms { payments: 10, amount: 10_000 }));
    world.propose();
    world.settle();
    world.paid(100);
    let mut other = world.payer.second_process();
    assert_eq!(other.status(&world.id), Status::Disconnected, "a lease is out");
    world.paid(100);
    let pay = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    assert!(other.command(&mut world.chain, pay.clone()).is_err());
    other.command(&mut world.chain, Command::Resume { channel_id: world.id }).expect("asks the payee");
    deliver(&mut world.chain, &mut other, &mut world.payee);
    other.command(&mut world.chain, pay).expect("told by the payee");
    deliver(&mut world.chain, &mut other, &mut world.payee);
    assert_eq!(world.payee.channel(&world.id).last_serial(), 11);
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 201);
}

/// Two processes of one payee: only one of them answers a split.
#[test]
fn two_payees_on_one_store_agree_to_one_split() {
    let mut world = World::open_with(Asset::Native, |terms| {
        terms.kind = Kind::Ledger;
        terms.payee_deposit = DEPOSIT;
    });
    let mut other = world.payee.second_process();
    let mut cheat = world.payer.cheat();
    let pay = |amount| Command::Pay { channel_id: world.id, amount, purchase: Purchase::default(), ticks: 0 };
    let (one, two) = (pay(5), pay(70));
    world.payer.command(&mut world.chain, one).expect("open");
    cheat.command(&mut world.chain, two).expect("open");
    let (first, second) = (world.payer.outgoing.pop_front(), cheat.outgoing.pop_front());
    world.payee.receive(&mut world.chain, first.expect("an update")).expect("a fair split");
    let _ = other.receive(&mut world.chain, second.expect("an update with the same turn"));
    assert_eq!(world.payee.outgoing.len(), 1);
    assert!(other.outgoing.is_empty(), "the turn is taken");
    world.deliver();
    world.assert_split(DEPOSIT - 5, DEPOSIT + 5);
}

/// A record that the store gives under the wrong key, or of another wallet, is not taken.
#[test]
fn a_record_of_somebody_else_is_not_taken() {
    let mut world = World::open(Asset::Native);
    let (key, (version, bytes)) =
        world.payee.store.borrow().first_key_value().map(|(key, stored)| (*key, stored.clone())).expect("a record");
    let record = StoredRecord { key, version, bytes: Some(bytes) };
    let mut stranger = Party::new(&mut world.chain, 0x71);
    let loaded = millstream_core::wallet::Input::Loaded(vec![record]);
    let error = stranger.input(&mut world.chain, loaded).expect_err("not its own");
    assert_eq!(error.code(), "RECORD_FOREIGN");
}
