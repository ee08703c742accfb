//! Two wallets on the model chain: histories made by hand and at random end as they must.
//!
//! A history that fails is made as short as it can be and printed. `PAIR_SEEDS=17..18 cargo test -p millstream-tests
//! --test pair` runs others; `PAIR_HISTORY=00c8…` runs one, as the fuzz target `machine` finds them.

use alloy_primitives::hex;
use millstream_tests::pair::{Pair, describe};
use millstream_tests::random::Random;

const SEEDS: &str = "0..100";
const STEPS: u64 = 60;

fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("PAIR_SEEDS").unwrap_or_else(|_| SEEDS.to_owned());
    let (first, end) = text.split_once("..").expect("PAIR_SEEDS is FIRST..END");
    first.parse().expect("FIRST is a number")..end.parse().expect("END is a number")
}

/// Runs a history; what went wrong, if something did.
fn failure(history: &[u8]) -> Option<String> {
    let panic = std::panic::catch_unwind(|| Pair::run(history).settle()).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
}

/// The history without every step that it fails without.
fn shortest(mut history: Vec<u8>) -> Vec<u8> {
    let mut size = history.len() / 2;
    while size > 0 {
        let mut at = 1;
        while at + size <= history.len() {
            let shorter = [&history[..at], &history[at + size..]].concat();
            if failure(&shorter).is_some() {
                history = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for bit in 0..8 {
        let simpler = [&[history[0] & !(1 << bit)], &history[1..]].concat();
        if failure(&simpler).is_some() {
            history = simpler;
        }
    }
    history
}

fn check(name: &str, history: Vec<u8>) {
    if failure(&history).is_some() {
        let history = shortest(history);
        let (steps, why) = (describe(&history).join("\n  "), failure(&history));
        panic!("{name}: {}\n  {steps}\n{}", hex::encode(history), why.unwrap_or_default());
    }
}

#[test]
fn random_histories_end_with_everybody_paid() {
    if let Ok(history) = std::env::var("PAIR_HISTORY") {
        return check("PAIR_HISTORY", hex::decode(history).expect("PAIR_HISTORY is hex"));
    }
    for seed in seeds() {
        let mut random = Random::new(seed);
        let length = random.below(STEPS) + 2;
        check(&format!("seed {seed}"), (0..length).map(|_| random.word()[0]).collect());
    }
}
