//! States on their way to both signatures, and those that have them.

use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use crate::B256;
use crate::cbor;
use crate::channel::balances::{Balances, Role};
use crate::crypto::Signature;

/// The signatures of one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Signatures {
    /// The payer's.
    #[n(0)]
    pub payer: Option<Signature>,
    /// The payee's.
    #[n(1)]
    pub payee: Option<Signature>,
}

impl Signatures {
    /// The signatures of a state that one side signed.
    pub(crate) fn by(role: Role, signature: Signature) -> Self {
        let mut signatures = Self::default();
        signatures.set(role, signature);
        signatures
    }

    /// Both, payer first, if both are there.
    pub fn both(&self) -> Option<[Signature; 2]> {
        Some([self.payer?, self.payee?])
    }

    /// One side's.
    pub fn of(&self, role: Role) -> Option<Signature> {
        match role {
            Role::Payer => self.payer,
            Role::Payee => self.payee,
        }
    }

    pub(crate) fn set(&mut self, role: Role, signature: Signature) {
        match role {
            Role::Payer => self.payer = Some(signature),
            Role::Payee => self.payee = Some(signature),
        }
    }
}

/// A state that is not final: a turn and a split. With both signatures it is what vouchers stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Base {
    /// Its turn.
    #[n(0)]
    pub turn: u64,
    /// How it splits the money.
    #[n(1)]
    pub balances: Balances,
    /// Who signed it.
    #[n(2)]
    pub signatures: Signatures,
}

/// A base that is not signed by both yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Proposal {
    /// The state.
    #[n(0)]
    pub base: Base,
    /// Whether we decided to sign it; the postfund of a peer that saw the deposit before us waits.
    #[n(1)]
    pub agreed: bool,
    /// The payee's request that it answers, if it answers one.
    #[n(2)]
    pub answers: Option<u64>,
}

impl Proposal {
    /// A state that we decided to sign.
    pub(crate) fn agreed(turn: u64, balances: Balances) -> Self {
        Self { base: Base { turn, balances, signatures: Signatures::default() }, agreed: true, answers: None }
    }
}

/// A final state, proposed by the payer or signed by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Closing {
    /// Its turn.
    #[n(0)]
    pub turn: u64,
    /// What is paid out to each side; the rest, if the channel has a successor, goes there.
    #[n(1)]
    pub balances: Balances,
    /// Who signed it.
    #[n(2)]
    pub signatures: Signatures,
    /// Who submits it: the side that asked first, so that it is not submitted twice.
    #[n(3)]
    pub submitter: Role,
}

/// The channel that goes on with what a withdrawal leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Successor {
    /// Its id.
    #[cbor(n(0), with = "cbor::b256")]
    pub channel_id: B256,
    /// What goes on for each side, in base units.
    #[n(1)]
    pub balances: Balances,
    /// Whether both signed its prefund and postfund, so that money can go there.
    #[n(2)]
    pub ready: bool,
    /// Who asked for the withdrawal, and submits it.
    #[n(3)]
    pub submitter: Role,
}

/// What the payee asks the payer to propose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Wish {
    /// A new base that contains what was earned.
    #[n(0)]
    Fold,
    /// A new base in which this much of the payee's money goes to the payer.
    #[n(1)]
    Give(#[cbor(n(0), with = "cbor::amount")] u128),
    /// A withdrawal of this much of the payee's money, the channel going on.
    #[n(2)]
    Withdraw(#[cbor(n(0), with = "cbor::amount")] u128),
}

/// A wish of the payee that was not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// Counts the requests of the channel, so that none is granted twice.
    #[n(0)]
    pub number: u64,
    /// What is wished.
    #[n(1)]
    pub wish: Wish,
}

/// What the payer may sign without storing it first.
///
/// After a restart nobody knows which of it was signed, so none of it is ever signed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lease {
    /// The highest turn.
    #[n(0)]
    pub turn: u64,
    /// The highest cumulative amount, in base units.
    #[cbor(n(1), with = "cbor::amount")]
    pub amount: u128,
}

/// A redemption that the payee put on chain without a challenge, where only its turn is kept.
///
/// From then on the chain refuses every lower turn, so the payer needs it to leave alone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Posted {
    /// The turn of its base.
    #[n(0)]
    pub base_turn: u64,
    /// The claim, ABI-encoded.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub app_data: Vec<u8>,
    /// The payee's signature.
    #[n(2)]
    pub signature: Signature,
}
