//! Keys and signatures by themselves, for hosts and benchmarks.

use millstream_core::crypto::{self, LocalSigner, PublicKey, PublicKeyError, Signature, SignatureError, Signer as _};
use millstream_core::wire::{Payment, Tick};
use millstream_core::{B256, nitro, wire};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::{input, output};

/// The most that is hashed at once, in bytes.
const MAX_HASHED_BYTES: usize = 64 * 1024 * 1024;

/// A secret key that stays inside.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Signer {
    signer: LocalSigner,
}

#[wasm_bindgen]
impl Signer {
    /// Takes a secret of 32 bytes, or generates one.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`, `SIGN_INVALID_SECRET` if it is no key, `RANDOM_UNAVAILABLE`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_optional_param_type = "Uint8Array")] secret: &JsValue,
    ) -> Result<Signer, Failure> {
        let (signer, _) = signer(secret)?;
        Ok(Self { signer })
    }

    /// The address of the key.
    #[wasm_bindgen(getter, unchecked_return_type = "Hex")]
    pub fn address(&self) -> JsValue {
        output::address(&self.signer.address())
    }

    /// The public key, 33 bytes (SEC1 compressed).
    #[wasm_bindgen(getter, js_name = publicKey, unchecked_return_type = "Uint8Array")]
    pub fn public_key(&self) -> JsValue {
        output::bytes(&self.signer.public_key().to_sec1_bytes())
    }

    /// Signs a digest of 32 bytes as it is: 65 bytes, r ‖ s ‖ v.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`.
    #[wasm_bindgen(unchecked_return_type = "Uint8Array")]
    pub fn sign(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] digest: &JsValue,
    ) -> Result<JsValue, Failure> {
        let digest = B256::new(input::exact_bytes(digest, "digest")?);
        Ok(output::bytes(&self.signer.sign_digest(&digest)?.to_bytes()))
    }
}

/// The signer of a secret in JavaScript, generated if it is undefined; and the secret.
pub(crate) fn signer(secret: &JsValue) -> Result<(LocalSigner, Zeroizing<[u8; 32]>), Failure> {
    if !secret.is_undefined() {
        let secret = Zeroizing::new(input::exact_bytes(secret, "secret")?);
        return Ok((LocalSigner::from_secret_bytes(&secret)?, secret));
    }
    let mut secret = Zeroizing::new([0u8; 32]);
    loop {
        random(&mut secret[..])?;
        // One in 2^128 draws is no key.
        if let Ok(signer) = LocalSigner::from_secret_bytes(&secret) {
            return Ok((signer, secret));
        }
    }
}

/// Fills `bytes` from the host's source of randomness.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes).map_err(|error| {
        let message = format!("no secure randomness: crypto.getRandomValues is needed ({error})");
        Failure::new("RANDOM_UNAVAILABLE", message)
    })
}

/// Keccak-256 of at most 64 MiB: 32 bytes.
///
/// # Errors
///
/// `INVALID_ARGUMENT`, `ARGUMENT_TOO_LARGE`.
#[wasm_bindgen(unchecked_return_type = "Uint8Array")]
pub fn keccak256(#[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: &JsValue) -> Result<JsValue, Failure> {
    let hash = crypto::keccak256(input::bytes(bytes, "bytes", MAX_HASHED_BYTES)?);
    Ok(output::bytes(hash.as_slice()))
}

/// Signs a digest of 32 bytes with a secret: 65 bytes, r ‖ s ‖ v. A [`Signer`] spares deriving the key every time.
///
/// # Errors
///
/// `INVALID_ARGUMENT`, `SIGN_INVALID_SECRET`.
#[wasm_bindgen(js_name = signDigest, unchecked_return_type = "Uint8Array")]
pub fn sign_digest(
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] secret: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] digest: &JsValue,
) -> Result<JsValue, Failure> {
    if secret.is_undefined() {
        return Err(Failure::argument("secret", "32 bytes in a Uint8Array"));
    }
    Signer::new(secret)?.sign(digest)
}

