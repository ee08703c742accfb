//! Bad input: every kind of wrong payment and message has its error and changes nothing.

use alloy_primitives::{Address, B256, U256};
use millstream_core::channel::{POSTFUND_TURN, Status, Terms, derive_nonce};
use millstream_core::crypto::LocalSigner;
use millstream_core::payment::Voucher;
use millstream_core::wallet::{Command, Input, Purchase};
use millstream_core::wire::encode_payment;
use proptest::prelude::*;

use crate::party::{NOW, Parcel, Party};
use crate::{Asset, DEPOSIT, PAYER, World};

fn payer_key() -> LocalSigner {
    LocalSigner::from_secret_bytes(&[PAYER; 32]).expect("the test's own key")
}

/// Sends the payee a voucher; gives the code of the refusal after checking that nothing changed.
fn refusal(world: &mut World, voucher: Voucher, signer: &LocalSigner) -> &'static str {
    let signed = voucher.sign(world.payee.wallet.voucher_domain(), signer).expect("a local key signs");
    refused(world, encode_payment(&signed.into()))
}

fn refused(world: &mut World, bytes: Vec<u8>) -> &'static str {
    let before = world.payee.wallet.channel(&world.id).cloned();
    let error = world.payee.input(&mut world.chain, Input::Payment(bytes)).expect_err("a bad payment");
    assert!(world.payee.outgoing.is_empty(), "{}: an output", error.code());
    assert_eq!(world.payee.wallet.channel(&world.id), before.as_ref(), "{}: a change", error.code());
    error.code()
}

/// What the payer pledged and did not deposit covers no payment.
#[test]
fn a_payment_out_of_a_pledge_is_refused() {
    let mut world = World::open(Asset::Native);
    world.payer.sends_later = true;
    world.payer_does(Command::TopUp { channel_id: world.id, amount: 5_000 });
    world.deliver();
    let base_turn = world.payee.channel(&world.id).base.expect("raised").turn;
    let good = Voucher::flat(world.id, base_turn, 1, DEPOSIT, B256::ZERO);
    let too_much = Voucher { cumulative_amount: DEPOSIT + 1, ..good };
    assert_eq!(refusal(&mut world, too_much, &payer_key()), "VOUCHER_ABOVE_DEPOSIT");
    let signed = good.sign(world.payee.wallet.voucher_domain(), &payer_key()).expect("a local key signs");
    world.payee.input(&mut world.chain, Input::Payment(encode_payment(&signed.into()))).expect("it is there");
}

#[test]
fn wrong_vouchers_are_refused_by_name() {
    let mut world = World::open(Asset::Native);
    world.pay(100);
    world.deliver();
    world.pay(50);
    world.deliver();
    let good = Voucher::flat(world.id, POSTFUND_TURN, 3, 200, B256::ZERO);
    let payer = payer_key();
    let stranger = LocalSigner::from_secret_bytes(&[7; 32]).expect("the test's own key");
    let cases = [
        (Voucher { channel_id: B256::repeat_byte(1), ..good }, "UNKNOWN_CHANNEL"),
        (Voucher { base_turn: 2, ..good }, "VOUCHER_WRONG_BASE_TURN"),
        (Voucher { serial: 0, ..good }, "VOUCHER_STALE"),
        (Voucher { serial: 2, ..good }, "VOUCHER_CONFLICT"),
        (Voucher { cumulative_amount: 149, ..good }, "VOUCHER_DECREASING"),
        (Voucher { cumulative_amount: DEPOSIT + 1, ..good }, "VOUCHER_ABOVE_DEPOSIT"),
        (Voucher { cumulative_amount: u128::MAX, ..good }, "VOUCHER_ABOVE_DEPOSIT"),
    ];
    for (voucher, code) in cases {
        assert_eq!(refusal(&mut world, voucher, &payer), code);
    }
    assert_eq!(refusal(&mut world, good, &stranger), "SIGNATURE_WRONG_SIGNER");

    let signed = good.sign(world.payee.wallet.voucher_domain(), &payer).expect("a local key signs");
    let bytes = encode_payment(&signed.into());
    let high_s = {
        let order: U256 = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse().expect("n");
        let s = B256::from((order - U256::from_be_bytes(signed.signature.s().0)).to_be_bytes::<32>());
        let mut bytes = bytes.clone();
        let at = bytes.len() - 33;
        bytes[at..at + 32].copy_from_slice(s.as_slice());
        let last = bytes.len() - 1;
        bytes[last] = 55 - bytes[last];
        bytes
    };
    assert_eq!(refused(&mut world, high_s), "SIGNATURE_HIGH_S");
    let other_v = [&bytes[..bytes.len() - 1], &[0]].concat();
    assert_eq!(refused(&mut world, other_v), "SIGNATURE_RECOVERY_ID");
    assert_eq!(refused(&mut world, vec![0; 100_000]), "MESSAGE_TOO_LARGE");
    assert_eq!(refused(&mut world, [bytes.as_slice(), &[0]].concat()), "MESSAGE_MALFORMED");

    world.payee.receive(&mut world.chain, Parcel::Payment(bytes)).expect("the good one, after all of them");
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 200);
}

