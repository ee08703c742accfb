//! The owner's spend policy: no payment leaves that breaks a rule, whatever crashes or is written by others meanwhile.

use alloy_primitives::B256;
use millstream_core::protocol::{Event, SpendRefusal, SpendRule, SpendScope};
use millstream_core::wallet::{Command, Input, Purchase, SPEND_LOG_KEY, StoredRecord};
use millstream_tests::random::Random;

use crate::party::Parcel;
use crate::{Asset, World};

const DAY: u64 = 86_400;

fn rule(scope: SpendScope, limit: u128, window: u64) -> SpendRule {
    SpendRule { scope, asset: None, limit, window, asks: false }
}

impl World {
    fn with_rules(rules: &[SpendRule]) -> Self {
        let mut world = Self::open(Asset::Native);
        world.payer.configure(|config| config.spending = rules.to_vec());
        world
    }

    fn order(&self, amount: u128, ticks: u8, of: u8) -> Command {
        let [memo, origin] = [of, of % 2 + 1].map(B256::repeat_byte);
        let purchase = Purchase { memo, origin, file: B256::ZERO };
        Command::Pay { channel_id: self.id, amount, purchase, ticks }
    }

    /// Pays for thing number `of`; says by which code it is refused.
    fn buy(&mut self, amount: u128, ticks: u8, of: u8) -> Result<(), &'static str> {
        let command = self.order(amount, ticks, of);
        self.payer.command(&mut self.chain, command).map_err(|error| error.code())
    }

    fn refusals(&self) -> Vec<SpendRefusal> {
        let refusals = self.payer.events.iter().filter_map(|event| match event {
            Event::SpendRefused { refusal, .. } => Some(*refusal),
            _ => None,
        });
        refusals.collect()
    }

    fn paid_in_all(&self) -> u128 {
        self.payer.channel(&self.id).paid()
    }
}

#[test]
fn a_payment_above_a_rule_is_refused_and_told() {
    let total = rule(SpendScope::Total, 100, DAY);
    let mut world = World::with_rules(&[rule(SpendScope::Payment, 60, 0), total]);
    assert_eq!(world.buy(61, 0, 1), Err("SPEND_LIMIT"));
    assert_eq!(world.buy(60, 0, 1), Ok(()));
    assert_eq!(world.buy(41, 0, 2), Err("SPEND_LIMIT"));
    assert_eq!(world.refusals().last(), Some(&SpendRefusal { rule: total, amount: 41, spent: 60, limit: 100 }));
    assert_eq!(world.buy(40, 0, 2), Ok(()));
    assert_eq!((world.buy(1, 0, 2), world.paid_in_all()), (Err("SPEND_LIMIT"), 100));
    // It holds for who starts again, and for as long as the window is.
    world.payer.crash();
    world.payer.now += DAY - 1;
    assert_eq!(world.buy(1, 0, 2), Err("SPEND_LIMIT"));
    world.payer.now += 1;
    assert_eq!(world.buy(60, 0, 1), Ok(()));
    world.deliver();
    world.close();
    world.assert_settled(160);
}

#[test]
fn ticks_are_reserved_with_their_voucher() {
    let mut world = World::with_rules(&[rule(SpendScope::Total, 100, DAY)]);
    let commits = world.payer.commits;
    // A voucher for one and half of what is left: 49 ticks, then 25, and so on.
    let mut vouchers = 0;
    while world.buy(1, 255, 1).is_ok() {
        let Some(Parcel::Payment(bytes)) = world.payer.outgoing.back() else { panic!("a payment leaves") };
        vouchers += u32::from(bytes.len() > 100);
    }
    assert_eq!((world.paid_in_all(), vouchers), (100, world.payer.commits - commits));
    assert!(vouchers < 12, "{vouchers}");
    world.deliver();
    world.close();
    world.assert_settled(100);
}

