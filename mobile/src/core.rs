//! The machine of the core as an object.

use std::sync::{Arc, Mutex, MutexGuard};

use millstream_core::channel::{Route, derive_nonce};
use millstream_core::crypto::{LocalSigner, SignError};
use millstream_core::payment::SignedQuote;
use millstream_core::{wallet, wire};
use zeroize::Zeroizing;

use crate::channel::ChannelInfo;
use crate::config::{CoreConfig, OpenTerms};
use crate::error::MillstreamError;
use crate::host::Signer;
use crate::input::Input;
use crate::keys::Seed;
use crate::output::Output;
use crate::quote::{Quote, QuoteTerms};
use crate::values::{Address, Bytes32};

/// One wallet: a channel key on one chain, and its channels. Feed it inputs, then carry out what `pollOutput` yields, in
/// order, until it yields nothing; or let a `Wallet` do that.
#[derive(uniffi::Object)]
pub struct Core {
    wallet: Mutex<wallet::Wallet>,
    address: Address,
    /// The channel key, unless it comes from a seed or is elsewhere.
    secret: Option<Zeroizing<[u8; 32]>>,
    /// Where the channel key is, if it is not here.
    signer: Option<Arc<dyn Signer>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("wallet", &self.wallet).finish_non_exhaustive()
    }
}

impl Core {
    fn of(wallet: wallet::Wallet, secret: Option<Zeroizing<[u8; 32]>>, signer: Option<Arc<dyn Signer>>) -> Arc<Self> {
        Arc::new(Self { address: wallet.address(), wallet: Mutex::new(wallet), secret, signer })
    }

    fn wallet(&self) -> Result<MutexGuard<'_, wallet::Wallet>, MillstreamError> {
        // A panic is a defect; what it left half-done must not be signed on.
        let trapped = |_| MillstreamError::new("CORE_TRAPPED", "the core failed inside: make a new one from the store");
        self.wallet.lock().map_err(trapped)
    }

    /// Takes one input in, with the core's own error.
    pub(crate) fn take(&self, input: wallet::Input, now: u64) -> Result<Result<(), wallet::Error>, MillstreamError> {
        Ok(self.wallet()?.handle(input, now))
    }

    pub(crate) fn signer(&self) -> Option<&dyn Signer> {
        self.signer.as_deref()
    }
}

#[uniffi::export]
impl Core {
    /// Makes a wallet without channels; the secret is generated if none is given.
    ///
    /// Errors: `INVALID_HEX`, `AMOUNT_OUT_OF_RANGE`, `SIGN_INVALID_SECRET`, `RANDOM_UNAVAILABLE`.
    #[uniffi::constructor]
    pub fn new(mut config: CoreConfig) -> Result<Arc<Self>, MillstreamError> {
        let (signer, secret) = local_signer(config.secret.take().map(Zeroizing::new))?;
        let wallet = wallet::Wallet::new(config.wallet_config(), Box::new(signer));
        Ok(Self::of(wallet, Some(secret), None))
    }

    /// Makes a wallet without channels, with the seed's key for its chain and adjudicator.
    ///
    /// Errors: those of arguments; `KEY_ELSEWHERE` if there is a secret as well.
    #[uniffi::constructor]
    pub fn from_seed(config: CoreConfig, seed: Arc<Seed>) -> Result<Arc<Self>, MillstreamError> {
        refuse_secret(&config)?;
        let signer = seed.derive_channel_key(config.chain_id, config.adjudicator)?;
        Ok(Self::of(wallet::Wallet::new(config.wallet_config(), Box::new(signer)), None, None))
    }

    /// Makes a wallet without channels, whose key is elsewhere: each signature is asked for with `Output.Sign`, which a
    /// `Wallet` carries out with this signer.
    ///
    /// Errors: those of arguments; `KEY_ELSEWHERE` if there is a secret as well; `SIGNER_FAILED` if it has no address.
    #[uniffi::constructor]
    pub fn with_signer(config: CoreConfig, signer: Arc<dyn Signer>) -> Result<Arc<Self>, MillstreamError> {
        refuse_secret(&config)?;
        let address = signer.address().map_err(|error| MillstreamError::new("SIGNER_FAILED", error.to_string()))?;
        let wallet = wallet::Wallet::with_external_signer(config.wallet_config(), address);
        Ok(Self::of(wallet, None, Some(signer)))
    }

