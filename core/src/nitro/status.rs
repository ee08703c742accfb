//! What the adjudicator stores about a channel.

use super::{MAX_UINT48, abi};
use crate::crypto::keccak256;
use alloy_primitives::{B256, FixedBytes, U256};

/// The stage a channel is in on chain. Source: `StatusManager.ChannelMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelMode {
    /// No challenge is pending.
    Open,
    /// A challenge is pending and can be answered.
    Challenge,
    /// The outcome is fixed and can be paid out.
    Finalized,
}

/// The status word of a channel. All zero for a channel that the adjudicator has not heard of.
///
/// Source: `StatusManager._generateStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStatus {
    /// The highest turn that was challenged or checkpointed with; 0 after a conclusion.
    pub turn_num_record: u64,
    /// When the channel becomes or became final, in seconds since 1970; 0 while it is open.
    pub finalizes_at: u64,
    /// Which state and outcome it is about; see [`Self::fingerprint`].
    pub fingerprint: FixedBytes<20>,
}

impl ChannelStatus {
    /// Splits a status word: 48 bits of turn, 48 bits of time, 160 bits of fingerprint, from the top.
    pub fn from_word(word: B256) -> Self {
        let number = U256::from_be_bytes(word.0);
        let turn_num_record = number.wrapping_shr(208);
        let finalizes_at = number.wrapping_shr(160) & U256::from(MAX_UINT48);
        Self {
            turn_num_record: turn_num_record.saturating_to(),
            finalizes_at: finalizes_at.saturating_to(),
            fingerprint: last_20(word),
        }
    }

    /// Returns the stage of the channel in a block with the timestamp `now`, in seconds since 1970.
    ///
    /// Source: `StatusManager._mode`.
    pub const fn mode(&self, now: u64) -> ChannelMode {
        if self.finalizes_at == 0 {
            ChannelMode::Open
        } else if self.finalizes_at <= now {
            ChannelMode::Finalized
        } else {
            ChannelMode::Challenge
        }
    }

    /// Returns the last 20 bytes of `keccak256(abi.encode(stateHash, outcomeHash))`.
    ///
    /// After a challenge both hashes are those of the challenging state; after a checkpoint both are zero; after a
    /// conclusion the state hash is zero. Source: `StatusManager._generateFingerprint`.
    pub fn fingerprint(state_hash: B256, outcome_hash: B256) -> FixedBytes<20> {
        last_20(keccak256(abi::encode(&(state_hash, outcome_hash))))
    }
}

fn last_20(word: B256) -> FixedBytes<20> {
    alloy_primitives::Address::from_word(word).0
}
