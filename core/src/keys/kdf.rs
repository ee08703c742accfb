//! From a passphrase to a key, at a price (Argon2id, RFC 9106).

use alloc::vec::Vec;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::error::BackupError;

/// What guessing a passphrase costs: how much memory is filled, and how often.
///
/// The default, 64 MiB and 3 passes, is what RFC 9106 recommends where memory is scarce, on one lane. Less is for
/// tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    memory_kib: u32,
    passes: u32,
}

impl KdfParams {
    /// The least memory, in KiB.
    pub const MIN_MEMORY_KIB: u32 = 8;
    /// The most memory, in KiB: what a backup from elsewhere can make a device allocate.
    pub const MAX_MEMORY_KIB: u32 = 128 * 1024;
    /// The most passes. With the most memory they take seconds, not minutes.
    pub const MAX_PASSES: u32 = 8;

    /// Memory in KiB, 8 to 131,072, and passes over it, 1 to 8.
    ///
    /// # Errors
    ///
    /// [`BackupError::Parameters`] outside of these.
    pub const fn new(memory_kib: u32, passes: u32) -> Result<Self, BackupError> {
        if memory_kib < Self::MIN_MEMORY_KIB
            || memory_kib > Self::MAX_MEMORY_KIB
            || passes == 0
            || passes > Self::MAX_PASSES
        {
            return Err(BackupError::Parameters { memory_kib, passes });
        }
        Ok(Self { memory_kib, passes })
    }

    /// The memory, in KiB.
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// The passes.
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    pub(super) fn derive_key(&self, passphrase: &str, salt: &[u8; 16]) -> Result<Zeroizing<[u8; 32]>, BackupError> {
        let Self { memory_kib, passes } = *self;
        if passphrase.is_empty() {
            return Err(BackupError::PassphraseEmpty);
        }
        let refused = BackupError::Parameters { memory_kib, passes };
        let params = Params::new(memory_kib, passes, 1, Some(32)).map_err(|_| refused)?;
        let blocks = params.block_count();
        // The last block gives away the key, so the memory is ours to overwrite; and where there is too little of it
        // that is an error and not the end of the process.
        let mut memory = Zeroizing::new(Vec::<Block>::new());
        memory.try_reserve_exact(blocks).map_err(|_| BackupError::OutOfMemory { memory_kib })?;
        memory.resize(blocks, Block::default());
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut *key, memory.as_mut_slice())
            .map_err(|_| refused)?;
        Ok(key)
    }
}

impl Default for KdfParams {
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3 }
    }
}
