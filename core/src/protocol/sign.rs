//! Signing: what the record says we agreed to, and nothing else.

use alloc::vec::Vec;

use crate::channel::{Base, Channel, Guarantee, POSTFUND_TURN, PREFUND_TURN, Proposal, Role, State, Terms};
use crate::crypto::{SignError, Signature};
use crate::payment::{SignedVoucher, Voucher};
use crate::protocol::Context;
use crate::protocol::effects::{Effects, Event};
use crate::protocol::outstanding::{closing_message, proposal_message};
use crate::protocol::{close, relay};
use crate::wire::Message;
use crate::{Address, B256};

/// What a signature is for. A signer that asks its owner can show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A state of a channel: prefund, postfund, update, final state or redemption.
    State,
    /// A voucher.
    Voucher,
    /// That we are the one who challenges.
    Challenge,
    /// A message to the other side.
    Message,
}

impl Purpose {
    /// The purpose as a word: `"state"`, `"voucher"` ...
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Voucher => "voucher",
            Self::Challenge => "challenge",
            Self::Message => "message",
        }
    }
}

/// The channel key: at hand, or somewhere that takes its time.
pub(crate) trait ChannelKey {
    fn address(&self) -> Address;

    /// The signature for the channel on these terms, or `None` if it was asked for and will come.
    fn sign(&self, of: &Terms, digest: B256, purpose: Purpose) -> Result<Option<Signature>, SignError>;

    /// Takes back the request for a signature of the postfund, if the channel has gone beyond it.
    fn forget_idle(&self, channel: &Channel);

    /// The preimage that pays the first `ticks` ticks of a voucher, or the tip of its chain for zero. `None` above `limit`,
    /// or if the key cannot derive secrets.
    fn preimage(&self, of: &ChainOf, ticks: u8) -> Option<B256>;
}

/// The voucher that a tick chain belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainOf {
    pub(crate) channel_id: B256,
    pub(crate) base_turn: u64,
    pub(crate) serial: u32,
    /// How many ticks it has.
    pub(crate) limit: u8,
}

impl ChainOf {
    pub(crate) const fn voucher(voucher: &Voucher) -> Self {
        let Voucher { channel_id, base_turn, serial, tick_limit, .. } = *voucher;
        Self { channel_id, base_turn, serial, limit: tick_limit }
    }

    /// What the seed is derived from: channel, base and serial. Of one serial there is one chain, whatever its length.
    pub(crate) fn to_bytes(self) -> [u8; 44] {
        let mut bytes = [0; 44];
        let parts = [self.channel_id.as_slice(), &self.base_turn.to_be_bytes(), &self.serial.to_be_bytes()];
        for (slot, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *slot = *byte;
        }
        bytes
    }
}

/// Signs what the record says we agreed to, tells the other side, and makes the newest state that both signed the base.
///
/// States that stand on each other are signed in their order: the other side can do nothing with one whose predecessor it
/// does not have, and would ask for it until that is signed.
pub(crate) fn complete(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), SignError> {
    if channel.aborted.is_some() || channel.facts().payout.is_some() {
        return Ok(());
    }
    let role = channel.role;
    let mut signed = Vec::new();
    for index in 0..channel.proposals.len() {
        let is_due = |proposal: &&Proposal| proposal.agreed && proposal.base.signatures.of(role).is_none();
        if channel.proposals.get(index).filter(is_due).is_none() {
            continue;
        }
        let Some(state) = channel.proposal_state(index) else { break };
        let Some(signature) = context.key.sign(&channel.terms, state.digest(), Purpose::State)? else { break };
        if let Some(proposal) = channel.proposals.get_mut(index) {
            proposal.base.signatures.set(role, signature);
        }
        signed.push(index);
    }
    let agreed = channel.proposals.iter().filter(|proposal| proposal.agreed);
    channel.signed_turn = agreed.map(|proposal| proposal.base.turn).fold(channel.signed_turn, u64::max);
    for index in signed {
        effects.send_all(proposal_message(channel, index));
    }
    promote(channel, effects);
    complete_voucher(context, channel, effects)?;
    if channel.passage.is_some() {
        return relay::complete(context, channel, effects);
    }
    complete_closing(context, channel, effects)
}

