//! `Backup::import` and `import_records`: as the bytes are, and sealed here with the input as a record.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use millstream_core::B256;
use millstream_core::keys::{Backup, BackupRecord, KdfParams, Mnemonic, Seed, export_records, import_records};
use minicbor::Decoder;

static SEED: LazyLock<Seed> = LazyLock::new(|| {
    let words = "legal winner thank year wave sausage worth useful legal winner thank yellow"; // BIP-39
    Mnemonic::parse(words).expect("a test vector").derive_seed("").expect("a test vector")
});

/// The work that a backup asks for: memory in KiB, times passes. A fuzzer cannot wait for much of it.
fn work(input: &[u8]) -> Option<u64> {
    let mut file = Decoder::new(input);
    file.array().ok()?;
    let mut header = Decoder::new(file.bytes().ok()?);
    header.array().ok()?;
    header.u8().ok()?;
    // [tag, [memory, passes, salt]]
    header.array().ok()?;
    header.u8().ok()?;
    header.array().ok()?;
    Some(u64::from(header.u32().ok()?).saturating_mul(header.u32().ok()?.into()))
}

fuzz_target!(|input: &[u8]| {
    if work(input).is_none_or(|work| work <= 2 * u64::from(KdfParams::MIN_MEMORY_KIB)) {
        match Backup::import(input, "passphrase") {
            Ok(backup) => assert!(Mnemonic::parse(&backup.mnemonic.phrase()).is_ok()),
            Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
        }
    }
    if let Err(error) = import_records(&SEED, input) {
        assert!(!error.code().is_empty() && !error.to_string().is_empty());
    }

    let (at, bytes) = input.split_at(input.len().min(2));
    let records = vec![BackupRecord { key: B256::repeat_byte(7), version: 1, bytes: bytes.to_vec() }];
    let mut sealed = export_records(&SEED, &records, &[5; 24]).expect("far below the limit");
    assert_eq!(import_records(&SEED, &sealed), Ok(records));
    let at = at.iter().fold(0, |at, byte| at << 8 | usize::from(*byte)) % sealed.len();
    sealed[at] ^= 1;
    assert!(import_records(&SEED, &sealed).is_err(), "byte {at} is not covered");
});
