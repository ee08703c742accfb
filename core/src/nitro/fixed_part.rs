//! The part of a channel that never changes, and the id that follows from it.

use super::{MAX_UINT48, StateError, abi};
use crate::crypto::keccak256;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};

/// What a channel is from its first state to its last. Source: `INitroTypes.FixedPart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedPart {
    /// The signing addresses, in the order that bit masks and app rules refer to. In a stream the payer is first and
    /// the payee last.
    pub participants: Vec<Address>,
    /// Tells channels between the same participants apart. It must never be used twice, on any chain: the channel id
    /// contains neither chain nor adjudicator.
    pub channel_nonce: u64,
    /// The contract whose `stateIsSupported` (`IForceMoveApp`) decides which states count.
    pub app_definition: Address,
    /// How long a challenge can be answered, in seconds, at most [`MAX_UINT48`].
    pub challenge_duration: u64,
}

impl FixedPart {
    /// Returns the id of the channel:
    /// `keccak256(abi.encode(participants, channelNonce, appDefinition, challengeDuration))`.
    ///
    /// Source: `NitroUtils.getChannelId`.
    pub fn channel_id(&self) -> B256 {
        keccak256(abi::encode(&abi::FixedPart::from(self)))
    }

    /// Checks what the adjudicator takes for granted or enforces about a channel.
    ///
    /// # Errors
    ///
    /// [`StateError::ParticipantCount`] unless there are 1 to 255 participants;
    /// [`StateError::DuplicateParticipant`] if they are not all different;
    /// [`StateError::ChallengeDurationOutOfRange`] if the duration is above [`MAX_UINT48`].
    pub fn validate(&self) -> Result<(), StateError> {
        let count = self.participants.len();
        if count == 0 || count > 255 {
            return Err(StateError::ParticipantCount { count });
        }
        let mut sorted = self.participants.clone();
        sorted.sort_unstable();
        for pair in sorted.windows(2) {
            if let &[participant, next] = pair
                && participant == next
            {
                return Err(StateError::DuplicateParticipant { participant });
            }
        }
        if self.challenge_duration > MAX_UINT48 {
            return Err(StateError::ChallengeDurationOutOfRange { seconds: self.challenge_duration });
        }
        Ok(())
    }
}

impl From<&FixedPart> for abi::FixedPart {
    fn from(part: &FixedPart) -> Self {
        Self {
            participants: part.participants.clone(),
            channel_nonce: part.channel_nonce,
            app_definition: part.app_definition,
            challenge_duration: part.challenge_duration,
        }
    }
}
