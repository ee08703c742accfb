//! Decoders allocate in proportion to the bytes they are given, whatever lengths and offsets those claim.

// An allocator cannot be written in safe code.
#![allow(unsafe_code)]

use alloy_primitives::{Address, B256, U256, b256};
use millstream_core::nitro::{
    AdjudicatorEvent, Allocation, AllocationType, AssetType, FixedPart, Guarantee, MAX_BYTES, MAX_EVENT_BYTES,
    SignedVariablePart, SingleAssetExit, VariablePart, calls, decode_outcome, encode_outcome,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts every byte that was ever asked for.
struct Counting;

static REQUESTED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        REQUESTED.fetch_add(layout.size(), SeqCst);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        REQUESTED.fetch_add(size, SeqCst);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a decoder may ask for, in all, per byte of input: tokens, their growth, the values, a second attempt.
const FACTOR: usize = 16;

/// Runs all decoders and checks what each asked for; returns how many accepted the bytes.
fn decode_all(bytes: &[u8]) -> usize {
    let challenge = b256!("0aa12461ee6c137332989aa12cec79f4772ab2c1a8732a382aada7e9f3ec9d34");
    let decoders: [(&str, &dyn Fn() -> bool); 6] = [
        ("outcome", &|| decode_outcome(bytes).is_ok()),
        ("variable part", &|| VariablePart::decode(bytes).is_ok()),
        ("guarantee", &|| Guarantee::decode(bytes).is_ok()),
        ("event", &|| AdjudicatorEvent::decode(&[challenge, B256::ZERO], bytes).is_ok()),
        ("holdings", &|| calls::decode_holdings(bytes).is_ok()),
        ("status", &|| calls::decode_unpack_status(bytes).is_ok()),
    ];
    let mut accepted = 0;
    for (name, decode) in decoders {
        let before = REQUESTED.load(SeqCst);
        accepted += usize::from(decode());
        let requested = REQUESTED.load(SeqCst) - before;
        let allowed = FACTOR * bytes.len() + 1024;
        assert!(requested <= allowed, "{name}: {requested} bytes for {} of input", bytes.len());
    }
    accepted
}

fn outcome(allocations: usize) -> Vec<SingleAssetExit> {
    let allocation = Allocation {
        destination: B256::ZERO,
        amount: U256::ONE,
        allocation_type: AllocationType::Simple,
        metadata: vec![1; 3].into(),
    };
    vec![SingleAssetExit {
        asset: Address::ZERO,
        asset_type: AssetType::Default,
        asset_metadata: vec![2; 40].into(),
        allocations: vec![allocation; allocations],
    }]
}

fn state(allocations: usize) -> VariablePart {
    let app_data = vec![3; 100].into();
    VariablePart { outcome: outcome(allocations), app_data, turn_num: 1, is_final: false }
}

/// Calldata has the same nesting as the data of a challenge event, which it is mutated into.
fn nested(allocations: usize) -> Vec<u8> {
    let fixed =
        FixedPart { participants: vec![], channel_nonce: 0, app_definition: Address::ZERO, challenge_duration: 0 };
    let signed = SignedVariablePart { variable_part: state(allocations), signatures: vec![] };
    let data = calls::checkpoint(&fixed, &[signed.clone(), signed.clone()], &signed);
    // The event has a number where the call has the offset of the fixed part, which takes five words.
    let word = |at: usize| U256::from_be_slice(&data[4 + at * 32..][..32]) - U256::from(5 * 32);
    [
        U256::ZERO.to_be_bytes::<32>().as_slice(),
        &word(1).to_be_bytes::<32>(),
        &word(2).to_be_bytes::<32>(),
        &data[4 + 8 * 32..],
    ]
    .concat()
}

// One test: the counter is shared by all threads.
#[test]
fn no_input_makes_a_decoder_allocate_more_than_in_proportion() {
    let samples = [encode_outcome(&outcome(2)).to_vec(), state(2).encode().to_vec(), nested(2)];
    for sample in &samples {
        assert_eq!(decode_all(sample), 1, "each sample is read by its decoder");
        let length = U256::from(sample.len());
        for bits in 0..256 {
            let power = U256::ONE << bits;
            for word in [power, power - U256::ONE, length.saturating_sub(power), U256::MAX - power] {
                for place in 0..sample.len() / 32 {
                    let mut changed = sample.clone();
                    changed[place * 32..][..32].copy_from_slice(&word.to_be_bytes::<32>());
                    decode_all(&changed);
                }
            }
        }
    }

    // As large as is taken at all: honest, and with every word the same small number, so that arrays of arrays overlap.
    assert_eq!(decode_all(&encode_outcome(&outcome(280))), 1);
    assert_eq!(decode_all(&nested(1500)), 1);
    for limit in [MAX_BYTES, MAX_EVENT_BYTES] {
        for word in (0..64_u64).map(|n| n * 32).chain([1, 2, 3, 1000, 1 << 15]) {
            decode_all(&U256::from(word).to_be_bytes::<32>().repeat(limit / 32));
        }
    }
}
