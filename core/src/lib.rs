//! Millstream's channel wallet core: keys, signatures and the state of payment channels that settle on the Nitro
//! adjudicator.
//!
//! The crate has no clock, no source of randomness, no I/O, no threads and no callbacks. A host (a browser page, a
//! server, a phone) feeds [`wallet::Wallet`] with inputs and carries out the outputs; the same inputs give the same
//! outputs, byte for byte, on every platform.
//!
//! Dependencies between the rooms point one way:
//! `crypto <- nitro, payment <- channel <- protocol <- wallet`, with `wire` and `cbor` beside them for bytes. `keys`
//! (feature `keys`) calls `crypto` alone, and nothing calls it.
//!
//! Amounts are in the asset's base units (wei for the native asset), times in seconds, sizes in bytes.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod crypto;
pub mod nitro;

mod cbor;
pub mod channel;
#[cfg(feature = "keys")]
pub mod keys;
mod map;
pub mod payment;
pub mod protocol;
pub mod wallet;
pub mod wire;

pub use alloy_primitives::{Address, B256, Bytes, U256};
