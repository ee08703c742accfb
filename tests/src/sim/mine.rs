//! Blocks, transactions that wait for them, and reorganisations.

use millstream_core::nitro::{ChannelMode, ChannelStatus};
use millstream_core::wallet::Input;

use super::host::REPORTED_AGAIN;
use super::network::Pending;
use super::world::{At, World};

impl World {
    /// Mines a block with some of the waiting transactions: those that `takes` admits, in order within each lane.
    pub fn mine_block(&mut self, takes: impl Fn(&Pending) -> bool) {
        let (mut chosen, mut left, mut lanes) = (Vec::new(), Vec::new(), Vec::new());
        for pending in std::mem::take(&mut self.mempool) {
            let faults = &self.profile.faults;
            let (dropped, delayed) = (faults.dropped, faults.delayed);
            let lane = pending.lane();
            if !takes(&pending) || lanes.contains(&lane) {
                left.push(pending);
            } else if !self.calm && dropped > 0 && self.random.chance(dropped) {
                self.say(|_| "   a transaction is dropped".into());
                self.transaction_failed(&pending);
            } else if !self.calm && delayed > 0 && self.random.chance(delayed) {
                lanes.push(lane);
                left.push(pending);
            } else {
                chosen.push(pending);
            }
        }
        self.mempool = left;
        let seconds = self.now.saturating_sub(self.chain.time()).max(1);
        let transactions = chosen.iter().map(|pending| pending.transaction.clone()).collect();
        let results = self.chain.mine_block(seconds, transactions);
        self.now = self.now.max(self.chain.time());
        let block = self.chain.block();
        self.note_final_outcomes();
        for (pending, result) in chosen.into_iter().zip(results) {
            match result {
                Some(Ok(())) => {
                    if let Some((channel_id, amount)) = pending.dust {
                        self.dust.push((block, channel_id, amount));
                    }
                    self.count(pending.channel.map_or("sent by a liar", |(_, kind)| kind.name()));
                    self.mined.push((block, pending));
                }
                Some(Err(revert)) => {
                    self.count("reverted");
                    let what = pending.channel.map_or("something", |(_, kind)| kind.name());
                    self.say(|_| format!("   {what} reverts: {}", revert.reason()));
                    if let Some((channel_id, _)) = pending.channel.filter(|_| self.is_honest(pending.party)) {
                        *self.reverts.entry((pending.party, channel_id)).or_default() += 1;
                    }
                    self.transaction_failed(&pending);
                }
                None => self.transaction_failed(&pending),
            }
        }
    }

    /// Remembers which base a party could last have answered with, once it is too late to answer.
    fn note_final_outcomes(&mut self) {
        for (channel_id, _) in &self.channels {
            let status = ChannelStatus::from_word(self.chain.status_of(*channel_id));
            let is_final = status.mode(self.chain.time()) == ChannelMode::Finalized;
            let paid = self.chain.paid_out().iter().any(|paid| paid.channel_id == *channel_id);
            for party in 0..self.parties.len() {
                let place = (party, *channel_id);
                if !is_final && !paid {
                    self.final_bases.remove(&place);
                } else if let Some(turn) = self.synced_bases.get(&place) {
                    self.final_bases.entry(place).or_insert(*turn);
                }
            }
        }
    }

    /// Tells the wallet, if it still runs, that its transaction will not be mined.
    fn transaction_failed(&mut self, pending: &Pending) {
        let Some((channel_id, kind)) = pending.channel else { return };
        let at = At { party: pending.party, host: pending.host };
        let host = &mut self.parties[at.party].hosts[at.host];
        if host.life == pending.life && host.wallet.is_some() {
            if !host.resume.contains(&channel_id) {
                host.resume.push_back(channel_id);
            }
            self.feed(at, Input::TransactionFailed { channel_id, kind });
        }
    }

    /// Takes back blocks and mines others in their place: most of what was in them comes again, in some order.
    pub fn reorganise(&mut self) {
        let possible = self.chain.block().saturating_sub(self.reorg_floor);
        let shallow = u64::from(self.profile.confirmations) - 1;
        let deepest = if self.profile.faults.deep_reorgs { REPORTED_AGAIN - 6 } else { shallow };
        let depth = (self.random.below(deepest.max(1)) + 1).min(possible);
        if depth == 0 {
            return;
        }
        self.say(|_| format!("{depth} blocks are taken back"));
        self.chain.reorg(usize::try_from(depth).unwrap_or(0));
        let newest = self.chain.block();
        self.dust.retain(|(block, _, _)| *block <= newest);
        let gone = self.mined.partition_point(|(block, _)| *block <= newest);
        let mut waiting: Vec<Pending> = Vec::new();
        for (_, pending) in self.mined.split_off(gone) {
            if self.random.chance(90) {
                waiting.push(pending);
            } else {
                self.transaction_failed(&pending);
            }
        }
        waiting.append(&mut self.mempool);
        self.mempool = waiting;
        for _ in 0..=depth {
            self.mine_block(|_| true);
        }
    }
}
