//! What comes from peers: messages and payments, found wanting or handed to the protocol.

use alloc::string::ToString;

use crate::channel::{Channel, Closing, Request, Role, Signatures, Status, Wish};
use crate::protocol::relay::{self as relay_protocol, Part};
use crate::protocol::{self, Context, Event, MessageError, Proposed, Said, UpdateError};
use crate::wallet::error::Error;
use crate::wallet::machine::Wallet;
use crate::wallet::relay;
use crate::wire::{self, Envelope, Message};
use crate::{Address, B256};

impl Wallet {
    pub(super) fn message(&mut self, bytes: &[u8], now: u64) -> Result<(), Error> {
        let envelope = Envelope::open(bytes, self.key.address()).map_err(MessageError::from)?;
        let (channel_id, sender) = (envelope.channel_id, envelope.sender);
        let refusable = match envelope.message {
            Message::Error { .. } | Message::UpdateError { .. } | Message::Abort { .. } => None,
            Message::Update { turn, .. } => Some(Some(turn)),
            _ => Some(None),
        };
        let result = match envelope.message {
            Message::ChannelOpen { route: Some(_), .. } => self.virtual_open(envelope, now),
            Message::ChannelOpen { .. } => self.channel_open(envelope, now),
            Message::SuccessorOpen { .. } => self.successor_open(envelope, now),
            Message::SuccessorAccept { .. } => self.successor_accept(envelope, now),
            Message::UpdateRequest { wish: Wish::Withdraw(_), .. } => self.withdraw_request(envelope, now),
            _ => self.channel_message(envelope, now),
        };
        if let (Err(error), Some(turn)) = (&result, refusable) {
            self.refuse(sender, channel_id, turn, error)?;
        }
        result
    }

    /// Tells a peer why its message was refused.
    fn refuse(&mut self, peer: Address, channel_id: B256, turn: Option<u64>, error: &Error) -> Result<(), Error> {
        // A payer that is not told goes on proposing what stands on the refused split, for ever.
        let is_owed = turn.is_some() && self.channel(&channel_id).is_some_and(|channel| channel.peer() == peer);
        if !(self.signs_at_once() || is_owed) || matches!(error, Error::Loading { .. }) {
            return Ok(());
        }
        let code = error.code().to_string();
        let refusal = match (turn, error) {
            // Said of a turn that we may have signed, it would be a lie.
            (Some(turn), Error::Message(MessageError::Update(reason))) if !reason.may_be_signed() => {
                Message::UpdateError { turn, code }
            }
            _ => Message::Error { code, text: error.to_string() },
        };
        let sequence = self.channel(&channel_id).map_or(0, |channel| channel.sent);
        let sealed = self.seal(peer, channel_id, sequence, refusal)?;
        self.outbox.follow(channel_id, sealed.into_iter().collect());
        Ok(())
    }

    fn channel_open(&mut self, envelope: Envelope, now: u64) -> Result<(), Error> {
        let Message::ChannelOpen { terms, signature, .. } = envelope.message else {
            return Ok(());
        };
        let channel_id = terms.channel_id();
        if envelope.sender != terms.payer || envelope.channel_id != channel_id || terms.is_virtual() {
            return Err(MessageError::WrongSender.into());
        }
        self.find_or_absent(channel_id)?;
        self.create(channel_id, now, |wallet, context, effects| {
            let (existing, unfunded) = (wallet.channel(&channel_id), wallet.deadlines.len());
            let destination = wallet.config.destination;
            protocol::accept_channel_open(context, existing, unfunded, destination, terms, signature, effects)
                .map_err(|error| MessageError::from(error).into())
        })
    }

    /// Payee: the successor of a channel of ours is proposed.
    fn successor_open(&mut self, envelope: Envelope, now: u64) -> Result<(), Error> {
        let Message::SuccessorOpen { predecessor, terms, signature } = envelope.message else {
            return Ok(());
        };
        let channel_id = terms.channel_id();
        if envelope.sender != terms.payer || envelope.channel_id != channel_id || predecessor == channel_id {
            return Err(MessageError::WrongSender.into());
        }
        self.find_or_absent(channel_id)?;
        let sender = envelope.sender;
        self.step_pair(predecessor, Some(channel_id), now, |context, (channel, _), (existing, effects)| {
            check_sender(channel, sender)?;
            let proposed = (terms, signature);
            let successor = protocol::accept_successor_open(context, channel, existing, proposed, effects);
            Ok(Some((channel_id, successor.map_err(MessageError::from)?)))
        })
    }

