//! A secret key does not outlive its signer in memory and is not printed.

// The test looks at memory that a dropped value leaves behind, which safe code cannot.
#![allow(unsafe_code)]

use core::mem::{MaybeUninit, size_of};
use millstream_core::crypto::{LocalSigner, Signer};

/// No byte string that occurs in memory by chance.
const SECRET: [u8; 32] = *b"0123456789abcdefFEDCBA9876543210";

/// Whether eight neighbouring bytes of the secret occur in `memory`, in either byte order.
fn contains_part_of_secret(memory: &[u8]) -> bool {
    let mut reversed = SECRET;
    reversed.reverse();
    memory.windows(8).any(|seen| SECRET.windows(8).chain(reversed.windows(8)).any(|part| part == seen))
}

fn snapshot(place: *const LocalSigner) -> Vec<u8> {
    let first = place.cast::<u8>();
    // SAFETY: the place is allocated, was zeroed as a whole, and is alive during the call.
    (0..size_of::<LocalSigner>()).map(|i| unsafe { first.add(i).read_volatile() }).collect()
}

#[test]
fn dropping_a_signer_overwrites_its_secret() {
    let mut place = Box::new(MaybeUninit::<LocalSigner>::zeroed());
    place.write(LocalSigner::from_secret_bytes(&SECRET).unwrap());
    let before = snapshot(place.as_ptr());
    // SAFETY: the value was written above and is not used again.
    unsafe { place.as_mut_ptr().drop_in_place() };
    let after = snapshot(place.as_ptr());

    assert!(contains_part_of_secret(&before), "the test must be able to find the secret");
    assert!(!contains_part_of_secret(&after));
}

#[test]
fn debug_output_shows_the_address_and_not_the_secret() {
    let signer = LocalSigner::from_secret_bytes(&SECRET).unwrap();
    let shown = format!("{signer:?}");
    assert_eq!(shown, format!("LocalSigner {{ address: {:?}, .. }}", signer.address()));
}
