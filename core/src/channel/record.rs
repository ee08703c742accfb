//! The record of one channel: everything that must survive a crash, and its bytes.

use alloc::string::String;
use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use crate::cbor;
use crate::channel::terms::Terms;
use crate::crypto::Signature;
use crate::payment::SignedVoucher;
use crate::{Address, B256};

/// The version that records are written in, and the only one that is read.
const RECORD_VERSION: u8 = 1;

/// Which side of a channel we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// We deposit and sign vouchers.
    #[n(0)]
    Payer,
    /// We collect vouchers and redeem the best one.
    #[n(1)]
    Payee,
}

/// Where a channel is in its life. Derived from the record, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// We proposed it; the prefund waits for the payee's signature.
    Initialized,
    /// The prefund is signed by both; waits for the deposit, its confirmations and both postfund signatures.
    Signed,
    /// Funded: vouchers can be paid.
    Open,
    /// One side asked to close, or we decided to leave alone; no more vouchers.
    Closing,
    /// A challenge runs on chain.
    Challenged,
    /// Paid out.
    Closed,
    /// Given up before any deposit.
    Aborted,
}

impl Status {
    /// The status as a word: `"open"`, `"closing"` ...
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Signed => "signed",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Challenged => "challenged",
            Self::Closed => "closed",
            Self::Aborted => "aborted",
        }
    }
}

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
    /// Both, payer first, if both are there.
    pub fn both(&self) -> Option<(Signature, Signature)> {
        Some((self.payer?, self.payee?))
    }

    pub(crate) fn of(&self, role: Role) -> Option<Signature> {
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

/// A final state, proposed by the payer or signed by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Closing {
    /// Its turn.
    #[n(0)]
    pub turn: u64,
    /// What goes to the payee, in base units.
    #[cbor(n(1), with = "cbor::amount")]
    pub claimed: u128,
    /// Who signed it.
    #[n(2)]
    pub signatures: Signatures,
    /// Who submits it: the side that asked first, so that it is not submitted twice.
    #[n(3)]
    pub submitter: Role,
}

impl Closing {
    /// A final state that the payer proposes and the payee has not signed yet.
    pub(crate) fn proposed(turn: u64, claimed: u128, submitter: Role, signature: Signature) -> Self {
        let signatures = Signatures { payer: Some(signature), payee: None };
        Self { turn, claimed, signatures, submitter }
    }
}

/// A challenge that stands on chain, or the outcome that was finalised there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Dispute {
    /// The turn of the state on chain.
    #[n(0)]
    pub turn: u64,
    /// When it becomes final, in seconds of the chain's clock.
    #[n(1)]
    pub finalizes_at: u64,
    /// The hash of the state, zero once it was concluded; `transferAllAssets` asks for it.
    #[cbor(n(2), with = "cbor::b256")]
    pub state_hash: B256,
    /// The ABI-encoded outcome of the state.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub outcome: Vec<u8>,
    /// Whether it is the best state that we have, so that paying it out is ours to do.
    #[n(4)]
    pub ours: bool,
}

/// What each side was paid out, in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Payout {
    /// To the payee.
    #[cbor(n(0), with = "cbor::amount")]
    pub paid: u128,
    /// Back to the payer.
    #[cbor(n(1), with = "cbor::amount")]
    pub refunded: u128,
}

impl Payout {
    pub(crate) fn total(&self) -> u128 {
        self.paid.saturating_add(self.refunded)
    }
}

/// A place in the chain: the last event that was taken in. Ordered as the chain orders events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Position {
    /// The block.
    #[n(0)]
    pub block: u64,
    /// The log's index in the block.
    #[n(1)]
    pub log_index: u64,
}

