//! Hashes, digests, keys and signatures against ethers, @noble/curves and libsecp256k1
//! (`tests/vectors/signatures.json`), and against the example of EIP-712 itself.

use alloy_primitives::{Address, B256, address, b256, hex};
use millstream_core::crypto::{
    Eip712Domain, LocalSigner, PublicKey, SignError, Signature, SignatureError, Signer, eip191_digest, eip712_digest,
    keccak256,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/signatures.json")).unwrap()
}

/// The cases of one section, of which there must be at least `least`.
fn section(name: &str, least: usize) -> Vec<Value> {
    let cases = vectors()[name].as_array().unwrap().clone();
    assert!(cases.len() >= least, "{name} has only {} cases", cases.len());
    cases
}

fn text(case: &Value, field: &str) -> String {
    case[field].as_str().unwrap_or_else(|| panic!("{field} in {case}")).to_owned()
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(case, field)).unwrap()
}

fn word(case: &Value, field: &str) -> B256 {
    B256::from_slice(&bytes(case, field))
}

fn address_of(case: &Value, field: &str) -> Address {
    Address::from_slice(&bytes(case, field))
}

fn signature(case: &Value, field: &str) -> Signature {
    Signature::from_bytes(&bytes(case, field)).unwrap()
}

#[test]
fn keccak_is_ethereums() {
    for case in section("keccak", 10) {
        assert_eq!(keccak256(bytes(&case, "input")), word(&case, "hash"), "{case}");
    }
}

#[test]
fn eip191_digest_is_that_of_a_32_byte_message() {
    for case in section("eip191", 3) {
        assert_eq!(eip191_digest(word(&case, "hash")), word(&case, "digest"), "{case}");
    }
}

#[test]
fn eip712_separator_and_digest_are_those_of_ethers() {
    for case in section("eip712", 3) {
        let domain = Eip712Domain {
            name: text(&case, "name").leak(),
            version: text(&case, "version").leak(),
            chain_id: text(&case, "chainId").parse().unwrap(),
            verifying_contract: address_of(&case, "verifyingContract"),
        };
        assert_eq!(domain.separator(), word(&case, "separator"), "{case}");
        let digest = eip712_digest(domain.separator(), word(&case, "structHash"));
        assert_eq!(digest, word(&case, "digest"), "{case}");
    }
}

