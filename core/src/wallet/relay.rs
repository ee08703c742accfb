//! Virtual channels in the machine: which records a step needs besides its own, and who may say what.
//!
//! A virtual channel and our ledgers on its way are stored together whenever one of them changes because of another.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Channel, MAX_GUARANTEES, Role, Route, Status, Terms, Wish};
use crate::map::Set;
use crate::protocol::relay::{self, Part, Way};
use crate::protocol::{self, Context, Effects, Event, MessageError, OpenError};
use crate::wallet::error::Error;
use crate::wallet::machine::Wallet;
use crate::wallet::steps::{Step, StepAll};
use crate::wire::{Envelope, Message};

impl Wallet {
    /// Payer: opens a virtual channel along a route.
    pub(super) fn open_virtual(&mut self, terms: Terms, route: Route, now: u64) -> Result<(), Error> {
        let channel_id = terms.channel_id();
        if terms.payer_destination != self.config.destination {
            return Err(OpenError::NotOurs.into());
        }
        if self.set.slots.contains(&channel_id) {
            return Err(OpenError::Exists.into());
        }
        let ledger = route.ledgers.first().copied().ok_or(OpenError::Route)?;
        self.find(ledger)?;
        self.step_all(&[ledger], now, |context, parts| {
            let mut effects = Effects::default();
            let ledger = parts.first_mut().ok_or(OpenError::Route)?;
            let channel = Box::new(relay::propose(context, terms, route, ledger, &mut effects)?);
            parts.push(Part { channel_id, channel, effects });
            Ok(())
        })
    }

    /// Hub or payee: a neighbour proposes a virtual channel.
    pub(super) fn virtual_open(&mut self, envelope: Envelope, now: u64) -> Result<(), Error> {
        let (sender, channel_id) = (envelope.sender, envelope.channel_id);
        let Message::ChannelOpen { terms, signature, route: Some(route), hubs } = envelope.message else {
            return Ok(());
        };
        if channel_id != terms.channel_id() {
            return Err(MessageError::WrongSender.into());
        }
        self.find_or_absent(channel_id)?;
        if self.set.slots.contains(&channel_id) {
            return self.step_with_way(channel_id, now, |_, channel, effects| {
                if channel.neighbours().0 != Some(sender) {
                    return Err(MessageError::WrongSender.into());
                }
                Ok(relay::repeat(channel, &terms, effects).map_err(MessageError::from)?)
            });
        }
        let place = terms.participants().iter().position(|key| *key == self.key.address());
        let place = place.and_then(|place| Some((place.checked_sub(1)?, place))).ok_or(OpenError::NotOurs);
        let (before, after) = place.map_err(MessageError::from)?;
        let (mut ledgers, mut loaded) = (Vec::new(), Ok(()));
        for index in [before, after] {
            if let Some(ledger) = route.ledgers.get(index) {
                loaded = loaded.and(match self.find(*ledger) {
                    Err(Error::UnknownChannel { .. }) => Err(MessageError::from(OpenError::Route).into()),
                    found => found,
                });
                ledgers.push(*ledger);
            }
        }
        if let Err(error) = loaded {
            self.set.gather(&ledgers);
            return Err(error);
        }
        self.set.gathered();
        let (unfunded, destination) = (self.deadlines.len(), self.config.destination);
        self.step_all(&ledgers, now, |context, parts| {
            let mut effects = Effects::default();
            let (upstream, rest) = parts.split_first_mut().ok_or(MessageError::from(OpenError::Route))?;
            let ours = (&mut *upstream.channel, rest.first_mut());
            let proposed = relay::Proposed { terms, route, signature, hubs };
            let made = relay::accept_channel_open(context, sender, destination, unfunded, proposed, ours, &mut effects);
            let channel = Box::new(made.map_err(MessageError::from)?);
            parts.push(Part { channel_id, channel, effects });
            Ok(())
        })
    }

