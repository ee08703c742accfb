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

mod chain;
mod error;
mod inbound;
mod input;
mod machine;
mod outbox;
mod output;
mod watch;

pub use error::Error;
pub use input::{ChainUpdate, Command, Input, Log, StoredRecord};
pub use machine::{Config, Wallet};
pub use output::{Output, Write};
