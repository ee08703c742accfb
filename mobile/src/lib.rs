//! The Millstream core for Kotlin and Swift: values come in checked, go to `millstream-core`, and its outputs go out as
//! records and enums. The crate holds no rules.
//!
//! [`Core`] is the machine itself: `handle` an [`Input`], then carry out what `poll_output` yields. [`Wallet`] does the
//! carrying out, with the [`Store`], [`Transport`], [`Chain`], [`Listener`] and, if the key is elsewhere, [`Signer`] that
//! the host implements. [`Mnemonic`] and [`Seed`] are where keys come from.
//!
//! Conventions at the border: ids, addresses and hashes are lower-case hex strings with `0x`, amounts decimal strings
//! (`BigInteger` in Kotlin) in base units of the asset, byte strings byte arrays, times seconds since 1970. Every refusal
//! is a [`MillstreamError`] with the stable code of the core.
//!
//! A new variant of the machine's enums is one line in the enum here and one in its conversion.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod channel;
mod config;
mod core;
mod error;
mod host;
mod input;
mod keys;
mod output;
mod quote;
mod spending;
mod values;
mod wallet;

pub use crate::core::{Core, payment_channel};
pub use channel::{Balances, ChannelInfo, ChannelStatus, Closing, Dispute, Payout, Role};
pub use config::{ChannelKind, CoreConfig, Lease, OpenTerms, Policy};
pub use error::MillstreamError;
pub use host::{Chain, HostError, HostFailure, Listener, Payment, Signer, SignerError, Store, StoreError, Transport};
pub use input::{ChainUpdate, Command, Input, Log, Purchase, StoredRecord, TransactionKind};
pub use keys::{Backup, KdfParams, Mnemonic, Seed, channel_key_path, import_backup};
pub use output::{Event, Output, Purpose, Transaction, Write};
pub use quote::{Quote, QuoteTerms, QuoteUnit};
pub use spending::{SpendRefusal, SpendRule, SpendScope};
pub use values::{Address, Amount, Bytes32};
pub use wallet::Wallet;

uniffi::setup_scaffolding!("millstream");
