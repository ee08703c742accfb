//! The channel key: in this process, or with a signer outside that takes its time.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::crypto::{SignError, Signature, Signer};
use crate::protocol::{ChannelKey, Purpose};
use crate::{Address, B256};

/// Who signs for the wallet.
pub(super) enum Key {
    Local(Box<dyn Signer + Send + Sync>),
    External(Address),
}

impl Key {
    pub(super) fn address(&self) -> Address {
        match self {
            Self::Local(signer) => signer.address(),
            Self::External(address) => *address,
        }
    }
}

/// The key as one step sees it: it signs at once, or notes what has to be asked for.
pub(super) struct StepKey<'a> {
    key: &'a Key,
    known: Option<&'a BTreeMap<B256, Signature>>,
    wanted: RefCell<Vec<(B256, Purpose)>>,
}

impl<'a> StepKey<'a> {
    /// `known` are the signatures that came from outside for the channel of the step.
    pub(super) fn new(key: &'a Key, known: Option<&'a BTreeMap<B256, Signature>>) -> Self {
        Self { key, known, wanted: RefCell::default() }
    }

    /// What the step would have signed and could not.
    pub(super) fn into_wanted(self) -> Vec<(B256, Purpose)> {
        self.wanted.into_inner()
    }
}

impl ChannelKey for StepKey<'_> {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign(&self, digest: B256, purpose: Purpose) -> Result<Option<Signature>, SignError> {
        match self.key {
            Key::Local(signer) => signer.sign_digest(&digest).map(Some),
            Key::External(_) => {
                let known = self.known.and_then(|known| known.get(&digest)).copied();
                if known.is_none() {
                    self.wanted.borrow_mut().push((digest, purpose));
                }
                Ok(known)
            }
        }
    }
}