/// Whether the key (33 or 65 bytes, SEC1) made the signature (65 bytes) over the digest (32 bytes).
///
/// # Errors
///
/// `INVALID_ARGUMENT`, `PUBLIC_KEY_INVALID`, and `SIGNATURE_...` for a signature in a form that is never accepted.
#[wasm_bindgen(js_name = verifySignature)]
pub fn verify_signature(
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] public_key: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] digest: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] signature: &JsValue,
) -> Result<bool, Failure> {
    let wrong = |_| PublicKeyError::Invalid.into();
    let key = PublicKey::from_sec1_bytes(&input::bytes_or(public_key, "publicKey", 65, wrong)?)?;
    let digest = B256::new(input::exact_bytes(digest, "digest")?);
    match key.verify(&digest, &parse_signature(signature)?) {
        Ok(()) => Ok(true),
        Err(SignatureError::WrongSigner { .. } | SignatureError::Invalid) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The address whose key made the signature (65 bytes), if the digest (32 bytes) is what it signed.
///
/// # Errors
///
/// `INVALID_ARGUMENT`; `SIGNATURE_...` for a form that is never accepted, or if no key can be recovered.
#[wasm_bindgen(js_name = recoverAddress, unchecked_return_type = "Hex")]
pub fn recover_address(
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] digest: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] signature: &JsValue,
) -> Result<JsValue, Failure> {
    let digest = B256::new(input::exact_bytes(digest, "digest")?);
    Ok(output::address(&parse_signature(signature)?.recover(&digest)?))
}

/// The fields of a payment, for display: of its signature only the form is checked.
///
/// # Errors
///
/// `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `MESSAGE_MALFORMED`, `SIGNATURE_...`.
#[wasm_bindgen(js_name = decodePayment, unchecked_return_type = "PaymentFields")]
pub fn decode_payment(
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: &JsValue,
) -> Result<JsValue, Failure> {
    let payment = wire::decode_payment(&payment_bytes(bytes)?)?;
    if payment.voucher().is_some_and(|signed| signed.voucher.base_turn > nitro::MAX_UINT48) {
        return Err(wire::WireError::Malformed.into());
    }
    Ok(output::payment(&payment))
}

/// Who a message says that it is from, unchecked; `undefined` if the bytes are none.
///
/// # Errors
///
/// `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`.
#[wasm_bindgen(js_name = senderOf, unchecked_return_type = "Hex | undefined")]
pub fn sender_of(#[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: &JsValue) -> Result<JsValue, Failure> {
    let limit = wire::MAX_MESSAGE_BYTES;
    let message = input::bytes_or(bytes, "bytes", limit, |length| wire::WireError::TooLarge { length, limit }.into())?;
    Ok(wire::sender_of(&message).map_or(JsValue::UNDEFINED, |sender| output::address(&sender)))
}

/// A voucher and ticks of it as one payment: for a payee that may not know the voucher.
///
/// # Errors
///
/// Those of [`decode_payment`]; `INVALID_ARGUMENT` if `voucher` has none, or `tick` is not of that voucher.
#[wasm_bindgen(js_name = claimOf, unchecked_return_type = "Uint8Array")]
pub fn claim_of(
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] voucher: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] tick: &JsValue,
) -> Result<JsValue, Failure> {
    let (voucher, tick) = (payment_bytes(voucher)?, payment_bytes(tick)?);
    let Payment::Claim { signed, .. } = wire::decode_payment(&voucher)? else {
        return Err(Failure::argument("voucher", "a payment with a voucher"));
    };
    match wire::decode_payment(&tick)? {
        Payment::Tick(Tick { channel_id, serial, shown })
            if (channel_id, serial) == (signed.voucher.channel_id, signed.voucher.serial) =>
        {
            Ok(output::bytes(&wire::encode_payment(&Payment::Claim { signed, shown: Some(shown) })))
        }
        _ => Err(Failure::argument("tick", "ticks of the voucher")),
    }
}

/// The bytes of a payment, not copied if they are too many.
pub(crate) fn payment_bytes(value: &JsValue) -> Result<Vec<u8>, Failure> {
    let limit = wire::MAX_PAYMENT_BYTES;
    input::bytes_or(value, "bytes", limit, |length| wire::WireError::TooLarge { length, limit }.into())
}

fn parse_signature(value: &JsValue) -> Result<Signature, Failure> {
    let wrong = |length| SignatureError::Length { length }.into();
    let bytes = input::bytes_or(value, "signature", Signature::LENGTH, wrong)?;
    Ok(Signature::from_bytes(&bytes)?)
}
