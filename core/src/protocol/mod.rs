//! What the two sides of a channel do: open and fund, pay, close, and leave alone when the other side is gone.
//!
//! Every function takes the channel's record, changes it, and says what follows as `Effects`. It either does all of
//! it or returns an error; the caller works on a copy and keeps it only on success. Only [`crate::wallet`] calls it: it
//! stores the record before it lets any effect out.

mod close;
mod dispute;
mod effects;
mod error;
mod open;
mod pay;
mod policy;

pub use effects::{Event, Transaction, TransactionKind};
pub use error::{CloseError, LeaveError, MessageError, OpenError, PayError, PaymentError};
pub use policy::{Policy, PolicyError};

pub(crate) use close::{accept_shutdown, accept_shutdown_ack, accept_shutdown_request, request_close};
pub(crate) use dispute::{apply_event, due, leave};
pub(crate) use effects::{Effect, Effects};
pub(crate) use open::{abort, accept_channel_accept, accept_channel_open, accept_funding_locked, expire, propose};
pub(crate) use pay::{accept_payment, pay};

use crate::channel::{Chain, Channel, Closing, Role};
use crate::crypto::{SignError, Signer};
use crate::payment::VoucherDomain;
use crate::wire::Message;

/// What every step may look at besides the record.
pub(crate) struct Context<'a> {
    pub(crate) signer: &'a dyn Signer,
    pub(crate) chain: &'a Chain,
    pub(crate) domain: &'a VoucherDomain,
    pub(crate) policy: &'a Policy,
    /// Seconds since 1970, as the host told.
    pub(crate) now: u64,
}

/// The message that the other side may still be waiting for, rebuilt from the record: sent again after a restart or a
/// lost connection. It never says anything that the record does not already commit us to.
pub(crate) fn outstanding_message(channel: &Channel) -> Option<Message> {
    if channel.payout.is_some() || channel.aborted.is_some() || channel.dispute.is_some() {
        return None;
    }
    if let Some(Closing { turn, claimed, signatures, submitter }) = channel.closing {
        return signatures.of(channel.role).map(|signature| match channel.role {
            Role::Payer => Message::Shutdown { turn, claimed, submitter, signature },
            Role::Payee => Message::ShutdownAck { signature },
        });
    }
    if channel.role == Role::Payee && channel.close_requested {
        return Some(Message::ShutdownRequest);
    }
    if let Some(signature) = channel.postfund.of(channel.role) {
        return Some(Message::FundingLocked { signature });
    }
    let signature = channel.prefund.of(channel.role)?;
    match channel.role {
        Role::Payer if channel.prefund.payee.is_none() => {
            Some(Message::ChannelOpen { terms: channel.terms.clone(), signature })
        }
        Role::Payer => None,
        Role::Payee => Some(Message::ChannelAccept { signature }),
    }
}

/// Adds the transactions that we owe the chain now, rebuilt from the record.
pub(crate) fn outstanding_transactions(
    context: &Context<'_>,
    channel: &Channel,
    chain_time: u64,
    effects: &mut Effects,
) -> Result<(), SignError> {
    if channel.payout.is_some() || channel.aborted.is_some() {
        return Ok(());
    }
    if channel.dispute.is_some() || channel.leaving {
        dispute::next_transaction(context, channel, chain_time, effects)?;
    } else if channel.closing.is_some() {
        close::next_transaction(channel, effects);
    } else {
        open::next_transaction(channel, effects);
    }
    Ok(())
}
