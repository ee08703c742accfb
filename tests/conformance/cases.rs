//! Random states of a stream channel, valid or broken in a known way.

use alloy_primitives::{Address, B256, U256};
use millstream_core::crypto::Signer;
use millstream_core::nitro::{
    Allocation, AllocationType, AssetType, FixedPart, RecoveredVariablePart, SingleAssetExit, VariablePart,
};
use millstream_core::payment::{Claim, TickChain, Voucher, VoucherDomain};
use millstream_tests::random::Random;

/// A way to break a redemption. Each leads to its own error, unless an earlier check fails first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    CandidateNotUnanimous,
    TwoProofs,
    BaseNotUnanimous,
    BasePrefund,
    BaseFinal,
    NotByPayee,
    RedemptionFinal,
    OtherChannel,
    OtherBase,
    SerialZero,
    TooManyTicks,
    Preimage,
    Turn,
    HighS,
    RecoveryId,
    OtherSigner,
    OtherChain,
    TwoAssets,
    OneAllocation,
    Asset,
    AssetMetadata,
    AssetType,
    Destination,
    AllocationType,
    AboveBalance,
    Amounts,
    PayeeOverflow,
    AppDataShort,
    AppDataDirty,
}

const BREAKS: [Break; 29] = [
    Break::CandidateNotUnanimous,
    Break::TwoProofs,
    Break::BaseNotUnanimous,
    Break::BasePrefund,
    Break::BaseFinal,
    Break::NotByPayee,
    Break::RedemptionFinal,
    Break::OtherChannel,
    Break::OtherBase,
    Break::SerialZero,
    Break::TooManyTicks,
    Break::Preimage,
    Break::Turn,
    Break::HighS,
    Break::RecoveryId,
    Break::OtherSigner,
    Break::OtherChain,
    Break::TwoAssets,
    Break::OneAllocation,
    Break::Asset,
    Break::AssetMetadata,
    Break::AssetType,
    Break::Destination,
    Break::AllocationType,
    Break::AboveBalance,
    Break::Amounts,
    Break::PayeeOverflow,
    Break::AppDataShort,
    Break::AppDataDirty,
];

const TYPES: [AllocationType; 3] = [AllocationType::Simple, AllocationType::WithdrawHelper, AllocationType::Guarantee];

pub(crate) struct Case {
    pub(crate) fixed: FixedPart,
    pub(crate) proof: Vec<RecoveredVariablePart>,
    pub(crate) candidate: RecoveredVariablePart,
    /// How it was broken; empty for a valid one.
    pub(crate) broken: Vec<Break>,
}

impl Case {
    pub(crate) fn generate(number: u64, chain_id: u64, stream_app: Address) -> Self {
        let mut random = Random::new(number);
        let broken: Vec<Break> = match number % 4 {
            0 => Vec::new(),
            kind => (0..kind.div_ceil(2)).map(|_| BREAKS[random.below(BREAKS.len() as u64) as usize]).collect(),
        };
        let is = |kind| broken.contains(&kind);

        let payer = random.signer();
        let count = 2 + random.below(4) as usize;
        let mut participants = vec![payer.address()];
        participants.extend((1..count).map(|_| Address::from_word(random.word())));
        let fixed = FixedPart {
            participants,
            channel_nonce: random.bits(64) as u64,
            app_definition: stream_app,
            challenge_duration: random.bits(48) as u64,
        };
        let everyone = U256::from((1u64 << count) - 1);

        // The base, and the claim on top of it.
        let ticks = random.below(9) as u8 * 31;
        let tick_limit = ticks.saturating_add(random.below(9) as u8);
        let chain = TickChain::new(random.word(), tick_limit);
        let base_turn = if is(Break::BasePrefund) { 0 } else { 1 + random.bits(40) as u64 };
        let voucher = Voucher {
            channel_id: if is(Break::OtherChannel) { random.word() } else { fixed.channel_id() },
            base_turn: if is(Break::OtherBase) { base_turn + 1 } else { base_turn },
            serial: if is(Break::SerialZero) { 0 } else { 1 + random.bits(31) as u32 },
            cumulative_amount: random.bits(127).max(2),
            tick_tip: chain.tip(),
            tick_price: random.bits(110),
            tick_limit,
            memo: random.word(),
        };
        let domain = VoucherDomain::new(chain_id + u64::from(is(Break::OtherChain)), stream_app);
        let signed = if is(Break::OtherSigner) {
            voucher.sign(&domain, &random.signer())
        } else {
            voucher.sign(&domain, &payer)
        }
        .expect("a local key signs");
        let mut claim =
            Claim { ticks, preimage: chain.preimage(ticks).expect("in range"), ..Claim::new(&signed, None) };
        if is(Break::TooManyTicks) {
            claim.ticks = claim.ticks.max(1);
            claim.voucher.tick_limit = claim.ticks - 1;
        }
        if is(Break::Preimage) {
            claim.preimage = random.word();
        }
        if is(Break::HighS) {
            let order = U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16);
            let s = order.expect("the group order") - U256::from_be_bytes(claim.signature.s.0);
            claim.signature.s = B256::from(s.to_be_bytes::<32>());
            claim.signature.v = 55 - claim.signature.v;
        }
        if is(Break::RecoveryId) {
            claim.signature.v = [0, 1, 26, 29, 255][random.below(5) as usize];
        }

