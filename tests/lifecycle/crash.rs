//! A crash at any instant loses nothing that was agreed, and nothing is ever signed twice.

use alloy_primitives::B256;
use millstream_core::channel::{POSTFUND_TURN, Status};
use millstream_core::crypto::LocalSigner;
use millstream_core::payment::Voucher;
use millstream_core::protocol::{Event, TransactionKind};
use millstream_core::wallet::{Command, Input, Output, Purchase};
use millstream_core::wire::encode_payment;

use crate::party::NOW;
use crate::{Asset, World};

/// Asks both sides to send again what may be lost, as hosts do after a restart.
fn resume(world: &mut World) {
    let command = Command::Resume { channel_id: world.id };
    let _ = world.payer.command(&mut world.chain, command.clone());
    let _ = world.payee.command(&mut world.chain, command);
    world.settle();
}

/// Runs a whole life in which one side crashes after `after` outputs; says whether it did.
fn life_with_crash(payer: bool, after: u32) -> bool {
    let mut world = World::new(Asset::Native);
    let crasher = if payer { &mut world.payer } else { &mut world.payee };
    crasher.crash_after = Some(after);
    let mut paid = 0;
    for attempt in 0..40 {
        let status = world.payer.wallet.channel(&world.id).map(millstream_core::channel::Channel::status);
        match status {
            None => world.propose(),
            Some(Status::Open) if paid < 3 => {
                let amount = 100;
                world.pay(amount);
                world.deliver();
                paid += 1;
            }
            Some(Status::Open) => {
                world.payer.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
            }
            Some(Status::Closed) if world.payee.status(&world.id) == Status::Closed => break,
            Some(_) => {}
        }
        world.settle();
        resume(&mut world);
        assert!(attempt < 39, "stuck at {status:?} after a crash at output {after}");
    }
    // What the payer signed is what the payee got, whatever was lost on the way.
    let signed = world.payer.channel(&world.id).cumulative_amount();
    assert!((200..=300).contains(&signed), "at most the payment in flight was lost: {signed}");
    world.assert_settled(signed);
    let crashes = world.payer.crashes + world.payee.crashes;
    crashes > 0
}

#[test]
fn a_crash_at_any_output_of_either_side_still_ends_settled() {
    for payer in [true, false] {
        let points = (0..).take_while(|&after| life_with_crash(payer, after)).count();
        assert!(points > 10, "only {points} places to crash");
    }
}

#[test]
fn nothing_leaves_before_its_commit() {
    let mut world = World::open(Asset::Native);
    let command = Command::Pay { channel_id: world.id, amount: 7, purchase: Purchase::default(), ticks: 0 };
    world.payer.wallet.handle(Input::Command(command.clone()), NOW).expect("open");
    world.payer.wallet.handle(Input::Command(command), NOW).expect("open");
    let mut polled = Vec::new();
    while let Some(output) = world.payer.wallet.poll_output() {
        polled.push(output);
    }
    let [Output::Commit { id: first, .. }, Output::Commit { id: second, .. }] = polled.as_slice() else {
        panic!("only commits may leave: {polled:?}");
    };
    // Acknowledged out of order, they are still released in order.
    world.payer.wallet.handle(Input::Committed { id: *second }, NOW).expect("known");
    assert_eq!(world.payer.wallet.poll_output(), None);
    world.payer.wallet.handle(Input::Committed { id: *first }, NOW).expect("known");
    let serials: Vec<u32> = std::iter::from_fn(|| world.payer.wallet.poll_output())
        .filter_map(|output| match output {
            Output::Payment { serial, .. } => Some(serial),
            _ => None,
        })
        .collect();
    assert_eq!(serials, [1, 2]);
    let error = world.payer.wallet.handle(Input::Committed { id: *first }, NOW).expect_err("said before");
    assert_eq!(error.code(), "UNKNOWN_COMMIT");
}

