//! A model of the chain: what channels see of one, in plain Rust, a thousand times faster than a virtual machine.
//!
//! [`ModelChain`] keeps balances, tokens and allowances, runs the Nitro adjudicator with the rules of `StreamApp` and
//! `ConsensusApp` on raw transactions, and yields the logs. Blocks are mined only on demand, several transactions may
//! share one, and [`ModelChain::reorg`] takes blocks back. It is deterministic: the same calls give the same chain.
//!
//! It answers as the published bytecode does, byte for byte in logs and reverts; `tests/model` runs the same random
//! histories on both, and `tests/integration/model.test.mjs` on a node.
//!
//! What it leaves out: gas and nonces (transactions may be dropped and mined in any order), views sent as transactions
//! (they revert), other contracts than the four in [`Contracts`], and channels without participants or with more than
//! 255.

mod abi;
mod adjudicator;
mod apps;
mod assets;
mod blocks;
mod frame;
mod revert;
mod state;
mod token;

use alloy_primitives::{Address, B256, Bytes, address};
use millstream_core::channel::Chain;

pub use apps::stream_app_revert;
pub use blocks::{ENDOWMENT, ModelChain};
pub use revert::Revert;

/// Where the contracts of a chain are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `NitroAdjudicator`.
    pub adjudicator: Address,
    /// `StreamApp`.
    pub stream_app: Address,
    /// `ConsensusApp`.
    pub consensus_app: Address,
    /// `TestToken`.
    pub token: Address,
}

impl Contracts {
    /// Addresses for a chain that stands for none in particular.
    pub const EXAMPLE: Self = Self {
        chain_id: 31_337,
        adjudicator: address!("00000000000000000000000000000000000c0001"),
        stream_app: address!("00000000000000000000000000000000000c0002"),
        consensus_app: address!("00000000000000000000000000000000000c0003"),
        token: address!("00000000000000000000000000000000000c0004"),
    };

    /// Whether one of the contracts is at `address`.
    pub fn contains(&self, address: Address) -> bool {
        [self.adjudicator, self.stream_app, self.consensus_app, self.token].contains(&address)
    }

    /// The contracts as wallets know them.
    pub const fn chain(&self) -> Chain {
        let Self { chain_id, adjudicator, stream_app, consensus_app, .. } = *self;
        Chain { chain_id, adjudicator, stream_app, consensus_app }
    }
}

/// A part of a channel's money that left the adjudicator's account of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidOut {
    /// The channel that paid.
    pub channel_id: B256,
    /// Zero for the native asset, else the token.
    pub asset: Address,
    /// Who was paid: an address padded to 32 bytes, or a channel.
    pub destination: B256,
    /// In base units.
    pub amount: u128,
}

/// A transaction as a wallet submits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who sends it.
    pub from: Address,
    /// The account or contract it goes to.
    pub to: Address,
    /// What it carries, in wei.
    pub value: u128,
    /// The calldata.
    pub data: Bytes,
}
