//! One transaction while it runs.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolEvent;
use std::collections::HashMap;

use super::revert::require;
use super::state::{Slot, State};
use super::{Contracts, PaidOut, Revert, Transaction, adjudicator, token};
use millstream_core::crypto::{Signature, eip191_digest};

/// A log before it has its place in a block.
#[derive(Debug)]
pub(super) struct Emitted {
    pub(super) address: Address,
    pub(super) topics: Vec<B256>,
    pub(super) data: Bytes,
}

/// Answers that cost elliptic curve arithmetic and never change.
#[derive(Debug, Default)]
pub(super) struct Memory {
    signers: HashMap<(B256, u8, B256, B256), Option<Address>>,
    /// What `StreamApp` says to states, given as its app module names them.
    pub(super) verdicts: HashMap<Vec<(B256, U256)>, Result<(), Revert>>,
}

impl Memory {
    /// Who signed `hash` under EIP-191, as `NitroUtils.recoverSigner` finds out.
    pub(super) fn recover(&mut self, hash: B256, v: u8, r: B256, s: B256) -> Result<Address, Revert> {
        let signer = self.signers.entry((hash, v, r, s)).or_insert_with(|| {
            // `ecrecover` takes a high s, which recovers to the signer of its low twin.
            Signature::from_chain(r, s, v).ok()?.recover(&eip191_digest(hash)).ok()
        });
        signer.ok_or_else(|| Revert::because("Invalid signature"))
    }
}

/// What a running transaction sees and changes.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) state: &'a mut State,
    pub(super) memory: &'a mut Memory,
    pub(super) contracts: Contracts,
    /// `block.timestamp`.
    pub(super) time: u64,
    /// `msg.sender`.
    pub(super) sender: Address,
    /// `msg.value`.
    pub(super) value: U256,
    pub(super) logs: Vec<Emitted>,
    pub(super) paid: Vec<PaidOut>,
}

impl Frame<'_> {
    /// Runs the transaction. After an error the state is as it was left at that moment: the caller takes it back.
    pub(super) fn run(&mut self, transaction: &Transaction) -> Result<(), Revert> {
        let Transaction { from, to, value, data } = transaction;
        self.move_native(*from, *to, U256::from(*value))?;
        match *to {
            to if to == self.contracts.adjudicator => adjudicator::call(self, data),
            to if to == self.contracts.token => token::call(self, data),
            // The app contracts have nothing but views.
            to if self.contracts.contains(to) => Err(Revert::silent()),
            _ => Ok(()),
        }
    }

    pub(super) fn emit(&mut self, address: Address, event: &impl SolEvent) {
        let (topics, data) = event.encode_log_data().split();
        self.logs.push(Emitted { address, topics, data });
    }

    /// Moves wei. Contracts take none except in calls.
    pub(super) fn move_native(&mut self, from: Address, to: Address, amount: U256) -> Result<(), Revert> {
        let held = self.state.get(Slot::Balance(from));
        require(held >= amount, "insufficient funds")?;
        self.state.set(Slot::Balance(from), held.wrapping_sub(amount));
        let held = self.state.get(Slot::Balance(to));
        self.state.set(Slot::Balance(to), held.saturating_add(amount));
        Ok(())
    }
}
