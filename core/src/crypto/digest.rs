//! Keccak-256 and the two kinds of digest that are signed: EIP-191 and EIP-712.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256};

/// The EIP-191 header of a signed message of exactly 32 bytes (version byte `0x45`).
const EIP191_HEADER: &[u8; 28] = b"\x19Ethereum Signed Message:\n32";

/// The EIP-191 header of structured data (version byte `0x01`).
const EIP712_HEADER: &[u8; 2] = b"\x19\x01";

/// The EIP-712 type of a domain with name, version, chain and contract, and no salt.
const EIP712_DOMAIN_TYPE: &[u8] = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

/// Returns the Keccak-256 hash of `bytes`: Ethereum's hash, with the padding from before SHA-3 was standardised.
///
/// The permutation is generic code, which is compiled as the crate is that calls it. Called by `alloy-primitives`, it is compiled
/// for speed also in the module that pages load, whose profile is small everywhere else: three times as fast.
pub fn keccak256(bytes: impl AsRef<[u8]>) -> B256 {
    alloy_primitives::keccak256(bytes)
}

/// Returns the digest that is signed for a 32-byte `hash` under EIP-191, version `0x45`:
/// `keccak256("\x19Ethereum Signed Message:\n32" ‖ hash)`.
///
/// Wallets know it as `personal_sign` over 32 raw bytes; the adjudicator computes it in `NitroUtils.recoverSigner`.
/// Source: EIP-191.
pub fn eip191_digest(hash: B256) -> B256 {
    keccak256([&EIP191_HEADER[..], hash.as_slice()].concat())
}

/// Returns the digest that is signed for structured data:
/// `keccak256(0x19 ‖ 0x01 ‖ domain_separator ‖ struct_hash)`.
///
/// `domain_separator` is [`Eip712Domain::separator`] and `struct_hash` is EIP-712's `hashStruct` of the message.
/// Source: EIP-712.
pub fn eip712_digest(domain_separator: B256, struct_hash: B256) -> B256 {
    keccak256([&EIP712_HEADER[..], domain_separator.as_slice(), struct_hash.as_slice()].concat())
}

/// The EIP-712 domain of a signed struct: which application, on which chain, for which contract.
///
/// It has the four fields below and no salt. A signature made in one domain is worthless in every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eip712Domain {
    /// The application's name, shown by wallets.
    pub name: &'static str,
    /// The version of the signing domain.
    pub version: &'static str,
    /// The EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that checks the signature.
    pub verifying_contract: Address,
}

impl Eip712Domain {
    /// Returns the domain separator: EIP-712's `hashStruct` of
    /// `EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)`.
    pub fn separator(&self) -> B256 {
        let words = [
            keccak256(EIP712_DOMAIN_TYPE),
            keccak256(self.name),
            keccak256(self.version),
            B256::from(alloy_primitives::U256::from(self.chain_id)),
            self.verifying_contract.into_word(),
        ];
        keccak256(words.iter().flat_map(|word| word.0).collect::<Vec<u8>>())
    }
}
