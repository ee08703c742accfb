//! Receipts: what a seller signs about a delivery, and what anybody reads of it, with no wallet at hand.

use millstream_core::payment::{MAX_RECEIPT_BYTES, Receipt, ReceiptError, SignedReceipt, VoucherDomain};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::Failure;
use crate::input::{Fields, MAX_SAFE_INTEGER};
use crate::{Core, input, output};

#[wasm_bindgen]
impl Core {
    /// Signs a receipt as the seller.
    ///
    /// # Errors
    ///
    /// Those of arguments; `KEY_ELSEWHERE`, since receipts are signed at once.
    #[wasm_bindgen(js_name = signReceipt, unchecked_return_type = "Uint8Array")]
    pub fn sign_receipt(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Receipt")] receipt: &JsValue,
    ) -> Result<JsValue, Failure> {
        let fields = Fields::of(receipt, "receipt")?;
        let receipt = Receipt {
            channel_id: fields.hash("channelId")?,
            quote: fields.hash("quote")?,
            chunk: fields.integer("chunk", MAX_SAFE_INTEGER)?,
            chunks: fields.integer("chunks", MAX_SAFE_INTEGER)?,
            cumulative_amount: fields.amount("cumulativeAmount")?,
            issued_at: fields.seconds("issuedAt")?,
        };
        Ok(output::bytes(&self.sign_with(|domain, signer| receipt.sign(domain, signer))?.to_bytes()))
    }
}

/// Reads a receipt and checks that `seller` signed it for payments through `streamApp` on `chainId`.
///
/// # Errors
///
/// Those of arguments; `RECEIPT_TOO_LARGE`, `RECEIPT_MALFORMED`, `RECEIPT_SIGNATURE`.
#[wasm_bindgen(js_name = readReceipt, unchecked_return_type = "Receipt")]
pub fn read_receipt(
    #[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: &JsValue,
    #[wasm_bindgen(unchecked_param_type = "ReceiptIssuer")] issuer: &JsValue,
) -> Result<JsValue, Failure> {
    let too_large = |length| ReceiptError::TooLarge { length }.into();
    let bytes = input::bytes_or(bytes, "bytes", MAX_RECEIPT_BYTES, too_large)?;
    let fields = Fields::of(issuer, "issuer")?;
    let domain = VoucherDomain::new(fields.integer("chainId", MAX_SAFE_INTEGER)?, fields.address("streamApp")?);
    let receipt = SignedReceipt::from_bytes(&bytes, &domain, fields.address("seller")?)?.receipt;
    if [receipt.chunk, receipt.chunks, receipt.issued_at].into_iter().any(|number| number > MAX_SAFE_INTEGER) {
        return Err(ReceiptError::Malformed.into());
    }
    Ok(output::receipt(&receipt))
}
