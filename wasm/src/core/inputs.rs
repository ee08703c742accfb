//! What a wallet is told: by peers, by the chain, by its store, by its signer and by the clock.

use millstream_core::crypto::{Signature, SignatureError};
use millstream_core::wallet::Input;
use millstream_core::{B256, wire};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{Core, ID, NOW};
use crate::crypto::payment_bytes;
use crate::error::Failure;
use crate::{input, output};

#[wasm_bindgen]
impl Core {
    /// Takes in a message of a peer.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`, `MESSAGE_...`, and the code of whatever the message asked for. A refusal of a message that was
    /// properly signed leaves a signed answer in the outputs.
    pub fn message(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let limit = wire::MAX_MESSAGE_BYTES;
        let message =
            input::bytes_or(bytes, "bytes", limit, |length| wire::WireError::TooLarge { length, limit }.into())?;
        self.handle(Input::Message(message), input::seconds(now, NOW)?)
    }

    /// Payee: takes in a payment. Returns the id of its channel.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`, `UNKNOWN_CHANNEL`, `CHANNEL_NOT_OPEN`, `VOUCHER_...`, `SIGNATURE_...`, `MESSAGE_...`.
    #[wasm_bindgen(unchecked_return_type = "Hex")]
    pub fn payment(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<JsValue, Failure> {
        let bytes = payment_bytes(bytes)?;
        let now = input::seconds(now, NOW)?;
        // Decoded twice: it costs a hundredth of checking the signature.
        let channel_id = wire::decode_payment(&bytes)?.channel_id();
        self.handle(Input::Payment(bytes), now)?;
        Ok(output::hash(&channel_id))
    }

    /// Takes in what happened on the chain.
    ///
    /// # Errors
    ///
    /// Those of arguments; `NITRO_...` for an event of a channel of ours that cannot be read.
    #[wasm_bindgen(js_name = chainUpdate)]
    pub fn chain_update(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ChainUpdate")] update: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let now = input::seconds(now, NOW)?;
        self.handle(Input::Chain(input::chain_update(update)?), now)
    }

    /// A transaction was not sent, or failed.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels.
    #[wasm_bindgen(js_name = transactionFailed)]
    pub fn transaction_failed(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "TransactionKind")] kind: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let channel_id = input::hash(channel_id, ID)?;
        let kind = input::transaction_kind(kind)?;
        self.handle(Input::TransactionFailed { channel_id, kind }, input::seconds(now, NOW)?)
    }

    /// The writes of a commit are durable.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`, `UNKNOWN_COMMIT`.
    pub fn committed(
        &self,
        #[wasm_bindgen(unchecked_param_type = "number")] id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let id = input::uint64(id, "id")?;
        self.handle(Input::Committed { id }, input::seconds(now, NOW)?)
    }

    /// The writes of a commit were refused; none of them took effect.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`, `UNKNOWN_COMMIT`.
    #[wasm_bindgen(js_name = commitFailed)]
    pub fn commit_failed(
        &self,
        #[wasm_bindgen(unchecked_param_type = "number")] id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let id = input::uint64(id, "id")?;
        self.handle(Input::CommitFailed { id }, input::seconds(now, NOW)?)
    }

    /// Records from the store: at the start those whose `wakeAt` is set, or all; later those that a "load" names. All are
    /// taken, or none.
    ///
    /// # Errors
    ///
    /// Those of arguments; `RECORD_...`.
    pub fn loaded(
        &self,
        #[wasm_bindgen(unchecked_param_type = "readonly StoredRecord[]")] records: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let now = input::seconds(now, NOW)?;
        self.handle(Input::Loaded(input::records(records)?), now)
    }

    /// Records of a backup. Those that the wallet does not have are stored; before anything is signed on them, the other
    /// side is asked how far it got.
    ///
    /// # Errors
    ///
    /// Those of arguments; `RECORD_...`.
    pub fn restore(
        &self,
        #[wasm_bindgen(unchecked_param_type = "readonly BackupRecord[]")] records: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let now = input::seconds(now, NOW)?;
        self.handle(Input::Restore(input::backup(records)?), now)
    }

    /// The signature that a "sign" output asked for: 65 bytes, r ‖ s ‖ v.
    ///
    /// # Errors
    ///
    /// Those of arguments; `SIGNATURE_...`, `UNKNOWN_SIGNATURE`.
    pub fn signed(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] digest: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] signature: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let digest = B256::new(input::exact_bytes(digest, "digest")?);
        let wrong = |length| SignatureError::Length { length }.into();
        let signature = input::bytes_or(signature, "signature", Signature::LENGTH, wrong)?;
        self.handle(Input::Signed { digest, signature }, input::seconds(now, NOW)?)
    }

    /// The owner of the key declined to sign, and never will.
    ///
    /// # Errors
    ///
    /// Those of arguments; `UNKNOWN_SIGNATURE`.
    #[wasm_bindgen(js_name = signRefused)]
    pub fn sign_refused(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] digest: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let digest = B256::new(input::exact_bytes(digest, "digest")?);
        self.handle(Input::SignRefused { digest }, input::seconds(now, NOW)?)
    }

    /// The owner answered the question of an "ask": with a yes the payment is made.
    ///
    /// # Errors
    ///
    /// Those of arguments and of `pay`; `UNKNOWN_QUESTION`.
    pub fn answered(
        &self,
        #[wasm_bindgen(unchecked_param_type = "number")] id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "boolean")] granted: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let id = input::uint64(id, "id")?;
        let granted = input::boolean(granted, "granted")?;
        self.handle(Input::Answered { id, granted }, input::seconds(now, NOW)?)
    }

    /// Time went on.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`.
    pub fn tick(&self, #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue) -> Result<(), Failure> {
        self.handle(Input::Tick, input::seconds(now, NOW)?)
    }
}
