//! Participants of a virtual channel that do not play fair: what they say is refused by name and changes nothing, and what they
//! put on chain is answered.

use alloy_primitives::B256;
use millstream_core::channel::{
    Balances, Change, Channel, Guarantee, PREFUND_TURN, Role, Route, Stage, Status, Terms, Wish,
};
use millstream_core::crypto::{LocalSigner, Signature};
use millstream_core::nitro::{self, Allocation, AllocationType, VariablePart};
use millstream_core::payment::Voucher;
use millstream_core::wallet::{Command, Input};
use millstream_core::wire::{Message, encode_payment};
use millstream_tests::sim::{signer::Key, wire};

use crate::Asset;
use crate::hub_world::{AMOUNT, FEE, LEDGER, Row};

fn key(party: usize) -> Key {
    Key::new([0xa0 + u8::try_from(party).expect("few"); 32])
}

/// Says something with the key of `from`; the code of the refusal, after checking that nothing changed.
fn says(row: &mut Row, from: usize, to: usize, channel_id: B256, message: &Message) -> &'static str {
    let receiver = row.parties[to].wallet.address();
    let bytes = wire::seal(&key(from), receiver, channel_id, 1 << 40, message);
    let before: Vec<Channel> = row.parties[to].wallet.channels().map(|(_, channel)| channel.clone()).collect();
    let code = match row.parties[to].input(&mut row.chain, Input::Message(bytes)) {
        Ok(()) => return "TAKEN",
        Err(error) => error.code(),
    };
    let after: Vec<Channel> = row.parties[to].wallet.channels().map(|(_, channel)| channel.clone()).collect();
    assert!(before == after, "{code}: something changed");
    row.parties[to].outgoing.clear();
    code
}

/// The same about ledger `index`.
fn says_of(row: &mut Row, from: usize, to: usize, index: usize, message: &Message) -> &'static str {
    let ledger = row.ledgers[index];
    says(row, from, to, ledger, message)
}

/// The state of a ledger with this split, and `from`'s signature of it.
fn ledger_signature(
    terms: &Terms,
    turn_num: u64,
    balances: Balances,
    guarantees: &[Guarantee],
    from: usize,
) -> Signature {
    let mut outcome = terms.outcome(balances);
    let set_aside = guarantees.iter().map(|one| {
        let (left, right) = (terms.destination_of(one.payer.other()), terms.destination_of(one.payer));
        Allocation {
            destination: one.channel_id,
            amount: one.amount.try_into().expect("fits"),
            allocation_type: AllocationType::Guarantee,
            metadata: nitro::Guarantee { left, right }.encode(),
        }
    });
    outcome[0].allocations.splice(0..0, set_aside);
    let part = VariablePart { outcome, app_data: Default::default(), turn_num, is_final: false };
    let hash = nitro::state_hash(terms.channel_id(), &part);
    key(from).sign(millstream_core::crypto::eip191_digest(hash))
}

/// An update of ledger `index` by its leader `from`, properly signed, whatever it does.
fn update(row: &Row, index: usize, from: usize, change: Change) -> Message {
    let ledger = row.ledger(index, from);
    let mut guarantees = ledger.split().guarantees;
    let mut balances = ledger.balances();
    let take = |balances: &mut Balances, role, amount| {
        *balances = balances.raise(role, amount).expect("small");
    };
    match change {
        Change::Add { guarantee, fee } => {
            guarantees.push(guarantee);
            guarantees.sort_by_key(|one| one.channel_id);
            balances = balances.lower(guarantee.payer, guarantee.amount + fee).expect("enough");
            take(&mut balances, guarantee.payer.other(), fee);
        }
        Change::Remove { channel_id, paid, refund } => {
            let place = guarantees.iter().position(|one| one.channel_id == channel_id).expect("it is there");
            let one = guarantees.remove(place);
            take(&mut balances, one.payer, one.amount - paid + refund);
            balances = balances
                .raise(one.payer.other(), paid)
                .and_then(|it| it.lower(one.payer.other(), refund))
                .expect("enough");
        }
    }
    let follows = ledger.base.expect("open").turn;
    let turn = ledger.signed_turn + 1;
    let signature = ledger_signature(&ledger.terms, turn, balances, &guarantees, from);
    Message::Update { turn, follows, balances, answers: None, signature, change: Some(change) }
}

