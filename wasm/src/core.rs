//! The wallet of the core as a class.

use std::cell::{RefCell, RefMut};

use js_sys::Array;
use millstream_core::channel::{Chain, Terms, TermsError, derive_nonce};
use millstream_core::crypto::{Signature, SignatureError};
use millstream_core::payment::{MAX_QUOTE_BYTES, Quote, QuoteError, SignedQuote, Unit};
use millstream_core::protocol::OpenError;
use millstream_core::wallet::{Command, Config, Error, Input, Wallet};
use millstream_core::wire::Payment;
use millstream_core::{Address, B256, nitro, wire};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroizing;

use crate::crypto::{payment_bytes, random, signer};
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

    fn handle(&self, input: Input, now: u64) -> Result<(), Failure> {
        Ok(self.wallet()?.handle(input, now)?)
    }

    fn command(
        &self,
        channel_id: &JsValue,
        now: &JsValue,
        command: impl FnOnce(B256) -> Command,
    ) -> Result<(), Failure> {
        let channel_id = input::hash(channel_id, ID)?;
        let now = input::seconds(now, NOW)?;
        self.handle(Input::Command(command(channel_id)), now)
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

    /// Payer: proposes a channel. Returns its id.
    ///
    /// # Errors
    ///
    /// Those of arguments; `TERMS_...`, `POLICY_...`, `CHANNEL_EXISTS`.
    #[wasm_bindgen(js_name = openChannel, unchecked_return_type = "Hex")]
    pub fn open_channel(
        &self,
        #[wasm_bindgen(unchecked_param_type = "OpenTerms")] terms: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<JsValue, Failure> {
        let fields = Fields::of(terms, "terms")?;
        let now = input::seconds(now, NOW)?;
        let payee_destination = fields.address("payeeDestination")?;
        let nonce = fields.get("nonce")?;
        let nonce = if nonce.is_undefined() {
            let mut bytes = [0u8; 4];
            random(&mut bytes)?;
            derive_nonce(now, u32::from_be_bytes(bytes))
        } else {
            input::uint64(&nonce, "nonce")?
        };
        let payee = fields.address("payee")?;
        let asset = fields.address("asset")?;
        let deposit = fields.amount("deposit")?;
        let challenge_duration = fields.seconds("challengeDuration")?;
        let confirmations = fields.uint32("confirmations")?;
        let kind = input::kind(&fields.get("kind")?)?;
        let payee_deposit = fields.amount_or_zero("payeeDeposit")?;
        let reserve = fields.amount_or_zero("reserve")?;
        let mut wallet = self.wallet()?;
        let terms = Terms {
            chain: wallet.config().chain,
            payer: wallet.address(),
            payee,
            payer_destination: wallet.config().destination,
            payee_destination: nitro::address_destination(payee_destination),
            asset,
            deposit,
            challenge_duration,
            confirmations,
            nonce,
            kind,
            payee_deposit,
            reserve,
        };
        let channel_id = terms.channel_id();
        wallet.handle(Input::Command(Command::OpenChannel(terms)), now)?;
        Ok(output::hash(&channel_id))
    }

    /// Pays `amount` more base units: the payer in a stream, either side in a ledger. `memo` is the hash of the quote paid
    /// for; `ticks`, 0 to 255, says for how many more payments of the same amount and memo to prepare.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels; `CHANNEL_NOT_OPEN`, `CHANNEL_BUSY`, `INSUFFICIENT_BALANCE`, `PAY_...`,
    /// `UPDATE_...`.
    pub fn pay(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "bigint")] amount: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Hex")] memo: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] ticks: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let amount = input::amount(amount, "amount")?;
        let memo = input::hash(memo, "memo")?;
        let ticks = input::uint8(ticks, "ticks")?;
        self.command(channel_id, now, |channel_id| Command::Pay { channel_id, amount, memo, ticks })
    }

    /// Payer: raises its part by `amount` base units. Both sign, then the deposit is submitted.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels; `CHANNEL_WRONG_STATUS`, `CHANNEL_BUSY`, `UPDATE_...`.
    #[wasm_bindgen(js_name = topUp)]
    pub fn top_up(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "bigint")] amount: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let amount = input::amount(amount, "amount")?;
        self.command(channel_id, now, |channel_id| Command::TopUp { channel_id, amount })
    }

    /// Makes what was paid part of a new base, on which vouchers start again.
    ///
    /// # Errors
    ///
    /// As [`top_up`](Self::top_up).
    pub fn fold(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        self.command(channel_id, now, |channel_id| Command::Fold { channel_id })
    }

    /// Payee: asks the payer to take `amount` base units back.
    ///
    /// # Errors
    ///
    /// As [`top_up`](Self::top_up).
    #[wasm_bindgen(js_name = giveBack)]
    pub fn give_back(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "bigint")] amount: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let amount = input::amount(amount, "amount")?;
        self.command(channel_id, now, |channel_id| Command::GiveBack { channel_id, amount })
    }

    /// Takes `amount` base units of ours out; the rest goes on in a successor channel.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels; `CHANNEL_WRONG_STATUS`, `CHANNEL_BUSY`, `WITHDRAW_...`, `UPDATE_...`.
    pub fn withdraw(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "bigint")] amount: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let amount = input::amount(amount, "amount")?;
        self.command(channel_id, now, |channel_id| Command::Withdraw { channel_id, amount })
    }

    /// Puts our best state on chain while the channel goes on.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels; `CHANNEL_WRONG_STATUS`, `CHECKPOINT_NOT_NEWER`, `LEAVE_NOTHING_TO_CLAIM`.
    pub fn snapshot(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        self.command(channel_id, now, |channel_id| Command::Snapshot { channel_id })
    }

    /// Answers a challenge with a newer state, after which the channel goes on; takes a decision to leave back.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot).
    #[wasm_bindgen(js_name = clearChallenge)]
    pub fn clear_challenge(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        self.command(channel_id, now, |channel_id| Command::ClearChallenge { channel_id })
    }

    /// Asks whether the other side is there: it answers with a "peerAlive" event.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels.
    pub fn ping(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        self.command(channel_id, now, |channel_id| Command::Ping { channel_id })
    }

    /// Closes together with the other side.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels; `CHANNEL_WRONG_STATUS`.
    #[wasm_bindgen(js_name = closeChannel)]
    pub fn close_channel(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        self.command(channel_id, now, |channel_id| Command::CloseChannel { channel_id })
    }

    /// Leaves without the other side.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels; `CHANNEL_WRONG_STATUS`, `LEAVE_...`.
    #[wasm_bindgen(js_name = leaveChannel)]
    pub fn leave_channel(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        self.command(channel_id, now, |channel_id| Command::LeaveChannel { channel_id })
    }

    /// Gives up a channel before it is funded.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels; `CHANNEL_WRONG_STATUS`.
    #[wasm_bindgen(js_name = abortChannel)]
    pub fn abort_channel(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        self.command(channel_id, now, |channel_id| Command::AbortChannel { channel_id })
    }

    /// Sends again what the other side or the chain may still wait for.
    ///
    /// # Errors
    ///
    /// Those of arguments and channels.
    pub fn resume(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        self.command(channel_id, now, |channel_id| Command::Resume { channel_id })
    }

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

    /// Time went on.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`.
    pub fn tick(&self, #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue) -> Result<(), Failure> {
        self.handle(Input::Tick, input::seconds(now, NOW)?)
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
        let channel_id = input::hash(channel_id, ID)?;
        let wallet = self.wallet()?;
        let channel = wallet.channel(&channel_id);
        let claim =
            channel.and_then(|channel| channel.best.map(|signed| Payment::Claim { signed, shown: channel.shown }));
        Ok(claim.map_or(JsValue::UNDEFINED, |claim| output::bytes(&wire::encode_payment(&claim))))
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
        let channel_id = input::hash(channel_id, ID)?;
        let wallet = self.wallet()?;
        let channel = wallet.channel(&channel_id);
        Ok(channel.map_or(JsValue::UNDEFINED, |channel| output::channel(&channel_id, channel)))
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
        let price = fields.amount("price")?;
        let asset = fields.address("asset")?;
        let challenge_duration = fields.seconds("challengeDuration")?;
        let confirmations = fields.uint32("confirmations")?;
        let expires_at = fields.seconds("expiresAt")?;
        let wallet = self.wallet()?;
        let quote = Quote {
            content_root,
            length,
            chunk_size,
            unit: Unit::Chunk,
            price,
            asset,
            payee: wallet.address(),
            payee_destination: wallet.config().destination,
            challenge_duration,
            confirmations,
            expires_at,
        };
        if length == 0 || chunk_size == 0 || quote.total().is_none() {
            return Err(QuoteError::Impossible.into());
        }
        let signed = quote.sign(wallet.voucher_domain(), wallet.signer().ok_or_else(key_elsewhere)?)?;
        Ok(output::bytes(&signed.to_bytes()))
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
        Ok(output::quote(&quote, &payable(&quote)?))
    }
}

fn key_elsewhere() -> Failure {
    Failure::new("KEY_ELSEWHERE", "the wallet's key is with a signer outside: nothing but channels is signed with it")
}

/// The address that a quote's payee is paid out to, if every number in the quote can be expressed in JavaScript.
fn payable(quote: &Quote) -> Result<Address, Failure> {
    let exact = |value: u64| value < 1 << 53;
    if !exact(quote.length) || !exact(quote.challenge_duration) || !exact(quote.expires_at) {
        return Err(QuoteError::Impossible.into());
    }
    let destination = quote.payee_destination;
    nitro::destination_address(destination)
        .ok_or_else(|| Error::from(OpenError::from(TermsError::Destination { destination })).into())
}
