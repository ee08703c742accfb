//! The messages of a channel's life. Source: docs/protocol.md, Opening, Updates, Withdrawing, Closing and leaving,
//! Messages.

use alloc::string::String;

use minicbor::{Decode, Encode};

use crate::B256;
use crate::cbor;
use crate::channel::{Balances, Base, Role, Terms, Wish};
use crate::crypto::Signature;
use crate::payment::{Shown, SignedVoucher};

/// What of an error code is sent and taken in, in bytes. Our own are shorter.
pub const MAX_CODE_BYTES: usize = 64;
/// What of an error in words is sent and taken in, in bytes.
pub const MAX_TEXT_BYTES: usize = 512;

/// What one side of a channel tells the other.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum Message {
    /// Payer: proposes a channel, with its signature of the prefund.
    #[n(0)]
    ChannelOpen {
        /// The whole terms.
        #[n(0)]
        terms: Terms,
        /// The payer's signature of the prefund state.
        #[n(1)]
        signature: Signature,
    },
    /// Payee: accepts, with its signature of the prefund. Both can deposit.
    #[n(1)]
    ChannelAccept {
        /// The payee's signature of the prefund state.
        #[n(0)]
        signature: Signature,
    },
    /// Either: saw the deposits deep enough and signs the postfund. With both, the channel is open.
    #[n(2)]
    FundingLocked {
        /// The sender's signature of the postfund state.
        #[n(0)]
        signature: Signature,
    },
    /// Payee: asks the payer to close.
    #[n(3)]
    ShutdownRequest,
    /// Payer: proposes the final state. Only the payer proposes, so that two proposals never cross.
    #[n(4)]
    Shutdown {
        /// The turn of the final state.
        #[n(0)]
        turn: u64,
        /// What is paid out to each side.
        #[n(1)]
        balances: Balances,
        /// Who submits it: the side that asked first.
        #[n(2)]
        submitter: Role,
        /// The channel that everything else goes to, in a withdrawal.
        #[cbor(n(3), with = "cbor::optional_b256")]
        successor: Option<B256>,
        /// The payer's signature of the final state.
        #[n(4)]
        signature: Signature,
    },
    /// Payee: agrees to the final state.
    #[n(5)]
    ShutdownAck {
        /// The payee's signature of the final state.
        #[n(0)]
        signature: Signature,
    },
    /// Either: refused a message; nothing changed at the sender's side.
    #[n(6)]
    Error {
        /// The stable code of the error.
        #[n(0)]
        code: String,
        /// The error in words.
        #[n(1)]
        text: String,
    },
    /// Payer: proposes a new split of the money.
    #[n(7)]
    Update {
        /// The turn of the state.
        #[n(0)]
        turn: u64,
        /// The turn that it follows.
        #[n(1)]
        follows: u64,
        /// The split.
        #[n(2)]
        balances: Balances,
        /// The payee's request that it answers, if it answers one.
        #[n(3)]
        answers: Option<u64>,
        /// The payer's signature of the state.
        #[n(4)]
        signature: Signature,
    },
    /// Payee: agrees to a new split.
    #[n(8)]
    UpdateAck {
        /// The turn of the state.
        #[n(0)]
        turn: u64,
        /// The payee's signature of the state.
        #[n(1)]
        signature: Signature,
    },
    /// Payee: did not sign a new split, and never will.
    #[n(9)]
    UpdateError {
        /// The turn of the state.
        #[n(0)]
        turn: u64,
        /// Why, as an error code.
        #[n(1)]
        code: String,
    },
    /// Payee: asks the payer to propose something.
    #[n(10)]
    UpdateRequest {
        /// Counts the requests of the channel.
        #[n(0)]
        number: u64,
        /// What is wished.
        #[n(1)]
        wish: Wish,
    },
    /// Payer: proposes the channel that goes on after a withdrawal, with its signature of the postfund.
    #[n(11)]
    SuccessorOpen {
        /// The channel that the money comes from.
        #[cbor(n(0), with = "cbor::b256")]
        predecessor: B256,
        /// The terms of the successor.
        #[n(1)]
        terms: Terms,
        /// The payer's signature of the postfund state.
        #[n(2)]
        signature: Signature,
    },
    /// Payee: accepts the successor, with its signature of the postfund.
    #[n(12)]
    SuccessorAccept {
        /// The payee's signature of the postfund state.
        #[n(0)]
        signature: Signature,
    },
    /// Either, after a restart or a lost connection: the newest state signed by both, and the newest voucher on it.
    #[n(13)]
    ChannelReestablish {
        /// The newest base, with both signatures, if there is one.
        #[n(0)]
        base: Option<Base>,
        /// The newest voucher on it.
        #[n(1)]
        voucher: Option<SignedVoucher>,
        /// The question that the other side is to answer by saying the same of itself.
        #[n(2)]
        asks: Option<u64>,
        /// The question that this answers. Only an answer to the newest question tells who forgot something how far it
        /// got: what was on its way before does not.
        #[n(3)]
        answers: Option<u64>,
        /// The ticks shown for the voucher.
        #[n(4)]
        shown: Option<Shown>,
    },
    /// Either: asks whether the other side is there.
    #[n(14)]
    Ping,
    /// Either: is there.
    #[n(15)]
    Pong,
}

impl Message {
    /// The message with its strings cut to what is sent and taken in.
    pub(crate) fn cut(mut self) -> Self {
        match &mut self {
            Self::Error { code, text } => {
                cut(code, MAX_CODE_BYTES);
                cut(text, MAX_TEXT_BYTES);
            }
            Self::UpdateError { code, .. } => cut(code, MAX_CODE_BYTES),
            _ => {}
        }
        self
    }
}

fn cut(text: &mut String, limit: usize) {
    text.truncate(text.floor_char_boundary(limit));
}
