//! What the host of a [`Wallet`](crate::Wallet) brings along: traits that Kotlin and Swift implement.
//!
//! Every method may be called from any thread, one at a time, and may call the wallet again, except for those of
//! [`Store`]. It may block: the wallet's other outputs then wait. Whatever it throws beside the error declared counts as a
//! failure of that call.

use uniffi::UnexpectedUniFFICallbackError;

use crate::input::StoredRecord;
use crate::output::{Event, Purpose, Transaction, Write};
use crate::spending::SpendRefusal;
use crate::values::{Address, Amount, Bytes32};

/// Durable records under keys, each with a version that counts its writes from 1.
///
/// A wallet writes before anything it signed leaves, so what a store reports as written must survive a crash. The version
/// is the fence between two writers: whoever expects an older one than the store has is refused. Reads may come from
/// several threads at once. A store does not call the wallet.
#[uniffi::export(with_foreign)]
pub trait Store: Send + Sync {
    /// What the wallet starts with: every record there is, or at least those written with a `wakeAt`. The others it asks
    /// for when they are named.
    fn load_all(&self) -> Result<Vec<StoredRecord>, StoreError>;

    /// The records under `keys`, in that order; version 0 and no bytes where there is none.
    fn load(&self, keys: Vec<Bytes32>) -> Result<Vec<StoredRecord>, StoreError>;

    /// Makes all of `writes` durable, or none of them. `Conflict` if a record has another version than its write expects.
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError>;
}

/// The way to the peers.
#[uniffi::export(with_foreign)]
pub trait Transport: Send + Sync {
    /// Brings a message to the peer with this channel key. It may be lost: `resume` sends it again.
    fn send(&self, peer: Address, channel_id: Bytes32, bytes: Vec<u8>) -> Result<(), HostError>;

    /// Payer: hands over a payment, with the request that it pays for. It is stored already; one that is lost is made up
    /// for by the next, which pays for both.
    fn pay(&self, peer: Address, payment: Payment) -> Result<(), HostError>;
}

/// The channel key, if it is not in the core: in a secure element, on another device, behind a question to its owner.
#[uniffi::export(with_foreign)]
pub trait Signer: Send + Sync {
    /// The key's address.
    fn address(&self) -> Result<Address, SignerError>;

    /// The signature of `digest` as it is, 65 bytes: `r ‖ s ‖ v`, with a low `s` and 27 or 28 for `v`. `Refused` gives up
    /// for good what was to be signed; after `Failed`, `resume` asks for it again.
    fn sign(&self, digest: Bytes32, purpose: Purpose) -> Result<Vec<u8>, SignerError>;
}

/// The way onto the chain. What happens there the host reports with `Wallet.chainUpdate`.
#[uniffi::export(with_foreign)]
pub trait Chain: Send + Sync {
    /// Sends a transaction, or sees to it that it will be sent, after those before it on the same channel. One that fails
    /// after this returned is reported with `Wallet.transactionFailed`.
    fn submit(&self, channel_id: Bytes32, transaction: Transaction) -> Result<(), HostError>;
}

/// Who is told what happens. What it throws is passed over.
#[uniffi::export(with_foreign)]
pub trait Listener: Send + Sync {
    /// Something happened on a channel.
    fn event(&self, event: Event) -> Result<(), HostError>;

    /// A payment is above a rule of the owner that asks: show it, then call `answer` with the id, at any time.
    fn asked(&self, id: u64, channel_id: Bytes32, question: SpendRefusal) -> Result<(), HostError>;

    /// The wallet wants a `tick` at this time, in seconds since 1970, or later.
    fn wake_at(&self, time: u64) -> Result<(), HostError>;

    /// The host did not do what the wallet asked for.
    fn failed(&self, failure: HostFailure) -> Result<(), HostError>;
}

/// A payment that is stored and may leave.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Payment {
    /// The channel.
    pub channel_id: Bytes32,
    /// The voucher's serial.
    pub serial: u32,
    /// How many of its ticks are paid with this; zero if it is the voucher.
    pub ticks: u8,
    /// What it pays beyond the voucher before, in base units.
    pub amount: Amount,
    /// All that was paid on the channel with it, in base units.
    pub cumulative_amount: Amount,
    /// What the payee's wallet takes in.
    pub bytes: Vec<u8>,
}

/// What the host did not do.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct HostFailure {
    /// `STORE_CONFLICT` or `STORE_FAILED`: nothing that depended on the write has left. `PEER_UNREACHABLE`: a message or
    /// payment was not delivered. `TRANSACTION_FAILED`: it was not sent; `resume` asks for it again. `SIGNER_FAILED`: so with
    /// a signature. Or the core's code for a record or a signature that it cannot use.
    pub code: String,
    /// In words.
    pub reason: String,
    /// The channel, if it was about one.
    pub channel_id: Option<Bytes32>,
}

/// Why a store did not do its part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum StoreError {
    /// Somebody else wrote first.
    #[error("{reason}")]
    Conflict {
        /// In words.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("{reason}")]
    Failed {
        /// In words.
        reason: String,
    },
}

impl StoreError {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "STORE_CONFLICT",
            Self::Failed { .. } => "STORE_FAILED",
        }
    }
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum SignerError {
    /// The owner declined, for good.
    #[error("{reason}")]
    Refused {
        /// In words.
        reason: String,
    },
    /// The key could not be reached.
    #[error("{reason}")]
    Failed {
        /// In words.
        reason: String,
    },
}

/// Why a host did not do its part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum HostError {
    /// It failed.
    #[error("{reason}")]
    Failed {
        /// In words.
        reason: String,
    },
}

impl From<UnexpectedUniFFICallbackError> for StoreError {
    fn from(error: UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}

impl From<UnexpectedUniFFICallbackError> for SignerError {
    fn from(error: UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}

impl From<UnexpectedUniFFICallbackError> for HostError {
    fn from(error: UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}
