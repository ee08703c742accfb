//! Virtual channels on chain: each role leaves alone, whoever of the others is silent, and what a cheat puts there is answered.
//! Balances to the unit, in revm and on anvil.

use alloy_primitives::B256;
use millstream_core::channel::{Stage, Status};
use millstream_core::wallet::Command;

use crate::Asset;
use crate::hub_world::{AMOUNT, FEE, Row};
use crate::party::Party;

crate::with_both_assets!(
    everyone_can_leave_when_all_others_are_silent,
    everyone_can_leave_when_some_others_are_silent,
    an_old_ledger_state_is_answered,
    an_old_state_of_the_channel_is_answered,
    a_payer_that_stops_after_the_final_state_does_not_leave_the_hub_with_the_bill,
);

/// How much is paid before somebody leaves.
const PAID: u128 = 1_234;

fn signed(value: u128) -> i128 {
    i128::try_from(value).expect("small")
}

/// What everybody should have in the end, if the channel is worth `paid`.
fn ends(hubs: usize, paid: u128) -> Vec<i128> {
    let fees = i128::try_from(FEE).expect("small");
    let paid = i128::try_from(paid).expect("small");
    let mut ends = vec![fees; hubs + 2];
    ends[0] = -paid - fees * i128::try_from(hubs).expect("few");
    ends[hubs + 1] = paid;
    ends
}

/// The gain of the party that left, and that nobody who is there lost what is its own.
fn leaves_alone(asset: Asset, hubs: usize, who: usize, silent: &[usize]) {
    let mut row = Row::open(asset, hubs);
    row.paid(PAID);
    for index in silent {
        row.gone[*index] = true;
    }
    // Whoever leaves, leaves all its ledgers.
    let ours: Vec<usize> =
        [who.checked_sub(1), (who < row.ledgers.len()).then_some(who)].into_iter().flatten().collect();
    for ledger in &ours {
        row.does(who, Command::LeaveChannel { channel_id: row.ledgers[*ledger] });
    }
    row.run_out();
    let what = format!("party {who} of {hubs} hubs leaves, {silent:?} silent");
    assert_eq!(row.record(who).status(), Status::Closed, "{what}");
    // A payee that is silent does not claim: the channel is worth nothing then.
    let last = row.last();
    let worth = if silent.contains(&last) { 0 } else { PAID };
    let (gains, ends) = (row.gains(), ends(hubs, worth));
    // Deposits that are still in ledgers of others are not back; those of the one that left are.
    let held: u128 = ours.iter().map(|index| row.chain.holdings(row.asset, row.ledgers[*index])).sum();
    assert_eq!(held, 0, "{what}");
    assert_eq!(gains[who], ends[who], "{what}: {gains:?}");
}

fn everyone_can_leave_when_all_others_are_silent(asset: Asset) {
    for hubs in 1..=2 {
        for who in 0..hubs + 2 {
            let silent: Vec<usize> = (0..hubs + 2).filter(|index| *index != who).collect();
            leaves_alone(asset, hubs, who, &silent);
        }
    }
}

fn everyone_can_leave_when_some_others_are_silent(asset: Asset) {
    for who in 0..3 {
        for silent in (0..3).filter(|silent| *silent != who) {
            leaves_alone(asset, 1, who, &[silent]);
        }
    }
    // With two hubs: each one of the others, and each two of them.
    for who in 0..4 {
        let others: Vec<usize> = (0..4).filter(|other| *other != who).collect();
        for (index, one) in others.iter().enumerate() {
            leaves_alone(asset, 2, who, &[*one]);
            for other in &others[index + 1..] {
                leaves_alone(asset, 2, who, &[*one, *other]);
            }
        }
    }
}

/// A party that is replaced by one with an older memory, which leaves with what it has.
fn cheats(mut row: Row, who: usize, mut old: Party, leaves: &[B256], ends: &[i128]) {
    row.gone[who] = true;
    for channel_id in leaves {
        old.command(&mut row.chain, Command::LeaveChannel { channel_id: *channel_id }).expect("an old state");
    }
    row.run_out();
    // What is left open between honest parties is closed by them.
    for index in 0..row.ledgers.len() {
        for party in [index, index + 1].into_iter().filter(|party| *party != who) {
            let _ = row.try_to(party, Command::LeaveChannel { channel_id: row.ledgers[index] });
        }
    }
    row.run_out();
    let gains = row.gains();
    for index in (0..row.parties.len()).filter(|index| *index != who) {
        assert!(gains[index] >= ends[index], "party {index} got {gains:?} of {ends:?}");
    }
    let held: Vec<u128> = row.ledgers.iter().map(|id| row.chain.holdings(row.asset, *id)).collect();
    assert!(held.iter().all(|held| *held == 0), "{held:?}");
}

fn an_old_ledger_state_is_answered(asset: Asset) {
    for who in 0..3 {
        // From before the channel.
        let mut row = Row::new(asset, 1);
        let old = row.parties[who].cheat();
        row.open_one(AMOUNT);
        row.deliver();
        row.paid(500);
        let ledgers: Vec<B256> = match who {
            0 => vec![row.ledgers[0]],
            1 => row.ledgers.clone(),
            _ => vec![row.ledgers[1]],
        };
        cheats(row, who, old, &ledgers, &[-500 - signed(FEE), signed(FEE), 500]);
        // From while it was open, after it was closed.
        let mut row = Row::open(asset, 1);
        row.paid(500);
        let old = row.parties[who].cheat();
        row.paid(250);
        row.close();
        cheats(row, who, old, &ledgers, &[-750 - signed(FEE), signed(FEE), 750]);
    }
}

fn an_old_state_of_the_channel_is_answered(asset: Asset) {
    let mut row = Row::open(asset, 1);
    let old = row.parties[0].cheat();
    row.paid(500);
    let id = row.id;
    // The payer has paid nothing yet, as far as the old state says.
    cheats(row, 0, old, &[id], &[0, signed(FEE), 500]);
}

fn a_payer_that_stops_after_the_final_state_does_not_leave_the_hub_with_the_bill(asset: Asset) {
    let mut row = Row::open(asset, 1);
    row.paid(500);
    let old = row.parties[0].cheat();
    row.does(0, Command::CloseChannel { channel_id: row.id });
    // Everything but what the payer would say to the last.
    while row.parties[1].channel(&row.id).passage.as_ref().and_then(|it| it.downstream).map(|hop| hop.stage)
        != Some(Stage::Released)
    {
        let (from, parcel) = row.next_parcel().expect("they talk");
        row.bring(from, parcel);
        // The payer has the final state, and keeps still.
        let is_signed = row.record(1).passage.as_ref().is_some_and(|it| it.last.complete().is_some());
        row.parties[0].outgoing.retain(|_| !is_signed);
    }
    assert_eq!(row.ledger(0, 1).split().guaranteed(), AMOUNT, "the payer's guarantee is still there");
    let id = row.id;
    let ledger = row.ledgers[0];
    // It tries to have the channel end as if nothing had been paid.
    cheats(row, 0, old, &[id, ledger], &[0, signed(FEE), 500]);
}
