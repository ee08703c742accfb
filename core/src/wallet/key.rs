//! The channel key: in this process, or with a signer outside that takes its time.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::channel::{Base, Channel, POSTFUND_TURN, Signatures, Terms};
use crate::crypto::{SignError, Signature, Signer};
use crate::payment::TickChain;
use crate::protocol::{ChainOf, ChannelKey, Purpose};
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

/// Signatures that came from outside, by digest.
pub(super) type Known<'a> = Vec<&'a Vec<(B256, Signature)>>;

/// The key as one step sees it: it signs at once, or notes what has to be asked for.
pub(super) struct StepKey<'a> {
    key: &'a Key,
    known: Known<'a>,
    chains: &'a RefCell<TickChains>,
    wanted: RefCell<Vec<Wanted>>,
}

/// What a step would have signed and could not.
pub(super) struct Wanted {
    pub(super) channel_id: B256,
    pub(super) digest: B256,
    pub(super) purpose: Purpose,
}

impl<'a> StepKey<'a> {
    /// `known` are the signatures that came from outside for the channels of the step.
    pub(super) fn new(key: &'a Key, chains: &'a RefCell<TickChains>, known: Known<'a>) -> Self {
        Self { key, known, chains, wanted: RefCell::default() }
    }

    /// What the step would have signed and could not.
    pub(super) fn into_wanted(self) -> Vec<Wanted> {
        self.wanted.into_inner()
    }
}

impl ChannelKey for StepKey<'_> {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign(&self, of: &Terms, digest: B256, purpose: Purpose) -> Result<Option<Signature>, SignError> {
        match self.key {
            Key::Local(signer) => signer.sign_digest(&digest).map(Some),
            Key::External(_) => {
                let known = self.known.iter().flat_map(|known| known.iter()).find(|(of, _)| *of == digest);
                let known = known.map(|(_, signature)| *signature);
                if known.is_none() {
                    self.wanted.borrow_mut().push(Wanted { channel_id: of.channel_id(), digest, purpose });
                }
                Ok(known)
            }
        }
    }

    fn forget_idle(&self, channel: &Channel) {
        if channel.base.is_some_and(|base| base.turn > POSTFUND_TURN) && !self.wanted.borrow().is_empty() {
            let balances = channel.terms.deposits();
            let postfund = Base { turn: POSTFUND_TURN, balances, signatures: Signatures::default() };
            let postfund = postfund.state(&channel.terms).digest();
            self.wanted.borrow_mut().retain(|wanted| wanted.digest != postfund);
        }
    }

    fn preimage(&self, of: &ChainOf, ticks: u8) -> Option<B256> {
        let Key::Local(signer) = self.key else { return None };
        self.chains.borrow_mut().preimage(&**signer, of, ticks)
    }
}

/// How many tick chains are kept, of 8 KiB each at most.
const MAX_CHAINS: usize = 32;

/// The tick chains that were used last. They are derived again when they are needed again: 255 hashes.
#[derive(Default)]
pub(super) struct TickChains {
    /// The one used longest ago first.
    recent: Vec<(ChainOf, TickChain)>,
}

impl TickChains {
    fn preimage(&mut self, signer: &dyn Signer, of: &ChainOf, ticks: u8) -> Option<B256> {
        let index = match self.recent.iter().rposition(|(known, _)| known == of) {
            Some(index) => index,
            None => {
                let seed = signer.derive_secret(&of.to_bytes())?;
                if self.recent.len() >= MAX_CHAINS {
                    self.recent.remove(0);
                }
                self.recent.push((*of, TickChain::new(B256::from(*seed), of.limit)));
                self.recent.len().saturating_sub(1)
            }
        };
        self.recent.get_mut(index..)?.rotate_left(1);
        self.recent.last().and_then(|(_, chain)| chain.preimage(ticks))
    }
}
