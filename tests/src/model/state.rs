//! What the contracts store, with a journal that can take every change back.

use alloy_primitives::{Address, B256, U256};
use std::collections::HashMap;

/// One number that the chain stores. A slot that was never written is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// The native balance of an account, in wei.
    Balance(Address),
    /// The token balance of an account, in base units.
    TokenBalance(Address),
    /// What the second account may spend of the first one's tokens.
    Allowance(Address, Address),
    /// All tokens there are.
    TokenSupply,
    /// What the adjudicator holds of an asset for a channel.
    Holdings(Address, B256),
    /// The status word of a channel.
    Status(B256),
}

/// A point in the journal, to go back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize);

/// The slots and their journal.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    slots: HashMap<Slot, U256>,
    /// The values that were overwritten, in order.
    journal: Vec<(Slot, U256)>,
}

impl State {
    pub(super) fn get(&self, slot: Slot) -> U256 {
        self.slots.get(&slot).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, slot: Slot, value: U256) {
        let before = self.slots.insert(slot, value).unwrap_or_default();
        self.journal.push((slot, before));
    }

    /// Sets a slot as if it had always been so: no [`Mark`] leads back before it.
    pub(super) fn set_for_good(&mut self, slot: Slot, value: U256) {
        assert!(self.journal.iter().all(|&(written, _)| written != slot), "{slot:?} has a history");
        self.slots.insert(slot, value);
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.journal.len())
    }

    /// Takes back every change since `mark`.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        while self.journal.len() > mark.0 {
            if let Some((slot, before)) = self.journal.pop() {
                self.slots.insert(slot, before);
            }
        }
    }
}
