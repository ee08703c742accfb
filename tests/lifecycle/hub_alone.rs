//! Virtual channels left on chain: each role alone, whoever else is silent or hostile, with balances to the unit.

use millstream_core::channel::Status;
use millstream_core::protocol::TransactionKind;
use millstream_core::wallet::Command;

use crate::Asset;
use crate::hub_world::{AMOUNT, FEE, LEDGER, Row};

/// How much is paid before somebody leaves.
const PAID: u128 = 1_234;

#[test]
fn a_silent_payer_costs_one_challenge_and_the_ledgers_go_on() {
    let mut row = Row::open(Asset::Native, 1);
    row.paid(PAID);
    row.gone[0] = true;
    // The payee asks for the close, nobody answers, and it goes on chain with its claim.
    row.does(2, Command::CloseChannel { channel_id: row.id });
    row.deliver();
    row.wait(25 * 3_600);
    row.run_out();
    assert_eq!(row.record(2).status(), Status::Closed);
    let here = row.ledger(1, 1);
    assert_eq!((here.status(), here.split().guaranteed()), (Status::Open, 0));
    assert_eq!(row.ledger(1, 2).split(), here.split());
    assert_eq!(here.balances().payer, LEDGER - PAID, "the hub paid the payee in their ledger, off chain");
    let mut sent = row.parties[2].transactions.clone();
    sent.retain(|kind| *kind != TransactionKind::Deposit);
    assert_eq!(sent, [TransactionKind::Challenge]);
    // The hub gets it back from the silent payer, on chain.
    assert_eq!(row.balances(0).payer, LEDGER - AMOUNT - FEE);
    row.does(1, Command::LeaveChannel { channel_id: row.ledgers[0] });
    row.run_out();
    assert_eq!(row.chain.holdings(row.asset, row.ledgers[0]), 0);
    let paid = i128::try_from(LEDGER).expect("small");
    assert_eq!(row.gains()[1], i128::try_from(FEE + PAID).expect("small") - paid, "the rest is in the open ledger");
}

#[test]
fn a_hub_that_went_silent_in_the_middle_of_opening_costs_nobody_anything() {
    // After how many parcels the hub is gone.
    for after in 0..12 {
        let mut row = Row::new(Asset::Native, 1);
        row.open_one(AMOUNT);
        for _ in 0..after {
            let Some((from, parcel)) = row.next_parcel() else { break };
            row.bring(from, parcel);
        }
        row.gone[1] = true;
        row.deliver();
        for party in [0, 2] {
            let ledger = row.ledgers[if party == 0 { 0 } else { 1 }];
            row.does(party, Command::LeaveChannel { channel_id: ledger });
        }
        row.run_out();
        let gains = row.gains();
        assert!(gains[0] == 0 || gains[0] == -i128::try_from(FEE).expect("small"), "after {after}: {gains:?}");
        assert_eq!(gains[2], 0, "after {after}");
        let held: Vec<u128> = row.ledgers.iter().map(|id| row.chain.holdings(row.asset, *id)).collect();
        assert_eq!(held, [0, 0], "after {after}");
    }
}

#[test]
fn a_wallet_that_is_not_told_the_data_of_calls_gets_everything_back() {
    let mut row = Row::new(Asset::Native, 1);
    for party in &mut row.parties {
        party.sees_calls = false;
    }
    for _ in 0..3 {
        row.open_one(AMOUNT);
        row.deliver();
        row.paid(PAID);
    }
    row.gone[0] = true;
    for ledger in 0..2 {
        row.does(1, Command::LeaveChannel { channel_id: row.ledgers[ledger] });
    }
    for _ in 0..3 {
        row.run_out();
    }
    let (fees, paid) = (signed(3 * FEE), signed(3 * PAID));
    assert_eq!(row.gains(), [-fees - paid, fees, paid]);
}

#[test]
fn everyone_can_leave_while_it_opens_or_closes() {
    for closing in [false, true] {
        for after in 0..14 {
            for who in 0..3 {
                let mut row = Row::new(Asset::Native, 1);
                if closing {
                    row.open_one(AMOUNT);
                    row.deliver();
                    row.paid(PAID);
                    row.does(0, Command::CloseChannel { channel_id: row.id });
                } else {
                    row.open_one(AMOUNT);
                }
                for _ in 0..after {
                    let Some((from, parcel)) = row.next_parcel() else { break };
                    row.bring(from, parcel);
                }
                row.gone = (0..3).map(|party| party != who).collect();
                row.deliver();
                let ours: &[usize] = [&[0][..], &[0, 1], &[1]][who];
                for ledger in ours {
                    row.does(who, Command::LeaveChannel { channel_id: row.ledgers[*ledger] });
                }
                row.run_out();
                let what = format!("closing {closing}, after {after}: {who}");
                let held: Vec<u128> = ours.iter().map(|it| row.chain.holdings(row.asset, row.ledgers[*it])).collect();
                assert!(held.iter().all(|held| *held == 0), "{what}: {held:?}");
                let gain = row.gains()[who];
                let paid = if closing { signed(PAID) } else { 0 };
                let least = [-signed(FEE) - paid, 0, if closing { paid } else { 0 }][who];
                assert!(gain >= least, "{what}: {gain}");
            }
        }
    }
}

fn signed(value: u128) -> i128 {
    i128::try_from(value).expect("small")
}
