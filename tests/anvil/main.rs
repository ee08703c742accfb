//! Lives of channels on anvil, an independent node: the rows of the protocol's table "On chain" and the attacks on them.
//!
//! The histories are those of the lifecycle tests, which run them in revm. Where anvil is not installed (`npm ci` does it),
//! they are reported as ignored.

#![allow(dead_code, reason = "the lifecycle tests use more of what is shared")]

/// Tests of the functions that take an asset, once with the native one and once with a token.
macro_rules! with_both_assets {
    ($($name:ident),* $(,)?) => {
        mod native {
            $(#[test] #[cfg_attr(not(anvil), ignore = "anvil is not installed")]
            fn $name() { super::$name(crate::Asset::Native); })*
        }
        mod token {
            $(#[test] #[cfg_attr(not(anvil), ignore = "anvil is not installed")]
            fn $name() { super::$name(crate::Asset::Token); })*
        }
    };
}
pub(crate) use with_both_assets;

#[path = "chain.rs"]
mod evm;
mod rpc;

#[path = "../lifecycle/party.rs"]
mod party;
#[path = "../lifecycle/recorder.rs"]
mod recorder;
#[path = "../lifecycle/world.rs"]
mod world;

#[path = "../lifecycle/closing.rs"]
mod closing;
#[path = "../lifecycle/funding.rs"]
mod funding;
#[path = "../lifecycle/hub_rows.rs"]
mod hub_rows;
#[path = "../lifecycle/hub_world.rs"]
mod hub_world;
#[path = "../lifecycle/rows.rs"]
mod rows;
#[path = "../lifecycle/topup.rs"]
mod topup;
#[path = "../lifecycle/withdraw.rs"]
mod withdraw;

pub(crate) use world::{Asset, DEPOSIT, World};
