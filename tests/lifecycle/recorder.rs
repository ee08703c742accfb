//! What a key signed and let out: no turn and no serial ever has two contents.
//!
//! Signatures are deterministic (RFC 6979), so another signature in the same place is another content.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Channel, POSTFUND_TURN, PREFUND_TURN, Role};
use millstream_core::crypto::Signature;
use millstream_core::nitro::{AdjudicatorEvent, state_hash, verify_state_signature};
use millstream_core::payment::{SignedVoucher, VoucherDomain};
use millstream_core::wallet::Log;
use millstream_core::wire::{Envelope, Message, decode_payment};

/// Fails the test when one key signs one turn, or one serial, with two contents. It outlives crashes.
#[derive(Debug)]
pub(crate) struct Recorder {
    key: Address,
    domain: VoucherDomain,
    states: BTreeMap<(B256, u64), Signature>,
    vouchers: BTreeMap<(B256, u64, u32), Signature>,
}

impl Recorder {
    pub(crate) fn new(key: Address, domain: VoucherDomain) -> Self {
        Self { key, domain, states: BTreeMap::new(), vouchers: BTreeMap::new() }
    }

    /// A message that leaves for `peer`, and the record of its channel.
    pub(crate) fn message(&mut self, bytes: &[u8], peer: Address, record: Option<&Channel>) {
        let envelope = Envelope::open(bytes, peer).expect("what a wallet sends can be read");
        assert_eq!(envelope.sender, self.key, "signed by its sender");
        if let Some((channel, passage)) = record.and_then(|channel| Some((channel, channel.passage.as_ref()?))) {
            // Its messages carry signatures of others, too; the record has ours.
            let place = usize::try_from(passage.place).expect("few participants");
            let closing = channel.closing.map_or(0, |closing| closing.turn);
            let sheets =
                [(PREFUND_TURN, &passage.prefund), (POSTFUND_TURN, &passage.postfund), (closing, &passage.last)];
            for (turn, sheet) in sheets {
                if let Some(signature) = sheet.signatures[place] {
                    self.state(envelope.channel_id, (turn, signature));
                }
            }
            return;
        }
        let place = match envelope.message {
            Message::ChannelOpen { signature, .. } | Message::ChannelAccept { signature, .. } => {
                (PREFUND_TURN, signature)
            }
            Message::FundingLocked { signature, .. }
            | Message::SuccessorOpen { signature, .. }
            | Message::SuccessorAccept { signature } => (POSTFUND_TURN, signature),
            Message::Update { turn, signature, .. }
            | Message::UpdateAck { turn, signature }
            | Message::Shutdown { turn, signature, .. } => (turn, signature),
            Message::ShutdownAck { signature, .. } => {
                let closing = record.and_then(|channel| channel.closing).expect("stored before it is signed");
                (closing.turn, signature)
            }
            Message::ChannelReestablish { base: Some(base), voucher, .. } => {
                let role = record.map(|channel| channel.role).expect("a channel of ours");
                if let Some(voucher) = voucher.filter(|_| role == Role::Payer) {
                    self.voucher(&voucher);
                }
                (base.turn, base.signatures.of(role).expect("both signed it"))
            }
            _ => return,
        };
        self.state(envelope.channel_id, place);
    }

    /// A payment that leaves.
    pub(crate) fn payment(&mut self, bytes: &[u8]) {
        let payment = decode_payment(bytes).expect("what a wallet pays can be read");
        if let Some(voucher) = payment.voucher() {
            self.voucher(voucher);
        }
    }

    /// The logs of a transaction of ours, which shows states to the chain.
    pub(crate) fn logs<'a>(&mut self, logs: impl IntoIterator<Item = &'a Log>) {
        for log in logs {
            let event = AdjudicatorEvent::decode(&log.topics, &log.data);
            let Ok(AdjudicatorEvent::ChallengeRegistered { channel_id, candidate, .. }) = event else { continue };
            let hash = state_hash(channel_id, &candidate.variable_part);
            for signature in &candidate.signatures {
                if verify_state_signature(hash, signature, self.key).is_ok() {
                    self.state(channel_id, (candidate.variable_part.turn_num, *signature));
                }
            }
        }
    }

    fn voucher(&mut self, payment: &SignedVoucher) {
        let voucher = &payment.voucher;
        payment.verify(&self.domain, self.key).expect("signed by the payer");
        let place = (voucher.channel_id, voucher.base_turn, voucher.serial);
        let first = *self.vouchers.entry(place).or_insert(payment.signature);
        assert_eq!(first, payment.signature, "two vouchers with one serial: {voucher:?}");
        let first_turn = voucher.base_turn + (u64::from(voucher.serial) << 8);
        let turns = (voucher.channel_id, first_turn)..=(voucher.channel_id, first_turn + 0xff);
        assert_eq!(self.states.range(turns).next(), None, "a turn of {voucher:?} was signed as a state");
    }

    fn state(&mut self, channel_id: B256, (turn, signature): (u64, Signature)) {
        let first = *self.states.entry((channel_id, turn)).or_insert(signature);
        assert_eq!(first, signature, "turn {turn} of {channel_id} was signed with two contents");
        let taken = self.vouchers.keys().find(|(id, base, serial)| {
            let first_turn = base + (u64::from(*serial) << 8);
            *id == channel_id && (first_turn..=first_turn + 0xff).contains(&turn)
        });
        assert_eq!(taken, None, "turn {turn} of {channel_id} belongs to a voucher");
    }
}
