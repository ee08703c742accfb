//! Whole lives of directly funded channels: two wallets and the real contracts, in one process.
//!
//! Every history ends with balances checked to the unit. Time, blocks, losses and crashes are the test's own, so every
//! run is the same.

#[path = "../evm/mod.rs"]
mod evm;
mod party;
mod recorder;
mod world;

mod alone;
mod crash;
mod hostile;
mod together;

pub(crate) use world::{Asset, DEPOSIT, PAYEE, PAYER, World};
