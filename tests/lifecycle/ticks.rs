//! Ticks: payments that are a preimage each, in any order, and what they are worth on chain.

use alloy_primitives::B256;
use millstream_core::channel::Status;
use millstream_core::payment::{Shown, TickChain, Voucher};
use millstream_core::protocol::Event;
use millstream_core::wallet::{Command, Input, Purchase};
use millstream_core::wire::{Payment, Tick, decode_payment, encode_payment};
use millstream_tests::random::Random;

use crate::party::Parcel;
use crate::{Asset, DEPOSIT, World};

const MEMO: B256 = B256::repeat_byte(9);

impl World {
    /// Pays `amount` and prepares for `ticks` more; the payment is not delivered.
    fn tick(&mut self, amount: u128, ticks: u8) -> Payment {
        let command = Command::Pay { channel_id: self.id, amount, purchase: Purchase::of(MEMO), ticks };
        self.payer.command(&mut self.chain, command).expect("the channel is open and holds enough");
        let Some(Parcel::Payment(bytes)) = self.payer.outgoing.back() else { panic!("a payment leaves") };
        decode_payment(bytes).expect("our own payment")
    }

    fn receive(&mut self, payment: &Payment) -> Result<(), &'static str> {
        let before = self.payee.wallet.channel(&self.id).cloned();
        let input = Input::Payment(encode_payment(payment));
        let result = self.payee.input(&mut self.chain, input).map_err(|error| error.code());
        if result.is_err() {
            assert_eq!(self.payee.wallet.channel(&self.id), before.as_ref(), "a refused payment changes nothing");
        }
        result
    }

    fn received(&self) -> u128 {
        self.payee.channel(&self.id).cumulative_amount()
    }
}

#[test]
fn one_voucher_pays_256_times_with_one_write() {
    for asset in [Asset::Native, Asset::Token] {
        let mut world = World::open(asset);
        let commits = world.payer.commits;
        for paid in 1..=256u128 {
            let payment = world.tick(3, 255);
            assert_eq!(payment.voucher().is_some(), paid == 1);
            assert!(encode_payment(&payment).len() <= if paid == 1 { 260 } else { 76 });
            world.deliver();
            assert_eq!((world.received(), world.payer.channel(&world.id).paid()), (3 * paid, 3 * paid));
        }
        assert_eq!(world.payer.commits - commits, 1, "the voucher");
        let next = world.tick(3, 255);
        assert_eq!((next.serial(), next.voucher().map(|signed| signed.voucher.cumulative_amount)), (2, Some(3 * 257)));
        world.deliver();
        world.close();
        world.assert_settled(3 * 257);
    }
}

#[test]
fn the_payee_redeems_ticks_alone() {
    for asset in [Asset::Native, Asset::Token] {
        let mut world = World::open(asset);
        for _ in 0..8 {
            world.tick(50, 20);
        }
        world.deliver();
        world.payee.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("open");
        world.run_out();
        world.assert_status(Status::Closed);
        world.assert_settled(400);
    }
}

/// The payer challenges with a base that shows nothing; the payee answers with the voucher and its ticks.
#[test]
fn a_stale_challenge_is_answered_with_ticks() {
    let mut world = World::open(Asset::Native);
    for _ in 0..5 {
        world.tick(50, 20);
    }
    world.deliver();
    world.payer_does(Command::LeaveChannel { channel_id: world.id });
    world.run_out();
    world.assert_settled(250);
}

/// A snapshot of some ticks does not stand in the way of more of them.
#[test]
fn ticks_above_a_snapshot_can_still_be_redeemed() {
    let mut world = World::open(Asset::Native);
    for _ in 0..3 {
        world.tick(50, 20);
    }
    world.deliver();
    world.payee.command(&mut world.chain, Command::Snapshot { channel_id: world.id }).expect("open");
    world.settle();
    for _ in 0..4 {
        world.tick(50, 20);
    }
    world.deliver();
    world.payer.outgoing.clear();
    world.payee.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("open");
    world.run_out();
    world.assert_settled(350);
}

#[test]
fn another_price_another_purpose_or_the_end_of_the_chain_takes_a_voucher() {
    let mut world = World::open(Asset::Native);
    let kinds: Vec<bool> =
        [(5, MEMO), (5, MEMO), (6, MEMO), (6, MEMO), (6, B256::ZERO), (6, B256::ZERO), (6, B256::ZERO)]
            .into_iter()
            .map(|(amount, memo)| {
                world.payer_does(Command::Pay { channel_id: world.id, amount, purchase: Purchase::of(memo), ticks: 1 });
                let Some(Parcel::Payment(bytes)) = world.payer.outgoing.back() else { panic!("a payment leaves") };
                decode_payment(bytes).expect("our own payment").voucher().is_some()
            })
            .collect();
    assert_eq!(kinds, [true, false, true, false, true, false, true]);
    world.deliver();
    assert_eq!(world.received(), 40);
    world.close();
    world.assert_settled(40);
}