#[test]
fn the_same_payment_again_is_no_news_and_no_error() {
    let mut world = World::open(Asset::Native);
    world.pay(100);
    let parcel = world.payer.outgoing.front().cloned().expect("a payment");
    world.deliver();
    world.payee.receive(&mut world.chain, parcel).expect("idempotent");
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 100);
}

#[test]
fn a_closing_channel_takes_no_payment_and_makes_none() {
    let mut world = World::open(Asset::Native);
    world.payer.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
    let command = Command::Pay { channel_id: world.id, amount: 1, purchase: Purchase::default(), ticks: 0 };
    let error = world.payer.command(&mut world.chain, command).expect_err("closing");
    assert_eq!(error.code(), "CHANNEL_NOT_OPEN");
    world.deliver();
    let voucher = Voucher::flat(world.id, POSTFUND_TURN, 1, 5, B256::ZERO);
    assert_eq!(refusal(&mut world, voucher, &payer_key()), "CHANNEL_NOT_OPEN");
}

#[test]
fn a_close_that_underpays_is_refused_and_the_voucher_still_redeems() {
    let mut world = World::open(Asset::Native);
    world.pay(100);
    let lost = world.payer.outgoing.pop_front().expect("a payment");
    // A payer that lost its store and started anew believes that it paid nothing.
    world.payee.receive(&mut world.chain, lost).expect("a good payment");
    let honest = world.payer.channel(&world.id).clone();
    let mut forgetful = honest.clone();
    (forgetful.best, forgetful.signed_turn) = (None, POSTFUND_TURN);
    let record = millstream_core::wallet::StoredRecord { key: world.id, version: 9, bytes: Some(forgetful.to_bytes()) };
    let config = world.payer.wallet.config().clone();
    let mut wallet = millstream_core::wallet::Wallet::new(config, Box::new(payer_key()));
    wallet.handle(Input::Loaded(vec![record]), NOW).expect("a record");
    wallet.handle(Input::Command(Command::CloseChannel { channel_id: world.id }), NOW).expect("open");
    let id = std::iter::from_fn(|| wallet.poll_output())
        .find_map(|output| match output {
            millstream_core::wallet::Output::Commit { id, .. } => Some(id),
            _ => None,
        })
        .expect("a commit");
    wallet.handle(Input::Committed { id }, NOW).expect("known");
    let bytes = std::iter::from_fn(|| wallet.poll_output())
        .find_map(|output| match output {
            millstream_core::wallet::Output::Send { bytes, .. } => Some(bytes),
            _ => None,
        })
        .expect("a shutdown");
    let error = world.payee.input(&mut world.chain, Input::Message(bytes)).expect_err("it underpays");
    assert_eq!(error.code(), "CLOSE_UNDERPAYS");
    assert_eq!(world.payee.status(&world.id), Status::Open);
    assert_eq!(world.payee.outgoing.len(), 1, "the payer is told");
}

#[test]
fn terms_outside_the_policy_are_refused() {
    type Change = fn(&mut Terms);
    let change: [(Change, &str); 10] = [
        (|terms| terms.challenge_duration = 10, "POLICY_CHALLENGE_DURATION"),
        (|terms| terms.challenge_duration = 0, "TERMS_CHALLENGE_DURATION"),
        (|terms| terms.deposit = 0, "TERMS_ZERO_DEPOSIT"),
        (|terms| terms.confirmations = 1, "POLICY_CONFIRMATIONS"),
        (|terms| terms.confirmations = 129, "POLICY_CONFIRMATIONS"),
        (|terms| terms.chain.chain_id = 1, "POLICY_WRONG_CHAIN"),
        (|terms| terms.payee_destination = B256::repeat_byte(1), "TERMS_DESTINATION"),
        (|terms| terms.payee = terms.payer, "TERMS_SAME_PARTY"),
        (|terms| terms.nonce = derive_nonce(NOW - 1_800, 1), "POLICY_PROPOSAL_TIME"),
        (|terms| terms.nonce = derive_nonce(NOW + 601, 1), "POLICY_PROPOSAL_TIME"),
    ];
    for (change, code) in change {
        let mut world = World::new(Asset::Native);
        let mut terms = world.payer.terms(&world.payee, Address::ZERO, DEPOSIT);
        change(&mut terms);
        let error = world.payer.command(&mut world.chain, Command::OpenChannel(terms)).expect_err(code);
        assert_eq!(error.code(), code);
    }
}

