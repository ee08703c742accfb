//! A channel key that remembers what it signed, so that nothing is computed twice and every signature can be traced
//! back to its digest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_primitives::{Address, B256};
use millstream_core::crypto::{LocalSigner, SignError, Signature, Signer, Zeroizing};

/// A key. Clones share one memory.
#[derive(Clone, Debug)]
pub struct Key(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    signer: LocalSigner,
    memory: Mutex<Memory>,
}

/// Only looked up, never walked through: its order is not the same everywhere.
#[derive(Debug, Default)]
struct Memory {
    signatures: HashMap<B256, Signature>,
    digests: HashMap<[u8; Signature::LENGTH], B256>,
}

impl Key {
    /// The key with this secret.
    ///
    /// # Panics
    ///
    /// If the bytes are no key.
    pub fn new(secret: [u8; 32]) -> Self {
        let signer = LocalSigner::from_secret_bytes(&secret).expect("the simulator's own key");
        Self(Arc::new(Inner { signer, memory: Mutex::default() }))
    }

    /// The key's address.
    pub fn address(&self) -> Address {
        self.0.signer.address()
    }

    /// Signs a digest, as it is.
    ///
    /// # Panics
    ///
    /// Never: a key at hand always signs.
    pub fn sign(&self, digest: B256) -> Signature {
        let signer = &self.0.signer;
        let signature = *self.memory().signatures.entry(digest).or_insert_with(|| {
            let signature = signer.sign_digest(&digest);
            signature.expect("a key at hand signs")
        });
        self.memory().digests.insert(signature.to_bytes(), digest);
        signature
    }

    /// What the key signed with this signature.
    pub fn digest_of(&self, signature: &Signature) -> Option<B256> {
        self.memory().digests.get(&signature.to_bytes()).copied()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signer for Key {
    fn address(&self) -> Address {
        Self::address(self)
    }

    fn sign_digest(&self, digest: &B256) -> Result<Signature, SignError> {
        Ok(self.sign(*digest))
    }

    fn derive_secret(&self, context: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        self.0.signer.derive_secret(context)
    }
}