/// One channel, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Channel {
    #[n(0)]
    version: u8,
    /// What both sides agreed on.
    #[n(1)]
    pub terms: Terms,
    /// Which side we are.
    #[n(2)]
    pub role: Role,
    /// Signatures of the prefund state.
    #[n(3)]
    pub prefund: Signatures,
    /// Signatures of the postfund state.
    #[n(4)]
    pub postfund: Signatures,
    /// What the adjudicator holds for the channel, in base units, as far as confirmed.
    #[cbor(n(5), with = "cbor::amount")]
    pub holdings: u128,
    /// Payer: the last voucher signed. Payee: the best voucher accepted.
    #[n(6)]
    pub best: Option<SignedVoucher>,
    /// The final state, once proposed.
    #[n(7)]
    pub closing: Option<Closing>,
    /// Whether we asked for the close.
    #[n(8)]
    pub close_requested: bool,
    /// Whether we decided to leave without the other side.
    #[n(9)]
    pub leaving: bool,
    /// What stands on chain against the channel.
    #[n(10)]
    pub dispute: Option<Dispute>,
    /// What was paid out, once it was.
    #[n(11)]
    pub payout: Option<Payout>,
    /// Why the channel was given up, as an error code.
    #[n(12)]
    pub aborted: Option<String>,
    /// When a channel that is not funded is given up, in seconds since 1970.
    #[n(13)]
    pub deadline: Option<u64>,
    /// The sequence of the last message we sent.
    #[n(14)]
    pub sent: u64,
    /// The sequence of the last message we received.
    #[n(15)]
    pub received: u64,
    /// The last chain event that was taken in, if there was one.
    #[n(16)]
    pub seen: Option<Position>,
}

/// Why stored bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are damaged, or were not written by this software.
    #[error("record is malformed")]
    Malformed,
    /// Written by another version.
    #[error("record of version {version}, expected {RECORD_VERSION}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// Stored under another channel's key.
    #[error("record of channel {actual} stored under {key}")]
    WrongKey {
        /// The key it was stored under.
        key: B256,
        /// The channel that it describes.
        actual: B256,
    },
}

impl RecordError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "RECORD_MALFORMED",
            Self::Version { .. } => "RECORD_VERSION",
            Self::WrongKey { .. } => "RECORD_WRONG_KEY",
        }
    }
}

impl Channel {
    pub(crate) fn new(terms: Terms, role: Role) -> Self {
        Self {
            version: RECORD_VERSION,
            terms,
            role,
            prefund: Signatures::default(),
            postfund: Signatures::default(),
            holdings: 0,
            best: None,
            closing: None,
            close_requested: false,
            leaving: false,
            dispute: None,
            payout: None,
            aborted: None,
            deadline: None,
            sent: 0,
            received: 0,
            seen: None,
        }
    }

    /// Where the channel is in its life.
    pub fn status(&self) -> Status {
        if self.payout.is_some() {
            Status::Closed
        } else if self.aborted.is_some() {
            Status::Aborted
        } else if self.dispute.is_some() {
            Status::Challenged
        } else if self.closing.is_some() || self.leaving || self.close_requested {
            Status::Closing
        } else if self.postfund.both().is_some() {
            Status::Open
        } else if self.prefund.both().is_some() {
            Status::Signed
        } else {
            Status::Initialized
        }
    }

    /// The other side's channel key.
    pub fn peer(&self) -> Address {
        self.terms.key_of(self.peer_role())
    }

    /// The other side's role.
    pub(crate) fn peer_role(&self) -> Role {
        match self.role {
            Role::Payer => Role::Payee,
            Role::Payee => Role::Payer,
        }
    }

    /// What has been paid so far, in base units: signed by the payer, or accepted by the payee.
    pub fn cumulative_amount(&self) -> u128 {
        self.best.map_or(0, |signed| signed.voucher.cumulative_amount)
    }

    /// What the payer can still pay, in base units.
    pub fn remaining(&self) -> u128 {
        self.terms.deposit.saturating_sub(self.cumulative_amount())
    }

    /// The serial of the last voucher, zero before the first.
    pub fn last_serial(&self) -> u32 {
        self.best.map_or(0, |signed| signed.voucher.serial)
    }

    /// The record as bytes: CBOR, about 500 to 1,500 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads a record stored under `key`, the channel id.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the bytes are no record of this version, or one of another channel.
    pub fn from_bytes(key: B256, bytes: &[u8]) -> Result<Self, RecordError> {
        let channel: Self = cbor::from_slice(bytes).map_err(|_| RecordError::Malformed)?;
        if channel.version != RECORD_VERSION {
            return Err(RecordError::Version { version: channel.version });
        }
        let actual = channel.terms.channel_id();
        if actual != key { Err(RecordError::WrongKey { key, actual }) } else { Ok(channel) }
    }
}
