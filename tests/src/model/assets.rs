//! The adjudicator's money: deposits, payouts and guarantees (`MultiAssetHolder.sol`, `NitroAdjudicator.sol`).

use super::abi::{Adjudicator, Allocation, DECODER, Guarantee, ReclaimArgs, SingleAssetExit};
use super::adjudicator::{Mode, Status, fingerprint, outcome_hash};
use super::frame::Frame;
use super::revert::{minus, plus, require};
use super::state::Slot;
use super::{PaidOut, Revert, token};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;

/// `AllocationType.guarantee`.
const GUARANTEE: u8 = 2;

pub(super) fn deposit(frame: &mut Frame<'_>, call: &Adjudicator::depositCall) -> Result<(), Revert> {
    let &Adjudicator::depositCall { asset, channelId, expectedHeld, amount } = call;
    require(external(channelId).is_none(), "Deposit to external destination")?;
    let held = frame.state.get(Slot::Holdings(asset, channelId));
    require(held == expectedHeld, "held != expectedHeld")?;
    let this = frame.contracts.adjudicator;
    if asset == Address::ZERO {
        require(frame.value == amount, "Incorrect msg.value for deposit")?;
    } else if asset == frame.contracts.token {
        token::transfer_from(frame, this, frame.sender, this, amount)?;
    } else if frame.contracts.contains(asset) {
        return Err(Revert::because("SafeERC20: low-level call failed"));
    } else {
        return Err(Revert::because("Address: call to non-contract"));
    }
    let held = plus(held, amount)?;
    frame.state.set(Slot::Holdings(asset, channelId), held);
    frame.emit(this, &Adjudicator::Deposited { destination: channelId, asset, destinationHoldings: held });
    Ok(())
}

pub(super) fn transfer_all_assets(
    frame: &mut Frame<'_>,
    channel_id: B256,
    mut outcome: Vec<SingleAssetExit>,
    state_hash: B256,
) -> Result<(), Revert> {
    require_finalized(frame, channel_id)?;
    require_fingerprint(frame, channel_id, state_hash, outcome_hash(&outcome))?;

    // All assets are looked at before any is touched, so an asset that comes twice counts the same holdings twice.
    let mut payouts = Vec::new();
    for exit in &mut outcome {
        let initial = frame.state.get(Slot::Holdings(exit.asset, channel_id));
        let payout = Payout::compute(initial, &exit.allocations, &[])?;
        exit.allocations.clone_from(&payout.remaining);
        payouts.push((initial, payout));
    }
    for (index, (exit, (initial, payout))) in outcome.iter().zip(&payouts).enumerate() {
        take(frame, channel_id, index, exit.asset, *initial, payout.total)?;
    }
    if payouts.iter().all(|(_, payout)| payout.remaining.iter().all(|allocation| allocation.amount.is_zero())) {
        frame.state.set(Slot::Status(channel_id), U256::ZERO);
    } else {
        update_fingerprint(frame, channel_id, state_hash, outcome_hash(&outcome));
    }
    for (exit, (_, payout)) in outcome.iter().zip(&payouts) {
        pay(frame, channel_id, exit.asset, &payout.paid)?;
    }
    Ok(())
}

pub(super) fn transfer(frame: &mut Frame<'_>, call: &Adjudicator::transferCall) -> Result<(), Revert> {
    let Adjudicator::transferCall { assetIndex, fromChannelId, outcomeBytes, stateHash, indices } = call;
    let channel_id = *fromChannelId;
    require(indices.is_sorted_by(|a, b| a < b), "Indices must be sorted")?;
    require_finalized(frame, channel_id)?;
    require_fingerprint(frame, channel_id, *stateHash, keccak256(outcomeBytes))?;
    let mut outcome = decode_outcome(outcomeBytes)?;
    let index = at(*assetIndex, outcome.len())?;

    let asset = outcome[index].asset;
    let initial = frame.state.get(Slot::Holdings(asset, channel_id));
    let payout = Payout::compute(initial, &outcome[index].allocations, indices)?;
    outcome[index].allocations = payout.remaining;
    update_fingerprint(frame, channel_id, *stateHash, outcome_hash(&outcome));
    take(frame, channel_id, index, asset, initial, payout.total)?;
    pay(frame, channel_id, asset, &payout.paid)
}

