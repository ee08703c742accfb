//! Hashes, digests and secp256k1 signatures, as Ethereum contracts check them.
//!
//! This is the lowest room of the crate: it knows bytes, keys and curves, and nothing of channels or payments. Every
//! other module may call it and it calls none of them. Everything that is signed anywhere in the crate is signed through
//! [`Signer`], and every signature that arrives is parsed by [`Signature::from_bytes`], so the rules for what counts as
//! a signature (canonical, recoverable, low `s`) are written once, here.

mod digest;
mod error;
mod public_key;
mod signature;
mod signer;

pub use digest::{Eip712Domain, eip191_digest, eip712_digest, keccak256};
pub use error::{PublicKeyError, SignError, SignatureError};
pub use public_key::PublicKey;
pub use signature::Signature;
pub use signer::{LocalSigner, Signer};
pub use zeroize::Zeroizing;
