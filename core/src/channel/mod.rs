//! One channel: the terms it was opened on, its record, and the states that can be built from it.
//!
//! A [`Channel`] is the one truth about a channel; everything that is sent or submitted is derived from it. It holds no
//! rules about who does what next: those are in [`crate::protocol`], the only writer.

mod balances;
mod chain_facts;
mod guarantee;
mod passage;
mod record;
mod signed;
mod states;
mod terms;

pub use balances::{Balances, Role};
pub(crate) use chain_facts::{ChainEvent, Confirmed, is_guarantee};
pub use chain_facts::{Dispute, Facts, Payout, Position};
pub use guarantee::{Change, Guarantee, MAX_GUARANTEES, Reservation, Split, Verdict};
pub use passage::{Hop, Passage, Route, Sheet, Stage};
pub use record::{Channel, MAX_RECORD_BYTES, RecordError, Status};
pub use signed::{Base, Closing, Lease, Posted, Proposal, Request, Signatures, Successor, Wish};
pub(crate) use states::State;
pub use states::{POSTFUND_TURN, PREFUND_TURN};
pub use terms::{Chain, Kind, MAX_HUBS, Terms, TermsError, derive_nonce};