pub(super) fn reclaim(frame: &mut Frame<'_>, args: &ReclaimArgs) -> Result<(), Revert> {
    let source_id = args.sourceChannelId;
    require_finalized(frame, source_id)?;
    require_fingerprint(frame, source_id, args.sourceStateHash, keccak256(&args.sourceOutcomeBytes))?;
    let mut source = decode_outcome(&args.sourceOutcomeBytes)?;
    let target = decode_outcome(&args.targetOutcomeBytes)?;
    let source_exit = &source[at(args.sourceAssetIndex, source.len())?];
    let index = at(args.indexOfTargetInSource, source_exit.allocations.len())?;
    let guarantee = &source_exit.allocations[index];
    require(guarantee.allocationType == GUARANTEE, "not a guarantee allocation")?;
    let target_exit = &target[at(args.targetAssetIndex, target.len())?];
    require(target_exit.asset == source_exit.asset, "targetAsset != guaranteeAsset")?;
    let target_id = guarantee.destination;
    require_finalized(frame, target_id)?;
    require_fingerprint(frame, target_id, args.targetStateHash, keccak256(&args.targetOutcomeBytes))?;

    let allocations = reclaimed(&source_exit.allocations, &target_exit.allocations, index)?;
    let asset_index = at(args.sourceAssetIndex, source.len())?;
    source[asset_index].allocations = allocations;
    update_fingerprint(frame, source_id, args.sourceStateHash, outcome_hash(&source));
    let event = Adjudicator::Reclaimed { channelId: source_id, assetIndex: args.sourceAssetIndex };
    frame.emit(frame.contracts.adjudicator, &event);
    Ok(())
}

/// `compute_reclaim_effects`: the source's allocations with the guarantee split among its two parties.
fn reclaimed(source: &[Allocation], target: &[Allocation], index: usize) -> Result<Vec<Allocation>, Revert> {
    let Guarantee { left, right } =
        Guarantee::abi_decode_with_config(&source[index].metadata, DECODER).map_err(|_| Revert::silent())?;
    let share = |side: usize| target.get(side).map(|allocation| allocation.amount).ok_or_else(Revert::out_of_bounds);
    let mut total = U256::ZERO;
    let mut found = [false; 2];
    let mut allocations = Vec::new();
    for (_, allocation) in source.iter().enumerate().filter(|&(position, _)| position != index) {
        let mut allocation = allocation.clone();
        for (side, destination) in [left, right].into_iter().enumerate() {
            if !found[side] && allocation.destination == destination {
                allocation.amount = plus(allocation.amount, share(side)?)?;
                total = plus(total, share(side)?)?;
                found[side] = true;
            }
        }
        allocations.push(allocation);
    }
    require(found[0], "could not find left")?;
    require(found[1], "could not find right")?;
    require(total == source[index].amount, "totalReclaimed!=guarantee.amount")?;
    Ok(allocations)
}

/// What `compute_transfer_effects_and_interactions` returns.
struct Payout {
    remaining: Vec<Allocation>,
    paid: Vec<Allocation>,
    total: U256,
}

