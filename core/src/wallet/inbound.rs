//! What comes from peers: messages and payments, found wanting or handed to the protocol.

use alloc::string::ToString;

use crate::channel::{Closing, Status};
use crate::protocol::{self, Effects, Event, MessageError};
use crate::wallet::error::Error;
use crate::wallet::machine::Wallet;
use crate::wallet::output::Output;
use crate::wire::{self, Envelope, Message};

impl Wallet {
    pub(super) fn message(&mut self, bytes: &[u8], now: u64) -> Result<(), Error> {
        let envelope = Envelope::open(bytes, self.signer.address()).map_err(MessageError::from)?;
        let (channel_id, sender) = (envelope.channel_id, envelope.sender);
        let answered = matches!(envelope.message, Message::Error { .. });
        let result = match envelope.message {
            Message::ChannelOpen { .. } => self.channel_open(envelope, now),
            _ => self.channel_message(envelope, now),
        };
        if let (Err(error), false) = (&result, answered) {
            let refusal = Message::Error { code: error.code().to_string(), text: error.to_string() };
            let sequence = self.slots.get(&channel_id).map_or(0, |slot| slot.channel.sent);
            let bytes = self.seal(sender, channel_id, sequence, refusal)?;
            self.outbox.follow(channel_id, alloc::vec![Output::Send { peer: sender, channel_id, bytes }]);
        }
        result
    }

    fn channel_open(&mut self, envelope: Envelope, now: u64) -> Result<(), Error> {
        let Message::ChannelOpen { terms, signature } = envelope.message else {
            return Ok(());
        };
        let channel_id = terms.channel_id();
        if envelope.sender != terms.payer || envelope.channel_id != channel_id {
            return Err(MessageError::WrongSender.into());
        }
        if self.loading.contains(&channel_id) {
            return Err(Error::Loading { channel_id });
        }
        let mut effects = Effects::default();
        let channel = protocol::accept_channel_open(
            &self.context(now),
            self.channel(&channel_id),
            self.deadlines.len(),
            self.config.destination,
            terms,
            signature,
            &mut effects,
        )
        .map_err(MessageError::from)?;
        self.keep(channel_id, channel, effects)
    }

    fn channel_message(&mut self, envelope: Envelope, now: u64) -> Result<(), Error> {
        let Envelope { sender, channel_id, sequence, message } = envelope;
        self.step(channel_id, now, |context, channel, effects| {
            if sender != channel.peer() {
                return Err(MessageError::WrongSender.into());
            }
            // A refusal may come from a peer that lost its record, and with it the count.
            if !matches!(message, Message::Error { .. }) {
                if sequence < channel.received {
                    return Err(MessageError::Stale { sequence, last: channel.received }.into());
                }
                channel.received = sequence;
            }
            let result: Result<(), MessageError> = match message {
                Message::ChannelAccept { signature } => {
                    protocol::accept_channel_accept(channel, signature, effects).map_err(Into::into)
                }
                Message::FundingLocked { signature } => {
                    protocol::accept_funding_locked(channel, signature, effects).map_err(Into::into)
                }
                Message::ShutdownRequest => {
                    protocol::accept_shutdown_request(context, channel, effects).map_err(Into::into)
                }
                Message::Shutdown { turn, claimed, submitter, signature } => {
                    let proposal = Closing::proposed(turn, claimed, submitter, signature);
                    protocol::accept_shutdown(context, channel, proposal, effects).map_err(Into::into)
                }
                Message::ShutdownAck { signature } => {
                    protocol::accept_shutdown_ack(channel, signature, effects).map_err(Into::into)
                }
                Message::Error { code, text } => {
                    if channel.status() == Status::Initialized {
                        protocol::abort(channel, &code)?;
                    }
                    effects.notify(Event::PeerError { channel_id, code, text });
                    Ok(())
                }
                Message::ChannelOpen { .. } => Ok(()),
            };
            Ok(result?)
        })
    }

    pub(super) fn payment(&mut self, bytes: &[u8], now: u64) -> Result<(), Error> {
        let payment = wire::decode_payment(bytes).map_err(protocol::PaymentError::from)?;
        self.step(payment.voucher.channel_id, now, |context, channel, effects| {
            Ok(protocol::accept_payment(context, channel, payment, effects)?)
        })
    }
}
