//! Finds the steps of a failing seed that matter.

use std::time::{Duration, Instant};

use super::run;

/// The fewest steps found, within a time, after which the same rule is broken: leaves out ever smaller parts of them as
/// long as the seed still fails.
pub fn shrink(seed: u64, steps: u32, invariant: &str, time: Duration) -> Vec<u32> {
    let end = Instant::now() + time;
    let fails = |kept: &[u32]| {
        let outcome = run(seed, steps, false, |step| kept.binary_search(&step).is_ok());
        outcome.violation.is_some_and(|violation| violation.invariant == invariant)
    };
    let mut kept: Vec<u32> = (0..steps).collect();
    let mut size = kept.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        let mut shorter = false;
        while from < kept.len() {
            if Instant::now() >= end {
                return kept;
            }
            let to = (from + size).min(kept.len());
            let without: Vec<u32> = kept[..from].iter().chain(&kept[to..]).copied().collect();
            if fails(&without) {
                kept = without;
                shorter = true;
            } else {
                from = to;
            }
        }
        if size == 1 && !shorter {
            break;
        }
        size = if size == 1 { 1 } else { size / 2 };
    }
    kept
}