        let claimed = claim.claimed();
        let available = if is(Break::AboveBalance) {
            claimed.saturating_sub(U256::from(1 + random.bits(20)))
        } else {
            claimed + U256::from(random.bits(128))
        };
        // Half of 2^256 and more, where moving the claim over would wrap.
        let had =
            if is(Break::PayeeOverflow) { U256::MAX - claimed / U256::from(2) } else { U256::from(random.bits(128)) };
        // Those of a channel with money of its own, those of one that ledgers guarantee, and any two.
        let types = match random.below(4) {
            0 => [AllocationType::Simple; 2],
            1 | 2 => [AllocationType::Guarantee; 2],
            _ => [random.one_of(TYPES), random.one_of(TYPES)],
        };
        let allocations = [had, available].into_iter().zip(types).map(|(amount, allocation_type)| Allocation {
            destination: random.word(),
            amount,
            allocation_type,
            metadata: random.metadata(),
        });
        let allocations = allocations.collect();
        let mut base = SingleAssetExit {
            asset: if random.below(2) == 0 { Address::ZERO } else { Address::from_word(random.word()) },
            asset_type: if is(Break::AssetType) { AssetType::Erc721 } else { AssetType::Default },
            asset_metadata: random.metadata(),
            allocations,
        };
        let mut exit = base.clone();
        exit.allocations[0].amount = had.wrapping_add(claimed);
        exit.allocations[1].amount = available.saturating_sub(claimed);
        for kind in &broken {
            match kind {
                Break::Asset => exit.asset = Address::from_word(random.word()),
                Break::AssetMetadata => exit.asset_metadata = random.word().to_vec().into(),
                Break::Destination => random.pick(&mut exit.allocations).destination = random.word(),
                Break::AllocationType => {
                    let allocation = random.pick(&mut exit.allocations);
                    let others = TYPES.into_iter().filter(|&other| other != allocation.allocation_type);
                    allocation.allocation_type = *random.pick(&mut others.collect::<Vec<_>>());
                }
                Break::Amounts => {
                    let allocation = random.pick(&mut exit.allocations);
                    allocation.amount = allocation.amount.wrapping_add(U256::ONE);
                }
                Break::OneAllocation => {
                    exit.allocations.pop();
                    if random.below(2) == 0 {
                        base.allocations.pop();
                    }
                }
                _ => {}
            }
        }
        let outcome = if is(Break::TwoAssets) { vec![exit.clone(), exit] } else { vec![exit] };

        let mut app_data = claim.to_app_data().to_vec();
        if is(Break::AppDataShort) {
            app_data.truncate(random.below(416) as usize);
        } else if is(Break::AppDataDirty) {
            // A bit above the type of baseTurn, serial, cumulativeAmount, tickPrice, tickLimit, v or ticks.
            let word = [1, 2, 3, 5, 6, 8, 11][random.below(7) as usize];
            app_data[word * 32] = 1;
        } else if random.below(4) == 0 {
            app_data.extend_from_slice(random.word().as_slice()); // bytes after the claim are ignored
        }
        let payee_bit = U256::ONE << (count - 1);
        let turn_num = (claim.turn() + u64::from(is(Break::Turn))) & ((1 << 48) - 1);
        let redemption = RecoveredVariablePart {
            variable_part: VariablePart {
                outcome,
                app_data: app_data.into(),
                turn_num,
                is_final: is(Break::RedemptionFinal),
            },
            signed_by: if is(Break::NotByPayee) { everyone ^ payee_bit } else { payee_bit },
        };
        let base = RecoveredVariablePart {
            variable_part: VariablePart {
                outcome: vec![base],
                app_data: random.metadata(),
                turn_num: base_turn,
                is_final: is(Break::BaseFinal),
            },
            signed_by: if is(Break::BaseNotUnanimous) { everyone ^ U256::ONE } else { everyone },
        };

        let (proof, candidate) = if is(Break::CandidateNotUnanimous) {
            let signed_by = everyone ^ (U256::ONE << random.below(count as u64) as usize);
            (Vec::new(), RecoveredVariablePart { signed_by, ..redemption })
        } else if is(Break::TwoProofs) {
            (vec![base.clone(), base], redemption)
        } else if broken.is_empty() && random.below(5) == 0 {
            (Vec::new(), RecoveredVariablePart { signed_by: everyone, ..redemption }) // co-signed, at any turn
        } else {
            (vec![base], redemption)
        };
        Self { fixed, proof, candidate, broken }
    }
}
