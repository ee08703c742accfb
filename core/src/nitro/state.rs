//! The part of a state that changes from turn to turn, its hash and the signatures on it.

use super::outcome::{outcome_from_abi, outcome_to_abi};
use super::{DecodeError, FixedPart, MAX_BYTES, MAX_UINT48, Outcome, StateError, abi};
use crate::crypto::{SignError, Signature, SignatureError, Signer, eip191_digest, keccak256};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};

/// The string that a challenger signs along with the state's hash. Source: `ForceMove._requireChallengerIsParticipant`.
const FORCE_MOVE: &[u8] = b"forceMove";

/// What a state says at one turn. Source: `INitroTypes.VariablePart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariablePart {
    /// Who gets what if the channel ended here.
    pub outcome: Outcome,
    /// What the app contract reads, in its own format; often empty.
    pub app_data: Bytes,
    /// The number of the turn, at most [`MAX_UINT48`]. A higher turn replaces a lower one on chain.
    pub turn_num: u64,
    /// Whether the channel ends with this state: signed by all, it can be concluded at once.
    pub is_final: bool,
}

impl VariablePart {
    /// Checks that the adjudicator can take the state.
    ///
    /// # Errors
    ///
    /// [`StateError::TurnOutOfRange`] if the turn number is above [`MAX_UINT48`].
    pub fn validate(&self) -> Result<(), StateError> {
        if self.turn_num > MAX_UINT48 {
            return Err(StateError::TurnOutOfRange { turn_num: self.turn_num });
        }
        Ok(())
    }

    /// Returns `abi.encode(variablePart)`.
    pub fn encode(&self) -> Bytes {
        abi::encode(&(abi::VariablePart::from(self),)).into()
    }

    /// Decodes what [`Self::encode`] gives.
    ///
    /// # Errors
    ///
    /// Those of [`decode_outcome`](super::decode_outcome); [`DecodeError::Malformed`] also for a turn above
    /// [`MAX_UINT48`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        abi::decode::<abi::VariablePart>(bytes, MAX_BYTES)?.try_into()
    }
}

/// A state with signatures of some or all participants. Source: `INitroTypes.SignedVariablePart`.
///
/// The adjudicator recovers who signed, so the order is free; a participant who has not signed is left out, never
/// filled in with zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedVariablePart {
    /// The state.
    pub variable_part: VariablePart,
    /// The signatures on its [`state_hash`], by [`sign_state`].
    pub signatures: Vec<Signature>,
}

/// A state and who signed it, as app contracts receive it. Source: `INitroTypes.RecoveredVariablePart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredVariablePart {
    /// The state.
    pub variable_part: VariablePart,
    /// Bit `i` is set if `participants[i]` signed.
    pub signed_by: U256,
}

/// Returns the hash of a state:
/// `keccak256(abi.encode(channelId, appData, outcome, turnNum, isFinal))`.
///
/// It is signed through [`sign_state`], under EIP-191. Source: `NitroUtils.hashState`.
pub fn state_hash(channel_id: B256, part: &VariablePart) -> B256 {
    let members = (channel_id, part.app_data.clone(), outcome_to_abi(&part.outcome), part.turn_num, part.is_final);
    keccak256(abi::encode(&members))
}

/// Signs a state: [`eip191_digest`] of `state_hash`, the output of [`state_hash`].
///
/// # Errors
///
/// Those of the signer.
pub fn sign_state(signer: &(impl Signer + ?Sized), state_hash: B256) -> Result<Signature, SignError> {
    signer.sign_digest(&eip191_digest(state_hash))
}

/// Checks that `signer` signed the state, by [`sign_state`].
///
/// # Errors
///
/// [`SignatureError::WrongSigner`] or [`SignatureError::Invalid`].
pub fn verify_state_signature(state_hash: B256, signature: &Signature, signer: Address) -> Result<(), SignatureError> {
    signature.verify(&eip191_digest(state_hash), signer)
}