#[test]
fn a_commit_that_fails_takes_back_what_stood_on_it() {
    let mut world = World::open(Asset::Native);
    world.pay(10);
    world.deliver();
    world.payer.failing_commits = 1;
    let command = Command::Pay { channel_id: world.id, amount: 90, purchase: Purchase::default(), ticks: 0 };
    world.payer.command(&mut world.chain, command).expect("the step itself is right");
    assert!(world.payer.outgoing.is_empty(), "the voucher never leaves");
    assert!(world.payer.events.contains(&Event::CommitFailed { channel_id: world.id }));
    assert_eq!(world.payer.channel(&world.id).cumulative_amount(), 10, "reloaded from the store");
    world.pay(5);
    world.deliver();
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 15);
}

#[test]
fn a_challenge_seen_while_the_record_is_loaded_is_not_lost() {
    let mut world = World::open(Asset::Native);
    world.pay(400);
    world.deliver();
    world.payer.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("open");
    world.chain.mine(3);
    // The payee's commit fails; the chain is reported before the record is back.
    let voucher = Voucher::flat(world.id, POSTFUND_TURN, 2, 405, B256::ZERO);
    let key = LocalSigner::from_secret_bytes(&[crate::PAYER; 32]).expect("the test's own key");
    let voucher = voucher.sign(world.payee.wallet.voucher_domain(), &key).expect("a local key");
    let voucher = encode_payment(&voucher.into());
    world.payee.wallet.handle(Input::Payment(voucher), NOW).expect("a good payment");
    let Some(Output::Commit { id, .. }) = world.payee.wallet.poll_output() else { panic!("a commit comes first") };
    world.payee.wallet.handle(Input::CommitFailed { id }, NOW).expect("known");
    world.payee.wallet.handle(Input::Chain(world.chain.update(0)), NOW).expect("an update");
    assert!(world.payee.wallet.channel(&world.id).is_none(), "not loaded yet");
    world.payee.input(&mut world.chain, Input::Tick).expect("the load is carried out");
    world.chain.mine(1);
    let head = world.chain.update(u64::MAX); // nothing is reported again
    world.payee.input(&mut world.chain, Input::Chain(head)).expect("a new block");
    assert_eq!(world.payee.status(&world.id), Status::Challenged);
}

/// The payee takes a stale challenge in, and stops before its answer is sent.
#[test]
fn an_answer_that_a_crash_held_back_is_sent_after_the_restart() {
    let mut world = World::open(Asset::Native);
    world.pay(400);
    world.deliver();
    world.payer.command(&mut world.chain, Command::LeaveChannel { channel_id: world.id }).expect("open");
    world.chain.mine(3);
    world.payee.crash_after = Some(1); // the commit is the last thing that it does
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.status(&world.id), Status::Challenged);
    assert!(world.payee.transactions.is_empty());
    world.chain.mine(1);
    world.payee.watch(&mut world.chain);
    assert_eq!(world.payee.transactions, [TransactionKind::Challenge], "nobody had to ask");
}

#[test]
fn a_log_that_cannot_be_read_stops_nothing() {
    let mut world = World::new(Asset::Native);
    world.propose();
    world.deliver();
    world.chain.mine(3);
    let mut update = world.chain.update(0);
    let mut bad = update.logs.iter().find(|log| log.topics.get(1) == Some(&world.id)).expect("a deposit").clone();
    bad.data = vec![1, 2, 3].into();
    bad.log_index = 0;
    update.logs.insert(0, bad);
    world.payee.input(&mut world.chain, Input::Chain(update)).expect("the rest is taken in");
    assert_eq!(world.payee.channel(&world.id).facts().holdings, crate::DEPOSIT);
    let told = world
        .payee
        .events
        .iter()
        .any(|event| matches!(event, Event::UnreadableLog { code, .. } if code == "NITRO_DECODE_MALFORMED"));
    assert!(told, "{:?}", world.payee.events);
}

#[test]
fn a_channel_waits_for_its_record_after_a_failed_commit() {
    let mut world = World::open(Asset::Native);
    let command = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    world.payer.wallet.handle(Input::Command(command.clone()), NOW).expect("open");
    let Some(Output::Commit { id, .. }) = world.payer.wallet.poll_output() else { panic!("a commit comes first") };
    world.payer.wallet.handle(Input::CommitFailed { id }, NOW).expect("known");
    let error = world.payer.wallet.handle(Input::Command(command), NOW).expect_err("nothing is loaded");
    assert_eq!(error.code(), "CHANNEL_LOADING");
}
