//! What is on its way between parties, and the transactions that wait for a block.

use std::collections::VecDeque;

use alloy_primitives::B256;
use millstream_core::protocol::TransactionKind;

use crate::model::Transaction;

/// How much the network holds; the oldest is lost first.
const CAPACITY: usize = 300;

/// What travels.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A message.
    Message(Vec<u8>),
    /// A payment.
    Payment(Vec<u8>),
}

/// A parcel on its way.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The party that sent it.
    pub from: usize,
    /// The party that it goes to.
    pub to: usize,
    /// What it is.
    pub parcel: Parcel,
}

/// The network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// In the order of sending.
    pub packets: VecDeque<Packet>,
}

impl Network {
    /// Takes a packet.
    pub fn send(&mut self, packet: Packet) {
        self.packets.push_back(packet);
        if self.packets.len() > CAPACITY {
            self.packets.pop_front();
        }
    }
}

/// A transaction and the wallet that wants to hear of it.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The party that sends it.
    pub party: usize,
    /// Which of its wallets.
    pub host: usize,
    /// That wallet's life: after a restart nobody remembers.
    pub life: u32,
    /// The channel; `None` if no wallet asked for the transaction.
    pub channel: Option<(B256, TransactionKind)>,
    /// What it deposits for a channel that is not its sender's to fund.
    pub dust: Option<(B256, u128)>,
    /// The transaction.
    pub transaction: Transaction,
}

impl Pending {
    /// Transactions of one lane are mined in order.
    pub fn lane(&self) -> (usize, Option<B256>) {
        (self.party, self.channel.map(|(id, _)| id))
    }
}