/// The values are those of the example in EIP-712 (`assets/eip-712/Example.js`).
#[test]
fn eip712_example_is_signed_as_the_eip_says() {
    let domain = Eip712Domain {
        name: "Ether Mail",
        version: "1",
        chain_id: 1,
        verifying_contract: address!("CcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"),
    };
    let separator = b256!("f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f");
    assert_eq!(domain.separator(), separator);

    let mail = b256!("c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e");
    let digest = eip712_digest(separator, mail);
    assert_eq!(digest, b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"));

    let cow = LocalSigner::from_secret_bytes(&keccak256("cow").0).unwrap();
    assert_eq!(cow.address(), address!("CD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"));
    let signed = cow.sign_digest(&digest).unwrap();
    assert_eq!(signed.r(), b256!("4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"));
    assert_eq!(signed.s(), b256!("07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"));
    assert_eq!(signed.v(), 28);
}

#[test]
fn signing_is_deterministic_and_byte_equal_to_other_implementations() {
    for case in section("signatures", 50) {
        let signer = LocalSigner::from_secret_bytes(&word(&case, "secret").0).unwrap();
        assert_eq!(signer.address(), address_of(&case, "address"), "{case}");
        let digest = word(&case, "digest");
        let signed = signer.sign_digest(&digest).unwrap();
        assert_eq!(hex::encode_prefixed(signed.to_bytes()), text(&case, "signature"), "{case}");
        assert_eq!(signature(&case, "signature"), signed, "{case}");
    }
}

#[test]
fn recovery_and_verification_name_the_signer() {
    let stranger = address!("00000000000000000000000000000000000000aa");
    for case in section("signatures", 50) {
        let (signature, digest) = (signature(&case, "signature"), word(&case, "digest"));
        let signer = address_of(&case, "address");
        assert_eq!(signature.recover(&digest), Ok(signer), "{case}");
        assert_eq!(signature.verify(&digest, signer), Ok(()), "{case}");
        assert_eq!(
            signature.verify(&digest, stranger),
            Err(SignatureError::WrongSigner { expected: stranger, recovered: signer }),
            "{case}"
        );
        let other = keccak256(digest);
        let error = signature.verify(&other, signer).unwrap_err();
        assert_eq!(error.code(), "SIGNATURE_WRONG_SIGNER", "{case}");
    }
}

#[test]
fn public_keys_parse_from_both_sec1_forms_and_verify() {
    for case in section("signatures", 50) {
        let key = PublicKey::from_sec1_bytes(&bytes(&case, "publicKey")).unwrap();
        assert_eq!(PublicKey::from_sec1_bytes(&bytes(&case, "uncompressed")), Ok(key), "{case}");
        assert_eq!(key.to_sec1_bytes().as_slice(), bytes(&case, "publicKey"), "{case}");
        assert_eq!(key.address(), address_of(&case, "address"), "{case}");
        let signer = LocalSigner::from_secret_bytes(&word(&case, "secret").0).unwrap();
        assert_eq!(signer.public_key(), key, "{case}");

        let (signature, digest) = (signature(&case, "signature"), word(&case, "digest"));
        assert_eq!(key.verify(&digest, &signature), Ok(()), "{case}");
        assert!(key.verify(&keccak256(digest), &signature).is_err(), "{case}");

        // The other v names the other point: r and s still satisfy the ECDSA equation, but no contract would agree.
        let mut flipped = signature.to_bytes();
        flipped[64] = 55 - flipped[64];
        let flipped = Signature::from_bytes(&flipped).unwrap();
        assert!(key.verify(&digest, &flipped).is_err(), "{case}");
    }
}

#[test]
fn public_keys_in_other_forms_are_refused() {
    let case = &section("signatures", 1)[0];
    let compressed = bytes(case, "publicKey");
    let uncompressed = bytes(case, "uncompressed");
    let with_first = |bytes: &[u8], first: u8| [&[first], &bytes[1..]].concat();
    for refused in [
        vec![],
        vec![0],
        vec![2],
        compressed[..32].to_vec(),
        [compressed.as_slice(), &[0]].concat(),
        uncompressed[..64].to_vec(),
        uncompressed[1..].to_vec(),
        with_first(&compressed, 0),
        with_first(&compressed, 4),
        with_first(&compressed, 5),
        with_first(&uncompressed, 2),
        with_first(&uncompressed, 6),
        with_first(&uncompressed, 7),
        [&[2][..], &[0xff; 32]].concat(),
        // x = 5 is on no point (`unrecoverable` in the vectors).
        [&[2][..], &[0; 31], &[5]].concat(),
        [&[4][..], &[1; 64]].concat(),
    ] {
        let error = PublicKey::from_sec1_bytes(&refused).unwrap_err();
        assert_eq!(error.code(), "PUBLIC_KEY_INVALID", "{}", hex::encode(&refused));
    }
}

#[test]
fn high_s_is_refused_from_peers_and_normalised_from_the_chain() {
    for case in section("twins", 50) {
        let twin = bytes(&case, "signature");
        assert_eq!(Signature::from_bytes(&twin), Err(SignatureError::HighS), "{case}");

        let (r, s) = (B256::from_slice(&twin[..32]), B256::from_slice(&twin[32..64]));
        let normalised = Signature::from_chain(r, s, twin[64]).unwrap();
        assert_eq!(normalised, signature(&case, "low"), "{case}");
        assert_eq!(normalised.recover(&word(&case, "digest")), Ok(address_of(&case, "address")));

        let low = signature(&case, "low");
        assert_eq!(Signature::from_chain(low.r(), low.s(), low.v()), Ok(low), "{case}");
    }
}

#[test]
fn malformed_signatures_are_refused_with_their_code() {
    for case in section("refused", 16) {
        let error = Signature::from_bytes(&bytes(&case, "signature")).unwrap_err();
        assert_eq!(error.code(), text(&case, "code"), "{case}");
    }
    let case = &section("refused", 16)[0];
    assert_eq!(Signature::from_bytes(&bytes(case, "signature")), Err(SignatureError::Length { length: 0 }));
}

#[test]
fn a_signature_on_no_point_recovers_nobody() {
    for case in section("unrecoverable", 1) {
        let (signature, digest) = (signature(&case, "signature"), word(&case, "digest"));
        assert_eq!(signature.recover(&digest), Err(SignatureError::Invalid), "{case}");
        assert_eq!(signature.verify(&digest, Address::ZERO), Err(SignatureError::Invalid));
    }
}

#[test]
fn secrets_outside_the_group_order_are_refused() {
    for case in vectors()["refusedSecrets"].as_array().unwrap() {
        let secret: [u8; 32] = hex::decode_to_array(case.as_str().unwrap()).unwrap();
        let error = LocalSigner::from_secret_bytes(&secret).unwrap_err();
        assert_eq!(error, SignError::InvalidSecret, "{case}");
        assert_eq!(error.code(), "SIGN_INVALID_SECRET");
    }
}
