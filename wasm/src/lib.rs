//! The Millstream core for JavaScript: values come in checked, go to `millstream-core`, and its outputs go out as plain
//! objects. The crate holds no rules.
//!
//! Conventions at the border: ids, addresses and hashes are lower-case hex strings with `0x`, byte strings
//! `Uint8Array`, amounts `bigint`, times and block numbers `number`. Every parameter is taken as a JavaScript value and
//! checked, because what wasm-bindgen does on its own wraps (`2n**64n` becomes 0) or throws errors without a code.
//!
//! Nothing here panics, whatever comes in: every refusal is an `Error` with a `code`. JavaScript of the caller (getters,
//! proxies) runs only while arguments are read, before anything is borrowed, so it can neither observe nor lock the
//! wallet half-way.
//!
//! The TypeScript package wraps this surface (`ts/src/core.ts`) and is the only thing meant to call it.

#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod core;
mod crypto;
mod error;
mod input;
mod output;
mod receipt;

pub use crate::core::Core;
pub use crypto::{
    Signer, claim_of, decode_payment, keccak256, recover_address, sender_of, sign_digest, verify_signature,
};
pub use error::Failure;
pub use receipt::read_receipt;

use wasm_bindgen::prelude::wasm_bindgen;

/// The signatures of the generated declarations use the package's own types.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = r#"
import type {
  BackupRecord,
  ChainUpdate,
  ChannelInfo,
  CoreConfig,
  Hex,
  OpenTerms,
  Output,
  Quote,
  QuoteTerms,
  Receipt,
  ReceiptIssuer,
  StoredRecord,
  TakenIn,
  TransactionKind,
  PaymentFields,
} from "./types.js";
"#;