impl Payout {
    /// Pays the allocations at `indices`, or all if there are none, from what is left after those before them.
    fn compute(holdings: U256, allocations: &[Allocation], indices: &[U256]) -> Result<Self, Revert> {
        let mut remaining = allocations.to_vec();
        let mut paid = Vec::new();
        let mut total = U256::ZERO;
        let mut surplus = holdings;
        for (i, allocation) in allocations.iter().enumerate() {
            let affordable = allocation.amount.min(surplus);
            let k = paid.len();
            if indices.is_empty() || indices.get(k) == Some(&U256::from(i)) {
                // The contract looks at allocation k here, where i was meant.
                require(allocations[k].allocationType != GUARANTEE, "cannot transfer a guarantee")?;
                remaining[i].amount = minus(allocation.amount, affordable)?;
                paid.push(Allocation { amount: affordable, ..allocation.clone() });
                total = plus(total, affordable)?;
            }
            surplus = minus(surplus, affordable)?;
        }
        // An index that names no allocation leaves an empty one in the contract's array, which pays nothing to zero.
        let nothing =
            Allocation { destination: B256::ZERO, amount: U256::ZERO, allocationType: 0, metadata: Bytes::new() };
        paid.resize(paid.len().max(indices.len()), nothing);
        Ok(Self { remaining, paid, total })
    }
}

fn take(
    frame: &mut Frame<'_>,
    channel_id: B256,
    index: usize,
    asset: Address,
    initial: U256,
    amount: U256,
) -> Result<(), Revert> {
    let slot = Slot::Holdings(asset, channel_id);
    let left = minus(frame.state.get(slot), amount)?;
    frame.state.set(slot, left);
    let event = Adjudicator::AllocationUpdated {
        channelId: channel_id,
        assetIndex: U256::from(index),
        initialHoldings: initial,
        finalHoldings: left,
    };
    frame.emit(frame.contracts.adjudicator, &event);
    Ok(())
}

fn pay(frame: &mut Frame<'_>, channel_id: B256, asset: Address, allocations: &[Allocation]) -> Result<(), Revert> {
    let this = frame.contracts.adjudicator;
    for &Allocation { destination, amount, .. } in allocations {
        let base_units = amount.saturating_to();
        frame.paid.push(PaidOut { channel_id, asset, destination, amount: base_units });
        match external(destination) {
            None => {
                let slot = Slot::Holdings(asset, destination);
                let held = plus(frame.state.get(slot), amount)?;
                frame.state.set(slot, held);
            }
            Some(account) if asset == Address::ZERO => {
                // None of the contracts has a function that receives.
                require(!frame.contracts.contains(account), "Could not transfer ETH")?;
                frame.move_native(this, account, amount).map_err(|_| Revert::because("Could not transfer ETH"))?;
            }
            Some(account) if asset == frame.contracts.token => token::transfer(frame, this, account, amount)?,
            Some(_) => return Err(Revert::silent()),
        }
    }
    Ok(())
}

/// The account that a destination names; `None` if it names a channel.
fn external(destination: B256) -> Option<Address> {
    let (zeros, account) = destination.split_at(12);
    zeros.iter().all(|&byte| byte == 0).then(|| Address::from_slice(account))
}

fn decode_outcome(bytes: &[u8]) -> Result<Vec<SingleAssetExit>, Revert> {
    <Vec<SingleAssetExit>>::abi_decode_with_config(bytes, DECODER).map_err(|_| Revert::silent())
}

/// An index into an array of `length`.
fn at(index: U256, length: usize) -> Result<usize, Revert> {
    usize::try_from(index).ok().filter(|&index| index < length).ok_or_else(Revert::out_of_bounds)
}

fn require_finalized(frame: &Frame<'_>, channel_id: B256) -> Result<(), Revert> {
    require(Status::load(frame, channel_id).mode(frame) == Mode::Finalized, "Channel not finalized.")
}

fn require_fingerprint(
    frame: &Frame<'_>,
    channel_id: B256,
    state_hash: B256,
    outcome_hash: B256,
) -> Result<(), Revert> {
    let stored = Status::load(frame, channel_id).fingerprint;
    require(stored == fingerprint(state_hash, outcome_hash), "incorrect fingerprint")
}

fn update_fingerprint(frame: &mut Frame<'_>, channel_id: B256, state_hash: B256, outcome_hash: B256) {
    let Status { turn_num_record, finalizes_at, .. } = Status::load(frame, channel_id);
    Status::new(turn_num_record, finalizes_at, state_hash, outcome_hash).store(frame, channel_id);
}
