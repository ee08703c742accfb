//! What was signed for one chain is worth nothing on another one, and a wallet of the other one does not take it.

use std::rc::Rc;

use alloy_primitives::Address;
use millstream_core::channel::{Channel, POSTFUND_TURN, Status};
use millstream_core::crypto::{LocalSigner, Signer};
use millstream_core::keys::Seed;
use millstream_core::nitro::{SignedVariablePart, VariablePart, calls, challenge_digest, state_hash};
use millstream_core::protocol::TransactionKind;
use millstream_core::wallet::Command;

use crate::evm::TestChain;
use crate::party::Party;
use crate::{DEPOSIT, World};

/// Two owners with one seed each, on a chain with this id: the contracts are in the same places on every chain.
fn world_on(chain_id: u64) -> World {
    let mut chain = TestChain::with_id(chain_id);
    let [payer, payee] = [1, 2].map(|owner| {
        let adjudicator = chain.adjudicator;
        let key = move || {
            let seed = Seed::from_bytes(&[owner; 64]);
            seed.derive_channel_key(chain_id, adjudicator).expect("a seed has a key for every chain")
        };
        let account = Address::repeat_byte(owner);
        chain.endow(account);
        Party::with_key(chain.contracts(), Rc::new(key), account)
    });
    let mut world = World { chain, payer, payee, asset: Address::ZERO, id: Default::default() };
    world.propose();
    world.settle();
    world.assert_status(Status::Open);
    world
}

/// The base that both signed.
fn base(channel: &Channel) -> SignedVariablePart {
    let base = channel.base.expect("a base");
    let part = VariablePart {
        outcome: channel.terms.outcome(base.balances),
        app_data: Default::default(),
        turn_num: base.turn,
        is_final: false,
    };
    SignedVariablePart { variable_part: part, signatures: base.signatures.both().expect("by both").to_vec() }
}

#[test]
fn the_same_seed_has_another_key_and_channel_on_every_chain() {
    let (one, two) = (world_on(1), world_on(2));
    assert_eq!(one.chain.adjudicator, two.chain.adjudicator);
    assert_eq!(one.payer.channel(&one.id).terms.nonce, two.payer.channel(&two.id).terms.nonce);
    assert_ne!(one.payer.wallet.address(), two.payer.wallet.address());
    assert_ne!(one.id, two.id);
}

#[test]
fn payments_and_messages_of_one_chain_are_refused_on_the_other() {
    let (mut one, mut two) = (world_on(1), world_on(2));
    one.pay(500);
    let payment = one.payer.outgoing.pop_front().expect("a payment");
    let error = two.payee.receive(&mut two.chain, payment).expect_err("of another chain");
    assert_eq!(error.code(), "UNKNOWN_CHANNEL");
    one.payer_does(Command::Fold { channel_id: one.id });
    let update = one.payer.outgoing.pop_front().expect("an update");
    let error = two.payee.receive(&mut two.chain, update).expect_err("of another chain");
    assert_eq!(error.code(), "MESSAGE_WRONG_RECEIVER");
    let terms = one.payer.channel(&one.id).terms.clone();
    let error = two.payer.command(&mut two.chain, Command::OpenChannel(terms)).expect_err("of another chain");
    assert_eq!(error.code(), "POLICY_WRONG_CHAIN");
}

#[test]
fn states_of_one_chain_do_nothing_on_the_other() {
    let (mut one, mut two) = (world_on(1), world_on(2));
    one.paid(500);
    two.paid(70);
    // The very transaction that redeems on the one chain.
    one.payee.sends_later = true;
    one.payee_does(Command::LeaveChannel { channel_id: one.id });
    let (_, redemption) = one.payee.held.pop().expect("a challenge");
    assert_eq!(redemption.kind, TransactionKind::Challenge);
    let (account, adjudicator) = (one.payee.account, one.chain.adjudicator);
    let revert = two.chain.send(account, adjudicator, 0, redemption.data.clone()).expect_err("another domain");
    assert_eq!(revert.0[..4], [0xda, 0x7b, 0xfc, 0xea], "WrongVoucherSigner");
    one.chain.send(account, adjudicator, 0, redemption.data).expect("it is good where it belongs");

    // Signatures of the one chain's base under the other chain's channel, challenged by a participant of that one.
    let foreign = base(one.payer.channel(&one.id));
    let ours = two.payer.channel(&two.id);
    let candidate = SignedVariablePart { signatures: foreign.signatures, ..base(ours) };
    let hash = state_hash(two.id, &candidate.variable_part);
    let key: LocalSigner = Seed::from_bytes(&[1; 64]).derive_channel_key(2, adjudicator).expect("a key");
    let signature = key.sign_digest(&challenge_digest(hash)).expect("signs");
    let data = calls::challenge(&ours.terms.fixed_part(), &[], &candidate, &signature);
    assert_eq!(candidate.variable_part.turn_num, POSTFUND_TURN);
    two.chain.send(account, adjudicator, 0, data).expect_err("signed by nobody who takes part");
    two.settle();
    two.assert_status(Status::Open);
    two.assert_split(DEPOSIT - 70, 70);
    two.close();
    two.assert_settled(70);
}