/// The payer challenges with the prefund while nothing is deposited, waits until that is final, and only then deposits:
/// the money would go straight back to it. No payment is taken on such a channel.
#[test]
fn a_channel_challenged_before_its_deposit_never_opens() {
    let mut world = World::new(Asset::Native);
    world.propose();
    let open = world.payer.outgoing.front().cloned().expect("a proposal");
    world.payer.crash_after = Some(1); // it takes the prefund's signature and does not deposit yet
    world.deliver();
    let record = world.payer.channel(&world.id).clone();
    let signatures = record.base.expect("the prefund").signatures.both().expect("signed by both");
    let part = millstream_core::nitro::VariablePart {
        outcome: record.terms.outcome(record.terms.deposits()),
        app_data: alloy_primitives::Bytes::new(),
        turn_num: 0,
        is_final: false,
    };
    let hash = millstream_core::nitro::state_hash(world.id, &part);
    let candidate = millstream_core::nitro::SignedVariablePart { variable_part: part, signatures: signatures.to_vec() };
    let signature = millstream_core::nitro::sign_challenge(&payer_key(), hash).expect("a local key signs");
    let fixed = record.terms.fixed_part();
    let data = millstream_core::nitro::calls::challenge(&fixed, &[], &candidate, &signature);
    let (account, adjudicator) = (world.payer.account, world.chain.adjudicator);
    world.chain.send(account, adjudicator, 0, data).expect("a supported state");
    world.chain.pass(3_600);
    let command = Command::Resume { channel_id: world.id };
    world.payer.command(&mut world.chain, command).expect("an honest wallet hears of the challenge first");
    world.settle();
    assert_eq!(world.payee.channel(&world.id).facts().holdings, 0, "and makes no deposit");
    let (nothing, all) = (U256::ZERO, U256::from(DEPOSIT));
    let deposit = millstream_core::nitro::calls::deposit(Address::ZERO, world.id, nothing, all);
    world.chain.send(account, adjudicator, DEPOSIT, deposit).expect("anybody may deposit");
    world.settle();
    assert_eq!(world.payee.channel(&world.id).facts().holdings, DEPOSIT);
    assert_eq!(world.payee.status(&world.id), Status::Challenged);
    let voucher = Voucher::flat(world.id, POSTFUND_TURN, 1, 5, B256::ZERO);
    assert_eq!(refusal(&mut world, voucher, &payer_key()), "CHANNEL_NOT_OPEN");

    // A payee that forgot the channel does not take it up again.
    let config = world.payee.wallet.config().clone();
    let key = LocalSigner::from_secret_bytes(&[crate::PAYEE; 32]).expect("the test's own key");
    let mut forgetful = millstream_core::wallet::Wallet::new(config, Box::new(key));
    let Parcel::Message(open) = open else { panic!("a message") };
    let nothing = millstream_core::wallet::StoredRecord { key: world.id, version: 0, bytes: None };
    forgetful.handle(Input::Loaded(vec![nothing]), NOW + 1_800).expect("no record");
    let error = forgetful.handle(Input::Message(open), NOW + 1_800).expect_err("too late");
    assert_eq!(error.code(), "POLICY_PROPOSAL_TIME");
}

