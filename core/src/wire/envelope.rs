//! The envelope: who sends a message to whom, on which channel, signed.

use alloc::vec::Vec;

use crate::cbor;
use crate::crypto::{Signature, SignatureError, keccak256};
use crate::wire::message::Message;
use crate::{Address, B256};

/// The largest message that is read, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// The version of the protocol between peers.
const WIRE_VERSION: u8 = 2;

/// Sets messages apart from everything else that a channel key signs.
const SIGNING_CONTEXT: &[u8] = b"millstream message\n";

/// Why bytes are not a message that can be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// More bytes than a message may have; nothing was read.
    #[error("message of {length} bytes is above the limit of {limit}")]
    TooLarge {
        /// How many bytes came.
        length: usize,
        /// How many are read.
        limit: usize,
    },
    /// The bytes are not a message.
    #[error("message is malformed")]
    Malformed,
    /// Another version of the protocol.
    #[error("message of protocol version {version}, expected {WIRE_VERSION}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// Addressed to another key.
    #[error("message is addressed to {receiver}")]
    WrongReceiver {
        /// The key it is addressed to.
        receiver: Address,
    },
    /// The sender named in it did not sign it.
    #[error("message is not signed by its sender: {0}")]
    Signature(SignatureError),
    /// The payment carries something that is no canonical signature.
    #[error("payment carries no signature: {0}")]
    Form(SignatureError),
}

impl WireError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "MESSAGE_TOO_LARGE",
            Self::Malformed => "MESSAGE_MALFORMED",
            Self::Version { .. } => "MESSAGE_VERSION",
            Self::WrongReceiver { .. } => "MESSAGE_WRONG_RECEIVER",
            Self::Signature(_) => "MESSAGE_SIGNATURE",
            Self::Form(error) => error.code(),
        }
    }
}

/// The signed part of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) version: u8,
    pub(crate) sender: Address,
    pub(crate) receiver: Address,
    pub(crate) channel_id: B256,
    pub(crate) sequence: u64,
    pub(crate) message: Message,
}

cbor::array!(Draft { version, sender, receiver, channel_id, sequence, message });

struct Sealed {
    draft: Vec<u8>,
    signature: Signature,
}

cbor::array!(Sealed { draft, signature });

/// A message whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The channel key of the sender, which signed.
    pub sender: Address,
    /// The channel that the message is about.
    pub channel_id: B256,
    /// Never falls on one channel and direction; a message that is sent again keeps its number.
    pub sequence: u64,
    /// The message.
    pub message: Message,
}

impl Draft {
    pub(crate) fn new(sender: Address, receiver: Address, channel_id: B256, sequence: u64, message: Message) -> Self {
        Self { version: WIRE_VERSION, sender, receiver, channel_id, sequence, message: message.cut() }
    }

    /// What the sender signs.
    pub(crate) fn digest(&self) -> B256 {
        digest(&cbor::to_vec(self))
    }

    /// The envelope as bytes, with the sender's signature of [`Self::digest`].
    pub(crate) fn seal(&self, signature: Signature) -> Vec<u8> {
        cbor::to_vec(&Sealed { draft: cbor::to_vec(self), signature })
    }
}

impl Envelope {
    /// Reads a message for `receiver` and checks its sender's signature. What it says in words is cut to
    /// [`MAX_CODE_BYTES`](super::MAX_CODE_BYTES) and [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES).
    ///
    /// # Errors
    ///
    /// [`WireError`] for the first thing that is wrong; sizes are checked before anything is read.
    pub fn open(bytes: &[u8], receiver: Address) -> Result<Self, WireError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(WireError::TooLarge { length: bytes.len(), limit: MAX_MESSAGE_BYTES });
        }
        let Sealed { draft: signed, signature } = cbor::from_slice(bytes).ok_or(WireError::Malformed)?;
        let version = cbor::version(&signed).ok_or(WireError::Malformed)?;
        if version != WIRE_VERSION {
            return Err(WireError::Version { version });
        }
        let draft: Draft = cbor::from_slice(&signed).ok_or(WireError::Malformed)?;
        if draft.receiver != receiver {
            return Err(WireError::WrongReceiver { receiver: draft.receiver });
        }
        signature.verify(&digest(&signed), draft.sender).map_err(WireError::Signature)?;
        let Draft { sender, channel_id, sequence, message, .. } = draft;
        Ok(Self { sender, channel_id, sequence, message: message.cut() })
    }
}

/// Who a message says that it is from; only [`Envelope::open`] checks it.
pub fn sender_of(bytes: &[u8]) -> Option<Address> {
    let sealed: Sealed = cbor::from_slice(bytes)?;
    let draft: Draft = cbor::from_slice(&sealed.draft)?;
    Some(draft.sender)
}

fn digest(draft: &[u8]) -> B256 {
    let mut bytes = Vec::from(SIGNING_CONTEXT);
    bytes.extend_from_slice(draft);
    keccak256(bytes)
}