    /// Payer: the payee accepted the successor.
    fn successor_accept(&mut self, envelope: Envelope, now: u64) -> Result<(), Error> {
        let Message::SuccessorAccept { signature } = envelope.message else {
            return Ok(());
        };
        let (successor_id, sender, sequence) = (envelope.channel_id, envelope.sender, envelope.sequence);
        self.find(successor_id)?;
        let predecessor = self.channel(&successor_id).and_then(|channel| channel.predecessor);
        let predecessor = predecessor.ok_or(MessageError::WrongSender)?;
        self.step_pair(predecessor, Some(successor_id), now, |context, (channel, effects), (successor, notices)| {
            let mut successor = successor.cloned().ok_or(Error::UnknownChannel { channel_id: successor_id })?;
            check_sender(&successor, sender)?;
            count(&mut successor, sequence)?;
            let accepted =
                protocol::accept_successor_accept(context, channel, &mut successor, signature, (effects, notices));
            accepted.map_err(MessageError::from)?;
            Ok(Some((successor_id, successor)))
        })
    }

    /// Payer: the payee wants to withdraw.
    fn withdraw_request(&mut self, envelope: Envelope, now: u64) -> Result<(), Error> {
        let Envelope { sender, channel_id, sequence, message } = envelope;
        let Message::UpdateRequest { number, wish: Wish::Withdraw(amount) } = message else {
            return Ok(());
        };
        self.find(channel_id)?;
        let granted = self.channel(&channel_id).and_then(|channel| channel.successor);
        let granted = granted.map(|successor| successor.channel_id);
        if let Some(successor) = granted {
            self.find(successor)?;
        }
        self.step_pair(channel_id, granted, now, |context, (channel, effects), (successor, successor_effects)| {
            check_sender(channel, sender)?;
            count(channel, sequence)?;
            if number <= channel.requests && channel.role == Role::Payer {
                // Granted before: says again what it led to.
                effects.send_all(protocol::outstanding_messages(channel));
                let successor = successor.filter(|successor| successor.base.is_none()).cloned();
                successor_effects.send_all(successor.as_ref().into_iter().flat_map(protocol::outstanding_messages));
                return Ok(granted.zip(successor));
            }
            channel.requests = number;
            let made = protocol::withdraw(context, channel, Role::Payee, amount, successor_effects);
            Ok(Some(made.map_err(MessageError::from)?))
        })
    }

    fn channel_message(&mut self, envelope: Envelope, now: u64) -> Result<(), Error> {
        self.find(envelope.channel_id)?;
        if self.channel(&envelope.channel_id).is_some_and(|channel| channel.passage.is_some()) {
            return self.step_on_way(envelope.channel_id, None, now, |context, parts| {
                Ok(relay::accept(context, parts, envelope)?)
            });
        }
        let Envelope { sender, channel_id, sequence, message } = envelope;
        self.step_on_way(channel_id, Some(&message.clone()), now, |context, parts| {
            check_changes(context, parts, &message)?;
            let Some(Part { channel, effects, .. }) = parts.first_mut() else { return Ok(()) };
            check_sender(channel, sender)?;
            // A refusal may come from a peer that lost its record, and with it the count; so may its question. A refused turn
            // stays refused, whatever was said since. A ping is not worth a write.
            let counts = !matches!(
                message,
                Message::Error { .. }
                    | Message::UpdateError { .. }
                    | Message::ChannelReestablish { .. }
                    | Message::Ping
                    | Message::Pong
            );
            if counts {
                count(channel, sequence)?;
            }
            let base = channel.base;
            let result: Result<(), MessageError> = match message {
                Message::ChannelAccept { signature, .. } => {
                    protocol::accept_channel_accept(channel, signature, effects).map_err(Into::into)
                }
                Message::FundingLocked { signature, .. } => {
                    protocol::accept_funding_locked(channel, signature, effects).map_err(Into::into)
                }
                Message::ShutdownRequest => {
                    protocol::accept_shutdown_request(context, channel, effects).map_err(Into::into)
                }
                Message::Shutdown { turn, balances, submitter, successor, signature, .. } => {
                    let signatures = Signatures::by(Role::Payer, signature);
                    let proposal = Closing { turn, balances, signatures, submitter };
                    protocol::accept_shutdown(context, channel, proposal, successor, effects).map_err(Into::into)
                }
                Message::ShutdownAck { signature, .. } => {
                    protocol::accept_shutdown_ack(channel, signature, effects).map_err(Into::into)
                }
                Message::Update { turn, follows, balances, answers, signature, change } => {
                    let proposed = Proposed { turn, follows, balances, answers, change, signature };
                    protocol::accept_update(context, channel, proposed, effects).map_err(Into::into)
                }
                Message::UpdateAck { turn, signature } => {
                    protocol::accept_update_ack(channel, turn, signature, effects).map_err(Into::into)
                }
                Message::UpdateError { turn, code } => {
                    protocol::accept_update_error(channel, turn, code, effects);
                    Ok(())
                }
                Message::UpdateRequest { number, wish } => {
                    let request = Request { number, wish };
                    protocol::accept_update_request(context, channel, request, effects).map_err(Into::into)
                }
                Message::ChannelReestablish { base, voucher, asks, answers, shown, guarantees } => {
                    let said = Said { base, voucher, shown, asks, answers, guarantees };
                    protocol::accept_reestablish(context, channel, said, effects).map_err(Into::into)
                }
                Message::Ping => {
                    effects.send(Message::Pong);
                    Ok(())
                }
                Message::Pong => {
                    effects.notify(Event::PeerAlive { channel_id });
                    Ok(())
                }
                Message::Error { code, text } => {
                    if channel.status() == Status::Initialized && channel.predecessor.is_none() {
                        protocol::abort(channel, &code)?;
                    }
                    // If the refusal was of something else, an answer to the request is refused in turn.
                    channel.request = None;
                    effects.notify(Event::PeerError { channel_id, code, text });
                    Ok(())
                }
                Message::ChannelOpen { .. }
                | Message::SuccessorOpen { .. }
                | Message::SuccessorAccept { .. }
                | Message::Abort { .. } => Ok(()),
            };
            result?;
            if channel.base != base && channel.facts().dispute.is_some() {
                // What stands on chain may be worth less to us than what both have signed now.
                protocol::outstanding_transactions(context, channel, effects)?;
            }
            Ok(())
        })
    }