#[test]
fn what_a_voucher_reserves_is_free_again_with_the_next_one() {
    let mut world = World::with_rules(&[rule(SpendScope::Total, 1_000, DAY), rule(SpendScope::File, 100, DAY)]);
    assert_eq!(world.buy(10, 255, 1), Ok(()));
    // 40 more are reserved for the same thing: a payment of 60 is too much beside them, unless it takes their place.
    assert_eq!(world.buy(10, 255, 1), Ok(()));
    assert_eq!(world.buy(81, 0, 1), Err("SPEND_LIMIT"));
    assert_eq!(world.buy(80, 0, 1), Ok(()));
    assert_eq!(world.paid_in_all(), 100);
    // Something else, from another origin, has its own limit.
    assert_eq!(world.buy(100, 0, 2), Ok(()));
    // A tick under another name than its voucher was signed for takes a voucher of its own.
    assert_eq!(world.buy(5, 100, 3), Ok(()));
    let Command::Pay { channel_id, amount, purchase, ticks } = world.order(5, 100, 3) else { unreachable!() };
    let purchase = Purchase { file: B256::repeat_byte(77), ..purchase };
    let serial = world.payer.channel(&world.id).last_serial();
    world.payer_does(Command::Pay { channel_id, amount, purchase, ticks });
    assert_eq!(world.payer.channel(&world.id).last_serial(), serial + 1);
}

#[test]
fn the_owner_is_asked_and_a_yes_is_good_for_as_much_again() {
    let mut world = World::with_rules(&[SpendRule { asks: true, ..rule(SpendScope::File, 50, DAY) }]);
    assert_eq!(world.buy(50, 0, 1), Ok(()));
    let ask = |world: &mut World, amount| {
        assert_eq!(world.buy(amount, 9, 1), Ok(()));
        world.payer.questions.pop().expect("a question")
    };
    let (id, question) = ask(&mut world, 20);
    assert_eq!((question.amount, question.spent, question.limit), (20, 50, 50));
    let no = Input::Answered { id, granted: false };
    world.payer.input(&mut world.chain, no.clone()).expect("a no is a no");
    assert_eq!(world.refusals(), [question]);
    assert_eq!(world.payer.input(&mut world.chain, no).unwrap_err().code(), "UNKNOWN_QUESTION");
    assert_eq!(world.paid_in_all(), 50);

    let (id, _) = ask(&mut world, 20);
    world.payer_does(Command::Hold(true));
    let yes = Input::Answered { id, granted: true };
    assert_eq!(world.payer.input(&mut world.chain, yes.clone()).unwrap_err().code(), "SPEND_HELD");
    world.payer_does(Command::Hold(false));
    world.payer.input(&mut world.chain, yes).expect("a yes is a yes");
    assert_eq!(world.paid_in_all(), 70);
    // 30 of the 50 granted are left, also after a crash.
    world.payer.crash();
    assert_eq!(world.buy(30, 0, 1), Ok(()));
    let (_, question) = ask(&mut world, 1);
    assert_eq!((question.spent, question.limit), (100, 100));
}

#[test]
fn questions_are_few() {
    let mut world = World::with_rules(&[SpendRule { asks: true, ..rule(SpendScope::Payment, 0, 0) }]);
    for asked in 1..=64 {
        assert_eq!(world.buy(1, 0, 1), Ok(()));
        assert_eq!(world.payer.questions.len(), asked);
    }
    assert_eq!(world.buy(1, 0, 1), Err("SPEND_QUESTIONS"));
    assert_eq!(world.paid_in_all(), 0);
}

#[test]
fn on_hold_nothing_is_paid_with_rules_or_without() {
    for rules in [vec![], vec![rule(SpendScope::Total, 100, DAY)]] {
        let mut world = World::with_rules(&rules);
        assert_eq!(world.buy(5, 9, 1), Ok(()));
        world.payer_does(Command::Hold(true));
        assert_eq!(world.buy(5, 9, 1), Err("SPEND_HELD"));
        world.payer_does(Command::Hold(false));
        assert_eq!((world.buy(5, 9, 1), world.paid_in_all()), (Ok(()), 10));
    }
}

#[test]
fn a_refused_write_spends_nothing() {
    let mut world = World::with_rules(&[rule(SpendScope::Total, 100, DAY)]);
    assert_eq!(world.buy(40, 0, 1), Ok(()));
    world.payer.failing_commits = 1;
    assert_eq!(world.buy(60, 0, 1), Ok(()));
    assert_eq!((world.paid_in_all(), world.payer.outgoing.len()), (40, 1));
    assert_eq!(world.buy(60, 0, 1), Ok(()));
    assert_eq!(world.buy(1, 0, 1), Err("SPEND_LIMIT"));
    world.deliver();
    world.close();
    world.assert_settled(100);
}

