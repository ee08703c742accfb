//! Random numbers that are the same everywhere.

use alloy_primitives::{B256, Bytes, U256, keccak256};
use millstream_core::crypto::LocalSigner;

/// A stream of random numbers that follows from a seed: keccak in counter mode.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    counter: u64,
}

impl Random {
    /// The stream of a seed, from its start.
    pub const fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }

    /// 32 random bytes.
    pub fn word(&mut self) -> B256 {
        self.counter += 1;
        keccak256([self.seed.to_be_bytes(), self.counter.to_be_bytes()].concat())
    }

    /// A number in `0..limit`.
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.word().0[..8].iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte)) % limit
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A number of at most `bits` bits, all lengths being as likely.
    pub fn bits(&mut self, bits: u32) -> u128 {
        let value = U256::from_be_bytes(self.word().0) >> (256 - self.below(u64::from(bits) + 1).max(1) as usize);
        value.to()
    }

    /// A new key.
    pub fn signer(&mut self) -> LocalSigner {
        LocalSigner::from_secret_bytes(&self.word().0).expect("a random word is a key")
    }

    /// An index into something of `length`.
    ///
    /// # Panics
    ///
    /// If `length` is zero.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// One of the items.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn pick<'a, T>(&mut self, items: &'a mut [T]) -> &'a mut T {
        let index = self.index(items.len());
        &mut items[index]
    }

    /// One of the values.
    pub fn one_of<T: Copy, const N: usize>(&mut self, values: [T; N]) -> T {
        values[self.index(N)]
    }

    /// Up to 69 bytes, half of the time none.
    pub fn metadata(&mut self) -> Bytes {
        let length = if self.below(2) == 0 { 0 } else { self.below(70) as usize };
        Bytes::from(self.word().repeat(3)[..length].to_vec())
    }
}
