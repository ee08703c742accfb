//! What parties of a world of hubs have in the end: all that was paid out to them against all that they deposited.
//!
//! Nothing of this looks at what ledgers say: an honest party's whole loss is no more than
//!
//! - what it let out in vouchers and ticks on virtual channels that it paid on, and the fees of those that it opened;
//! - what it gave away in ledgers itself;
//!
//! less what it earned: on virtual channels that came to it, by its durable record; as a hub, the fee of every channel that
//! opened. So a hub never ends below what it had.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Channel, Role, Status};

use super::settle::is_over;
use super::world::{NAMES, World};

const BELOW: &str = "nobody ends below what it is owed";

impl World {
    /// Checks the end of a world of hubs.
    pub fn check_wealth(&mut self) {
        let Some(streets) = &self.profile.streets else { return };
        let asset = if streets.token { self.chain.token() } else { Address::ZERO };
        let honest: Vec<usize> = (0..self.parties.len()).filter(|party| self.is_honest(*party)).collect();
        for party in honest {
            self.check_relays_over(party);
            self.check_gain(party, asset);
        }
    }

    /// Whether a ledger may set money aside for a channel that nobody there can prove any more, because a backup lacks it or its
    /// last signatures. That cannot be reclaimed, and keeps the rest.
    pub fn cannot_prove(&self, record: &Channel) -> bool {
        self.truth.parties.iter().any(|signed| signed.restores > 0) && !record.guarantees.is_empty()
    }

    /// What a party was paid out, and what it deposited.
    fn in_and_out(&self, party: usize, asset: Address) -> (u128, u128) {
        let Self { chain, parties, .. } = self;
        let (account, destination) = (parties[party].account, parties[party].destination);
        let (left, paid_out, first) = if asset.is_zero() {
            (chain.balance(account), chain.balance(destination), crate::model::ENDOWMENT)
        } else {
            (chain.token_balance(account), chain.token_balance(destination), super::world::TOKENS)
        };
        let dust = if asset.is_zero() && self.profile.liar.unwrap_or(0) == party {
            self.dust.iter().map(|(_, _, amount)| amount).sum()
        } else {
            0
        };
        (paid_out, first - left - dust)
    }

    fn records(&self, party: usize) -> BTreeMap<B256, Channel> {
        let records = self.parties[party].store.records();
        records.map(|(id, stored)| (*id, stored.channel.clone())).collect()
    }

    fn check_gain(&mut self, party: usize, asset: Address) {
        // What a reorganisation takes back for good from a ledger that was open is missing there.
        if self.profile.faults.deep_reorgs {
            return;
        }
        let forgot = self.truth.parties[party].restores > 0;
        if forgot && self.profile.liar.is_some() {
            return;
        }
        let (paid_out, deposited) = self.in_and_out(party, asset);
        let records = self.records(party);
        if records.values().any(|record| self.cannot_prove(record)) {
            return;
        }
        let relays = self.channels.iter().filter(|(_, terms)| terms.is_virtual());
        let (mut earned, mut spent) = (0, self.truth.parties[party].given.get(&asset).copied().unwrap_or(0));
        let key = self.parties[party].key.address();
        for (id, terms) in relays {
            let record = records.get(id);
            if terms.payer == key {
                spent += self.signed_away(party, *id) + self.fees_of(*id);
            } else if terms.payee == key {
                earned += record.map_or(0, Channel::cumulative_amount);
            } else if let Some(fee) = self.fee_earned(*id, party) {
                earned += fee;
            }
        }
        // Whoever lost its records cannot name what was deposited before and never opened.
        let unknown: u128 = if forgot { self.unknown_deposits(party, &records) } else { 0 };
        if paid_out + spent + unknown < deposited + earned {
            let detail = format!(
                "{} got {paid_out} of {deposited} that it deposited; it earned {earned} and spent {spent}",
                NAMES[party]
            );
            self.broken(BELOW, detail);
        }
    }

    /// What a payer let out on a virtual channel: vouchers with their ticks, or a final state with one that it kept.
    fn signed_away(&self, party: usize, channel_id: B256) -> u128 {
        let signed = self.truth.parties[party].states.range((channel_id, 2)..=(channel_id, u64::MAX));
        let closed = signed.flat_map(|(_, states)| states).map(|state| state.balances.payee).max();
        self.truth.most_paid(party, channel_id, 1).max(closed.unwrap_or(0))
    }

    /// What a party deposited in channels that it does not know of any more.
    fn unknown_deposits(&self, party: usize, records: &BTreeMap<B256, Channel>) -> u128 {
        let key = self.parties[party].key.address();
        let ledgers = self.channels.iter().filter(|(id, _)| !records.contains_key(id));
        let part = ledgers.map(|(_, terms)| match key {
            key if key == terms.payer => terms.deposit,
            key if key == terms.payee => terms.payee_deposit,
            _ => 0,
        });
        part.sum()
    }

    /// All fees of a channel, if its payer may owe them: of one that never opened they go back, unless somebody lies or the
    /// chain decided.
    fn fees_of(&self, channel_id: B256) -> u128 {
        let records = (0..self.parties.len()).filter_map(|party| self.parties[party].store.get(&channel_id));
        let passages = records.filter_map(|stored| stored.channel.passage.as_ref());
        passages.map(|passage| passage.route.fees.iter().sum::<u128>()).max().unwrap_or(0)
    }

    /// What a hub earned with a channel: its fee, if the payee took it as open.
    fn fee_earned(&self, channel_id: B256, hub: usize) -> Option<u128> {
        let terms = self.terms(&channel_id)?;
        let place = terms.hubs.iter().position(|key| *key == self.parties[hub].key.address())?;
        let payee = self.party_of(terms.payee).filter(|payee| self.is_honest(*payee))?;
        let record = &self.parties[payee].store.get(&channel_id)?.channel;
        let passage = record.passage.as_ref().filter(|passage| passage.postfund.complete().is_some())?;
        passage.route.fees.get(place).copied()
    }

    /// Among honest parties every virtual channel comes to an end.
    fn check_relays_over(&mut self, party: usize) {
        let all_honest = self.profile.liar.is_none();
        let restored = self.truth.parties.iter().any(|signed| signed.restores > 0);
        for (id, record) in self.records(party) {
            if record.passage.is_none() || is_over(&record) || !all_honest || restored {
                continue;
            }
            let hops: Vec<&str> =
                record.passage.iter().flat_map(|passage| passage.hops()).map(|hop| hop.stage.name()).collect();
            let detail = format!("{} is left with {} {:?} {hops:?}", NAMES[party], self.name(&id), record.status());
            if record.role != Role::Hub || record.status() != Status::Signed {
                self.broken("two honest parties reach the end", detail);
            }
        }
    }
}
