//! Virtual channels: what was refused is not asked for without end, and what was forgotten is not looked for.

use millstream_core::wallet::Command;

use crate::Asset;
use crate::hub_world::{AMOUNT, LEDGER, Row};

/// The hub follows in the ledger after it, so it asks for the guarantee.
#[test]
fn a_request_for_a_guarantee_that_is_refused_is_not_made_again_at_once() {
    let mut row = Row::led_by(Asset::Native, &[true, false]);
    row.open_one(AMOUNT);
    let asks = |row: &Row| row.ledger(1, 1).request.is_some();
    while !asks(&row) {
        let (from, parcel) = row.next_parcel().expect("the hub asks in the end");
        row.bring(from, parcel);
    }
    row.does(2, Command::AbortChannel { channel_id: row.id });
    // It would never end if the hub asked again whenever it is refused.
    row.deliver();
    row.wait(1_800);
    row.assert_ledgers(&[LEDGER, LEDGER], 0);
}
