//! Ticks against vouchers: what each side does for one payment, alone.

use std::collections::BTreeMap;
use std::time::Instant;

use millstream_core::wallet::{Command, Input, Purchase};
use serde_json::{Value, json};

use crate::DEFAULT;
use crate::world::World;

/// Payments of one batch: a voucher and all its ticks.
const BATCH: usize = 256;

/// Payments per second that the payer makes and the payee accepts, from the call to what may leave and from the bytes to
/// the durable record: the best of some batches.
fn rates(batches: usize, ticks: u8) -> (f64, f64) {
    let mut world = World::new(1, DEFAULT);
    let channel_id = world.ids[0];
    let pay = Command::Pay { channel_id, amount: 1, purchase: Purchase::default(), ticks };
    let (mut paid, mut accepted) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..batches {
        // The voucher that the ticks belong to is not one of them.
        if ticks > 0 {
            world.pay_with(&pay);
        }
        let count = BATCH - usize::from(ticks > 0);
        let start = Instant::now();
        for _ in 0..count {
            world.payer.input(Input::Command(pay.clone()));
        }
        paid = paid.min(start.elapsed().as_secs_f64() / count as f64);
        let payments = world.payer.take_outgoing();
        let start = Instant::now();
        for payment in payments {
            world.payee.input(Input::Payment(payment));
        }
        accepted = accepted.min(start.elapsed().as_secs_f64() / count as f64);
    }
    (1.0 / paid, 1.0 / accepted)
}

pub(crate) fn measure(batches: usize, figures: &mut BTreeMap<String, Value>) {
    let (released, ticks) = rates(batches, 255);
    let (signed, vouchers) = rates(batches.div_ceil(4), 0);
    let mut insert = |name: &str, rate: f64| figures.insert(format!("stream.{name}"), json!(rate.round()));
    insert("ticks_per_second.native", ticks);
    insert("ticks_released_per_second.native", released);
    insert("vouchers_per_second.native", vouchers);
    insert("vouchers_signed_per_second.native", signed);
}
