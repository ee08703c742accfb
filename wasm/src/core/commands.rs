//! What the owner of a channel decides: one method for each command.

use millstream_core::B256;
use millstream_core::channel::{Terms, derive_nonce};
use millstream_core::nitro;
use millstream_core::wallet::{Command, Input};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{Core, ID, NOW};
use crate::crypto::random;
use crate::error::Failure;
use crate::input::Fields;
use crate::{input, output};

impl Core {
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
    /// Payer: proposes a channel, with a route a virtual one. Returns its id.
    ///
    /// # Errors
    ///
    /// Those of arguments; `TERMS_...`, `POLICY_...`, `CHANNEL_EXISTS`; with a route `OPEN_...`, `HUB_LIQUIDITY`,
    /// `GUARANTEE_TOO_MANY`.
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
        let route = input::route(&fields.get("route")?)?;
        let (hubs, route) = route.map_or_else(|| (Vec::new(), None), |(hubs, route)| (hubs, Some(route)));
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
            hubs,
        };
        let channel_id = terms.channel_id();
        let command = match route {
            Some(route) => Command::OpenVirtual { terms, route },
            None => Command::OpenChannel(terms),
        };
        wallet.handle(Input::Command(command), now)?;
        Ok(output::hash(&channel_id))
    }

    /// Pays `amount` more base units: the payer in a stream, either side in a ledger. `purchase` says what for; `ticks`, 0 to
    /// 255, for how many more payments of the same amount and memo to prepare. Where a rule of the owner asks, an "ask" comes
    /// in place of the "payment".
    ///
    /// # Errors
    ///
    /// Those of arguments and channels; `CHANNEL_NOT_OPEN`, `CHANNEL_BUSY`, `INSUFFICIENT_BALANCE`, `PAY_...`,
    /// `UPDATE_...`, `SPEND_...`.
    pub fn pay(
        &self,
        #[wasm_bindgen(js_name = channelId, unchecked_param_type = "Hex")] channel_id: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "bigint")] amount: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Purchase")] purchase: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] ticks: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let amount = input::amount(amount, "amount")?;
        let purchase = input::purchase(purchase)?;
        let ticks = input::uint8(ticks, "ticks")?;
        self.command(channel_id, now, |channel_id| Command::Pay { channel_id, amount, purchase, ticks })
    }

    /// Stops all payments, or lets them go on. It is not stored.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`.
    pub fn hold(
        &self,
        #[wasm_bindgen(unchecked_param_type = "boolean")] held: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue,
    ) -> Result<(), Failure> {
        let held = input::boolean(held, "held")?;
        self.handle(Input::Command(Command::Hold(held)), input::seconds(now, NOW)?)
    }

    /// Stores what was paid and is not stored yet: for the last moment before a stop.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT`.
    pub fn settle(&self, #[wasm_bindgen(unchecked_param_type = "number")] now: &JsValue) -> Result<(), Failure> {
        self.handle(Input::Command(Command::Settle), input::seconds(now, NOW)?)
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
}