#[test]
fn guarantees_that_no_channel_waits_for_are_refused() {
    let mut row = Row::new(Asset::Native, 1);
    // Everything up to the accept: the hub has it, the payer not yet.
    row.open_one(AMOUNT);
    while row.parties[1].wallet.channel(&row.id).is_none_or(|channel| channel.base.is_none()) {
        let (from, parcel) = row.next_parcel().expect("they talk");
        row.bring(from, parcel);
    }
    row.parties[1].outgoing.clear();
    let good = Guarantee { channel_id: row.id, amount: AMOUNT, payer: Role::Payer };
    let cases = [
        (Guarantee { channel_id: B256::repeat_byte(7), ..good }, FEE),
        (Guarantee { amount: AMOUNT - 1, ..good }, FEE),
        (Guarantee { amount: AMOUNT + 1, ..good }, FEE),
        (Guarantee { payer: Role::Payee, ..good }, FEE),
        (Guarantee { payer: Role::Payee, ..good }, 0),
        (good, FEE - 1),
        (good, FEE + 1),
    ];
    for (guarantee, fee) in cases {
        let message = update(&row, 0, 0, Change::Add { guarantee, fee });
        assert_eq!(says_of(&mut row, 0, 1, 0, &message), "GUARANTEE_UNKNOWN", "{guarantee:?} {fee}");
    }
    // Asked for by the follower, out of the leader's money.
    let wish = Wish::Change(Change::Add { guarantee: Guarantee { payer: Role::Payer, ..good }, fee: 0 });
    let ask = Message::UpdateRequest { number: 1, wish };
    assert_eq!(says_of(&mut row, 2, 1, 1, &ask), "GUARANTEE_UNKNOWN");
    let message = update(&row, 0, 0, Change::Add { guarantee: good, fee: FEE });
    assert_eq!(says_of(&mut row, 0, 1, 0, &message), "TAKEN");
    assert_eq!(row.record(1).passage.as_ref().and_then(|it| it.upstream).map(|hop| hop.stage), Some(Stage::Held));
}

#[test]
fn no_guarantee_is_set_aside_before_everyone_signed_the_prefund() {
    let mut row = Row::new(Asset::Native, 1);
    row.gone[2] = true;
    row.open_one(AMOUNT);
    row.deliver();
    let guarantee = Guarantee { channel_id: row.id, amount: AMOUNT, payer: Role::Payer };
    let message = update(&row, 0, 0, Change::Add { guarantee, fee: FEE });
    assert_eq!(says_of(&mut row, 0, 1, 0, &message), "GUARANTEE_UNKNOWN");
}

#[test]
fn guarantees_are_not_released_at_the_cost_of_whom_they_protect() {
    let mut row = Row::open(Asset::Native, 1);
    row.paid(500);
    let id = row.id;
    let remove = |paid, refund| Change::Remove { channel_id: id, paid, refund };
    // The payer takes back what the hub may owe the payee; the hub what it owes the payee.
    for (index, from, to, paid) in [(0, 0, 1, 0), (0, 0, 1, 500), (0, 0, 1, AMOUNT - 1), (1, 1, 2, 0), (1, 1, 2, 499)] {
        let message = update(&row, index, from, remove(paid, 0));
        assert_eq!(says_of(&mut row, from, to, index, &message), "GUARANTEE_SPLIT", "{index}: {paid}");
    }
    // The fee of a channel that opened stays where it is.
    let message = update(&row, 0, 0, remove(AMOUNT, FEE));
    assert_eq!(says_of(&mut row, 0, 1, 0, &message), "GUARANTEE_SPLIT");
    // A leader downstream cannot take more than what was paid.
    let mut row = Row::led_by(Asset::Native, &[false, true]);
    row.open_one(AMOUNT);
    row.deliver();
    row.paid(500);
    let id = row.id;
    let message = update(&row, 0, 1, Change::Remove { channel_id: id, paid: 501, refund: 0 });
    assert_eq!(says_of(&mut row, 1, 0, 0, &message), "GUARANTEE_SPLIT");
}