    /// The channel key's address: who this wallet is to its peers.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The channel key itself, 32 bytes: whoever has it can spend every channel of this wallet.
    ///
    /// Errors: `KEY_ELSEWHERE` if the key comes from a seed or a signer: that is what is to be kept.
    pub fn export_secret(&self) -> Result<Vec<u8>, MillstreamError> {
        self.secret.as_ref().map(|secret| secret.to_vec()).ok_or_else(key_elsewhere)
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
        let route = terms.route.as_ref().map(|route| (route.ledgers.clone(), route.fees.clone()));
        let terms = terms.of(&wallet, nonce);
        let channel_id = terms.channel_id();
        let command = match route {
            Some((ledgers, fees)) => wallet::Command::OpenVirtual { terms, route: Route { ledgers, fees } },
            None => wallet::Command::OpenChannel(terms),
        };
        wallet.handle(wallet::Input::Command(command), now)?;
        Ok(channel_id)
    }

    /// Takes one input in at `now`, in seconds since 1970.
    ///
    /// Errors: those of arguments, and whatever the core refuses it with; then nothing has changed. A peer whose message
    /// was refused although it was properly signed is told so by a `Send` in the outputs. `CHANNEL_LOADING`: carry out the
    /// `Load` in the outputs, then feed the same input again.
    pub fn handle(&self, input: Input, now: u64) -> Result<(), MillstreamError> {
        Ok(self.take(input.into(), now)??)
    }

    /// The next thing to do, if there is one.
    ///
    /// Errors: `CORE_TRAPPED`, after a defect.
    pub fn poll_output(&self) -> Result<Option<Output>, MillstreamError> {
        Ok(self.wallet()?.poll_output().map(Into::into))
    }

    /// What is known about a channel, if it is loaded.
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
    /// Errors: those of arguments; `QUOTE_IMPOSSIBLE`; `KEY_ELSEWHERE` with a signer.
    pub fn sign_quote(&self, terms: QuoteTerms) -> Result<Vec<u8>, MillstreamError> {
        let wallet = self.wallet()?;
        let signer = wallet.signer().ok_or_else(key_elsewhere)?;
        Ok(terms.of(&wallet).sign(wallet.voucher_domain(), signer)?.to_bytes())
    }

    /// Reads a quote and checks its signature, its chain and its expiry.
    ///
    /// Errors: `QUOTE_...`; `TERMS_DESTINATION` if its payee is not paid out to an address.
    pub fn read_quote(&self, bytes: Vec<u8>, now: u64) -> Result<Quote, MillstreamError> {
        let wallet = self.wallet()?;
        Ok(SignedQuote::from_bytes(&bytes, wallet.voucher_domain(), now)?.quote.try_into()?)
    }
}

/// The channel that a payment is on; nothing but its form is checked.
///
/// Errors: `MESSAGE_TOO_LARGE`, `MESSAGE_MALFORMED`, `SIGNATURE_...`.
#[uniffi::export]
pub fn payment_channel(bytes: &[u8]) -> Result<Bytes32, MillstreamError> {
    Ok(wire::decode_payment(bytes)?.channel_id())
}

fn refuse_secret(config: &CoreConfig) -> Result<(), MillstreamError> {
    if config.secret.is_some() { Err(key_elsewhere()) } else { Ok(()) }
}

fn key_elsewhere() -> MillstreamError {
    MillstreamError::new("KEY_ELSEWHERE", "the channel key comes from a seed or a signer")
}

/// The signer of a secret, generated if there is none; and the secret.
fn local_signer(given: Option<Zeroizing<Vec<u8>>>) -> Result<(LocalSigner, Zeroizing<[u8; 32]>), MillstreamError> {
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

pub(crate) fn random(bytes: &mut [u8]) -> Result<(), MillstreamError> {
    let unavailable = |error| MillstreamError::new("RANDOM_UNAVAILABLE", format!("no secure randomness: {error}"));
    getrandom::fill(bytes).map_err(unavailable)
}
