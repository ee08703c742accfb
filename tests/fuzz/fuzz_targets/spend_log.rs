//! The log of what was spent, as a store hands it back to a wallet with rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::channel::Chain;
use millstream_core::crypto::Signer;
use millstream_core::protocol::{SpendRule, SpendScope};
use millstream_core::wallet::{Config, Input, SPEND_LOG_KEY, StoredRecord, Wallet};
use millstream_core::{Address, B256};
use millstream_fuzz::{PAYER, above_limit, bounded};

/// The largest log that is read, in bytes.
const MAX_LOG_BYTES: usize = 128 * 1024;
const NOW: u64 = 1_800_000_000;

fuzz_target!(|input: &[u8]| {
    assert_eq!(above_limit(MAX_LOG_BYTES, input, read), Err("RECORD_TOO_LARGE"));
    match bounded(input, read) {
        Ok(()) | Err("RECORD_MALFORMED" | "RECORD_VERSION") => {}
        Err(code) => panic!("{code}"),
    }
});

fn read(bytes: &[u8]) -> Result<(), &'static str> {
    let address = Address::ZERO;
    let chain = Chain { chain_id: 1, adjudicator: address, stream_app: address, consensus_app: address };
    let rule = SpendRule { scope: SpendScope::Total, asset: None, limit: 1, window: 60, asks: false };
    let config = Config { spending: vec![rule], ..Config::new(chain, B256::ZERO) };
    let mut wallet = Wallet::with_external_signer(config, PAYER.address());
    let record = StoredRecord { key: SPEND_LOG_KEY, version: 1, bytes: Some(bytes.to_vec()) };
    wallet.handle(Input::Loaded(vec![record]), NOW).map_err(|error| error.code())
}
