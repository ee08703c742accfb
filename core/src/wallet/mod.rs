//! The machine that a host drives: inputs in, outputs out.
//!
//! [`Wallet::handle`] takes one [`Input`] and either changes something or returns an error and changes nothing.
//! [`Wallet::poll_output`] then yields what the host must do, in order. The machine is deterministic: the same inputs
//! give the same outputs, byte for byte, on every platform.
//!
//! **Nothing signed leaves before what it commits to is stored.** A step that changes a channel yields
//! [`Output::Commit`] at once; its messages, payments, transactions and events follow only after
//! [`Input::Committed`]. Other channels do not wait.
//!
//! ```text
//! host                                   wallet
//!  |-- handle(Command::Pay) -------------->|   signs a voucher, keeps it back
//!  |<------------- Output::Commit {id} ----|
//!  |   (writes the record, fsync)          |
//!  |-- handle(Committed {id}) ------------>|
//!  |<------------- Output::Payment --------|   now it may leave
//! ```
//!
//! **The working set is small.** A channel is loaded when an input names it: the input is refused with
//! [`Error::Loading`] and an [`Output::Load`], and the host feeds it again after [`Input::Loaded`]. Idle channels are
//! dropped, those used longest ago first. A host whose wallet holds very few feeds inputs that wait for records one after the
//! other: a withdrawal names two channels, and two of those would push each other's out.

mod chain;
mod commands;
mod error;
mod inbound;
mod input;
mod key;
mod machine;
mod outbox;
mod output;
mod relay;
mod signing;
mod spending;
mod steps;
mod watch;
mod working_set;

pub use crate::protocol::LeaseTerms;
pub use error::Error;
pub use input::{ChainUpdate, Command, Input, Log, Purchase, StoredRecord};
pub use machine::{Config, Wallet};
pub use output::{Output, Write};
pub use spending::SPEND_LOG_KEY;
