//! The adjudicator's disputes: challenge, checkpoint, conclude (`ForceMove.sol`, `StatusManager.sol`), and which
//! function a call is for.

use super::abi::{Adjudicator, FixedPart, Signature, SignedVariablePart, SingleAssetExit, VariablePart, decode};
use super::apps::{self, Recovered};
use super::frame::Frame;
use super::revert::require;
use super::state::Slot;
use super::{Revert, assets};
use alloy_primitives::aliases::U48;
use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};

/// Runs a call to the adjudicator.
pub(super) fn call(frame: &mut Frame<'_>, data: &[u8]) -> Result<(), Revert> {
    let Some((selector, arguments)) = data.split_first_chunk::<4>() else {
        return Err(Revert::silent());
    };
    if *selector == Adjudicator::depositCall::SELECTOR {
        return assets::deposit(frame, &decode(arguments)?);
    }
    if !frame.value.is_zero() {
        return Err(Revert::silent());
    }
    match *selector {
        Adjudicator::challengeCall::SELECTOR => challenge(frame, decode(arguments)?),
        Adjudicator::checkpointCall::SELECTOR => checkpoint(frame, &decode(arguments)?),
        Adjudicator::concludeCall::SELECTOR => {
            let Adjudicator::concludeCall { fixedPart, candidate } = decode(arguments)?;
            conclude(frame, &fixedPart, &candidate).map(|_| ())
        }
        Adjudicator::concludeAndTransferAllAssetsCall::SELECTOR => {
            let Adjudicator::concludeAndTransferAllAssetsCall { fixedPart, candidate } = decode(arguments)?;
            let channel_id = conclude(frame, &fixedPart, &candidate)?;
            assets::transfer_all_assets(frame, channel_id, candidate.variablePart.outcome, B256::ZERO)
        }
        Adjudicator::transferAllAssetsCall::SELECTOR => {
            let Adjudicator::transferAllAssetsCall { channelId, outcome, stateHash } = decode(arguments)?;
            assets::transfer_all_assets(frame, channelId, outcome, stateHash)
        }
        Adjudicator::transferCall::SELECTOR => assets::transfer(frame, &decode(arguments)?),
        Adjudicator::reclaimCall::SELECTOR => {
            let Adjudicator::reclaimCall { reclaimArgs } = decode(arguments)?;
            assets::reclaim(frame, &reclaimArgs)
        }
        _ => Err(Revert::silent()),
    }
}

// ---- the status of a channel ----------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    Challenge,
    Finalized,
}

/// A status word in its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    pub(super) turn_num_record: U48,
    pub(super) finalizes_at: U48,
    /// The last 160 bits of `keccak256(abi.encode(stateHash, outcomeHash))`.
    pub(super) fingerprint: U256,
}

impl Status {
    pub(super) fn new(turn_num_record: U48, finalizes_at: U48, state_hash: B256, outcome_hash: B256) -> Self {
        Self { turn_num_record, finalizes_at, fingerprint: fingerprint(state_hash, outcome_hash) }
    }

    pub(super) fn load(frame: &Frame<'_>, channel_id: B256) -> Self {
        let word = frame.state.get(Slot::Status(channel_id));
        Self {
            turn_num_record: U48::from(word >> 208),
            finalizes_at: U48::from((word >> 160) & U256::from(U48::MAX)),
            fingerprint: word & LOW_160_BITS,
        }
    }

    pub(super) fn store(self, frame: &mut Frame<'_>, channel_id: B256) {
        let turn = U256::from(self.turn_num_record) << 208;
        let time = U256::from(self.finalizes_at) << 160;
        frame.state.set(Slot::Status(channel_id), turn | time | self.fingerprint);
    }

    pub(super) fn mode(&self, frame: &Frame<'_>) -> Mode {
        if self.finalizes_at.is_zero() {
            Mode::Open
        } else if self.finalizes_at.to::<u64>() <= frame.time {
            Mode::Finalized
        } else {
            Mode::Challenge
        }
    }
}

const LOW_160_BITS: U256 = U256::from_limbs([u64::MAX, u64::MAX, 0xffff_ffff, 0]);

pub(super) fn fingerprint(state_hash: B256, outcome_hash: B256) -> U256 {
    U256::from_be_bytes(keccak256((state_hash, outcome_hash).abi_encode_params()).0) & LOW_160_BITS
}

pub(super) fn outcome_hash(outcome: &Vec<SingleAssetExit>) -> B256 {
    keccak256(outcome.abi_encode())
}

// ---- the functions --------------------------------------------------------------------------------------------------

