//! The machine of the core as an object.

use std::sync::{Arc, Mutex, MutexGuard};

use millstream_core::channel::derive_nonce;
use millstream_core::crypto::{LocalSigner, SignError};
use millstream_core::payment::SignedQuote;
use millstream_core::{wallet, wire};
use zeroize::Zeroizing;

use crate::error::MillstreamError;
use crate::input::{CoreConfig, Input, OpenTerms};
use crate::output::{ChannelInfo, Output};
use crate::quote::{Quote, QuoteTerms};
use crate::values::{Address, Bytes32};

/// One wallet: a channel key on one chain, and its channels. Feed it inputs, then carry out what `pollOutput` yields, in
/// order, until it yields nothing; or let a `Wallet` do that.
#[derive(Debug, uniffi::Object)]
pub struct Core {
    wallet: Mutex<wallet::Wallet>,
    address: Address,
    secret: Zeroizing<[u8; 32]>,
}

impl Core {
    fn wallet(&self) -> Result<MutexGuard<'_, wallet::Wallet>, MillstreamError> {
        // A panic is a defect; what it left half-done must not be signed on.
        let trapped = |_| MillstreamError::new("CORE_TRAPPED", "the core failed inside: make a new one from the store");
        self.wallet.lock().map_err(trapped)
    }
}

#[uniffi::export]
impl Core {
    /// Makes a wallet without channels; the secret is generated if none is given.
    ///
    /// Errors: `INVALID_HEX`, `AMOUNT_OUT_OF_RANGE`, `SIGN_INVALID_SECRET`, `RANDOM_UNAVAILABLE`.
    #[uniffi::constructor]
    pub fn new(mut config: CoreConfig) -> Result<Arc<Self>, MillstreamError> {
        let (signer, secret) = signer(config.secret.take().map(Zeroizing::new))?;
        let wallet = wallet::Wallet::new(config.wallet_config(), Box::new(signer));
        Ok(Arc::new(Self { address: wallet.address(), wallet: Mutex::new(wallet), secret }))
    }

    /// The channel key's address: who this wallet is to its peers.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The channel key itself, 32 bytes: whoever has it can spend every channel of this wallet. For backups.
    pub fn export_secret(&self) -> Vec<u8> {
        self.secret.to_vec()
    }

    /// Payer: proposes a channel. Returns its id.
    ///
    /// Errors: those of arguments; `TERMS_...`, `POLICY_...`, `CHANNEL_EXISTS`.
    pub fn open_channel(&self, terms: OpenTerms, now: u64) -> Result<Bytes32, MillstreamError> {
        let nonce = match terms.nonce {
            Some(nonce) => nonce,
            None => {
                let mut bytes = [0u8; 4];
                random(&mut bytes)?;
                derive_nonce(now, u32::from_be_bytes(bytes))
            }
        };
        let mut wallet = self.wallet()?;
        let terms = terms.of(&wallet, nonce);
        let channel_id = terms.channel_id();
        wallet.handle(wallet::Input::Command(wallet::Command::OpenChannel(terms)), now)?;
        Ok(channel_id)
    }

    /// Takes one input in at `now`, in seconds since 1970.
    ///
    /// Errors: those of arguments, and whatever the core refuses it with; then nothing has changed. A peer whose message
    /// was refused although it was properly signed is told so by a `Send` in the outputs.
    pub fn handle(&self, input: Input, now: u64) -> Result<(), MillstreamError> {
        Ok(self.wallet()?.handle(input.into(), now)?)
    }

    /// The next thing to do, if there is one.
    ///
    /// Errors: `CORE_TRAPPED`, after a defect.
    pub fn poll_output(&self) -> Result<Option<Output>, MillstreamError> {
        Ok(self.wallet()?.poll_output().map(Into::into))
    }

    /// What is known about a channel.
    ///
    /// Errors: `INVALID_HEX`.
    pub fn channel(&self, channel_id: Bytes32) -> Result<Option<ChannelInfo>, MillstreamError> {
        Ok(self.wallet()?.channel(&channel_id).map(|channel| ChannelInfo::of(channel_id, channel)))
    }

    /// What is known about every loaded channel, by id.
    ///
    /// Errors: `CORE_TRAPPED`, after a defect.
    pub fn channels(&self) -> Result<Vec<ChannelInfo>, MillstreamError> {
        Ok(self.wallet()?.channels().map(|(id, channel)| ChannelInfo::of(*id, channel)).collect())
    }

    /// Signs a quote; its payee is this wallet.
    ///
    /// Errors: those of arguments; `QUOTE_IMPOSSIBLE`.
    pub fn sign_quote(&self, terms: QuoteTerms) -> Result<Vec<u8>, MillstreamError> {
        let wallet = self.wallet()?;
        let quote = terms.of(&wallet)?;
        Ok(quote.sign(wallet.voucher_domain(), wallet.signer())?.to_bytes())
    }

    /// Reads a quote and checks its signature, its chain and its expiry.
    ///
    /// Errors: `QUOTE_...`; `TERMS_DESTINATION` if its payee is not paid out to an address.
    pub fn read_quote(&self, bytes: Vec<u8>, now: u64) -> Result<Quote, MillstreamError> {
        let wallet = self.wallet()?;
        SignedQuote::from_bytes(&bytes, wallet.voucher_domain(), now)?.quote.try_into()
    }
}

/// The channel that a payment is on; nothing but its form is checked.
///
/// Errors: `MESSAGE_TOO_LARGE`, `MESSAGE_MALFORMED`, `SIGNATURE_...`.
#[uniffi::export]
pub fn payment_channel(bytes: &[u8]) -> Result<Bytes32, MillstreamError> {
    Ok(wire::decode_payment(bytes)?.voucher.channel_id)
}

/// The signer of a secret, generated if there is none; and the secret.
fn signer(given: Option<Zeroizing<Vec<u8>>>) -> Result<(LocalSigner, Zeroizing<[u8; 32]>), MillstreamError> {
    let mut secret = Zeroizing::new([0u8; 32]);
    if let Some(given) = given {
        if given.len() != secret.len() {
            return Err(SignError::InvalidSecret.into());
        }
        secret.copy_from_slice(&given);
        return Ok((LocalSigner::from_secret_bytes(&secret)?, secret));
    }
    loop {
        random(&mut secret[..])?;
        // One in 2^128 draws is no key.
        if let Ok(signer) = LocalSigner::from_secret_bytes(&secret) {
            return Ok((signer, secret));
        }
    }
}

fn random(bytes: &mut [u8]) -> Result<(), MillstreamError> {
    let unavailable = |error| MillstreamError::new("RANDOM_UNAVAILABLE", format!("no secure randomness: {error}"));
    getrandom::fill(bytes).map_err(unavailable)
}
