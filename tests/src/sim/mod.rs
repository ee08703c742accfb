//! The simulator: whole worlds of wallets, networks, stores and chains in which everything goes wrong that can, each of
//! them following from one number.
//!
//! [`run`] lives through one seed: a number of steps, each an [action] that follows from the seed and the step's number
//! alone, and then an end in which the faults stop and everything is settled. What honest parties let out is checked as it
//! leaves ([release]), what they got at the end ([invariants]). [`shrink`](shrink::shrink) finds the steps of a failing
//! seed that matter.
//!
//! What a host promises its wallet (docs of `wallet::Output` and `wallet::Input`) holds here too: writes to one record take
//! effect in order, every block that a reorganisation can take back is reported again, a transaction that will not be
//! mined is reported as failed and the channel resumed later, and no honest wallet is cut off from its chain for longer
//! than a quarter of the time in which a challenge can be answered.

pub mod act;
pub mod action;
pub mod claim;
pub mod host;
pub mod invariants;
pub mod liar;
pub mod liar_chain;
pub mod liar_relay;
pub mod mine;
pub mod network;
pub mod profile;
pub mod relay;
pub mod release;
pub mod settle;
pub mod shrink;
pub mod signer;
pub mod states;
pub mod store;
pub mod truth;
pub mod wealth;
pub mod wire;
pub mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use world::{Violation, World};

/// What became of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// What happened, in readable lines, if they were wanted.
    pub trace: Vec<String>,
    /// How many payees signed a turn again after a restore, to a payer that lied.
    pub signed_twice_after_restore: u64,
    /// What happened how often.
    pub counts: BTreeMap<String, u64>,
}

/// Lives through a seed. Of its first `steps` steps those happen that `happens` admits.
pub fn run(seed: u64, steps: u32, trace: bool, happens: impl Fn(u32) -> bool) -> Outcome {
    let mut world = World::new(seed, trace);
    let lived = catch_unwind(AssertUnwindSafe(|| live(&mut world, seed, steps, happens)));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        world.broken("nothing panics", text.to_owned());
    }
    Outcome {
        violation: world.violation,
        trace: world.trace.unwrap_or_default(),
        counts: world.counts,
        signed_twice_after_restore: world.truth.signed_twice_after_restore,
    }
}

fn live(world: &mut World, seed: u64, steps: u32, happens: impl Fn(u32) -> bool) {
    for step in (0..steps).filter(|step| happens(*step)) {
        let (kind, random) = action::action(seed, step, &world.profile);
        world.step = Some(step);
        world.random = random;
        world.act(kind);
        if world.violation.is_some() {
            return;
        }
    }
    world.reverts.clear();
    world.settle();
    if world.violation.is_none() {
        world.check_end();
    }
}
