//! A key that signs everything once.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use alloy_primitives::{Address, B256};
use millstream_core::crypto::{LocalSigner, SignError, Signature, Signer, Zeroizing};

/// What was signed in this process, by key and digest. Histories that begin alike sign alike.
static SIGNED: LazyLock<Mutex<BTreeMap<(Address, B256), Signature>>> = LazyLock::new(Mutex::default);
/// How many signatures are kept.
const MAX_KEPT: usize = 200_000;

/// A local key whose signatures are made once and then looked up: they are deterministic, so nobody can tell.
#[derive(Clone, Debug)]
pub struct CachingSigner(Arc<LocalSigner>);

impl CachingSigner {
    /// Takes a secret key.
    ///
    /// # Panics
    ///
    /// If the bytes are no key.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(Arc::new(LocalSigner::from_secret_bytes(&secret).expect("a test's own key")))
    }
}

impl Signer for CachingSigner {
    fn address(&self) -> Address {
        self.0.address()
    }

    fn sign_digest(&self, digest: &B256) -> Result<Signature, SignError> {
        let key = (self.address(), *digest);
        let mut signed = SIGNED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signature) = signed.get(&key) {
            return Ok(*signature);
        }
        let signature = self.0.sign_digest(digest)?;
        if signed.len() >= MAX_KEPT {
            signed.clear();
        }
        signed.insert(key, signature);
        Ok(signature)
    }

    fn derive_secret(&self, context: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        self.0.derive_secret(context)
    }
}
