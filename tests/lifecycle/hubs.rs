//! Virtual channels: opened, paid on and closed without the chain, through one hub and through more.

use millstream_core::channel::Status;
use millstream_core::wallet::Command;

use crate::Asset;
use crate::hub_world::{AMOUNT, FEE, LEDGER, Row};

#[test]
fn a_channel_through_hubs_opens_pays_and_closes_off_chain() {
    for asset in [Asset::Native, Asset::Token] {
        for hubs in 1..=3 {
            let mut row = Row::new(asset, hubs);
            let block = row.chain.block();
            row.open_one(AMOUNT);
            row.deliver();
            row.assert_open();
            let fees = |index: usize| FEE * (hubs - index) as u128;
            let upstream: Vec<u128> = (0..=hubs).map(|index| LEDGER - AMOUNT - fees(index)).collect();
            row.assert_ledgers(&upstream, AMOUNT);
            row.paid(1_000);
            row.paid(234);
            assert_eq!(row.record(row.last()).paid(), 1_234);
            row.close();
            for index in 0..row.parties.len() {
                assert_eq!(row.record(index).status(), Status::Closed, "party {index} of {hubs} hubs");
            }
            let upstream: Vec<u128> = (0..=hubs).map(|index| LEDGER - 1_234 - fees(index)).collect();
            row.assert_ledgers(&upstream, 0);
            assert_eq!(row.chain.block(), block, "nothing went to the chain");
            row.close_ledgers();
            let mut expected = vec![FEE as i128; hubs + 2];
            expected[0] = -1_234 - (FEE * hubs as u128) as i128;
            expected[hubs + 1] = 1_234;
            assert_eq!(row.gains(), expected);
        }
    }
}

#[test]
fn the_payee_and_the_hub_can_ask_for_the_close() {
    for asker in [1, 2] {
        let mut row = Row::open(Asset::Native, 1);
        row.paid(500);
        row.does(asker, Command::CloseChannel { channel_id: row.id });
        row.deliver();
        for index in 0..3 {
            assert_eq!(row.record(index).status(), Status::Closed, "party {index}, asked by {asker}");
        }
        row.assert_ledgers(&[LEDGER - 500 - FEE, LEDGER - 500], 0);
    }
}

#[test]
fn whoever_leads_the_ledgers_the_channel_opens_and_closes() {
    for leads in [[true, true], [true, false], [false, true], [false, false]] {
        let mut row = Row::led_by(Asset::Native, &leads);
        row.open_one(AMOUNT);
        row.deliver();
        row.assert_open();
        row.paid(77);
        row.close();
        for index in 0..3 {
            assert_eq!(row.record(index).status(), Status::Closed, "party {index} with {leads:?}");
        }
        row.assert_ledgers(&[LEDGER - 77 - FEE, LEDGER - 77], 0);
    }
}
