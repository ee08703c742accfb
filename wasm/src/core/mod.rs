//! The wallet of the core as a class: what it is made of and what it says. Its other methods are in the modules below.

mod commands;
mod inputs;
mod quotes;

use std::cell::{RefCell, RefMut};

use js_sys::Array;
use millstream_core::B256;
use millstream_core::channel::{Chain, Channel};
use millstream_core::crypto::Signer;
use millstream_core::nitro;
use millstream_core::payment::VoucherDomain;
use millstream_core::wallet::{Config, Input, Wallet};
use millstream_core::wire::{self, Payment};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroizing;

use crate::crypto::signer;
use crate::error::Failure;
use crate::input::Fields;
use crate::{input, output};

/// Names longer than any in the core.
const NOW: &str = "now";
const ID: &str = "channelId";

/// One wallet: a channel key on one chain, and its channels. Feed it inputs, then carry out what `pollOutput` yields, in
/// order, until it yields nothing.
///
/// Whatever names a channel may throw `UNKNOWN_CHANNEL`, or `CHANNEL_LOADING` after which a "load" is to be carried out and
/// the same call made again.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core {
    // Arguments are read before it is borrowed, so no JavaScript runs meanwhile.
    wallet: RefCell<Wallet>,
    /// `None` if the key is elsewhere.
    secret: Option<Zeroizing<[u8; 32]>>,
}

impl Core {
    fn wallet(&self) -> Result<RefMut<'_, Wallet>, Failure> {
        let busy = |_| Failure::new("CORE_BUSY", "the core is in another call");
        self.wallet.try_borrow_mut().map_err(busy)
    }

    /// Signs something beside channels with the wallet's key.
    pub(crate) fn sign_with<T, E: Into<Failure>>(
        &self,
        sign: impl FnOnce(&VoucherDomain, &(dyn Signer + Send + Sync)) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let wallet = self.wallet()?;
        sign(wallet.voucher_domain(), wallet.signer().ok_or_else(key_elsewhere)?).map_err(Into::into)
    }

    /// What `say` makes of a channel; undefined if it is not loaded, or has none of it.
    fn of_channel(
        &self,
        channel_id: &JsValue,
        say: impl FnOnce(&B256, &Channel) -> Option<JsValue>,
    ) -> Result<JsValue, Failure> {
        let channel_id = input::hash(channel_id, ID)?;
        let wallet = self.wallet()?;
        let said = wallet.channel(&channel_id).and_then(|channel| say(&channel_id, channel));
        Ok(said.unwrap_or(JsValue::UNDEFINED))
    }

    fn handle(&self, input: Input, now: u64) -> Result<(), Failure> {
        Ok(self.wallet()?.handle(input, now)?)
    }
}

#[wasm_bindgen]
impl Core {
    /// Makes a wallet without channels. With an `address` its key is elsewhere, and every signature is asked for by a
    /// "sign" output; otherwise it is `secret`, generated if none is given.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`, `INVALID_HEX`, `AMOUNT_OUT_OF_RANGE`, `SIGN_INVALID_SECRET`, `RANDOM_UNAVAILABLE`.
    #[wasm_bindgen(constructor)]
    pub fn new(#[wasm_bindgen(unchecked_param_type = "CoreConfig")] config: &JsValue) -> Result<Core, Failure> {
        let fields = Fields::of(config, "config")?;
        let chain = Chain {
            chain_id: fields.uint64("chainId")?,
            adjudicator: fields.address("adjudicator")?,
            stream_app: fields.address("streamApp")?,
            consensus_app: fields.address("consensusApp")?,
        };
        let destination = nitro::address_destination(fields.address("destination")?);
        let mut config = Config::new(chain, destination);
        config.policy = input::policy(&fields.get("policy")?)?;
        config.lease = input::lease(&fields.get("lease")?)?;
        config.spending = input::spending(fields)?;
        let max_loaded = fields.get("maxLoaded")?;
        if !max_loaded.is_undefined() {
            config.max_loaded = input::uint32(&max_loaded, "maxLoaded")? as usize;
        }
        let (address, secret) = (fields.get("address")?, fields.get("secret")?);
        let (wallet, secret) = if address.is_undefined() {
            let (signer, secret) = signer(&secret)?;
            (Wallet::new(config, Box::new(signer)), Some(secret))
        } else if secret.is_undefined() {
            (Wallet::with_external_signer(config, input::address(&address, "address")?), None)
        } else {
            return Err(Failure::argument("secret", "undefined where there is an address"));
        };
        Ok(Self { wallet: RefCell::new(wallet), secret })
    }