/// No voucher promises more ticks than the deposit pays for.
#[test]
fn the_chain_ends_with_the_deposit() {
    let mut world = World::open(Asset::Native);
    let voucher = world.tick(DEPOSIT / 3, 255).voucher().expect("the first one").voucher;
    assert_eq!(voucher.tick_limit, 2);
    world.tick(DEPOSIT / 3, 255);
    world.tick(DEPOSIT / 3, 255);
    let more = Command::Pay { channel_id: world.id, amount: DEPOSIT / 3, purchase: Purchase::of(MEMO), ticks: 255 };
    assert_eq!(world.payer_cannot(more), "INSUFFICIENT_BALANCE");
    world.deliver();
    world.close();
    world.assert_settled(DEPOSIT / 3 * 3);
}

#[test]
fn wrong_ticks_are_refused_by_name() {
    let mut world = World::open(Asset::Native);
    let voucher = world.tick(5, 9);
    let ticks: Vec<Payment> = (0..4).map(|_| world.tick(5, 9)).collect();
    world.payer.outgoing.clear();
    let Payment::Tick(second) = ticks[1] else { panic!("a tick") };
    assert_eq!(world.receive(&ticks[1]), Err("VOUCHER_UNKNOWN"), "before its voucher");
    world.receive(&voucher).expect("a good voucher");
    world.receive(&ticks[1]).expect("two ticks at once");
    assert_eq!(world.received(), 15);

    let shown = |ticks, preimage| Payment::Tick(Tick { shown: Shown { ticks, preimage }, ..second });
    let foreign = TickChain::new(B256::repeat_byte(1), 9);
    let cases = [
        (shown(10, second.shown.preimage), "CLAIM_TOO_MANY_TICKS"),
        (shown(255, second.shown.preimage), "CLAIM_TOO_MANY_TICKS"),
        (shown(3, second.shown.preimage), "CLAIM_WRONG_PREIMAGE"),
        (shown(1, second.shown.preimage), "CLAIM_WRONG_PREIMAGE"),
        (shown(0, second.shown.preimage), "CLAIM_WRONG_PREIMAGE"),
        (shown(2, B256::ZERO), "CLAIM_WRONG_PREIMAGE"),
        (shown(3, foreign.preimage(3).expect("in range")), "CLAIM_WRONG_PREIMAGE"),
        (Payment::Tick(Tick { serial: 0, ..second }), "VOUCHER_STALE"),
        (Payment::Tick(Tick { serial: 2, ..second }), "VOUCHER_UNKNOWN"),
        (Payment::Tick(Tick { channel_id: B256::ZERO, ..second }), "UNKNOWN_CHANNEL"),
    ];
    for (payment, code) in cases {
        assert_eq!(world.receive(&payment), Err(code), "{payment:?}");
    }
    assert_eq!(world.received(), 15);
}

/// The tip of another channel's chain is worth nothing here, even if the same payer released it.
#[test]
fn a_preimage_of_another_channel_pays_nothing() {
    let (mut world, mut other) = (World::open(Asset::Native), World::open(Asset::Native));
    let voucher = world.tick(5, 9);
    world.receive(&voucher).expect("a good voucher");
    other.payer_does(Command::Pay { channel_id: other.id, amount: 4, purchase: Purchase::of(MEMO), ticks: 0 });
    other.tick(5, 9);
    let Payment::Tick(foreign) = other.tick(5, 9) else { panic!("a tick") };
    let Some(serial) = voucher.voucher().map(|signed| signed.voucher.serial) else { panic!("a voucher") };
    let moved = Payment::Tick(Tick { channel_id: world.id, serial, ..foreign });
    assert_eq!(world.receive(&moved), Err("CLAIM_WRONG_PREIMAGE"));
}

/// A voucher with more ticks than are covered is taken, its ticks as far as they are.
#[test]
fn ticks_above_the_deposit_are_refused() {
    let mut world = World::open(Asset::Native);
    let chain = TickChain::new(B256::repeat_byte(7), 255);
    let flat = Voucher::flat(world.id, 1, 1, 1, MEMO);
    let voucher = Voucher { tick_tip: chain.tip(), tick_price: u128::MAX / 2, tick_limit: 255, ..flat };
    let key = millstream_core::crypto::LocalSigner::from_secret_bytes(&[crate::PAYER; 32]).expect("the test's own key");
    let signed = voucher.sign(world.payee.wallet.voucher_domain(), &key).expect("a local key signs");
    world.receive(&signed.into()).expect("one base unit");
    for ticks in [1, 2, 3, 255] {
        let shown = Shown { ticks, preimage: chain.preimage(ticks).expect("in range") };
        let tick = Payment::Tick(Tick { channel_id: world.id, serial: 1, shown });
        assert_eq!(world.receive(&tick), Err("VOUCHER_ABOVE_DEPOSIT"), "{ticks}");
    }
    assert_eq!(world.received(), 1);
}

