//! What the two sides of a channel do: open and fund, pay, update, withdraw, close, and leave alone when the other side
//! is gone.
//!
//! Every function takes the channel's record, changes it, and says what follows as `Effects`. It either does all of
//! it or returns an error; the caller works on a copy and keeps it only on success. Only [`crate::wallet`] calls it: it
//! stores the record before it lets any effect out.
//!
//! A step never signs what is not in the record: it puts the content there, and `sign::complete` signs what the record
//! says we agreed to. So a signer may take its time, and a turn has one content, whatever happens in between.

mod close;
mod dispute;
mod effects;
mod error;
mod open;
mod outstanding;
mod pay;
mod policy;
mod reestablish;
pub(crate) mod relay;
mod sign;
mod silence;
mod spending;
mod update;
mod watch;
mod withdraw;

pub use effects::{Event, Transaction, TransactionKind};
pub use error::{
    CloseError, LeaveError, MessageError, OpenError, PayError, PaymentError, ReestablishError, UpdateError,
    WithdrawError,
};
pub use policy::{HubPolicy, Policy, PolicyError};
pub use sign::Purpose;
pub use spending::{SpendRefusal, SpendRule, SpendScope};

pub(crate) use close::{accept_shutdown, accept_shutdown_ack, accept_shutdown_request, request_close};
pub(crate) use dispute::{clear, due, leave, snapshot};
pub(crate) use effects::{Effect, Effects};
pub(crate) use open::{abort, accept_channel_accept, accept_channel_open, accept_funding_locked, expire, propose};
pub(crate) use outstanding::{outstanding_messages, outstanding_transactions};
pub(crate) use pay::{Order, accept_payment, affordable, next_tick, pay};
pub(crate) use reestablish::{RESTORE_GAP, Said, accept_reestablish, question};
pub(crate) use sign::{ChainOf, ChannelKey, complete, give_up_unsigned};
pub(crate) use silence::{awaits_peer, unanswered};
pub(crate) use spending::{SpendLog, Tags, Verdict};
pub(crate) use update::{
    Proposed, accept_update, accept_update_ack, accept_update_error, accept_update_request, fold, pay_in_ledger,
    request, top_up,
};
pub(crate) use watch::{Observed, apply_event, is_overtaken, reorganise};
pub(crate) use withdraw::{accept_successor_accept, accept_successor_open, credit, give_up, withdraw};

use alloc::collections::VecDeque;

use crate::channel::Chain;
use crate::payment::VoucherDomain;

/// What every step may look at besides the record.
pub(crate) struct Context<'a> {
    pub(crate) key: &'a dyn ChannelKey,
    pub(crate) chain: &'a Chain,
    pub(crate) domain: &'a VoucherDomain,
    pub(crate) policy: &'a Policy,
    /// What the payer may sign at once without storing it, if anything.
    pub(crate) lease: Option<LeaseTerms>,
    /// Seconds since 1970, as the host told.
    pub(crate) now: u64,
    /// The time of the newest block, in seconds since 1970.
    pub(crate) chain_time: u64,
    /// The newest blocks that were reported.
    pub(crate) heads: &'a Heads,
    /// When the wallet was restored from a backup, if it was, in seconds since 1970.
    pub(crate) restored_at: Option<u64>,
}

/// The newest blocks that the host reported, with their times: the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Heads(VecDeque<(u64, u64)>);

/// How many are kept: more than the confirmations that anybody asks for, if the host reports every block.
const MAX_HEADS: usize = 256;

impl Heads {
    /// A new head. Those that it takes the place of are forgotten.
    pub(crate) fn push(&mut self, block: u64, time: u64) {
        while self.0.back().is_some_and(|(last, _)| *last >= block) {
            self.0.pop_back();
        }
        if self.0.len() >= MAX_HEADS {
            self.0.pop_front();
        }
        self.0.push_back((block, time));
    }

    /// The newest time of the chain that is known to be under so many blocks, in seconds since 1970; zero if none is.
    pub(crate) fn time_under(&self, confirmations: u32) -> u64 {
        let head = self.0.back().map_or(0, |(block, _)| *block);
        let is_deep =
            |(block, _): &&(u64, u64)| block.saturating_add(u64::from(confirmations)) <= head.saturating_add(1);
        self.0.iter().rev().find(is_deep).map_or(0, |(_, time)| *time)
    }
}

/// How much a payer reserves with one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// How many payments.
    pub payments: u32,
    /// How much they may pay together, in base units.
    pub amount: u128,
}
