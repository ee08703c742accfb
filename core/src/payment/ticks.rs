//! Ticks: a hash chain under one voucher. Showing the next preimage pays one more tick price without a signature.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::B256;
use crate::cbor;
use crate::crypto::keccak256;

/// Applies `keccak256` to `value` `times` times.
pub fn hash_chain(value: B256, times: u8) -> B256 {
    (0..times).fold(value, |hash, _| keccak256(hash))
}

/// How many ticks of a voucher are paid, and what proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// How many, 1 to 255.
    pub ticks: u8,
    /// Hashes `ticks` times to the voucher's tip.
    pub preimage: B256,
}

cbor::array!(Shown { ticks, preimage });

impl Shown {
    /// Whether this proves its ticks, given what was proved before: hashes no further than to there. `tip` is the
    /// voucher's, which proves none.
    pub(crate) fn follows(&self, before: Option<Self>, tip: B256) -> bool {
        let before = before.unwrap_or(Self { ticks: 0, preimage: tip });
        let (high, low) = if self.ticks >= before.ticks { (*self, before) } else { (before, *self) };
        hash_chain(high.preimage, high.ticks.saturating_sub(low.ticks)) == low.preimage
    }
}

/// The payer's side of one voucher's tick chain: all its links, 32 bytes each, above a secret seed.
///
/// The seed must belong to one voucher of one channel and never be used again: a released preimage is a bearer proof.
pub struct TickChain {
    /// The seed, then the hash of each before it; the last one is the tip.
    links: Zeroizing<Vec<[u8; 32]>>,
}

impl TickChain {
    /// A chain of `limit` ticks (0 to 255) over a secret 32-byte seed; `limit` hashes.
    pub fn new(seed: B256, limit: u8) -> Self {
        let hashes = core::iter::successors(Some(seed), |link| Some(keccak256(link)));
        let links = hashes.take(usize::from(limit).saturating_add(1)).map(|link| link.0);
        Self { links: Zeroizing::new(links.collect()) }
    }

    /// What the voucher names as `tickTip`: the seed hashed `limit` times.
    pub fn tip(&self) -> B256 {
        self.links.last().copied().unwrap_or_default().into()
    }

    /// The preimage that pays the first `ticks` ticks: it hashes `ticks` times to the tip. `None` above the limit.
    pub fn preimage(&self, ticks: u8) -> Option<B256> {
        let last = self.links.len().checked_sub(1)?;
        self.links.get(last.checked_sub(usize::from(ticks))?).map(B256::from)
    }
}

impl core::fmt::Debug for TickChain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TickChain").field("limit", &self.links.len().saturating_sub(1)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preimage_hashes_to_the_tip() {
        let chain = TickChain::new(B256::repeat_byte(7), 255);
        for ticks in 0..=255 {
            assert_eq!(hash_chain(chain.preimage(ticks).unwrap(), ticks), chain.tip());
        }
        assert_eq!(TickChain::new(B256::ZERO, 3).preimage(4), None);
        assert_eq!(TickChain::new(B256::repeat_byte(1), 0).tip(), B256::repeat_byte(1));
    }

    #[test]
    fn a_preimage_is_checked_against_the_last_one_shown() {
        let chain = TickChain::new(B256::repeat_byte(7), 255);
        let shown = |ticks: u8| Shown { ticks, preimage: chain.preimage(ticks).unwrap() };
        for (now, before) in [(1, None), (255, None), (5, Some(4)), (4, Some(5)), (5, Some(5)), (200, Some(3))] {
            assert!(shown(now).follows(before.map(shown), chain.tip()), "{now} after {before:?}");
        }
        let foreign = TickChain::new(B256::repeat_byte(8), 255);
        for ticks in [1, 4, 5, 6, 255] {
            let other = Shown { ticks, preimage: foreign.preimage(ticks).unwrap() };
            let shifted = Shown { ticks, preimage: chain.preimage(ticks - 1).unwrap() };
            for wrong in [other, shifted] {
                assert!(!wrong.follows(None, chain.tip()), "{ticks}");
                assert!(!wrong.follows(Some(shown(5)), chain.tip()), "{ticks}");
            }
        }
    }
}
