//! The messages of a channel's life. Source: docs/protocol.md, Opening, Updates, Withdrawing, Closing and leaving,
//! Messages.

use alloc::string::String;
use alloc::vec::Vec;

use crate::B256;
use crate::cbor;
use crate::channel::{Balances, Base, Change, Guarantee, Role, Route, Terms, Wish};
use crate::crypto::Signature;
use crate::payment::{Shown, SignedVoucher};

/// What of an error code is sent and taken in, in bytes. Our own are shorter.
pub const MAX_CODE_BYTES: usize = 64;
/// What of an error in words is sent and taken in, in bytes.
pub const MAX_TEXT_BYTES: usize = 512;

/// What one side of a channel tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Payer: proposes a channel, with its signature of the prefund. Hubs hand it on, with theirs.
    ChannelOpen {
        /// The whole terms.
        terms: Terms,
        /// The payer's signature of the prefund state.
        signature: Signature,
        /// The way of a virtual channel.
        route: Option<Route>,
        /// The signatures of the hubs that it passed.
        hubs: Vec<Signature>,
    },
    /// Payee: accepts, with its signature of the prefund. Both can deposit. Hubs hand it back, with theirs.
    ChannelAccept {
        /// The payee's signature of the prefund state.
        signature: Signature,
        /// The signatures of the hubs that it passed, in the order of the participants.
        hubs: Vec<Signature>,
    },
    /// Either: saw the deposits deep enough and signs the postfund. With both, the channel is open. In a virtual channel it
    /// goes from the payer down, each hub signing once the guarantee before it is held.
    FundingLocked {
        /// The sender's signature of the postfund state; the payer's in a virtual channel.
        signature: Signature,
        /// The signatures of the hubs that it passed.
        hubs: Vec<Signature>,
    },
    /// Payee: asks the payer to close.
    ShutdownRequest,
    /// Payer: proposes the final state. Only the payer proposes, so that two proposals never cross.
    Shutdown {
        /// The turn of the final state.
        turn: u64,
        /// What is paid out to each side.
        balances: Balances,
        /// Who submits it: the side that asked first.
        submitter: Role,
        /// The channel that everything else goes to, in a withdrawal.
        successor: Option<B256>,
        /// The payer's signature of the final state.
        signature: Signature,
        /// The signatures of the hubs that it passed.
        hubs: Vec<Signature>,
    },
    /// Payee: agrees to the final state.
    ShutdownAck {
        /// The payee's signature of the final state.
        signature: Signature,
        /// The signatures of the hubs that it passed, in the order of the participants.
        hubs: Vec<Signature>,
    },
    /// Either: refused a message; nothing changed at the sender's side.
    Error {
        /// The stable code of the error.
        code: String,
        /// The error in words.
        text: String,
    },
    /// Payer: proposes a new split of the money.
    Update {
        /// The turn of the state.
        turn: u64,
        /// The turn that it follows.
        follows: u64,
        /// The split.
        balances: Balances,
        /// The payee's request that it answers, if it answers one.
        answers: Option<u64>,
        /// The payer's signature of the state.
        signature: Signature,
        /// The guarantee that a ledger sets aside or releases with it.
        change: Option<Change>,
    },
    /// Payee: agrees to a new split.
    UpdateAck {
        /// The turn of the state.
        turn: u64,
        /// The payee's signature of the state.
        signature: Signature,
    },
    /// Payee: did not sign a new split, and never will.
    UpdateError {
        /// The turn of the state.
        turn: u64,
        /// Why, as an error code.
        code: String,
    },
    /// Payee: asks the payer to propose something.
    UpdateRequest {
        /// Counts the requests of the channel.
        number: u64,
        /// What is wished.
        wish: Wish,
    },
    /// Payer: proposes the channel that goes on after a withdrawal, with its signature of the postfund.
    SuccessorOpen {
        /// The channel that the money comes from.
        predecessor: B256,
        /// The terms of the successor.
        terms: Terms,
        /// The payer's signature of the postfund state.
        signature: Signature,
    },
    /// Payee: accepts the successor, with its signature of the postfund.
    SuccessorAccept {
        /// The payee's signature of the postfund state.
        signature: Signature,
    },
    /// Either, after a restart or a lost connection: the newest state signed by both, and the newest voucher on it.
    ChannelReestablish {
        /// The newest base, with both signatures, if there is one.
        base: Option<Base>,
        /// The newest voucher on it.
        voucher: Option<SignedVoucher>,
        /// The question that the other side is to answer by saying the same of itself.
        asks: Option<u64>,
        /// The question that this answers. Only an answer to the newest question tells who forgot something how far it
        /// got: what was on its way before does not.
        answers: Option<u64>,
        /// The ticks shown for the voucher.
        shown: Option<Shown>,
        /// What a ledger sets aside in the base.
        guarantees: Vec<Guarantee>,
    },
    /// Either: asks whether the other side is there.
    Ping,
    /// Either: is there.
    Pong,
    /// Whoever takes part in a virtual channel: gave it up before it opened. What was set aside for it goes back.
    Abort {
        /// Why, as an error code.
        code: String,
    },
}

cbor::variants!(Message (17) {
    0 ChannelOpen { terms, signature, route, hubs };
    1 ChannelAccept { signature, hubs };
    2 FundingLocked { signature, hubs };
    3 ShutdownRequest;
    4 Shutdown { turn, balances, submitter, successor, signature, hubs };
    5 ShutdownAck { signature, hubs };
    6 Error { code, text };
    7 Update { turn, follows, balances, answers, signature, change };
    8 UpdateAck { turn, signature };
    9 UpdateError { turn, code };
    10 UpdateRequest { number, wish };
    11 SuccessorOpen { predecessor, terms, signature };
    12 SuccessorAccept { signature };
    13 ChannelReestablish { base, voucher, asks, answers, shown, guarantees };
    14 Ping;
    15 Pong;
    16 Abort { code };
});

impl Message {
    /// The message with its strings cut to what is sent and taken in.
    pub(crate) fn cut(mut self) -> Self {
        match &mut self {
            Self::Error { code, text } => {
                cut(code, MAX_CODE_BYTES);
                cut(text, MAX_TEXT_BYTES);
            }
            Self::UpdateError { code, .. } | Self::Abort { code } => cut(code, MAX_CODE_BYTES),
            _ => {}
        }
        self
    }
}

fn cut(text: &mut String, limit: usize) {
    text.truncate(text.floor_char_boundary(limit));
}
