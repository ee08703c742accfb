//! Virtual channels under loss and crashes: whatever is lost, and whoever stops at whichever output, asking again brings
//! everybody to the same end.

use millstream_core::channel::Status;
use millstream_core::wallet::Command;

use crate::Asset;
use crate::hub_world::{AMOUNT, FEE, LEDGER, Row};

/// Delivers, losing the parcels in `lost` by their number.
fn deliver_but(row: &mut Row, lost: &dyn Fn(usize) -> bool) -> usize {
    let mut count = 0;
    while let Some((from, parcel)) = row.next_parcel() {
        if !lost(count) {
            row.bring(from, parcel);
        }
        count += 1;
        assert!(count < 1_000, "they talk without end");
    }
    count
}

fn assert_over(row: &Row, paid: u128, what: &str) {
    for index in 0..row.parties.len() {
        assert_eq!(row.record(index).status(), Status::Closed, "party {index}, {what}");
    }
    let hubs = row.parties.len() - 2;
    let upstream: Vec<u128> = (0..=hubs).map(|index| LEDGER - paid - FEE * (hubs - index) as u128).collect();
    row.assert_ledgers(&upstream, 0);
}

/// Opens, pays and closes, with what `lost` says missing in the opening or in the closing.
fn lives_through(
    leads: &[bool],
    lost_opening: &dyn Fn(usize) -> bool,
    lost_closing: &dyn Fn(usize) -> bool,
    what: &str,
) -> [usize; 2] {
    let mut row = Row::led_by(Asset::Native, leads);
    row.open_one(AMOUNT);
    let opening = deliver_but(&mut row, lost_opening);
    for _ in 0..4 {
        row.resume();
    }
    row.assert_open();
    row.paid(40);
    row.does(0, Command::CloseChannel { channel_id: row.id });
    let closing = deliver_but(&mut row, lost_closing);
    for _ in 0..4 {
        row.resume();
    }
    assert_over(&row, 40, what);
    [opening, closing]
}

#[test]
fn every_lost_message_is_made_up_for() {
    for leads in [[true, true].as_slice(), &[false, false], &[true, false, true]] {
        let never = |_: usize| false;
        let [opening, closing] = lives_through(leads, &never, &never, "nothing lost");
        for lost in 0..opening {
            if leads.len() == 2 {
                lives_through(leads, &|index| index == lost, &never, &format!("opening: {lost} lost, {leads:?}"));
            }
            lives_through(leads, &|index| index >= lost, &never, &format!("opening: from {lost} on lost, {leads:?}"));
        }
        for lost in 0..closing {
            if leads.len() == 2 {
                lives_through(leads, &never, &|index| index == lost, &format!("closing: {lost} lost, {leads:?}"));
            }
            lives_through(leads, &never, &|index| index >= lost, &format!("closing: from {lost} on lost, {leads:?}"));
        }
    }
}

#[test]
fn every_crash_is_made_up_for() {
    for (leads, parties) in [([true, true], 0..3), ([false, false], 1..2)] {
        for who in parties {
            for after in 0.. {
                let mut row = Row::led_by(Asset::Native, &leads);
                row.parties[who].crash_after = Some(after);
                row.open_one(AMOUNT);
                row.deliver();
                if row.parties[0].wallet.channel(&row.id).is_none() {
                    // The proposal was not stored: nothing ever left.
                    assert_eq!(who, 0);
                    continue;
                }
                for _ in 0..4 {
                    row.resume();
                }
                let what = format!("party {who} crashed after {after}, {leads:?}");
                row.assert_open();
                if row.try_to(0, Command::CloseChannel { channel_id: row.id }).is_ok() {
                    row.deliver();
                }
                for _ in 0..4 {
                    row.resume();
                }
                row.settle();
                if row.parties.iter().all(|party| party.channel(&row.id).status() == Status::Closed) {
                    assert_over(&row, 0, &what);
                } else {
                    // The crash took the command with it.
                    row.close();
                    row.resume();
                    assert_over(&row, 0, &what);
                }
                if row.parties[who].crashes == 0 {
                    break;
                }
            }
        }
    }
}
