//! What must hold of everything that leaves a wallet.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use millstream_core::channel::{Channel, POSTFUND_TURN, PREFUND_TURN};
use millstream_core::crypto::Signature;
use millstream_core::payment::{Claim, SignedVoucher, Voucher};
use millstream_core::protocol::Event;
use millstream_core::wallet::{Output, Wallet};
use millstream_core::wire::{Envelope, Message, Payment, decode_payment};

use super::host::Stored;

/// What left so far: our signatures, by what they commit us to. Signatures are deterministic, so another one is of other
/// content.
#[derive(Debug, Default)]
pub(super) struct Audit {
    states: BTreeMap<(B256, u64), Signature>,
    vouchers: BTreeMap<(B256, u64, u32), SignedVoucher>,
    /// How many of a voucher's ticks left.
    ticks: BTreeMap<(B256, u64, u32), u8>,
}

impl Audit {
    /// Checks an output as the host gets it, before it does anything about it.
    pub(super) fn check(&mut self, output: &Output, wallet: &Wallet, store: &BTreeMap<B256, Stored>) {
        let durable = |id: &B256| {
            let stored = store.get(id).unwrap_or_else(|| panic!("{id}: something leaves and nothing is stored"));
            Channel::from_bytes(*id, &stored.bytes).expect("what was stored can be read")
        };
        match output {
            Output::Send { peer, channel_id, bytes } => {
                let message = Envelope::open(bytes, *peer).expect("our own message").message;
                if let Some((turn, signature)) = signed_turn(&message, wallet, channel_id) {
                    let signed = durable(channel_id).signed_turn;
                    assert!(signed >= turn, "turn {turn} leaves, the store knows of {signed}: {message:?}");
                    self.state(*channel_id, turn, signature);
                }
            }
            Output::Payment { channel_id, bytes, .. } => {
                let payment = decode_payment(bytes).expect("our own payment");
                let signed = durable(channel_id).signed_turn;
                let voucher = match payment.voucher() {
                    Some(voucher) => *voucher,
                    None => self.voucher_of(&payment, durable(channel_id).best),
                };
                let turn = last_turn(&voucher);
                assert!(signed >= turn, "turn {turn} leaves in a voucher, the store knows of {signed}");
                self.voucher(voucher);
                let Voucher { channel_id, base_turn, serial, .. } = voucher.voucher;
                let ticks = self.ticks.entry((channel_id, base_turn, serial)).or_default();
                *ticks = payment.ticks().max(*ticks);
            }
            Output::Notify(Event::PaymentReceived { channel_id, serial, .. }) => {
                let stored = durable(channel_id);
                let kept = stored.last_serial() >= *serial || stored.base.is_some_and(|base| base.turn > POSTFUND_TURN);
                assert!(kept, "payment {serial} was announced and is not stored");
            }
            _ => {}
        }
    }

    fn state(&mut self, channel_id: B256, turn: u64, signature: Signature) {
        let before = self.states.insert((channel_id, turn), signature);
        assert!(before.is_none_or(|before| before == signature), "turn {turn} was signed twice with other content");
        for ((_, _, serial), voucher) in self.vouchers_of(channel_id) {
            let (first, last) = (Claim::new(voucher, None).turn(), last_turn(voucher));
            assert!(!(first..=last).contains(&turn), "turn {turn} is one of voucher {serial}");
        }
    }

    fn voucher(&mut self, payment: SignedVoucher) {
        let voucher = payment.voucher;
        let key = (voucher.channel_id, voucher.base_turn, voucher.serial);
        let before = self.vouchers.insert(key, payment);
        assert!(before.is_none_or(|before| before == payment), "serial {} was signed twice", voucher.serial);
        let (first, last) = (Claim::new(&payment, None).turn(), last_turn(&payment));
        let states = (voucher.channel_id, first)..=(voucher.channel_id, last);
        assert!(self.states.range(states).next().is_none(), "voucher {} takes turns of a state", voucher.serial);
    }

    /// The voucher that a tick belongs to: the stored one, which may have been lost on its way out, or one that left.
    fn voucher_of(&self, payment: &Payment, stored: Option<SignedVoucher>) -> SignedVoucher {
        let of_channel = self.vouchers_of(payment.channel_id()).map(|(_, voucher)| *voucher);
        let of_serial = of_channel.chain(stored).filter(|signed| signed.voucher.serial == payment.serial());
        of_serial.last().expect("a tick leaves after its voucher is stored")
    }

    /// The vouchers of a channel that ever left, each with what it pays with the ticks that did.
    pub(super) fn released(&self, channel_id: B256) -> impl Iterator<Item = (Voucher, u128)> {
        self.vouchers_of(channel_id).map(|(key, signed)| {
            let ticks = self.ticks.get(key).copied().unwrap_or_default();
            (signed.voucher, signed.voucher.amount_with(ticks))
        })
    }

    fn vouchers_of(&self, channel_id: B256) -> impl Iterator<Item = (&(B256, u64, u32), &SignedVoucher)> {
        self.vouchers.range((channel_id, 0, 0)..=(channel_id, u64::MAX, u32::MAX))
    }
}

/// The last turn of a voucher's redemptions: one for the voucher, one for each tick. Source: docs/protocol.md, Channels.
fn last_turn(payment: &SignedVoucher) -> u64 {
    payment.voucher.base_turn + (u64::from(payment.voucher.serial) << 8) + 255
}

/// The turn that a message carries our signature of. On the way down ours is the last one, on the way up the first.
fn signed_turn(message: &Message, wallet: &Wallet, channel_id: &B256) -> Option<(u64, Signature)> {
    let down = |payer: &Signature, hubs: &[Signature]| hubs.last().copied().unwrap_or(*payer);
    let up = |payee: &Signature, hubs: &[Signature]| hubs.first().copied().unwrap_or(*payee);
    Some(match message {
        Message::ChannelOpen { signature, hubs, .. } => (PREFUND_TURN, down(signature, hubs)),
        Message::ChannelAccept { signature, hubs } => (PREFUND_TURN, up(signature, hubs)),
        Message::FundingLocked { signature, hubs } => (POSTFUND_TURN, down(signature, hubs)),
        Message::SuccessorOpen { signature, .. } | Message::SuccessorAccept { signature } => {
            (POSTFUND_TURN, *signature)
        }
        Message::Update { turn, signature, .. } | Message::UpdateAck { turn, signature } => (*turn, *signature),
        Message::Shutdown { turn, signature, hubs, .. } => (*turn, down(signature, hubs)),
        Message::ShutdownAck { signature, hubs } => (wallet.channel(channel_id)?.closing?.turn, up(signature, hubs)),
        _ => return None,
    })
}
