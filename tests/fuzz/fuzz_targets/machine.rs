//! Two wallets, one byte a step: what the parties want, what is lost, what fails, what the chain does. Then everything
//! settles. `PAIR_HISTORY=… cargo test -p millstream-tests --test pair` shortens a history and says what it does.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use millstream_tests::pair::Pair;

/// Longer histories say nothing that short ones do not.
const LONGEST: usize = 96;

fuzz_target!(|history: &[u8]| -> Corpus {
    if history.len() > LONGEST {
        return Corpus::Reject;
    }
    Pair::run(history).settle();
    Corpus::Keep
});