#[test]
fn an_opening_that_does_not_fit_is_refused() {
    let mut row = Row::new(Asset::Native, 1);
    let (terms, route) = row.way(0, 2, AMOUNT);
    let open = |terms: &Terms, route: Route| {
        let base = VariablePart {
            outcome: terms.outcome(terms.deposits()),
            app_data: Default::default(),
            turn_num: PREFUND_TURN,
            is_final: false,
        };
        let hash = nitro::state_hash(terms.channel_id(), &base);
        let signature = key(0).sign(millstream_core::crypto::eip191_digest(hash));
        Message::ChannelOpen { terms: terms.clone(), signature, route: Some(route), hubs: Vec::new() }
    };
    let other_ledger = Route { ledgers: vec![row.ledgers[0], B256::repeat_byte(1)], ..route.clone() };
    let swapped = Route { ledgers: vec![row.ledgers[1], row.ledgers[0]], ..route.clone() };
    let short = Route { ledgers: vec![row.ledgers[0]], ..route.clone() };
    let no_fee = Route { fees: vec![0], ..route.clone() };
    let overflow = Route { fees: vec![u128::MAX], ..route.clone() };
    for (wrong, code) in [
        (other_ledger, "OPEN_ROUTE"),
        (swapped, "OPEN_ROUTE"),
        (short, "OPEN_ROUTE"),
        (no_fee, "HUB_FEE"),
        (overflow, "OPEN_ROUTE"),
    ] {
        assert_eq!(says(&mut row, 0, 1, terms.channel_id(), &open(&terms, wrong)), code);
    }
    let hub = terms.hubs[0];
    let changed = |change: &dyn Fn(&mut Terms)| {
        let mut terms = terms.clone();
        change(&mut terms);
        terms
    };
    for (wrong, code) in [
        (changed(&|it| it.hubs = vec![hub, hub]), "TERMS_SAME_PARTY"),
        (changed(&|it| it.hubs = vec![hub; 7]), "TERMS_TOO_MANY_HUBS"),
        (changed(&|it| it.payee_deposit = 1), "TERMS_NOT_VIRTUAL"),
        (changed(&|it| it.reserve = 1), "TERMS_NOT_VIRTUAL"),
        (changed(&|it| it.kind = millstream_core::channel::Kind::Ledger), "TERMS_NOT_VIRTUAL"),
        (changed(&|it| it.hubs = vec![it.payer]), "OPEN_NOT_OURS"),
        (changed(&|it| it.asset = row.chain.token), "OPEN_ROUTE"),
    ] {
        assert_eq!(says(&mut row, 0, 1, wrong.channel_id(), &open(&wrong, route.clone())), code);
    }
    // The hub's payee may not pretend that the payer asked it.
    assert_eq!(says(&mut row, 2, 1, terms.channel_id(), &open(&terms, route.clone())), "OPEN_NOT_OURS");
    let Message::ChannelOpen { signature, .. } = open(&changed(&|it| it.deposit += 1), route.clone()) else { panic!() };
    let forged = Message::ChannelOpen { terms: terms.clone(), signature, route: Some(route), hubs: Vec::new() };
    assert_eq!(says(&mut row, 0, 1, terms.channel_id(), &forged), "SIGNATURE_WRONG_SIGNER");
}

#[test]
fn messages_count_only_from_the_neighbour_that_sends_them() {
    let mut row = Row::open(Asset::Native, 1);
    row.paid(500);
    let id = row.id;
    let signature = key(2).sign(B256::repeat_byte(3));
    let none: Vec<Signature> = Vec::new();
    let balances = Balances { payer: AMOUNT - 500, payee: 500 };
    let shutdown = |balances, signature| Message::Shutdown {
        turn: 1 << 20,
        balances,
        submitter: Role::Payer,
        successor: None,
        signature,
        hubs: Vec::new(),
    };
    // The payee speaks as the payer, and as a hub.
    assert_eq!(says(&mut row, 2, 1, id, &shutdown(balances, signature)), "MESSAGE_WRONG_SENDER");
    assert_eq!(
        says(&mut row, 2, 1, id, &Message::FundingLocked { signature, hubs: none.clone() }),
        "MESSAGE_WRONG_SENDER"
    );
    assert_eq!(
        says(&mut row, 2, 0, id, &Message::ShutdownAck { signature, hubs: none.clone() }),
        "MESSAGE_WRONG_SENDER"
    );
    assert_eq!(
        says(&mut row, 0, 1, id, &Message::ChannelAccept { signature, hubs: none.clone() }),
        "MESSAGE_WRONG_SENDER"
    );
    // The payer signs less than it owes, or more than there is, or nothing.
    let less = Balances { payer: AMOUNT - 499, payee: 499 };
    let more = Balances { payer: AMOUNT, payee: 500 };
    assert_eq!(says(&mut row, 0, 1, id, &shutdown(more, signature)), "CLOSE_ABOVE_DEPOSIT");
    assert_eq!(says(&mut row, 0, 1, id, &shutdown(balances, signature)), "SIGNATURE_WRONG_SIGNER");
    assert_eq!(says(&mut row, 1, 2, id, &shutdown(less, signature)), "CLOSE_UNDERPAYS");
    // The hub pays in the payer's name.
    let voucher = Voucher::flat(id, 1, 9, 900, B256::ZERO);
    let hub = LocalSigner::from_secret_bytes(&[0xa1; 32]).expect("the test's own key");
    let signed = voucher.sign(row.parties[2].wallet.voucher_domain(), &hub).expect("a local key signs");
    let bytes = encode_payment(&signed.into());
    let error = row.parties[2].input(&mut row.chain, Input::Payment(bytes.clone())).expect_err("forged");
    assert_eq!(error.code(), "SIGNATURE_WRONG_SIGNER");
    let error = row.parties[1].input(&mut row.chain, Input::Payment(bytes)).expect_err("a hub takes no payments");
    assert_eq!(error.code(), "PAYMENT_NOT_PAYEE");
    row.close();
    row.assert_ledgers(&[LEDGER - 500 - FEE, LEDGER - 500], 0);
}

