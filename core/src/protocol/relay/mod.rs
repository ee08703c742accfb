//! Virtual channels: streams through hubs, funded by guarantees in the ledgers on the way.
//!
//! ```text
//! payer ---------------- hub ---------------- payee
//!   |-- channel_open ---->|-- channel_open ---->|    all sign the prefund
//!   |<- channel_accept ---|<- channel_accept ---|
//!   |== update (ledger) =>|                     |    the guarantee in the first ledger
//!   |-- funding_locked -->|== update (ledger) =>|    the next one, once the one before is held by both signatures
//!   |<= update_ack =======|-- funding_locked -->|    the postfund, on the way down
//!   |                     |<= update_ack =======|
//!   |---------------- payments ---------------->|    past the hub
//! ```
//!
//! What comes next is derived from the record of the virtual channel and those of our ledgers on its way: [`advance`] is
//! called whenever one of them has changed, and does what can be done. So a crash or a lost message is made good by calling it
//! again.
//!
//! Nobody can lose because of where a hub stops. Before everyone signed the prefund no ledger sets anything aside, so what is
//! set aside always comes back. A hub signs the postfund, without which no voucher counts, only when the guarantee before it is
//! held. A guarantee is removed only when the downstream side gets all that it may owe, and the upstream side pays no more than
//! it is sure of: [`guarantee::check_change`].

mod chain;
mod end;
mod guarantee;
mod messages;
mod open;

pub(crate) use chain::{adopt_postfund, guarantees_in, reclaimable_at, reclaimed};
pub(crate) use end::{
    accept_shutdown, accept_shutdown_ack, accept_shutdown_request, awaits_peer, not_signed, refused, request_close,
    unanswered,
};
pub(crate) use guarantee::check_change;
pub(crate) use messages::{complete, give_up_unsigned, outstanding};
pub(crate) use open::{
    Proposed, abort, accept_channel_accept, accept_channel_open, accept_funding_locked, expire, propose, repeat,
};

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::B256;
use crate::channel::{Channel, Hop, Role, Stage, Status};
use crate::protocol::effects::Effects;
use crate::protocol::{Context, MessageError, dispute};

/// A channel that a step works on, and what follows for it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) channel_id: B256,
    pub(crate) channel: Box<Channel>,
    pub(crate) effects: Effects,
}

/// A virtual channel and our ledgers on its way.
pub(crate) struct Way<'a> {
    pub(crate) channel: &'a mut Part,
    pub(crate) upstream: Option<&'a mut Part>,
    pub(crate) downstream: Option<&'a mut Part>,
    /// The ledgers whose queue has no room for what we want: to be asked again when it moves on.
    pub(crate) busy: Vec<B256>,
}

impl Way<'_> {
    /// Our ledgers, as far as they are there: a backup may lack one.
    fn ledgers(&mut self) -> impl Iterator<Item = &mut Part> {
        self.upstream.iter_mut().chain(&mut self.downstream).map(|part| &mut **part)
    }
}

/// Does what can be done next. Calling it again changes nothing. `offers`: whether the ledgers may be changed now.
pub(crate) fn advance(context: &Context<'_>, way: &mut Way<'_>, offers: bool) -> Result<(), MessageError> {
    guarantee::sync(context, way);
    open::give_up_if_challenged(context, way);
    if offers {
        open::proceed(context, way)?;
    }
    // What was offered just now may ask for our signature.
    guarantee::sync(context, way);
    open::lock(context, way)?;
    if offers {
        end::settle(context, way)?;
    }
    chain::report(way);
    chain::follow(context, way)?;
    guarantee::sync(context, way);
    if way.channel.channel.status() == Status::Closed {
        let channel = &mut way.channel.channel;
        (channel.deadline, channel.leaving) = (None, false);
    }
    Ok(())
}

/// Where we stand in a virtual channel.
fn place(channel: &Channel) -> usize {
    channel.passage.as_ref().map_or(0, |passage| passage.place())
}

/// Whether a hop of the channel is held by both signatures.
fn is_held(hop: Option<Hop>) -> bool {
    hop.is_some_and(|hop| hop.stage == Stage::Held)
}

/// Whether the other side of a ledger waits for us to propose.
fn leads(ledger: &Channel) -> bool {
    ledger.role == Role::Payer
}

/// Leaves with a virtual channel, as far as that is not under way.
fn leave(context: &Context<'_>, part: &mut Part) -> Result<(), MessageError> {
    part.channel.leaving = true;
    Ok(dispute::next_transaction(context, &part.channel, &mut part.effects)
        .map_err(crate::protocol::CloseError::from)?)
}
