//! One channel: the terms it was opened on, its record, and the states that can be built from it.
//!
//! A [`Channel`] is the one truth about a channel; everything that is sent or submitted is derived from it. It holds no
//! rules about who does what next: those are in [`crate::protocol`], the only writer.

mod record;
mod states;
mod terms;

pub use record::{Channel, Closing, Dispute, Payout, Position, RecordError, Role, Signatures, Status};
pub use states::{POSTFUND_TURN, PREFUND_TURN};
pub(crate) use states::{State, closing_turn};
pub use terms::{Chain, Terms, TermsError, derive_nonce};