#[test]
fn the_same_channel_on_other_terms_is_refused() {
    let mut world = World::new(Asset::Native);
    world.propose();
    world.deliver();
    let mut terms = world.payer.terms(&world.payee, Address::ZERO, DEPOSIT * 2);
    terms.nonce = world.payer.channel(&world.id).terms.nonce;
    let config = world.payer.wallet.config().clone();
    let mut twin = millstream_core::wallet::Wallet::new(config, Box::new(payer_key()));
    twin.handle(Input::Command(Command::OpenChannel(terms)), NOW).expect("a wallet that forgot");
    let Some(millstream_core::wallet::Output::WakeAt(_) | millstream_core::wallet::Output::Commit { .. }) =
        twin.poll_output()
    else {
        panic!("a commit")
    };
    while twin.poll_output().is_some() {}
    twin.handle(Input::Committed { id: 1 }, NOW).expect("the only commit");
    let bytes = std::iter::from_fn(|| twin.poll_output())
        .find_map(|output| match output {
            millstream_core::wallet::Output::Send { bytes, .. } => Some(bytes),
            _ => None,
        })
        .expect("a channel_open");
    let error = world.payee.input(&mut world.chain, Input::Message(bytes)).expect_err("one id, two terms");
    assert_eq!(error.code(), "CHANNEL_EXISTS");
}

/// A message and a payment as they travel.
fn samples() -> &'static (Vec<u8>, Vec<u8>, Vec<u8>) {
    static SAMPLES: std::sync::OnceLock<(Vec<u8>, Vec<u8>, Vec<u8>)> = std::sync::OnceLock::new();
    SAMPLES.get_or_init(|| {
        let mut world = World::open(Asset::Native);
        world.pay(9);
        let Some(Parcel::Payment(payment)) = world.payer.outgoing.pop_front() else { panic!("a payment") };
        world.payer.command(&mut world.chain, Command::CloseChannel { channel_id: world.id }).expect("open");
        let Some(Parcel::Message(message)) = world.payer.outgoing.pop_front() else { panic!("a message") };
        let record = world.payer.channel(&world.id).to_bytes();
        (message, payment, record)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Truncated, flipped, extended and random bytes: an error or no news, never a panic, never a change.
    #[test]
    fn damaged_bytes_change_nothing(cut in 0usize..600, at in 0usize..600, bit in 0u8..8, mode in 0u8..4, noise in proptest::collection::vec(any::<u8>(), 0..600)) {
        thread_local! {
            static WORLD: std::cell::RefCell<World> = std::cell::RefCell::new(World::open(Asset::Native));
        }
        let (message, payment, record) = samples();
        let damage = |bytes: &[u8]| -> Vec<u8> {
            let mut bytes = bytes.to_vec();
            match mode {
                0 => bytes.truncate(cut % bytes.len()),
                1 => { let at = at % bytes.len(); bytes[at] ^= 1 << bit; }
                2 => { bytes.push(noise.first().copied().unwrap_or(0)); }
                _ => bytes.clone_from(&noise),
            }
            bytes
        };
        WORLD.with_borrow_mut(|world| -> Result<(), TestCaseError> {
            let before = world.payee.channel(&world.id).clone();
            for input in [Input::Message(damage(message)), Input::Payment(damage(payment))] {
                prop_assert!(world.payee.wallet.handle(input, NOW).is_err());
            }
            while world.payee.wallet.poll_output().is_some() {}
            prop_assert_eq!(world.payee.channel(&world.id), &before);
            Ok(())
        })?;
        // A damaged record is refused or is a record; it is never a panic.
        let _ = millstream_core::channel::Channel::from_bytes(samples_id(), &damage(record));
    }
}

fn samples_id() -> B256 {
    static ID: std::sync::OnceLock<B256> = std::sync::OnceLock::new();
    *ID.get_or_init(|| World::open(Asset::Native).id)
}

/// A proposal costs a stranger nothing, and stays in memory until its deadline.
#[test]
fn proposals_of_strangers_do_not_keep_a_channel_out_of_memory() {
    let mut world = World::open(Asset::Native);
    world.payee.config.max_loaded = 2;
    world.payee.crash();
    let mut stranger = Party::new(&mut world.chain, 7);
    for random in 0..4 {
        let terms = Terms { nonce: derive_nonce(NOW, random), ..stranger.terms(&world.payee, Address::ZERO, DEPOSIT) };
        stranger.command(&mut world.chain, Command::OpenChannel(terms)).expect("good terms");
        let proposal = stranger.outgoing.pop_front().expect("a proposal");
        world.payee.receive(&mut world.chain, proposal).expect("good terms");
    }
    world.payee.outgoing.clear();
    world.pay(100);
    let Some(Parcel::Payment(payment)) = world.payer.outgoing.pop_front() else { panic!("no payment") };
    // Loaded at most once: fed again, it is taken.
    let accepted = (0..2).any(|_| world.payee.input_once(&mut world.chain, Input::Payment(payment.clone())).is_ok());
    assert!(accepted);
    assert_eq!(world.payee.channel(&world.id).cumulative_amount(), 100);
}
