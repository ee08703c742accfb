//! States on their way to both signatures, and those that have them.

use alloc::vec::Vec;

use crate::B256;
use crate::cbor;
use crate::channel::balances::{Balances, Role};
use crate::channel::guarantee::Change;
use crate::crypto::Signature;

/// The signatures of one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// The payer's.
    pub payer: Option<Signature>,
    /// The payee's.
    pub payee: Option<Signature>,
}

cbor::array!(Signatures { payer, payee });

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
            Role::Hub => None,
        }
    }

    pub(crate) fn set(&mut self, role: Role, signature: Signature) {
        match role {
            Role::Payer => self.payer = Some(signature),
            Role::Payee => self.payee = Some(signature),
            Role::Hub => {}
        }
    }
}

/// A state that is not final: a turn and a split. With both signatures it is what vouchers stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its turn.
    pub turn: u64,
    /// How it splits the money.
    pub balances: Balances,
    /// Who signed it.
    pub signatures: Signatures,
}

cbor::array!(Base { turn, balances, signatures });

/// A base that is not signed by both yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The state.
    pub base: Base,
    /// Whether we decided to sign it; the postfund of a peer that saw the deposit before us waits.
    pub agreed: bool,
    /// The payee's request that it answers, if it answers one.
    pub answers: Option<u64>,
    /// Ledgers: the guarantee that it sets aside or releases, if it does.
    pub change: Option<Change>,
}

cbor::array!(Proposal { base, agreed, answers, change });

impl cbor::Item for Proposal {}

impl Proposal {
    /// A state that we decided to sign.
    pub(crate) fn agreed(turn: u64, balances: Balances) -> Self {
        Self {
            base: Base { turn, balances, signatures: Signatures::default() },
            agreed: true,
            answers: None,
            change: None,
        }
    }
}

/// A final state, proposed by the payer or signed by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Its turn.
    pub turn: u64,
    /// What is paid out to each side; the rest, if the channel has a successor, goes there.
    pub balances: Balances,
    /// Who signed it.
    pub signatures: Signatures,
    /// Who submits it: the side that asked first, so that it is not submitted twice.
    pub submitter: Role,
}

cbor::array!(Closing { turn, balances, signatures, submitter });

/// The channel that goes on with what a withdrawal leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor {
    /// Its id.
    pub channel_id: B256,
    /// What goes on for each side, in base units.
    pub balances: Balances,
    /// Whether both signed its prefund and postfund, so that money can go there.
    pub ready: bool,
    /// Who asked for the withdrawal, and submits it.
    pub submitter: Role,
}

cbor::array!(Successor { channel_id, balances, ready, submitter });

/// What the payee asks the payer to propose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A new base that contains what was earned.
    Fold,
    /// A new base in which this much of the payee's money goes to the payer.
    Give(u128),
    /// A withdrawal of this much of the payee's money, the channel going on.
    Withdraw(u128),
    /// A guarantee set aside or released.
    Change(Change),
}

cbor::variants!(Wish (4) {
    0 Fold;
    1 Give(amount);
    2 Withdraw(amount);
    3 Change(change);
});

/// A wish of the payee that was not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Counts the requests of the channel, so that none is granted twice.
    pub number: u64,
    /// What is wished.
    pub wish: Wish,
}

cbor::array!(Request { number, wish });

/// What the payer may sign without storing it first.
///
/// After a restart nobody knows which of it was signed, so none of it is ever signed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The highest turn.
    pub turn: u64,
    /// The highest cumulative amount, in base units.
    pub amount: u128,
}

cbor::array!(Lease { turn, amount });

/// A redemption that the payee put on chain without a challenge, where only its turn is kept.
///
/// From then on the chain refuses every lower turn, so the payer needs it to leave alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The turn of its base.
    pub base_turn: u64,
    /// The claim, ABI-encoded.
    pub app_data: Vec<u8>,
    /// The payee's signature.
    pub signature: Signature,
}

cbor::array!(Posted { base_turn, app_data, signature });