/// What the payer forgot in a crash it learns from the payee, and goes on with the same voucher.
#[test]
fn a_crashed_payer_goes_on_above_its_ticks() {
    for lost in 0..3 {
        let mut world = World::open(Asset::Native);
        for _ in 0..6 {
            world.tick(5, 100);
        }
        for _ in 0..lost {
            world.payer.outgoing.pop_back();
        }
        world.deliver();
        world.payer.crash();
        assert_eq!(world.payer.status(&world.id), Status::Disconnected);
        world.resume();
        assert_eq!(world.payer.channel(&world.id).cumulative_amount(), 5 * (6 - lost));
        let next = world.tick(5, 100);
        assert_eq!((next.serial(), u128::from(next.ticks())), (1, 6 - lost));
        world.deliver();
        world.close();
        world.assert_settled(5 * (7 - lost));
    }
}

/// A payee that crashed has everything that it announced.
/// What is on its way at a stop may arrive after the next start: the payee could not have said so.
#[test]
fn a_payer_that_stored_its_ticks_before_a_stop_asks_nobody() {
    let mut world = World::open(Asset::Native);
    for _ in 0..7 {
        world.tick(50, 20);
    }
    let commits = world.payer.commits;
    world.payer_does(Command::Settle);
    world.payer_does(Command::Settle);
    assert_eq!(world.payer.commits - commits, 1, "once");
    world.payer.crash();
    assert_eq!(world.payer.status(&world.id), Status::Open);
    assert_eq!(world.payer.channel(&world.id).paid(), 350);
    world.deliver();
    assert_eq!(world.received(), 350);
    world.tick(50, 20);
    world.deliver();
    assert_eq!((world.received(), world.payer.channel(&world.id).paid()), (400, 400));
    world.close();
    world.assert_settled(400);
}

#[test]
fn a_crashed_payee_keeps_its_ticks() {
    let mut world = World::open(Asset::Native);
    for _ in 0..6 {
        world.tick(5, 100);
    }
    world.deliver();
    world.payee.crash();
    assert_eq!(world.received(), 30);
    world.tick(5, 100);
    world.deliver();
    world.payer.outgoing.clear();
    world.payee.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("open");
    world.run_out();
    world.assert_settled(35);
}

#[test]
fn everything_else_counts_the_ticks() {
    let mut world = World::open(Asset::Native);
    for _ in 0..6 {
        world.tick(5, 100);
    }
    world.deliver();
    world.payer_does(Command::Fold { channel_id: world.id });
    world.deliver();
    let channel = world.payee.channel(&world.id);
    assert_eq!((channel.paid(), channel.cumulative_amount(), channel.shown), (30, 0, None));
    assert!(world.tick(5, 100).voucher().is_some(), "a new base takes a new voucher");
    world.tick(5, 100);
    world.deliver();
    world.payer_does(Command::TopUp { channel_id: world.id, amount: 500 });
    world.settle();
    world.tick(5, 100);
    world.tick(5, 100);
    world.deliver();
    assert_eq!(world.payee.channel(&world.id).paid(), 50);
    world.close();
    world.assert_settled(50);
}

/// Many payments, delivered in any order, some lost, some twice: the payee has what the best of them says, no more and no
/// less, and the payer can always settle it.
#[test]
fn payments_count_once_in_whatever_order_they_come() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut world = World::open(Asset::Native);
        let mut sent: Vec<(Payment, u128)> = Vec::new();
        let mut price = 5;
        let mut best = 0;
        for _ in 0..60 {
            if random.chance(10) {
                price = u128::from(random.below(9) + 1);
            }
            let ticks = u8::try_from(random.below(12)).expect("small");
            let payment = world.tick(price, ticks);
            sent.push((payment, world.payer.channel(&world.id).cumulative_amount()));
            // What stands in for a request that shows the voucher again, because a tick overtook it.
            let claim = world.payer.channel(&world.id).claim().expect("something was paid");
            assert_eq!(claim.claimed(), alloy_primitives::U256::from(sent[sent.len() - 1].1));
            for _ in 0..random.below(3) {
                let newest = sent.len().saturating_sub(8);
                let (payment, amount) = sent[newest + random.index(sent.len() - newest)];
                let known = world.payee.channel(&world.id).last_serial();
                match world.receive(&payment) {
                    Ok(()) => best = amount.max(best),
                    Err("VOUCHER_UNKNOWN") => assert!(payment.serial() > known, "seed {seed}"),
                    Err("VOUCHER_STALE") => assert!(payment.serial() < known, "seed {seed}"),
                    Err(code) => panic!("seed {seed}: {code}"),
                }
                assert_eq!(world.received(), best, "seed {seed}");
            }
        }
        world.payer.outgoing.clear();
        if best > 0 {
            world.payee.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("open");
            world.run_out();
            world.assert_settled(best);
        }
        assert!(!world.payee.was_told(|event| matches!(event, Event::CommitFailed { .. })));
    }
}
