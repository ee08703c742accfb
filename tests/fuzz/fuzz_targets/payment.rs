//! `decode_payment`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_core::Address;
use millstream_core::payment::{Claim, VoucherDomain};
use millstream_core::wire::{MAX_PAYMENT_BYTES, Payment, WireError, decode_payment, encode_payment};
use millstream_fuzz::{above_limit, bounded, longer};

fuzz_target!(|input: &[u8]| {
    let refused = above_limit(MAX_PAYMENT_BYTES, input, decode_payment);
    assert_eq!(refused, Err(WireError::TooLarge { length: MAX_PAYMENT_BYTES + 1, limit: MAX_PAYMENT_BYTES }));

    match bounded(input, decode_payment) {
        Ok(payment) => {
            let encoded = encode_payment(&payment);
            assert_eq!(encoded, input, "a payment has one form");
            assert_eq!(decode_payment(&longer(&encoded)), Err(WireError::Malformed));
            let Payment::Claim { signed, shown } = payment else { return };
            let claim = Claim::new(&signed, shown);
            // A turn that `uint48` does not hold is refused by the contract, and by what reads the contract's bytes.
            let fits = signed.voucher.base_turn < 1 << 48;
            assert_eq!(Claim::from_app_data(&claim.to_app_data()).ok(), fits.then_some(claim.clone()));
            let _ = claim.verify(&VoucherDomain::new(31_337, Address::ZERO), Address::ZERO);
        }
        Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    }
});
