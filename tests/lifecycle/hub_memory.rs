//! Virtual channels of wallets whose keys are elsewhere, and of wallets that lost their store.

use millstream_core::channel::Status;
use millstream_core::wallet::{Command, Input};

use crate::Asset;
use crate::hub_world::{AMOUNT, FEE, LEDGER, Row};

#[test]
fn keys_may_be_elsewhere() {
    for who in 0..3 {
        let mut row = Row::new(Asset::Native, 1);
        row.parties[who].use_outside_signer();
        row.open_one(AMOUNT);
        row.deliver();
        row.assert_open();
        row.paid(321);
        row.close();
        for index in 0..3 {
            assert_eq!(row.record(index).status(), Status::Closed, "party {index}, key of {who} elsewhere");
        }
        row.assert_ledgers(&[LEDGER - 321 - FEE, LEDGER - 321], 0);
    }
}

#[test]
fn a_signer_that_declines_or_is_slow_costs_nothing() {
    // Which question is answered with no; those before it with yes, each after everything else has come to rest.
    for who in 0..3 {
        for declined in 0..14 {
            let mut row = Row::new(Asset::Native, 1);
            row.parties[who].use_outside_signer();
            row.parties[who].signs_later = true;
            row.open_one(AMOUNT);
            let mut asked = 0;
            loop {
                row.deliver();
                if row.parties[who].asked.is_empty() {
                    break;
                }
                if asked == declined {
                    row.parties[who].decline(&mut row.chain, 0);
                } else {
                    row.parties[who].sign(&mut row.chain, 0);
                }
                asked += 1;
            }
            row.parties[who].signs_later = false;
            row.parties[who].sign_all(&mut row.chain);
            for _ in 0..3 {
                row.resume();
            }
            row.wait(31 * 60);
            for _ in 0..3 {
                row.resume();
            }
            let what = format!("{who} declines question {declined} of {asked}");
            let open = (0..3)
                .all(|party| row.parties[party].wallet.channel(&row.id).is_some_and(|it| it.status() == Status::Open));
            if open {
                row.close();
            } else if let Some(channel) = row.parties[0].wallet.channel(&row.id) {
                assert!(channel.best.is_none(), "{what}");
                let _ = row.try_to(0, Command::CloseChannel { channel_id: row.id });
                row.deliver();
            }
            row.wait(25 * 3_600);
            row.run_out();
            row.wait(25 * 3_600);
            row.run_out();
            for index in 0..2 {
                let _ = row.try_to(index, Command::CloseChannel { channel_id: row.ledgers[index] });
                row.deliver();
            }
            row.run_out();
            let held: Vec<u128> = row.ledgers.iter().map(|id| row.chain.holdings(row.asset, *id)).collect();
            assert_eq!(held, [0, 0], "{what}");
            let gains = row.gains();
            assert!(gains[0] + gains[1] == 0 && gains[1] >= 0 && gains[2] == 0, "{what}: {gains:?}");
        }
    }
}

#[test]
fn a_payer_or_payee_that_lost_its_store_asks_the_other_end() {
    for who in [0, 2] {
        let mut row = Row::open(Asset::Native, 1);
        row.paid(100);
        let backup = row.parties[who].backup();
        row.paid(250);
        row.parties[who].restore(&mut row.chain, backup);
        row.parties[who].watch_from_the_start(&mut row.chain);
        row.resume();
        assert_eq!(row.record(who).status(), Status::Open, "{who}");
        assert_eq!((row.record(0).paid(), row.record(2).paid()), (350, 350), "{who}");
        row.paid(50);
        row.close();
        row.assert_ledgers(&[LEDGER - 400 - FEE, LEDGER - 400], 0);
    }
}

#[test]
fn a_hub_that_lost_its_store_signs_nothing_and_is_made_whole_on_chain() {
    let mut row = Row::open(Asset::Native, 1);
    row.paid(100);
    let backup = row.parties[1].backup();
    row.paid(250);
    // It signed a final state that the backup does not know.
    row.close();
    row.parties[1].restore(&mut row.chain, backup);
    row.parties[1].watch_from_the_start(&mut row.chain);
    row.resume();
    row.assert_ledgers(&[LEDGER - 350 - FEE, LEDGER - 350], 0);
    // The ledgers went on without the channel, so it has nothing to say about it any more.
    assert_eq!(row.record(1).status(), Status::Closed);
    let mut row = Row::open(Asset::Native, 1);
    let backup = row.parties[1].backup();
    row.paid(250);
    row.parties[1].restore(&mut row.chain, backup);
    row.parties[1].watch_from_the_start(&mut row.chain);
    row.resume();
    row.does(0, Command::CloseChannel { channel_id: row.id });
    row.deliver();
    assert_ne!(row.record(1).status(), Status::Closed);
    assert!(row.parties[1].channel(&row.id).closing.is_none(), "it may have signed another one");
    row.wait(25 * 3_600);
    row.run_out();
    row.wait(25 * 3_600);
    row.run_out();
    for party in 0..3 {
        assert_eq!(row.record(party).status(), Status::Closed, "party {party}");
    }
    for index in 0..2 {
        let _ = row.try_to(index, Command::LeaveChannel { channel_id: row.ledgers[index] });
        let _ = row.try_to(index + 1, Command::LeaveChannel { channel_id: row.ledgers[index] });
    }
    row.run_out();
    let fee = i128::try_from(FEE).expect("small");
    assert_eq!(row.gains(), [-250 - fee, fee, 250]);
}

#[test]
fn records_of_virtual_channels_are_read_back_byte_for_byte() {
    let mut row = Row::open(Asset::Native, 2);
    row.paid(7);
    for party in 0..4 {
        for (id, bytes) in row.parties[party].backup() {
            let channel = millstream_core::channel::Channel::from_bytes(id, &bytes).expect("a record");
            assert_eq!(channel.to_bytes(), bytes);
        }
        // A start from the store alone goes on where it was.
        row.parties[party].crash();
    }
    row.resume();
    row.input_nothing();
    row.paid(8);
    row.close();
    row.assert_ledgers(&[LEDGER - 15 - 2 * FEE, LEDGER - 15 - FEE, LEDGER - 15], 0);
}

impl Row {
    /// Time goes on, and nothing happens.
    fn input_nothing(&mut self) {
        for party in &mut self.parties {
            party.input(&mut self.chain, Input::Tick).expect("time goes on");
        }
    }
}
