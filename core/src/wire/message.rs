//! The messages of a channel's life. Source: docs/protocol.md, Opening, Closing and leaving, Messages.

use alloc::string::String;

use minicbor::{Decode, Encode};

use crate::cbor;
use crate::channel::{Role, Terms};
use crate::crypto::Signature;

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
    /// Payee: accepts, with its signature of the prefund. The payer can deposit.
    #[n(1)]
    ChannelAccept {
        /// The payee's signature of the prefund state.
        #[n(0)]
        signature: Signature,
    },
    /// Either: saw the deposit deep enough and signs the postfund. With both, the channel is open.
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
        /// What goes to the payee, in base units.
        #[cbor(n(1), with = "cbor::amount")]
        claimed: u128,
        /// Who submits it: the side that asked first.
        #[n(2)]
        submitter: Role,
        /// The payer's signature of the final state.
        #[n(3)]
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
}
