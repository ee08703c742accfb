//! What the fuzz targets share: parties with known keys, CBOR by hand, and what holds of every decoder.

use std::cell::RefCell;
use std::sync::LazyLock;

use millstream_core::Address;
use millstream_core::crypto::{LocalSigner, Signature, Signer};

mod memory;

pub use memory::{bounded, bounded_by};

/// The payer of every channel here; its key is that of the corpus.
pub static PAYER: LazyLock<LocalSigner> = LazyLock::new(|| signer(0xa1));
/// The payee.
pub static PAYEE: LazyLock<LocalSigner> = LazyLock::new(|| signer(0xb2));

fn signer(byte: u8) -> LocalSigner {
    LocalSigner::from_secret_bytes(&[byte; 32]).expect("below the group order")
}

/// Those after the first two in a row with hubs.
static FURTHER: LazyLock<[LocalSigner; 2]> = LazyLock::new(|| [0xc3, 0xd4].map(signer));

/// The party with this address, and another one.
pub fn parties(address: Address) -> Option<(&'static LocalSigner, &'static LocalSigner)> {
    let all = [&*PAYER, &*PAYEE].into_iter().chain(&*FURTHER);
    let party = all.clone().find(|party| party.address() == address)?;
    all.into_iter().find(|other| other.address() != address).map(|other| (party, other))
}

/// The envelope around a draft: `[draft, signature]` in CBOR. Source: docs/protocol.md, Messages.
pub fn seal(draft: &[u8], signature: &Signature) -> Vec<u8> {
    cbor(|encoder| {
        encoder.array(2)?.bytes(draft)?.bytes(&signature.to_bytes())?;
        Ok(())
    })
}

/// Writes CBOR to a vector, which cannot fail.
pub fn cbor(
    write: impl FnOnce(
        &mut minicbor::Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<core::convert::Infallible>>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut minicbor::Encoder::new(&mut bytes)).expect("a vector takes everything");
    bytes
}

/// The bytes with one more after them, which no decoder takes.
pub fn longer(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0]].concat()
}

/// Calls `decode` with the input made one byte longer than `limit` by zeros at its end.
///
/// One buffer serves all calls: it is cleaned, not allocated, so that a limit of a mebibyte costs next to nothing.
pub fn above_limit<T>(limit: usize, input: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(limit + 1, 0);
        let length = input.len().min(buffer.len());
        buffer[..length].copy_from_slice(&input[..length]);
        let result = decode(buffer);
        buffer[..length].fill(0);
        result
    })
}
