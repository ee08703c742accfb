//! Ticks: a hash chain under one voucher. Showing the next preimage pays one more tick price without a signature.

use crate::B256;
use crate::crypto::keccak256;

/// Applies `keccak256` to `value` `times` times.
pub fn hash_chain(value: B256, times: u8) -> B256 {
    (0..times).fold(value, |hash, _| keccak256(hash))
}

/// The payer's side of one voucher's tick chain: `limit` ticks above a secret seed.
///
/// The seed must belong to one voucher of one channel and never be used again: a released preimage is a bearer proof.
#[derive(Clone)]
pub struct TickChain {
    seed: zeroize::Zeroizing<[u8; 32]>,
    limit: u8,
}

impl TickChain {
    /// A chain of `limit` ticks (0 to 255) over a secret 32-byte seed.
    pub fn new(seed: B256, limit: u8) -> Self {
        Self { seed: zeroize::Zeroizing::new(seed.0), limit }
    }

    /// What the voucher names as `tickTip`: the seed hashed `limit` times.
    pub fn tip(&self) -> B256 {
        hash_chain(B256::from(*self.seed), self.limit)
    }

    /// The preimage that pays the first `ticks` ticks: it hashes `ticks` times to the tip. `None` above the limit.
    pub fn preimage(&self, ticks: u8) -> Option<B256> {
        Some(hash_chain(B256::from(*self.seed), self.limit.checked_sub(ticks)?))
    }
}

impl core::fmt::Debug for TickChain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TickChain").field("limit", &self.limit).finish_non_exhaustive()
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
    }
}