    pub(super) fn payment(&mut self, bytes: &[u8], now: u64) -> Result<(), Error> {
        let payment = wire::decode_payment(bytes).map_err(protocol::PaymentError::from)?;
        self.step(payment.channel_id(), now, |context, channel, effects| {
            Ok(protocol::accept_payment(context, channel, payment, effects)?)
        })
    }

    /// Makes sure that it is known whether a channel exists.
    pub(super) fn find_or_absent(&mut self, channel_id: B256) -> Result<(), Error> {
        match self.find(channel_id) {
            Err(Error::UnknownChannel { .. }) => Ok(()),
            found => found,
        }
    }
}

/// Checks what a message on a ledger would set aside, or release, against the virtual channel that it is for; notes what the
/// other side did not sign.
fn check_changes(context: &Context<'_>, parts: &mut [Part], message: &Message) -> Result<(), Error> {
    let Some((Part { channel: ledger, .. }, others)) = parts.split_first_mut() else { return Ok(()) };
    fn channel(parts: &mut [Part], id: B256) -> Option<&mut Channel> {
        parts.iter_mut().find(|part| part.channel_id == id).map(|part| &mut *part.channel)
    }
    let change = match message {
        Message::Update { change, turn, .. } => change.filter(|_| *turn > ledger.signed_turn),
        Message::UpdateRequest { number, wish: Wish::Change(change) } => {
            Some(*change).filter(|_| *number > ledger.requests)
        }
        Message::UpdateError { turn, .. } => {
            // What was queued on it is offered again.
            let refused = ledger.proposals.iter().find(|proposal| proposal.base.turn == *turn);
            if let Some(change) = refused.and_then(|proposal| proposal.change)
                && let Some(channel) = channel(others, change.channel_id())
            {
                relay_protocol::not_signed(channel, change);
            }
            None
        }
        Message::Error { .. } => {
            // What it does not grant, it will not propose either.
            if let Some(Wish::Change(change)) = ledger.request.map(|request| request.wish)
                && let Some(channel) = channel(others, change.channel_id())
            {
                relay_protocol::not_signed(channel, change);
            }
            None
        }
        _ => None,
    };
    let Some(change) = change else { return Ok(()) };
    let channel = channel(others, change.channel_id()).ok_or(UpdateError::UnknownGuarantee);
    let checked = channel.and_then(|channel| relay_protocol::check_change(context, ledger, channel, change));
    checked.map_err(|error| MessageError::from(error).into())
}

fn check_sender(channel: &Channel, sender: Address) -> Result<(), Error> {
    if sender == channel.peer() { Ok(()) } else { Err(MessageError::WrongSender.into()) }
}

/// Refuses what is older than the last message.
fn count(channel: &mut Channel, sequence: u64) -> Result<(), Error> {
    if sequence < channel.received {
        return Err(MessageError::Stale { sequence, last: channel.received }.into());
    }
    channel.received = sequence;
    Ok(())
}
