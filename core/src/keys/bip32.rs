//! Private keys from a seed (BIP-32), along hardened levels only.

use hmac::{Hmac, KeyInit, Mac};
use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::array::Array;
use k256::elliptic_curve::consts::{U32, U64};
use k256::{FieldBytes, Scalar};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::crypto::SignError;

/// Set in the index of a hardened level.
const HARDENED: u32 = 1 << 31;

/// A private key and its chain code.
pub(super) struct ExtendedKey {
    key: Zeroizing<Scalar>,
    chain_code: Zeroizing<FieldBytes>,
}

impl ExtendedKey {
    /// The key at `m / level' / level' ...`.
    ///
    /// Every level is hardened, so levels are below 2^31; the highest bit is ignored.
    ///
    /// # Errors
    ///
    /// [`SignError::InvalidSecret`] if one of the steps gives no key, which has a probability below 2^-120.
    pub(super) fn derive(seed: &[u8], levels: impl IntoIterator<Item = u32>) -> Result<Self, SignError> {
        levels.into_iter().try_fold(Self::master(seed)?, |parent, level| parent.child(level))
    }

    fn master(seed: &[u8]) -> Result<Self, SignError> {
        let (key, chain_code) = halves(b"Bitcoin seed", &[seed])?;
        Self::new(scalar(&key)?, chain_code)
    }

    fn child(&self, level: u32) -> Result<Self, SignError> {
        let index = level | HARDENED;
        let (tweak, chain_code) = halves(&self.chain_code, &[&[0], self.secret().as_slice(), &index.to_be_bytes()])?;
        Self::new(Zeroizing::new(self.key.add(&*scalar(&tweak)?)), chain_code)
    }

    fn new(key: Zeroizing<Scalar>, chain_code: Zeroizing<FieldBytes>) -> Result<Self, SignError> {
        if *key == Scalar::ZERO { Err(SignError::InvalidSecret) } else { Ok(Self { key, chain_code }) }
    }

    /// The private key: 32 bytes, big endian.
    pub(super) fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_repr().into())
    }
}

fn scalar(bytes: &FieldBytes) -> Result<Zeroizing<Scalar>, SignError> {
    Scalar::from_repr(*bytes).into_option().map(Zeroizing::new).ok_or(SignError::InvalidSecret)
}

/// HMAC-SHA-512, cut in two.
fn halves(key: &[u8], parts: &[&[u8]]) -> Result<(Zeroizing<FieldBytes>, Zeroizing<FieldBytes>), SignError> {
    // A key of HMAC may have any length.
    let mut mac = Hmac::<Sha512>::new_from_slice(key).map_err(|_| SignError::InvalidSecret)?;
    for part in parts {
        mac.update(part);
    }
    let whole: Zeroizing<Array<u8, U64>> = Zeroizing::new(mac.finalize().into_bytes());
    let (left, right) = whole.split_ref::<U32>();
    Ok((Zeroizing::new(*left), Zeroizing::new(*right)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    /// The vectors of BIP-32 as far as all their levels are hardened: seed, levels, and the private key and chain code
    /// that the vector's `xprv` holds. Vectors 3 and 4 have keys with leading zeros.
    const VECTORS: [(&str, &[u32], &str, &str); 8] = [
        (
            "000102030405060708090a0b0c0d0e0f",
            &[],
            "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35",
            "873dff81c02f525623fd1fe5167eac3a55a049de3d314bb42ee227ffed37d508",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            &[0],
            "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea",
            "47fdacbd0f1097043b78c63c20c34ef4ed9a111d980047ad16282c7ae6236141",
        ),
        (
            "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542",
            &[],
            "4b03d6fc340455b363f51020ad3ecca4f0850280cf436c70c727923f6db46c3e",
            "60499f801b896d83179a4374aeb7822aaeaceaa0db1f85ee3e904c4defbd9689",
        ),
        (
            "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
            &[],
            "00ddb80b067e0d4993197fe10f2657a844a384589847602d56f0c629c81aae32",
            "01d28a3e53cffa419ec122c968b3259e16b65076495494d97cae10bbfec3c36f",
        ),
        (
            "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
            &[0],
            "491f7a2eebc7b57028e0d3faa0acda02e75c33b03c48fb288c41e2ea44e1daef",
            "e5fea12a97b927fc9dc3d2cb0d1ea1cf50aa5a1fdc1f933e8906bb38df3377bd",
        ),
        (
            "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
            &[],
            "12c0d59c7aa3a10973dbd3f478b65f2516627e3fe61e00c345be9a477ad2e215",
            "d0c8a1f6edf2500798c3e0b54f1b56e45f6d03e6076abd36e5e2f54101e44ce6",
        ),
        (
            "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
            &[0],
            "00d948e9261e41362a688b916f297121ba6bfb2274a3575ac0e456551dfd7f7e",
            "cdc0f06456a14876c898790e0b3b1a41c531170aec69da44ff7b7265bfe7743b",
        ),
        (
            "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
            &[0, 1],
            "3a2086edd7d9df86c3487a5905a1712a9aa664bce8cc268141e07549eaa8661d",
            "a48ee6674c5264a237703fd383bccd9fad4d9378ac98ab05e6e7029b06360c0d",
        ),
    ];

    #[test]
    fn the_vectors_of_bip32() {
        for (seed, levels, key, chain_code) in VECTORS {
            let derived = ExtendedKey::derive(&hex::decode(seed).unwrap(), levels.iter().copied()).unwrap();
            assert_eq!(hex::encode(*derived.secret()), key, "{seed} {levels:?}");
            assert_eq!(hex::encode(*derived.chain_code), chain_code, "{seed} {levels:?}");
        }
    }

    #[test]
    fn zero_and_the_group_order_are_no_keys() {
        let order = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        assert_eq!(scalar(&order.into()).err(), Some(SignError::InvalidSecret));
        let code = || Zeroizing::new(FieldBytes::default());
        assert_eq!(ExtendedKey::new(Zeroizing::new(Scalar::ZERO), code()).err(), Some(SignError::InvalidSecret));
        assert!(ExtendedKey::new(Zeroizing::new(Scalar::ONE), code()).is_ok());
    }
}
