//! Quotes: what a seller signs about a thing for sale, and what a buyer reads of it.

use millstream_core::B256;
use millstream_core::payment::{MAX_QUOTE_BYTES, Quote, QuoteError, SignedQuote};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{Core, NOW};
use crate::error::Failure;
use crate::input::{Fields, MAX_SAFE_INTEGER};
use crate::{input, output};

#[wasm_bindgen]
impl Core {
    /// Signs a quote; its payee is this wallet.
    ///
    /// # Errors
    ///
    /// Those of arguments; `QUOTE_IMPOSSIBLE`; `KEY_ELSEWHERE`, since quotes are signed at once.
    #[wasm_bindgen(js_name = signQuote, unchecked_return_type = "Uint8Array")]
    pub fn sign_quote(
        &self,
        #[wasm_bindgen(unchecked_param_type = "QuoteTerms")] terms: &JsValue,
    ) -> Result<JsValue, Failure> {
        let fields = Fields::of(terms, "terms")?;
        let content_root = fields.hash("contentRoot")?;
        let length = fields.integer("length", u64::MAX)?;
        let chunk_size = fields.uint32("chunkSize")?;
        let chunks = fields.uint32("chunks")?;
        let unit = fields.unit("unit")?;
        let units = fields.integer("units", u64::MAX)?;
        let price = fields.amount("price")?;
        let credit = fields.amount("credit")?;
        let asset = fields.address("asset")?;
        let challenge_duration = fields.seconds("challengeDuration")?;
        let confirmations = fields.uint32("confirmations")?;
        let expires_at = fields.seconds("expiresAt")?;
        let hubs = match fields.get("hubs")? {
            none if none.is_undefined() => B256::ZERO,
            hubs => input::hash(&hubs, "hubs")?,
        };
        let wallet = self.wallet()?;
        let quote = Quote {
            content_root,
            length,
            chunk_size,
            chunks,
            unit,
            units,
            price,
            credit,
            asset,
            payee: wallet.address(),
            payee_destination: wallet.config().destination,
            challenge_duration,
            confirmations,
            expires_at,
            hubs,
        };
        drop(wallet);
        Ok(output::bytes(&self.sign_with(|domain, signer| quote.sign(domain, signer))?.to_bytes()))
    }

    /// Reads a quote and checks its signature, its chain and its expiry.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`, `QUOTE_...`; `TERMS_DESTINATION` if its payee is not paid out to an address.
    #[wasm_bindgen(js_name = readQuote, unchecked_return_type = "Quote")]
    pub fn read_quote(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array")] bytes: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<JsValue, Failure> {
        let too_large = |length| QuoteError::TooLarge { length }.into();
        let bytes = input::bytes_or(bytes, "bytes", MAX_QUOTE_BYTES, too_large)?;
        let now = input::seconds(now, NOW)?;
        let wallet = self.wallet()?;
        let quote = SignedQuote::from_bytes(&bytes, wallet.voucher_domain(), now)?.quote;
        check_exact(&quote)?;
        Ok(output::quote(&quote, &quote.payout_address()?))
    }
}

/// Checks that JavaScript can express every number in a quote.
fn check_exact(quote: &Quote) -> Result<(), QuoteError> {
    let numbers = [quote.length, quote.units, quote.challenge_duration, quote.expires_at];
    let exact = numbers.into_iter().all(|number| number <= MAX_SAFE_INTEGER);
    if exact { Ok(()) } else { Err(QuoteError::Impossible) }
}
