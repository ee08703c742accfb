//! What a hub takes on and what it refuses: liquidity, fees, whom it serves, how much at once; and what many channels at once
//! do to each other.

use millstream_core::channel::{MAX_GUARANTEES, Role, Stage, Status};
use millstream_core::protocol::HubPolicy;
use millstream_core::wallet::Command;

use crate::Asset;
use crate::hub_world::{AMOUNT, FEE, LEDGER, Row};

/// Opens a channel that party 1 refuses; returns the code with which the payer gave up. Nothing may be set aside or promised
/// afterwards.
fn refused(row: &mut Row, command: Command) -> String {
    let Command::OpenVirtual { terms, .. } = &command else { panic!("an opening") };
    row.id = terms.channel_id();
    row.does(0, command);
    row.deliver();
    let record = row.record(0);
    assert_eq!(record.status(), Status::Aborted);
    let code = record.aborted.clone().expect("a reason");
    for index in 0..row.ledgers.len() {
        for party in [index, index + 1] {
            let ledger = row.ledger(index, party);
            assert_eq!(
                (ledger.reserved.len(), ledger.split().guaranteed()),
                (0, 0),
                "ledger {index} at {party}: {code}"
            );
        }
    }
    code
}

fn opening(row: &mut Row, amount: u128, change: impl FnOnce(&mut Vec<u128>)) -> Command {
    let (terms, mut route) = row.way(0, row.last(), amount);
    change(&mut route.fees);
    Command::OpenVirtual { terms, route }
}

#[test]
fn a_hub_refuses_what_its_owner_does_not_want() {
    let with = |policy: Option<HubPolicy>| {
        let mut row = Row::new(Asset::Native, 1);
        row.parties[1].configure(|config| config.policy.hub = policy);
        row
    };
    let mut row = with(None);
    let command = opening(&mut row, AMOUNT, |_| {});
    assert_eq!(refused(&mut row, command), "HUB_NOT_SERVED");
    let mut row = with(Some(HubPolicy { serves: vec![row.parties[2].wallet.address()], ..HubPolicy::default() }));
    let command = opening(&mut row, AMOUNT, |_| {});
    assert_eq!(refused(&mut row, command), "HUB_NOT_SERVED");
    let mut row = with(Some(HubPolicy { max_amount: AMOUNT - 1, ..HubPolicy::default() }));
    let command = opening(&mut row, AMOUNT, |_| {});
    assert_eq!(refused(&mut row, command), "HUB_NOT_SERVED");
    let mut row = with(Some(HubPolicy { fee: 3, fee_rate: 1_000, ..HubPolicy::default() }));
    // 3, and a thousandth of the amount.
    let command = opening(&mut row, AMOUNT, |fees| fees[0] = 102);
    assert_eq!(refused(&mut row, command), "HUB_FEE");
    let command = opening(&mut row, AMOUNT, |fees| fees[0] = 103);
    row.does(0, command);
    row.deliver();
    row.assert_ledgers(&[LEDGER - AMOUNT - 103, LEDGER - AMOUNT], AMOUNT);
}

#[test]
fn what_a_hub_does_not_have_is_refused_and_what_it_promised_is_kept() {
    let mut row = Row::new(Asset::Native, 1);
    // The payee's ledger has a million of the hub's.
    let first = row.open_one(LEDGER - FEE);
    row.deliver();
    row.assert_open();
    let (terms, route) = row.way(0, 2, 1);
    let error = row.try_to(0, Command::OpenVirtual { terms, route }).expect_err("the payer has nothing left");
    assert_eq!(error.code(), "HUB_LIQUIDITY");
    row.id = first;
    row.close();
    // What is promised counts before it is set aside: the second does not fit beside the first.
    let (one, other) = (row.way(0, 2, 600_000), row.way(0, 2, 300_000));
    let again = row.way(0, 2, 200_000);
    let ids = [one.0.channel_id(), other.0.channel_id(), again.0.channel_id()];
    for (terms, route) in [one, other] {
        row.does(0, Command::OpenVirtual { terms, route });
    }
    assert_eq!(row.ledger(0, 0).promised(Role::Payer), 900_000 + 2 * FEE);
    let (terms, route) = again;
    assert_eq!(row.try_to(0, Command::OpenVirtual { terms, route }).expect_err("too much").code(), "HUB_LIQUIDITY");
    row.deliver();
    for id in &ids[..2] {
        row.id = *id;
        row.assert_open();
    }
    assert_eq!(row.ledger(0, 0).promised(Role::Payer), 0);
}

#[test]
fn a_payee_that_refuses_costs_nothing() {
    let mut row = Row::new(Asset::Native, 2);
    row.parties[3].configure(|config| config.policy.min_deposit = AMOUNT + 1);
    let command = opening(&mut row, AMOUNT, |_| {});
    assert_eq!(refused(&mut row, command), "POLICY_DEPOSIT");
    row.assert_ledgers(&[LEDGER, LEDGER, LEDGER], 0);
}

