//! Whole lives of directly funded channels: two wallets and the real contracts, in one process.
//!
//! Every history ends with balances checked to the unit. Time, blocks, losses and crashes are the test's own, so every
//! run is the same.

/// Tests of the functions that take an asset, once with the native one and once with a token.
macro_rules! with_both_assets {
    ($($name:ident),* $(,)?) => {
        mod native {
            $(#[test] fn $name() { super::$name(crate::Asset::Native); })*
        }
        mod token {
            $(#[test] fn $name() { super::$name(crate::Asset::Token); })*
        }
    };
}
pub(crate) use with_both_assets;

#[path = "../evm/mod.rs"]
mod evm;
mod party;
mod recorder;
mod world;

mod alone;
mod closing;
mod crash;
mod funding;
mod hostile;
mod hub_again;
mod hub_alone;
mod hub_faults;
mod hub_hostile;
mod hub_limits;
mod hub_memory;
mod hub_rows;
mod hub_world;
mod hubs;
mod late;
mod lease;
mod ledger;
mod reorg;
mod replay;
mod restore;
mod rows;
mod signer;
mod spending;
mod ticks;
mod timers;
mod together;
mod topup;
mod updates;
mod withdraw;
mod working_set;

pub(crate) use world::{Asset, DEPOSIT, PAYEE, PAYER, World};