/// Returns what a challenger commits to: `keccak256(abi.encode(stateHash, "forceMove"))`.
///
/// Source: `ForceMove._requireChallengerIsParticipant`.
pub fn challenge_hash(state_hash: B256) -> B256 {
    keccak256(abi::encode(&(state_hash, Bytes::from_static(FORCE_MOVE))))
}

/// Returns the digest that a challenger signs: [`eip191_digest`] of [`challenge_hash`].
pub fn challenge_digest(state_hash: B256) -> B256 {
    eip191_digest(challenge_hash(state_hash))
}

/// Signs as the participant who challenges with the state; anyone may send the transaction.
///
/// # Errors
///
/// Those of the signer.
pub fn sign_challenge(signer: &(impl Signer + ?Sized), state_hash: B256) -> Result<Signature, SignError> {
    signer.sign_digest(&challenge_digest(state_hash))
}

/// Works out who signed a state, as the adjudicator does before it asks the app contract.
///
/// A signature of someone who takes no part counts for nobody. Source: `ForceMove.recoverVariablePart`.
///
/// # Errors
///
/// [`StateError::InvalidSignature`] if no signer can be recovered from one of the signatures;
/// [`StateError::ParticipantCount`] if a signer has no bit in `signed_by`.
pub fn recover_variable_part(
    fixed_part: &FixedPart,
    signed: &SignedVariablePart,
) -> Result<RecoveredVariablePart, StateError> {
    let digest = eip191_digest(state_hash(fixed_part.channel_id(), &signed.variable_part));
    let mut signed_by = U256::ZERO;
    for (index, signature) in signed.signatures.iter().enumerate() {
        let signer = signature.recover(&digest).map_err(|source| StateError::InvalidSignature { index, source })?;
        if let Some(bit) = fixed_part.participants.iter().position(|&address| address == signer) {
            if bit >= U256::BITS {
                return Err(StateError::ParticipantCount { count: fixed_part.participants.len() });
            }
            signed_by.set_bit(bit, true);
        }
    }
    Ok(RecoveredVariablePart { variable_part: signed.variable_part.clone(), signed_by })
}

impl From<&VariablePart> for abi::VariablePart {
    fn from(part: &VariablePart) -> Self {
        Self {
            outcome: outcome_to_abi(&part.outcome),
            app_data: part.app_data.clone(),
            turn_num: part.turn_num,
            is_final: part.is_final,
        }
    }
}

impl TryFrom<abi::VariablePart> for VariablePart {
    type Error = DecodeError;

    fn try_from(part: abi::VariablePart) -> Result<Self, DecodeError> {
        if part.turn_num > MAX_UINT48 {
            return Err(DecodeError::Malformed);
        }
        Ok(Self {
            outcome: outcome_from_abi(part.outcome)?,
            app_data: part.app_data,
            turn_num: part.turn_num,
            is_final: part.is_final,
        })
    }
}

impl From<&Signature> for abi::Signature {
    fn from(signature: &Signature) -> Self {
        Self { v: signature.v(), r: signature.r(), s: signature.s() }
    }
}

impl From<&SignedVariablePart> for abi::SignedVariablePart {
    fn from(signed: &SignedVariablePart) -> Self {
        Self {
            variable_part: (&signed.variable_part).into(),
            sigs: signed.signatures.iter().map(abi::Signature::from).collect(),
        }
    }
}

/// Takes what the chain has accepted: a high `s` is replaced by its low twin.
impl TryFrom<abi::SignedVariablePart> for SignedVariablePart {
    type Error = DecodeError;

    fn try_from(signed: abi::SignedVariablePart) -> Result<Self, DecodeError> {
        Ok(Self {
            variable_part: signed.variable_part.try_into()?,
            signatures: signed
                .sigs
                .into_iter()
                .map(|sig| Signature::from_chain(sig.r, sig.s, sig.v).map_err(DecodeError::Signature))
                .collect::<Result<_, _>>()?,
        })
    }
}