#[test]
fn two_processes_share_one_limit() {
    let mut world = World::with_rules(&[rule(SpendScope::Total, 100, DAY)]);
    let mut twin = world.payer.second_process();
    let order = world.order(30, 0, 1);
    for turn in 0..6 {
        // Whoever does not know the other's payment is refused by the store, and knows it then.
        let party = if turn % 2 == 0 { &mut world.payer } else { &mut twin };
        let _ = party.command(&mut world.chain, order.clone());
        let _ = party.command(&mut world.chain, order.clone());
    }
    world.payer.outgoing.append(&mut twin.outgoing);
    world.deliver();
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 90);
}

#[test]
fn a_damaged_log_stops_payments_and_nothing_else() {
    let mut world = World::with_rules(&[rule(SpendScope::Total, 100, DAY)]);
    assert_eq!(world.buy(40, 0, 1), Ok(()));
    world.deliver();
    let damaged = StoredRecord { key: SPEND_LOG_KEY, version: 1, bytes: Some(vec![0xff; 9]) };
    world.payer.store.borrow_mut().insert(SPEND_LOG_KEY, (1, vec![0xff; 9]));
    // Among other records it is passed over, since those may be in need.
    world.payer.crash();
    let pay = Input::Command(world.order(1, 0, 1));
    assert_eq!(world.payer.wallet.handle(pay, world.payer.now).unwrap_err().code(), "CHANNEL_LOADING");
    let loaded = world.payer.wallet.handle(Input::Loaded(vec![damaged]), world.payer.now);
    assert_eq!(loaded.unwrap_err().code(), "RECORD_MALFORMED");
    world.payer.crash();
    world.settle();
    world.close();
    world.assert_settled(40);
}

#[test]
fn a_restored_wallet_begins_its_windows_anew() {
    let mut world = World::with_rules(&[rule(SpendScope::Total, 100, DAY)]);
    assert_eq!(world.buy(100, 0, 1), Ok(()));
    world.deliver();
    let backup = world.payer.backup();
    world.payer.restore(&mut world.chain, backup);
    world.resume();
    world.settle();
    assert_eq!(world.buy(100, 0, 1), Ok(()));
}

/// Payments of all kinds with crashes and refused writes anywhere: what left is never more than the rule allows.
#[test]
fn no_history_breaks_a_rule() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let limits: [u128; 2] = [random.below(2_000).into(), random.below(400).into()];
        let window = random.one_of([20, 100, 1_000]);
        let rules = [rule(SpendScope::Total, limits[0], window), rule(SpendScope::File, limits[1], window)];
        let mut world = World::with_rules(&rules);
        let start = world.payer.now;
        // When something new was ordered and left, how much, and for what.
        let mut paid: Vec<(u64, u128, u8)> = Vec::new();
        for _ in 0..120 {
            match random.below(20) {
                0 => world.payer.crash(),
                1 => world.payer.crash_after = Some(u32::try_from(random.below(3)).unwrap_or(0)),
                2 => world.payer.failing_commits = 1,
                3..5 => world.payer.now += random.below(window),
                5..7 => world.payer.now += 1,
                _ => {
                    let (of, amount) =
                        (u8::try_from(random.below(3)).unwrap_or(0) + 1, u128::from(random.below(9) * 5 + 1));
                    let before = world.payer.wallet.channel(&world.id).map_or(0, |channel| channel.paid());
                    let sent = world.payer.outgoing.len();
                    let _ = world.buy(amount, random.one_of([0, 3, 255]), of);
                    if world.payer.outgoing.len() > sent {
                        let now = world.payer.wallet.channel(&world.id).map_or(0, |channel| channel.paid());
                        paid.push((world.payer.now, now.saturating_sub(before).max(amount), of));
                    }
                }
            }
            world.deliver();
            if random.chance(10) {
                world.resume();
            }
        }
        for (at, ..) in &paid {
            let within = |(time, ..): &&(u64, u128, u8)| *time <= *at && time + window > *at;
            let total: u128 = paid.iter().filter(within).map(|(_, amount, _)| amount).sum();
            assert!(total <= limits[0], "seed {seed}: {total} of {} at {}", limits[0], at - start);
            for of in 1..=3 {
                let for_it = paid.iter().filter(within).filter(|(.., it)| *it == of);
                let sum: u128 = for_it.map(|(_, amount, _)| amount).sum();
                assert!(sum <= limits[1], "seed {seed}: {sum} of {} for {of} at {}", limits[1], at - start);
            }
        }
        assert!(limits[0] < 50 || limits[1] < 50 || paid.len() > 3, "seed {seed} paid {}", paid.len());
    }
}