fn challenge(frame: &mut Frame<'_>, call: Adjudicator::challengeCall) -> Result<(), Revert> {
    let Adjudicator::challengeCall { fixedPart: fixed, proof, candidate, challengerSig } = call;
    let channel_id = channel_id(&fixed);
    let turn_num = candidate.variablePart.turnNum;
    let status = Status::load(frame, channel_id);
    match status.mode(frame) {
        Mode::Open => require(turn_num >= status.turn_num_record, "turnNumRecord decreased.")?,
        Mode::Challenge => require(turn_num > status.turn_num_record, "turnNumRecord not increased.")?,
        Mode::Finalized => return Err(Revert::because("Channel finalized.")),
    }
    require_supported(frame, channel_id, &fixed, &proof, &candidate)?;

    let state_hash = state_hash(channel_id, &candidate.variablePart);
    let committed = keccak256((state_hash, "forceMove").abi_encode_params());
    let challenger = recover(frame, committed, &challengerSig)?;
    require(fixed.participants.contains(&challenger), "Challenger is not a participant")?;

    let finalizes_at = now(frame).checked_add(fixed.challengeDuration).ok_or_else(Revert::overflow)?;
    let outcome_hash = outcome_hash(&candidate.variablePart.outcome);
    let event = Adjudicator::ChallengeRegistered { channelId: channel_id, finalizesAt: finalizes_at, proof, candidate };
    frame.emit(frame.contracts.adjudicator, &event);
    Status::new(turn_num, finalizes_at, state_hash, outcome_hash).store(frame, channel_id);
    Ok(())
}

fn checkpoint(frame: &mut Frame<'_>, call: &Adjudicator::checkpointCall) -> Result<(), Revert> {
    let Adjudicator::checkpointCall { fixedPart: fixed, proof, candidate } = call;
    let channel_id = channel_id(fixed);
    let turn_num = candidate.variablePart.turnNum;
    let status = Status::load(frame, channel_id);
    let mode = status.mode(frame);
    require(mode != Mode::Finalized, "Channel finalized.")?;
    require(turn_num > status.turn_num_record, "turnNumRecord not increased.")?;
    require_supported(frame, channel_id, fixed, proof, candidate)?;

    Status::new(turn_num, U48::ZERO, B256::ZERO, B256::ZERO).store(frame, channel_id);
    let adjudicator = frame.contracts.adjudicator;
    if mode == Mode::Open {
        frame.emit(adjudicator, &Adjudicator::Checkpointed { channelId: channel_id, newTurnNumRecord: turn_num });
    } else {
        frame.emit(adjudicator, &Adjudicator::ChallengeCleared { channelId: channel_id, newTurnNumRecord: turn_num });
    }
    Ok(())
}

fn conclude(frame: &mut Frame<'_>, fixed: &FixedPart, candidate: &SignedVariablePart) -> Result<B256, Revert> {
    let channel_id = channel_id(fixed);
    require(Status::load(frame, channel_id).mode(frame) != Mode::Finalized, "Channel finalized.")?;
    require(candidate.variablePart.isFinal, "State must be final")?;
    let recovered = recover_part(frame, channel_id, fixed, candidate)?;
    require(recovered.signed_by.count_ones() == fixed.participants.len(), "!unanimous")?;

    let time = now(frame);
    let outcome_hash = outcome_hash(&candidate.variablePart.outcome);
    Status::new(U48::ZERO, time, B256::ZERO, outcome_hash).store(frame, channel_id);
    frame.emit(frame.contracts.adjudicator, &Adjudicator::Concluded { channelId: channel_id, finalizesAt: time });
    Ok(channel_id)
}

// ---- states and signatures ------------------------------------------------------------------------------------------

/// `uint48(block.timestamp)`.
fn now(frame: &Frame<'_>) -> U48 {
    U48::from(frame.time)
}

fn channel_id(fixed: &FixedPart) -> B256 {
    keccak256(fixed.abi_encode_params())
}

fn state_hash(channel_id: B256, part: &VariablePart) -> B256 {
    let members = (channel_id, part.appData.clone(), part.outcome.clone(), part.turnNum, part.isFinal);
    keccak256(members.abi_encode_params())
}

fn recover(frame: &mut Frame<'_>, hash: B256, signature: &Signature) -> Result<alloy_primitives::Address, Revert> {
    frame.memory.recover(hash, signature.v, signature.r, signature.s)
}

fn recover_part<'a>(
    frame: &mut Frame<'_>,
    channel_id: B256,
    fixed: &FixedPart,
    signed: &'a SignedVariablePart,
) -> Result<Recovered<'a>, Revert> {
    let part = &signed.variablePart;
    let hash = state_hash(channel_id, part);
    let mut signed_by = U256::ZERO;
    for signature in &signed.sigs {
        let signer = recover(frame, hash, signature)?;
        if let Some(index) = fixed.participants.iter().position(|&participant| participant == signer) {
            signed_by.set_bit(index, true);
        }
    }
    Ok(Recovered { part, hash, signed_by })
}

fn require_supported(
    frame: &mut Frame<'_>,
    channel_id: B256,
    fixed: &FixedPart,
    proof: &[SignedVariablePart],
    candidate: &SignedVariablePart,
) -> Result<(), Revert> {
    let proof =
        proof.iter().map(|signed| recover_part(frame, channel_id, fixed, signed)).collect::<Result<Vec<_>, _>>()?;
    let candidate = recover_part(frame, channel_id, fixed, candidate)?;
    apps::state_is_supported(frame, channel_id, fixed, &proof, &candidate)
}