    /// A step on one channel, after which its way, or the channels whose way it is on, are brought up to it.
    pub(super) fn step_with_way(
        &mut self,
        channel_id: B256,
        now: u64,
        change: impl FnOnce(&Context<'_>, &mut Channel, &mut Effects) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.step_with_way_by(channel_id, now, Box::new(change))
    }

    /// One code for all steps, whatever they do.
    fn step_with_way_by(&mut self, channel_id: B256, now: u64, change: Box<Step<'_>>) -> Result<(), Error> {
        self.step_on_way(channel_id, None, now, |context, parts| match parts.first_mut() {
            Some(Part { channel, effects, .. }) => change(context, channel, effects),
            None => Err(Error::UnknownChannel { channel_id }),
        })
    }

    /// The same for a message; what it leads to may need the record of a virtual channel.
    pub(super) fn step_on_way(
        &mut self,
        channel_id: B256,
        message: Option<&Message>,
        now: u64,
        change: impl FnOnce(&Context<'_>, &mut Vec<Part>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.step_on_way_by(channel_id, message, now, Box::new(change))
    }

    fn step_on_way_by(
        &mut self,
        channel_id: B256,
        message: Option<&Message>,
        now: u64,
        change: Box<StepAll<'_>>,
    ) -> Result<(), Error> {
        let ids = self.on_way(channel_id, message)?;
        // What the other side refused is not offered again at once, nor asked for.
        let is_refusal = matches!(message, Some(Message::UpdateError { .. } | Message::Error { .. }));
        let mut busy = Vec::new();
        self.step_all(&ids, now, |context, parts| {
            change(context, parts)?;
            let virtuals = parts.iter().filter(|part| part.channel.passage.is_some()).map(|part| part.channel_id);
            for id in virtuals.collect::<Vec<_>>() {
                if let Some(mut way) = way(parts, id) {
                    relay::advance(context, &mut way, !is_refusal)?;
                    busy.extend(way.busy.into_iter().map(|ledger| (ledger, id)));
                }
            }
            Ok(())
        })?;
        self.busy.remove(&channel_id);
        self.wait_for_room(&busy);
        if self.channel(&channel_id).is_some_and(|channel| channel.leaving || channel.facts().dispute.is_some()) {
            // A ledger goes on chain with all that it guarantees.
            return self.advance(channel_id, now);
        }
        Ok(())
    }

    /// Does what is next on the way of a channel, now or when the records for it are loaded.
    pub(super) fn advance(&mut self, channel_id: B256, now: u64) -> Result<(), Error> {
        let Some(channel) = self.channel(&channel_id) else { return Ok(()) };
        let virtuals = match channel.passage {
            Some(_) => alloc::vec![channel_id],
            None => guaranteed(channel),
        };
        let mut result = Ok(());
        for id in virtuals {
            let mut busy = Vec::new();
            let advanced = self.on_way(id, None).and_then(|ids| {
                self.step_all(&ids, now, |context, parts| {
                    let Some(mut way) = way(parts, id) else { return Ok(()) };
                    relay::advance(context, &mut way, true)?;
                    busy.extend(way.busy.into_iter().map(|ledger| (ledger, id)));
                    Ok(())
                })
            });
            self.wait_for_room(&busy);
            match advanced {
                Err(Error::Loading { .. }) => _ = self.unadvanced.insert(id, ()),
                Err(Error::UnknownChannel { .. }) => {}
                advanced => result = result.and(advanced),
            }
        }
        result
    }

    /// Notes which virtual channels want more of a ledger than its queue has room for.
    fn wait_for_room(&mut self, busy: &[(B256, B256)]) {
        for (ledger, id) in busy {
            let mut waiting = self.busy.remove(ledger).unwrap_or_default();
            if !waiting.contains(id) {
                waiting.push(*id);
            }
            self.busy.insert(*ledger, waiting);
        }
    }

    /// Goes on with those whose records were loaded.
    pub(super) fn advance_waiting(&mut self, now: u64) -> Result<(), Error> {
        let waiting: Vec<B256> = self.unadvanced.keys().copied().collect();
        let mut result = Ok(());
        for id in waiting {
            match self.find(id) {
                Ok(()) => {
                    self.unadvanced.remove(&id);
                    result = result.and(self.advance(id, now));
                }
                Err(Error::Loading { .. }) => {}
                Err(_) => _ = self.unadvanced.remove(&id),
            }
        }
        result
    }

    /// The records that a step on a channel needs, that channel first: for a virtual one our ledgers on its way, for a ledger the
    /// virtual channels that it is about to change for, with theirs. All of them are loaded, or asked for.
    fn on_way(&mut self, channel_id: B256, message: Option<&Message>) -> Result<Vec<B256>, Error> {
        self.find(channel_id)?;
        let mut ids = alloc::vec![channel_id];
        let Some(channel) = self.channel(&channel_id) else { return Ok(ids) };
        let mut virtuals = match &channel.passage {
            Some(_) => alloc::vec![channel_id],
            None => concerned(channel, message),
        };
        virtuals.extend(self.busy.get(&channel_id).into_iter().flatten().copied());
        let mut result = Ok(());
        for id in virtuals {
            result = result.and(self.find_if_there(id, &mut ids));
            let hops = self.channel(&id).and_then(|channel| channel.passage.as_ref());
            let ledgers: Vec<B256> = hops.iter().flat_map(|passage| passage.hops()).map(|hop| hop.ledger).collect();
            for ledger in ledgers {
                result = result.and(self.find_if_there(ledger, &mut ids));
            }
        }
        if result.is_err() {
            self.set.gather(&ids);
        } else {
            self.set.gathered();
        }
        result.map(|()| ids)
    }

    /// Adds a channel to those that a step needs. One that has no record is left out: a backup may lack it.
    fn find_if_there(&mut self, channel_id: B256, ids: &mut Vec<B256>) -> Result<(), Error> {
        let found = self.find(channel_id);
        if matches!(found, Err(Error::UnknownChannel { .. })) {
            return Ok(());
        }
        if !ids.contains(&channel_id) {
            ids.push(channel_id);
        }
        found
    }

    /// A channel was not opened in time.
    pub(super) fn expire(&mut self, channel_id: B256, now: u64) -> Result<(), Error> {
        self.on_time(channel_id, now, |context, parts| match way(parts, channel_id) {
            Some(mut way) => {
                relay::expire(context, &mut way);
                Ok(())
            }
            None => match parts.first_mut() {
                Some(Part { channel, effects, .. }) => Ok(protocol::expire(context, channel, effects)?),
                None => Ok(()),
            },
        })
    }

    /// A peer did not answer in time.
    pub(super) fn unanswered(&mut self, channel_id: B256, now: u64) -> Result<(), Error> {
        self.on_time(channel_id, now, |context, parts| match way(parts, channel_id) {
            Some(mut way) => Ok(relay::unanswered(context, &mut way)?),
            None => match parts.first_mut() {
                Some(Part { channel, effects, .. }) => Ok(protocol::unanswered(context, channel, effects)?),
                None => Ok(()),
            },
        })
    }

    /// Does what the clock asks for. A record that has to be loaded for it is waited for no longer than a minute.
    fn on_time(
        &mut self,
        channel_id: B256,
        now: u64,
        change: impl FnOnce(&Context<'_>, &mut Vec<Part>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.step_on_way(channel_id, None, now, change) {
            Err(Error::Loading { .. }) => {
                self.answers.insert((now.saturating_add(60), channel_id), ());
                Ok(())
            }
            // It was forgotten while its records were waited for.
            Err(Error::UnknownChannel { .. }) => Ok(()),
            result => result,
        }
    }
}

/// The virtual channel out of some records, with our ledgers on its way.
fn way(parts: &mut [Part], channel_id: B256) -> Option<Way<'_>> {
    let passage = parts.iter().find(|part| part.channel_id == channel_id)?.channel.passage.as_ref()?;
    let (before, after) = (passage.upstream.map(|hop| hop.ledger), passage.downstream.map(|hop| hop.ledger));
    let (mut channel, mut upstream, mut downstream) = (None, None, None);
    for part in parts {
        let id = Some(part.channel_id);
        if id == Some(channel_id) {
            channel = Some(part);
        } else if id == before {
            upstream = Some(part);
        } else if id == after {
            downstream = Some(part);
        }
    }
    Some(Way { channel: channel?, upstream, downstream, busy: Vec::new() })
}

/// The virtual channels that a message on a ledger may change something for.
fn concerned(ledger: &Channel, message: Option<&Message>) -> Vec<B256> {
    let mut ids = Set::default();
    for change in ledger.proposals.iter().filter_map(|proposal| proposal.change) {
        ids.insert(change.channel_id(), ());
    }
    match message {
        Some(Message::Update { change: Some(change), .. }) => _ = ids.insert(change.channel_id(), ()),
        Some(Message::UpdateRequest { wish: Wish::Change(change), .. }) => {
            ids.insert(change.channel_id(), ());
        }
        Some(Message::ChannelReestablish { guarantees, .. }) => {
            for guarantee in guarantees.iter().take(MAX_GUARANTEES).filter(|one| !ledger.guarantees.contains(one)) {
                ids.insert(guarantee.channel_id, ());
            }
            for guarantee in ledger.guarantees.iter().filter(|one| !guarantees.contains(one)) {
                ids.insert(guarantee.channel_id, ());
            }
        }
        Some(Message::Error { .. }) => {
            if let Some(Wish::Change(change)) = ledger.request.map(|request| request.wish) {
                ids.insert(change.channel_id(), ());
            }
        }
        _ => {}
    }
    let is_answer = matches!(message, Some(Message::UpdateAck { .. } | Message::UpdateError { .. }));
    if is_answer || ledger.request.is_some() || message.is_none() {
        // Their turn may come now.
        for promise in &ledger.reserved {
            ids.insert(promise.channel_id, ());
        }
    }
    ids.keys().copied().collect()
}

/// The virtual channels that a ledger guarantees, or would if the chain decided now.
fn guaranteed(ledger: &Channel) -> Vec<B256> {
    let mut ids: Set<B256> = ledger.guarantees.iter().map(|guarantee| guarantee.channel_id).collect();
    if let Some(dispute) = &ledger.facts().dispute {
        for guarantee in relay::guarantees_in(ledger, &dispute.outcome) {
            ids.insert(guarantee.destination, ());
        }
    }
    for verdict in &ledger.verdicts {
        ids.insert(verdict.channel_id, ());
    }
    ids.keys().copied().collect()
}

/// What a participant of a virtual channel says.
pub(super) fn accept(context: &Context<'_>, parts: &mut [Part], envelope: Envelope) -> Result<(), MessageError> {
    let Envelope { sender, channel_id, message, .. } = envelope;
    let mut way = way(parts, channel_id).ok_or(MessageError::WrongSender)?;
    let Part { channel, effects, .. } = &mut *way.channel;
    let (upstream, downstream) = channel.neighbours();
    let (is_before, is_after) = (upstream == Some(sender), downstream == Some(sender));
    let is_end = channel.role != Role::Hub && channel.peer() == sender;
    let is_told = matches!(message, Message::Abort { .. } | Message::Error { .. });
    if let Some(code) = channel.aborted.clone().filter(|_| (is_before || is_after) && !is_told) {
        // What we said when we gave it up was lost.
        effects.send_to(Some(sender), Message::Abort { code });
        return Ok(());
    }
    match message {
        Message::ChannelAccept { signature, hubs } if is_after => {
            Ok(relay::accept_channel_accept(context, channel, signature, &hubs, effects)?)
        }
        Message::FundingLocked { signature, hubs } if is_before => {
            Ok(relay::accept_funding_locked(channel, signature, &hubs, effects)?)
        }
        Message::ShutdownRequest if is_after => Ok(relay::accept_shutdown_request(context, channel, effects)?),
        Message::Shutdown { turn, balances, signature, hubs, .. } if is_before => {
            Ok(relay::accept_shutdown(context, channel, (turn, balances), (signature, &hubs), effects)?)
        }
        Message::ShutdownAck { signature, hubs } if is_after => {
            Ok(relay::accept_shutdown_ack(channel, signature, &hubs, effects)?)
        }
        Message::Abort { code } if is_before || is_after => {
            relay::refused(context, &mut way, is_after, &code);
            Ok(())
        }
        Message::Error { code, text } if is_before || is_after || is_end => {
            let opens = channel.status() == Status::Initialized;
            effects.notify(Event::PeerError { channel_id, code: code.clone(), text });
            if opens && is_after {
                // Whoever has no record of the channel cannot give it up in any other way.
                relay::refused(context, &mut way, true, &code);
            }
            Ok(())
        }
        Message::ChannelReestablish { voucher, asks, answers, shown, .. } if is_end => {
            let said = protocol::Said { base: None, voucher, shown, asks, answers, guarantees: Vec::new() };
            Ok(protocol::accept_reestablish(context, channel, said, effects)?)
        }
        Message::Ping if is_before || is_after || is_end => {
            effects.send_to(Some(sender), Message::Pong);
            Ok(())
        }
        Message::Pong if is_before || is_after || is_end => {
            effects.notify(Event::PeerAlive { channel_id });
            Ok(())
        }
        _ => Err(MessageError::WrongSender),
    }
}