    /// The channel key's address.
    ///
    /// # Errors
    ///
    /// `CORE_BUSY`, which no caller can bring about.
    #[wasm_bindgen(unchecked_return_type = "Hex")]
    pub fn address(&self) -> Result<JsValue, Failure> {
        Ok(output::address(&self.wallet()?.address()))
    }

    /// The channel key itself, 32 bytes: whoever has it can spend every channel of this wallet. For backups.
    ///
    /// # Errors
    ///
    /// `KEY_ELSEWHERE`.
    #[wasm_bindgen(js_name = exportSecret, unchecked_return_type = "Uint8Array")]
    pub fn export_secret(&self) -> Result<JsValue, Failure> {
        let secret = self.secret.as_ref().ok_or_else(key_elsewhere)?;
        Ok(output::bytes(&secret[..]))
    }

    /// The next thing to do, if there is one.
    ///
    /// # Errors
    ///
    /// `CORE_BUSY`, which no caller can bring about.
    #[wasm_bindgen(js_name = pollOutput, unchecked_return_type = "Output | undefined")]
    pub fn poll_output(&self) -> Result<JsValue, Failure> {
        let next = self.wallet()?.poll_output();
        Ok(next.map_or(JsValue::UNDEFINED, output::output))
    }

    /// The best voucher of a channel with the ticks shown for it, as one payment.
    ///
    /// # Errors
    ///
    /// `INVALID_HEX`.
    #[wasm_bindgen(unchecked_return_type = "Uint8Array | undefined")]
    pub fn claim(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
    ) -> Result<JsValue, Failure> {
        self.of_channel(channel_id, |_, channel| {
            let claim = Payment::Claim { signed: channel.best?, shown: channel.shown };
            Some(output::bytes(&wire::encode_payment(&claim)))
        })
    }

    /// Payee: all that came in on a channel and what its best voucher is for, whether it is stored yet or not.
    ///
    /// # Errors
    ///
    /// `INVALID_HEX`.
    #[wasm_bindgen(unchecked_return_type = "TakenIn | undefined")]
    pub fn taken(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
    ) -> Result<JsValue, Failure> {
        self.of_channel(channel_id, |_, channel| Some(output::taken(channel.paid(), &channel.best?.voucher.memo)))
    }

    /// What is known about a channel.
    ///
    /// # Errors
    ///
    /// `INVALID_HEX`.
    #[wasm_bindgen(unchecked_return_type = "ChannelInfo | undefined")]
    pub fn channel(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
    ) -> Result<JsValue, Failure> {
        self.of_channel(channel_id, |id, channel| Some(output::channel(id, channel)))
    }

    /// What is known about every loaded channel, by id.
    ///
    /// # Errors
    ///
    /// `CORE_BUSY`, which no caller can bring about.
    #[wasm_bindgen(unchecked_return_type = "ChannelInfo[]")]
    pub fn channels(&self) -> Result<JsValue, Failure> {
        let wallet = self.wallet()?;
        let all = wallet.channels().map(|(id, channel)| output::channel(id, channel));
        Ok(all.collect::<Array>().into())
    }
}

fn key_elsewhere() -> Failure {
    Failure::new("KEY_ELSEWHERE", "the wallet's key is with a signer outside: nothing but channels is signed with it")
}