fn signed(value: u128) -> i128 {
    i128::try_from(value).expect("small")
}

#[test]
fn a_hub_that_takes_the_payers_guarantee_and_gives_none() {
    let mut row = Row::new(Asset::Native, 1);
    row.open_one(AMOUNT);
    // What the hub would say to the payee after the accept gets lost.
    let payee = row.parties[2].wallet.address();
    let mut accepted = false;
    while let Some((from, parcel)) = row.next_parcel() {
        let to_payee = row.receiver(&parcel) == Some(2);
        if !(accepted && from == 1 && to_payee) {
            row.bring(from, parcel);
        }
        accepted |= row.parties[0].channel(&row.id).base.is_some();
    }
    assert_ne!(payee, row.parties[0].wallet.address());
    assert_eq!(row.record(0).status(), Status::Open);
    row.pay(10);
    let (_, payment) = row.next_parcel().expect("a payment");
    row.bring(0, payment);
    assert_eq!(row.record(2).paid(), 0, "the payee takes nothing on a guarantee that is not there");
    row.gone[1] = true;
    row.does(0, Command::LeaveChannel { channel_id: row.ledgers[0] });
    row.does(2, Command::LeaveChannel { channel_id: row.ledgers[1] });
    row.run_out();
    let gains = row.gains();
    assert_eq!((gains[0], gains[2]), (-signed(FEE), 0), "the fee is what a hostile hub can take");
}

#[test]
fn an_answer_that_is_not_deep_yet_is_not_overlooked() {
    let mut row = Row::open(Asset::Native, 1);
    let mut old = row.parties[0].cheat();
    row.paid(500);
    row.gone[2] = true;
    old.command(&mut row.chain, Command::LeaveChannel { channel_id: row.id }).expect("an old state");
    row.settle();
    // The payee answers at the last moment, and the hub hears of a block after the old state's time that has the answer in it,
    // but nothing on top of it.
    row.chain.pass(3_600 - 60);
    row.gone[2] = false;
    row.parties[2].watch(&mut row.chain);
    row.chain.pass(60);
    row.parties[1].watch(&mut row.chain);
    let message = update(&row, 0, 0, Change::Remove { channel_id: row.id, paid: 0, refund: 0 });
    assert_eq!(says_of(&mut row, 0, 1, 0, &message), "GUARANTEE_SPLIT");
    row.gone[0] = true;
    row.run_out();
    row.does(1, Command::LeaveChannel { channel_id: row.ledgers[0] });
    row.does(2, Command::LeaveChannel { channel_id: row.ledgers[1] });
    row.run_out();
    assert_eq!(row.gains(), [-500 - signed(FEE), signed(FEE), 500]);
}

#[test]
fn a_refused_guarantee_does_not_take_those_behind_it_along() {
    let mut row = Row::new(Asset::Native, 1);
    let mut held = Vec::new();
    let ids: Vec<B256> = (0..4)
        .map(|_| {
            let id = row.open_one(AMOUNT);
            // Up to the accept, so that all of them are offered at once.
            while row.parties[0].channel(&id).base.is_none() {
                let (from, parcel) = row.next_parcel().expect("they talk");
                row.bring(from, parcel);
            }
            held.append(&mut row.parties[0].outgoing.drain(..).collect());
            id
        })
        .collect();
    // The payee gave the second one up, and the hub did not hear of it.
    row.id = ids[1];
    let abort = Message::Abort { code: "NO".into() };
    assert_eq!(says(&mut row, 1, 2, ids[1], &abort), "TAKEN");
    row.parties[2].outgoing.clear();
    row.parties[0].outgoing.extend(held);
    row.deliver();
    for _ in 0..4 {
        row.resume();
    }
    for (index, id) in ids.iter().enumerate() {
        row.id = *id;
        if index == 1 {
            assert_eq!(row.record(0).status(), Status::Closed, "its guarantee went back");
        } else {
            row.assert_open();
        }
    }
    assert_eq!(row.ledger(0, 0).split().guaranteed(), 3 * AMOUNT);
    assert_eq!(row.balances(0).payer, LEDGER - 3 * (AMOUNT + FEE), "and so did its fee");
}
