//! `Claim::from_app_data`, and `StreamApp`'s rules on the claim.
//!
//! The bytes after a claim choose the states around it. Those that hold a right claim up (channel, preimage, turn,
//! signature, amounts) are right unless a bit says otherwise, since no mutation finds a hash or a signature.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use millstream_core::crypto::{Signature, Signer};
use millstream_core::nitro::{
    Allocation, AllocationType, AssetType, FixedPart, MAX_UINT48, RecoveredVariablePart, SingleAssetExit, VariablePart,
};
use millstream_core::payment::stream_app::state_is_supported;
use millstream_core::payment::ticks::hash_chain;
use millstream_core::payment::{Claim, RawSignature, VoucherDomain};
use millstream_core::{Address, B256, Bytes, U256};
use millstream_fuzz::{PAYEE, PAYER, bounded};

/// What `abi.encode(claim)` takes.
const CLAIM_BYTES: usize = 13 * 32;

static DOMAIN: LazyLock<VoucherDomain> = LazyLock::new(|| VoucherDomain::new(31_337, Address::repeat_byte(0x5a)));

/// What the input says after the claim; zeros once it ends.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// Whether to leave something right.
    fn keep(&mut self) -> bool {
        self.byte() == 0
    }

    fn word(&mut self) -> U256 {
        // Mostly small amounts, which add up, and some at the upper end, which do not.
        match self.byte() {
            0xff => U256::MAX - U256::from(self.byte()),
            0xfe => U256::from(u128::MAX),
            high => U256::from(u16::from_be_bytes([high, self.byte()])),
        }
    }

    fn allocation(&mut self) -> Allocation {
        let allocation_type = if self.keep() { AllocationType::Simple } else { AllocationType::Guarantee };
        let metadata = if self.keep() { Bytes::new() } else { Bytes::from_static(&[1; 3]) };
        Allocation { destination: B256::with_last_byte(self.byte()), amount: self.word(), allocation_type, metadata }
    }

    fn exit(&mut self) -> SingleAssetExit {
        let asset_type = if self.keep() { AssetType::Default } else { AssetType::Erc721 };
        let asset_metadata = if self.keep() { Bytes::new() } else { Bytes::from_static(&[2; 3]) };
        let count = if self.keep() { 2 } else { self.byte() % 4 };
        let allocations = (0..count).map(|_| self.allocation()).collect();
        SingleAssetExit { asset: Address::with_last_byte(self.byte()), asset_type, asset_metadata, allocations }
    }

    fn outcome(&mut self) -> Vec<SingleAssetExit> {
        let count = if self.keep() { 1 } else { self.byte() % 3 };
        (0..count).map(|_| self.exit()).collect()
    }
}

fn total(outcome: &[SingleAssetExit]) -> Option<U256> {
    outcome.iter().flat_map(|exit| &exit.allocations).try_fold(U256::ZERO, |sum, share| sum.checked_add(share.amount))
}

fuzz_target!(|input: &[u8]| {
    let Ok(mut claim) = bounded(input, Claim::from_app_data) else { return };
    assert_eq!(claim.to_app_data().as_ref(), &input[..CLAIM_BYTES], "the claim as it came, without what follows");
    assert!(claim.voucher.base_turn <= MAX_UINT48);
    let _ = claim.verify(&DOMAIN, PAYER.address());
    if let Ok(signature) = Signature::try_from(claim.signature) {
        assert_eq!(RawSignature::from(signature), claim.signature);
    }

    let mut choices = Choices(&input[CLAIM_BYTES..]);
    let participants = match choices.byte() {
        0 => vec![PAYER.address(), PAYEE.address()],
        count => (0..count).map(Address::with_last_byte).collect(),
    };
    let fixed = FixedPart {
        channel_nonce: u64::from(choices.byte()),
        app_definition: Address::repeat_byte(0x5a),
        challenge_duration: 3_600,
        participants,
    };
    if choices.keep() {
        claim.voucher.channel_id = fixed.channel_id();
    }
    if choices.keep() {
        claim.voucher.tick_tip = hash_chain(claim.preimage, claim.ticks);
    }
    if choices.keep() {
        claim.signature = PAYER.sign_digest(&claim.voucher.digest(&DOMAIN)).expect("a local key").into();
    }
    let base_turn = if choices.keep() { claim.voucher.base_turn } else { u64::from(choices.byte()) };
    let turn_num = if choices.keep() { claim.turn() } else { u64::from(choices.byte()) };
    let base_signers = if choices.keep() { U256::from(3) } else { choices.word() };
    let signers = if choices.keep() { U256::from(2) } else { choices.word() };
    let [base_is_final, is_final] = [!choices.keep(), !choices.keep()];
    let proofs = if choices.keep() { 1 } else { usize::from(choices.byte() % 4) };
    let derived = choices.keep();
    let base_outcome = choices.outcome();
    let outcome = if derived { moved(&base_outcome, claim.claimed()) } else { choices.outcome() };

    let part = |outcome: &Vec<_>, app_data, turn_num, is_final| VariablePart {
        outcome: outcome.clone(),
        app_data,
        turn_num,
        is_final,
    };
    let base = RecoveredVariablePart {
        variable_part: part(&base_outcome, Bytes::new(), base_turn, base_is_final),
        signed_by: base_signers,
    };
    let candidate = RecoveredVariablePart {
        variable_part: part(&outcome, claim.to_app_data(), turn_num, is_final),
        signed_by: signers,
    };
    let proof = vec![base; proofs];
    match state_is_supported(&DOMAIN, &fixed, &proof, &candidate) {
        // Without proof it is what everyone signed, whatever it says.
        Ok(()) if proof.is_empty() => assert_eq!(signers, (U256::ONE << fixed.participants.len()) - U256::ONE),
        Ok(()) => {
            assert_eq!(proofs, 1);
            assert_eq!(claim.voucher.channel_id, fixed.channel_id());
            assert!(claim.ticks <= claim.voucher.tick_limit && claim.voucher.serial > 0 && base_turn > 0);
            assert!(!is_final && !base_is_final && turn_num > base_turn);
            assert_eq!(outcome, moved(&base_outcome, claim.claimed()));
            assert_eq!(total(&outcome), total(&base_outcome), "nothing is made or lost");
        }
        Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    }
});

/// The outcome with `claimed` moved from the first allocation to the second, whether or not it is there to be moved.
fn moved(outcome: &[SingleAssetExit], claimed: U256) -> Vec<SingleAssetExit> {
    let mut outcome = outcome.to_vec();
    if let [SingleAssetExit { allocations, .. }] = outcome.as_mut_slice()
        && let [payer, payee] = allocations.as_mut_slice()
    {
        payer.amount = payer.amount.wrapping_sub(claimed);
        payee.amount = payee.amount.wrapping_add(claimed);
    }
    outcome
}