#[test]
fn many_channels_open_at_once_in_both_directions() {
    for leads in [[true, true], [true, false], [false, false]] {
        let mut row = Row::led_by(Asset::Native, &leads);
        let mut ids = Vec::new();
        for index in 0..20 {
            let (from, to) = if index % 2 == 0 { (0, 2) } else { (2, 0) };
            let (terms, route) = row.way(from, to, 10_000 + index);
            ids.push(terms.channel_id());
            row.does(usize::from(from == 2) * 2, Command::OpenVirtual { terms, route });
        }
        row.deliver();
        for _ in 0..4 {
            row.resume();
        }
        for id in &ids {
            row.id = *id;
            row.assert_open();
            assert_ne!(row.record(0).role, row.record(2).role);
        }
        row.assert_ledgers(&[0, 1].map(|index| row.balances(index).of(row.ledger(index, index).role)), 200_190);
        for id in &ids {
            row.id = *id;
            let payer = if row.record(0).role == Role::Payer { 0 } else { 2 };
            row.does(payer, Command::CloseChannel { channel_id: *id });
        }
        row.deliver();
        for _ in 0..4 {
            row.resume();
        }
        for id in &ids {
            row.id = *id;
            for party in 0..3 {
                assert_eq!(row.record(party).status(), Status::Closed, "{leads:?}");
            }
        }
        let gone = |index: usize| row.ledger(index, index).split().guaranteed();
        assert_eq!((gone(0), gone(1)), (0, 0));
    }
}

#[test]
fn a_ledger_has_room_for_so_many() {
    let mut row = Row::new(Asset::Native, 1);
    for _ in 0..MAX_GUARANTEES {
        row.open_one(1_000);
        row.deliver();
        row.assert_open();
    }
    let (terms, route) = row.way(0, 2, 1_000);
    let error = row.try_to(0, Command::OpenVirtual { terms, route }).expect_err("it is full");
    assert_eq!(error.code(), "GUARANTEE_TOO_MANY");
    let close = Command::CloseChannel { channel_id: row.ledgers[0] };
    assert_eq!(row.try_to(0, close.clone()).expect_err("guarantees").code(), "CLOSE_GUARANTEES");
    // All of it can be taken to the chain by one who is alone.
    row.pay(300);
    row.deliver();
    row.gone[0] = true;
    row.gone[2] = true;
    for ledger in 0..2 {
        row.does(1, Command::LeaveChannel { channel_id: row.ledgers[ledger] });
    }
    for _ in 0..8 {
        row.run_out();
        // What it has to remember for that can be read again.
        row.parties[1].crash();
        row.resume();
    }
    assert_eq!([0, 1].map(|index| row.chain.holdings(row.asset, row.ledgers[index])), [0, 0]);
    assert_eq!(row.gains()[1], i128::try_from(FEE).expect("small") * i128::try_from(MAX_GUARANTEES).expect("few"));
}

#[test]
fn a_channel_that_is_not_funded_in_time_is_given_up_everywhere() {
    // After how many parcels nothing more arrives.
    for after in 0..8 {
        let mut row = Row::new(Asset::Native, 1);
        row.open_one(AMOUNT);
        for _ in 0..after {
            let Some((from, parcel)) = row.next_parcel() else { break };
            row.bring(from, parcel);
        }
        while row.next_parcel().is_some() {}
        row.wait(31 * 60);
        for _ in 0..4 {
            row.resume();
        }
        let stages = |row: &Row, party: usize| {
            let channel = row.parties[party].wallet.channel(&row.id);
            channel
                .and_then(|channel| channel.passage.clone())
                .map(|it| it.hops().map(|hop| hop.stage).collect::<Vec<_>>())
        };
        let is_open =
            (0..3).all(|party| stages(&row, party).is_some_and(|all| all.iter().all(|it| *it == Stage::Held)));
        if is_open {
            row.assert_open();
            row.close();
        }
        for party in 0..3 {
            let free = [0, 1].into_iter().filter(|index| (*index..=index + 1).contains(&party));
            for ledger in free {
                let split = row.ledger(ledger, party).split();
                assert_eq!(
                    (split.guaranteed(), row.ledger(ledger, party).reserved.len()),
                    (0, 0),
                    "after {after}: {party}"
                );
            }
        }
    }
}

#[test]
fn a_wallet_that_holds_very_few_records_relays_all_the_same() {
    let mut row = Row::new(Asset::Native, 1);
    row.parties[1].configure(|config| config.max_loaded = 2);
    let ids: Vec<_> = (0..5)
        .map(|_| {
            let id = row.open_one(1_000);
            row.deliver();
            id
        })
        .collect();
    for id in ids {
        row.id = id;
        row.paid(10);
        row.close();
        assert_eq!(row.record(0).status(), Status::Closed);
        assert_eq!(row.record(2).status(), Status::Closed);
    }
    assert!(row.parties[1].wallet.channels().count() <= 4);
    row.does(1, Command::Resume { channel_id: row.ledgers[0] });
    row.does(1, Command::Resume { channel_id: row.ledgers[1] });
    row.assert_ledgers(&[LEDGER - 50 - 5 * FEE, LEDGER - 50], 0);
}

#[test]
fn more_channels_than_a_queue_holds_open_and_close_at_once() {
    let mut row = Row::new(Asset::Native, 1);
    let mut held = Vec::new();
    let ids: Vec<_> = (0..24)
        .map(|_| {
            let id = row.open_one(1_000);
            while row.parties[0].channel(&id).base.is_none() {
                let (from, parcel) = row.next_parcel().expect("they talk");
                row.bring(from, parcel);
            }
            // What it says to the hub waits, so that all of it comes at once.
            held.extend(row.parties[0].outgoing.drain(..));
            id
        })
        .collect();
    row.parties[0].outgoing.extend(held);
    row.deliver();
    for id in &ids {
        row.id = *id;
        row.assert_open();
    }
    for id in &ids {
        row.does(0, Command::CloseChannel { channel_id: *id });
    }
    // Nobody asks again: the queues move on by themselves.
    row.deliver();
    for id in &ids {
        row.id = *id;
        for party in 0..3 {
            assert_eq!(row.record(party).status(), Status::Closed);
        }
    }
    row.assert_ledgers(&[LEDGER - 24 * FEE, LEDGER], 0);
}
