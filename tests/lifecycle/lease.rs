//! Leases: payments without a write, and what a crash makes of them.

use millstream_core::channel::Status;
use millstream_core::protocol::LeaseTerms;
use millstream_core::wallet::{Command, Purchase};

use crate::{Asset, DEPOSIT, World};

fn leased(payments: u32, amount: u128) -> World {
    let mut world = World::new(Asset::Native);
    world.payer.configure(|config| config.lease = Some(LeaseTerms { payments, amount }));
    world.propose();
    world.settle();
    world
}

#[test]
fn ten_payments_cost_one_write() {
    let mut world = leased(10, 10_000);
    let before = world.payer.commits;
    for _ in 0..10 {
        world.paid(100);
    }
    assert_eq!(world.payer.commits - before, 1);
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 1_000);
    world.paid(100);
    assert_eq!(world.payer.commits - before, 2, "the next ten");
    world.close();
    world.assert_settled(1_100);
}

#[test]
fn a_lease_covers_no_more_than_its_amount() {
    let mut world = leased(100, 250);
    let before = world.payer.commits;
    for _ in 0..6 {
        world.paid(100);
    }
    // 100 under a new lease up to 350; 100 and 100 under it; then anew.
    assert_eq!(world.payer.commits - before, 2);
    world.close();
    world.assert_settled(600);
}

#[test]
fn a_crash_under_a_lease_waits_for_the_payee_and_starts_above() {
    for lost in [0, 1, 3, 5] {
        let mut world = leased(10, 10_000);
        for payment in 0..5 {
            world.pay(100);
            if payment >= 5 - lost {
                world.payer.outgoing.pop_back();
            }
            world.deliver();
        }
        world.payer.crash();
        assert_eq!(world.payer.status(&world.id), Status::Disconnected);
        let pay = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
        assert_eq!(world.payer_cannot(pay), "CHANNEL_NOT_OPEN");
        world.payer_does(Command::Resume { channel_id: world.id });
        world.deliver();
        assert_eq!(world.payer.status(&world.id), Status::Open);
        // The first payment was stored with the lease; of the others the payer knows what the payee has.
        let known = 100 * (5 - lost).max(1);
        assert_eq!(world.payer.channel(&world.id).cumulative_amount(), known);
        world.paid(7);
        assert_eq!(world.payee.channel(&world.id).last_serial(), 11, "above all that was reserved");
        assert_eq!(world.payee.channel(&world.id).cumulative_amount(), known + 7);
        world.close();
        world.assert_settled(known + 7);
    }
}

/// The payee never answers: what was paid under the lease is the payee's, the rest comes back.
#[test]
fn a_crash_under_a_lease_with_a_silent_payee_ends_alone() {
    let mut world = leased(10, 10_000);
    for _ in 0..5 {
        world.paid(100);
    }
    world.payer.crash();
    world.payer_does(Command::Resume { channel_id: world.id });
    world.payer.outgoing.clear();
    world.payer.wait(&mut world.chain, 24 * 3_600);
    world.run_out();
    world.assert_status(Status::Closed);
    world.assert_settled(500);
}

#[test]
fn everything_else_ends_the_lease() {
    let mut world = leased(10, 10_000);
    world.paid(100);
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    world.paid(100);
    world.payer_does(Command::TopUp { channel_id: world.id, amount: 500 });
    world.settle();
    world.paid(100);
    world.payer.crash();
    world.resume();
    world.paid(DEPOSIT);
    world.close();
    world.assert_settled(DEPOSIT + 300);
}
