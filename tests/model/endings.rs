//! How calls ended, counted, so that a test can tell that every way was gone.

use std::collections::BTreeMap;
use std::fmt;

use alloy_primitives::B256;
use millstream_core::nitro::AdjudicatorEvent;
use millstream_core::wallet::ChainUpdate;
use millstream_tests::model::{Revert, Transaction};

/// Success.
const DONE: &str = "succeeds";
/// A revert without data.
const SILENT: &str = "no data";
/// Checked arithmetic.
const OVERFLOW: &str = "panic 0x11";
const OUT_OF_BOUNDS: &str = "panic 0x32";
const INVALID: &str = "Invalid signature";
const NOT_FINALIZED: &str = "Channel not finalized.";
const FINALIZED: &str = "Channel finalized.";
const NOT_INCREASED: &str = "turnNumRecord not increased.";
const FINGERPRINT: &str = "incorrect fingerprint";
const GUARANTEE: &str = "cannot transfer a guarantee";
const NO_ETHER: &str = "Could not transfer ETH";
const TO_ZERO: &str = "ERC20: transfer to the zero address";
const TOO_MUCH: &str = "ERC20: transfer amount exceeds balance";
const ALLOWANCE: &str = "ERC20: insufficient allowance";

/// The functions by selector, and ways in which each must have ended. Those of `StreamApp` are named by selector, too:
/// `NotUnanimous`, `BaseNotUnanimous`, `BaseIsPrefund`, `NotSignedByPayee`, `WrongPreimage`, `InsufficientBalance`,
/// `WrongVoucherSigner`.
const FUNCTIONS: &[(&str, &str, &[&str])] = &[
    (
        "2fb1d270",
        "deposit",
        &[
            DONE,
            SILENT,
            "Deposit to external destination",
            "held != expectedHeld",
            "Incorrect msg.value for deposit",
            ALLOWANCE,
            TOO_MUCH,
            "SafeERC20: low-level call failed",
            "Address: call to non-contract",
        ],
    ),
    (
        "8286a060",
        "challenge",
        &[
            DONE,
            SILENT,
            FINALIZED,
            "turnNumRecord decreased.",
            NOT_INCREASED,
            INVALID,
            "Challenger is not a participant",
            OVERFLOW,
            "!unanimous",
            "|proof|!=0",
            "20736a1c",
            "799b6973",
            "4795a977",
            "d1279c33",
            "9354b84e",
            "cf479181",
            "da7bfcea",
        ],
    ),
    ("6d2a9c92", "checkpoint", &[DONE, SILENT, FINALIZED, NOT_INCREASED, INVALID, "!unanimous", "|proof|!=0"]),
    ("ee049b50", "conclude", &[DONE, SILENT, FINALIZED, "State must be final", INVALID, "!unanimous"]),
    (
        "ec346235",
        "concludeAndTransferAllAssets",
        &[
            DONE,
            SILENT,
            FINALIZED,
            "State must be final",
            INVALID,
            "!unanimous",
            OVERFLOW,
            GUARANTEE,
            NO_ETHER,
            TO_ZERO,
        ],
    ),
    ("31afa0b4", "transferAllAssets", &[DONE, SILENT, NOT_FINALIZED, FINGERPRINT, GUARANTEE, NO_ETHER, TO_ZERO]),
    (
        "3033730e",
        "transfer (adjudicator)",
        &[
            DONE,
            SILENT,
            "Indices must be sorted",
            NOT_FINALIZED,
            FINGERPRINT,
            OUT_OF_BOUNDS,
            GUARANTEE,
            NO_ETHER,
            TO_ZERO,
        ],
    ),
    (
        "d3c4e738",
        "reclaim",
        &[
            DONE,
            SILENT,
            NOT_FINALIZED,
            FINGERPRINT,
            OUT_OF_BOUNDS,
            "not a guarantee allocation",
            "could not find left",
            "could not find right",
            "totalReclaimed!=guarantee.amount",
        ],
    ),
    ("40c10f19", "mint", &[DONE, OVERFLOW, "ERC20: mint to the zero address"]),
    ("095ea7b3", "approve", &[DONE, SILENT, "ERC20: approve to the zero address"]),
    ("a9059cbb", "transfer (token)", &[DONE, TOO_MUCH, TO_ZERO]),
    ("23b872dd", "transferFrom", &[DONE, SILENT, ALLOWANCE, TO_ZERO]),
];

/// How often each function ended in each way.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    calls: BTreeMap<(&'static str, String), u32>,
    /// How many ledgers were paid out after so many guarantees were taken back.
    ledgers: BTreeMap<usize, u32>,
}

impl Endings {
    pub(crate) fn count(&mut self, transaction: &Transaction, result: &Result<(), Revert>) {
        let selector = alloy_primitives::hex::encode(transaction.data.get(..4).unwrap_or_default());
        let function = FUNCTIONS.iter().find(|(known, ..)| *known == selector).map_or("anything else", |found| found.1);
        let ending = match result {
            Ok(()) => DONE.to_owned(),
            Err(Revert(data)) if data.is_empty() => SILENT.to_owned(),
            Err(revert) if revert.0.starts_with(&[0x08, 0xc3, 0x79, 0xa0]) => revert.reason(),
            Err(Revert(data)) if data.len() == 36 && data.starts_with(&[0x4e, 0x48, 0x7b, 0x71]) => {
                format!("panic {:#x}", data[35])
            }
            Err(Revert(data)) => alloy_primitives::hex::encode(&data[..4]),
        };
        *self.calls.entry((function, ending)).or_default() += 1;
    }

    /// Counts the ledgers that were paid out after a reclaim, by the number of reclaims.
    pub(crate) fn count_ledgers(&mut self, history: &ChainUpdate) {
        let mut reclaimed = BTreeMap::<B256, usize>::new();
        for log in &history.logs {
            match AdjudicatorEvent::decode(&log.topics, &log.data) {
                Ok(AdjudicatorEvent::Reclaimed { channel_id, .. }) => {
                    *reclaimed.entry(channel_id).or_default() += 1;
                }
                Ok(AdjudicatorEvent::AllocationUpdated { channel_id, .. }) => {
                    if let Some(count) = reclaimed.remove(&channel_id) {
                        *self.ledgers.entry(count).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// Checks that ledgers were paid out after one, two and three guarantees were taken back.
    pub(crate) fn assert_ledgers(&self) {
        for count in 1..=3 {
            assert!(self.ledgers.contains_key(&count), "no ledger was paid out after {count} reclaims");
        }
    }

    /// Checks that every ending that is listed above has come up.
    pub(crate) fn assert_complete(&self) {
        for &(_, function, endings) in FUNCTIONS {
            for &ending in endings {
                let found = self.calls.contains_key(&(function, ending.to_owned()));
                assert!(found, "{function} never ended with {ending:?}");
            }
        }
    }
}

impl fmt::Display for Endings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((function, ending), count) in &self.calls {
            writeln!(f, "{count:6} {function}: {ending}")?;
        }
        writeln!(f, "ledgers paid out, by guarantees taken back before: {:?}", self.ledgers)
    }
}