/// Makes the newest proposal that both signed the base. Vouchers start again on it.
pub(crate) fn promote(channel: &mut Channel, effects: &mut Effects) {
    let newest = channel.proposals.iter().rposition(|proposal| proposal.base.signatures.both().is_some());
    let Some(index) = newest else { return };
    let guarantees = channel.split_after(index.saturating_add(1)).guarantees;
    let Some(proposal) = channel.proposals.drain(..=index).next_back() else { return };
    let base = proposal.base;
    if proposal.answers.is_some() && proposal.answers == channel.request.map(|request| request.number) {
        channel.request = None;
    }
    if base.turn > PREFUND_TURN {
        channel.deadline = None;
        channel.aborted = None;
    }
    if base.turn > POSTFUND_TURN {
        let channel_id = channel.terms.channel_id();
        effects.notify(Event::Updated { channel_id, turn: base.turn, balances: base.balances });
    }
    set_base(channel, base, guarantees);
}

/// Replaces the base; what stood on the old one is void.
pub(crate) fn set_base(channel: &mut Channel, base: Base, guarantees: Vec<Guarantee>) {
    channel.signed_turn = channel.signed_turn.max(base.turn);
    channel.base = Some(base);
    channel.guarantees = guarantees;
    (channel.best, channel.shown, channel.unsigned, channel.lease) = (None, None, None, None);
    if channel.stale.is_some_and(|turn| turn <= base.turn) {
        channel.stale = None;
    }
}

/// Gives up what was agreed and not signed. Its turns are never used again; the prefund and postfund have one content,
/// so they can be signed later. A payee tells the payer, which waits for it.
pub(crate) fn give_up_unsigned(channel: &mut Channel, effects: &mut Effects) {
    let role = channel.role;
    if channel.unsigned.take().is_some() {
        // Serials under a lease count from the last voucher: the next one would have the serial that is given up.
        channel.lease = None;
    }
    let is_kept = |proposal: &Proposal| {
        proposal.base.turn <= POSTFUND_TURN || !proposal.agreed || proposal.base.signatures.of(role).is_some()
    };
    if let Some(first) = channel.proposals.iter().find(|proposal| role == Role::Payee && !is_kept(proposal)) {
        effects.send(Message::UpdateError { turn: first.base.turn, code: "SIGN_REFUSED".into() });
    }
    channel.proposals.retain(is_kept);
    if channel.passage.is_some() {
        relay::give_up_unsigned(channel);
        return;
    }
    channel.closing = channel.closing.filter(|closing| closing.signatures.of(role).is_some());
    channel.close_requested &= channel.closing.is_some() || role == Role::Payee;
}

fn complete_voucher(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), SignError> {
    let Some(voucher) = channel.unsigned else { return Ok(()) };
    if let Some(signature) = context.key.sign(&channel.terms, voucher.digest(context.domain), Purpose::Voucher)? {
        let payment = SignedVoucher { voucher, signature };
        channel.set_best(payment, None);
        channel.unsigned = None;
        effects.pay(payment.into());
    }
    Ok(())
}

fn complete_closing(context: &Context<'_>, channel: &mut Channel, effects: &mut Effects) -> Result<(), SignError> {
    let role = channel.role;
    let Some(mut closing) = channel.closing.filter(|closing| closing.signatures.of(role).is_none()) else {
        return Ok(());
    };
    channel.signed_turn = channel.signed_turn.max(closing.turn);
    let digest = State::closing(&channel.terms, &closing, channel.successor.as_ref()).digest();
    if let Some(signature) = context.key.sign(&channel.terms, digest, Purpose::State)? {
        closing.signatures.set(role, signature);
        channel.closing = Some(closing);
        effects.send_all(closing_message(channel));
        close::next_transaction(channel, effects);
    }
    Ok(())
}
