//! What must hold when everything is settled.
//!
//! **What a party is owed**, per channel, out of what the final chain was ever paid for it (its *total*: the holdings left
//! and everything paid out; a deposit that a deep reorganisation took back for good counts for nobody):
//!
//! - A **payee** is owed what its durable record says: its part of the newest base that both signed, and the best voucher
//!   that it accepted on it; less if it signed less away in a newer state (a gift it offered). The least of these, and no
//!   more than the total: the payee is paid first.
//! - A **payer** is owed the rest of what it signed away: over every state that it ever let out with a turn at or above
//!   the newest base in its record (the record as it was when the party could last answer: at the last time that it was up
//!   to date before the outcome became final), its part of that state, less the most that it let out in vouchers on it; and no more
//!   than the total less the payee's part of the same state. The least of these.
//! - After a restore, the record is what the backup and the peer's answers made of it. For payees that is the whole bound.
//!   A payer's signatures are counted from before the restore too, so it is never paid less than what it signed.
//! - A part that a withdrawal carried on belongs to the successor, and is measured there: in a channel that was concluded
//!   into a successor, a party is owed its exit alone. A party whose backup knows of no withdrawal is not measured there.

use alloy_primitives::B256;
use millstream_core::channel::{Channel, Role, Status};
use millstream_core::nitro::destination_address;

use super::release::with_successor;
use super::settle::is_over;
use super::world::{NAMES, World};

/// How many transactions of one channel may revert while everything is settled.
const MAX_REVERTS: u32 = 8;

impl World {
    /// Checks everything that must hold at the end.
    pub fn check_end(&mut self) {
        let honest: Vec<usize> = (0..self.parties.len()).filter(|party| self.is_honest(*party)).collect();
        for party in honest {
            let records = self.parties[party].store.records();
            let records: Vec<(B256, Channel)> = records.map(|(id, stored)| (*id, stored.channel.clone())).collect();
            for (channel_id, record) in records {
                self.check_paid(party, channel_id, &record);
                self.check_over(party, channel_id, &record);
            }
        }
        self.check_wealth();
        self.check_adjudicator();
        // Both sides of a ledger reclaim each guarantee, and one of them comes too late.
        let relays = self.channels.iter().filter(|(_, terms)| terms.is_virtual()).count();
        let most = MAX_REVERTS + u32::try_from(relays).unwrap_or(0);
        if let Some(((party, channel_id), count)) = self.reverts.iter().find(|(_, count)| **count > most) {
            let detail = format!("{count} of {} for {}", NAMES[*party], self.name(channel_id));
            self.broken("nobody sends invalid transactions for ever", detail);
        }
    }

    /// What the adjudicator ever had for a channel, and what it paid to one destination.
    fn paid(&self, record: &Channel, channel_id: B256, destination: B256) -> (u128, u128) {
        let mut total = self.chain.holdings(record.terms.asset, channel_id);
        let mut ours = 0;
        let of_channel = self.chain.paid_out().iter().filter(|paid| paid.channel_id == channel_id);
        for paid in of_channel.filter(|paid| paid.asset == record.terms.asset) {
            total += paid.amount;
            if paid.destination == destination {
                ours += paid.amount;
            }
        }
        let dust = self.dust.iter().filter(|(_, id, _)| *id == channel_id).map(|(_, _, amount)| amount).sum();
        (total.saturating_sub(dust), ours)
    }

    fn check_paid(&mut self, party: usize, channel_id: B256, record: &Channel) {
        let (role, destination) = (record.role, self.parties[party].destination.into_word());
        let (total, received) = self.paid(record, channel_id, destination);
        let of_channel = self.chain.paid_out().iter().filter(|paid| paid.channel_id == channel_id);
        let carried = of_channel.clone().any(|paid| destination_address(paid.destination).is_none());
        let paid = of_channel.count() > 0;
        let owed = if carried {
            let Some(closing) = record.closing.filter(|_| record.successor.is_some()) else { return };
            closing.balances.of(role).min(total)
        } else {
            match role {
                Role::Payee | Role::Hub => self.owed_to_payee(party, channel_id, record).min(total),
                Role::Payer => {
                    // What is set aside is not there to cover what is only pledged.
                    let aside: u128 = record.guarantees.iter().map(|guarantee| guarantee.amount).sum();
                    self.owed_to_payer(party, channel_id, record, total.saturating_sub(aside))
                }
            }
        };
        let can_go = record.base.is_some() && total > 0;
        if can_go && owed > 0 && !paid && !self.cannot_prove(record) {
            let detail = format!("{} has {owed} in {}: {:?}", NAMES[party], self.name(&channel_id), record.status());
            return self.broken("everything is settled in the end", detail);
        }
        if received < owed && paid {
            let name = self.name(&channel_id);
            let detail = format!("{} got {received} of {owed} on {name}, where {total} was deposited", NAMES[party]);
            self.broken("nobody ends below what it is owed", detail);
        }
    }

    fn owed_to_payee(&self, party: usize, channel_id: B256, record: &Channel) -> u128 {
        let Some(base) = record.base.filter(|base| base.signatures.both().is_some()) else { return 0 };
        let newer = self.truth.parties[party].states.range((channel_id, base.turn + 1)..=(channel_id, u64::MAX));
        let signed_away = newer.flat_map(|(_, states)| states).map(|state| state.balances.payee).min();
        let known = record.balances().payee;
        let closing = record.closing.filter(|closing| closing.signatures.both().is_some());
        let closing = closing.map(|closing| with_successor(record, closing.balances).payee);
        known.min(signed_away.unwrap_or(known)).min(closing.unwrap_or(known))
    }

    fn owed_to_payer(&self, party: usize, channel_id: B256, record: &Channel, total: u128) -> u128 {
        let newest = record.base.map_or(0, |base| base.turn);
        let from = self.final_bases.get(&(party, channel_id)).map_or(newest, |turn| newest.min(*turn));
        let signed = self.truth.parties[party].states.range((channel_id, from)..=(channel_id, u64::MAX));
        let owed = signed.flat_map(|((_, turn), states)| states.iter().map(move |state| (*turn, state.balances)));
        let owed = owed.map(|(turn, balances)| {
            let paid = self.truth.most_paid(party, channel_id, turn);
            let payees = balances.payee.saturating_add(paid);
            balances.payer.saturating_sub(paid).min(total.saturating_sub(payees))
        });
        owed.min().unwrap_or(0)
    }

    /// Two honest parties always reach the end, and what an honest party has at stake with a liar is never stuck.
    fn check_over(&mut self, party: usize, channel_id: B256, record: &Channel) {
        let asset = record.terms.asset;
        let dust: u128 = self.dust.iter().filter(|(_, id, _)| *id == channel_id).map(|(_, _, amount)| amount).sum();
        let held = self.chain.holdings(asset, channel_id).saturating_sub(dust);
        if is_over(record) {
            // What the payee deposited is its own to take back; a payee whose backup does not know of it cannot.
            let ours = held > record.terms.payee_deposit;
            let never_funded = record.status() == Status::Aborted && ours && record.base.is_some();
            if never_funded && record.role == Role::Payer && self.both_honest(record) {
                let detail = format!("{} left {held} in {}", NAMES[party], self.name(&channel_id));
                self.broken("everything is settled in the end", detail);
            }
            return;
        }
        if !self.both_honest(record) {
            return;
        }
        let peer = self.party_of(record.terms.key_of(record.role.other()));
        let peer_knows = peer.is_some_and(|peer| self.parties[peer].store.get(&channel_id).is_some());
        if self.cannot_prove(record) {
            return;
        }
        let detail = format!("{} is left with {} {:?}", NAMES[party], self.name(&channel_id), record.status());
        let funded = held > 0 || self.chain.paid_out().iter().any(|paid| paid.channel_id == channel_id);
        if peer_knows && funded {
            self.broken("two honest parties reach the end", detail);
        }
    }

    fn both_honest(&self, record: &Channel) -> bool {
        [record.terms.payer, record.terms.payee]
            .into_iter()
            .all(|key| self.party_of(key).is_some_and(|party| self.is_honest(party)))
    }

    /// What the adjudicator has is what it holds for channels.
    fn check_adjudicator(&mut self) {
        let adjudicator = self.chain.contracts().adjudicator;
        let token = self.chain.token();
        for (asset, has) in [
            (alloy_primitives::Address::ZERO, self.chain.balance(adjudicator)),
            (token, self.chain.token_balance(adjudicator)),
        ] {
            let held: u128 = self.channels.iter().map(|(id, _)| self.chain.holdings(asset, *id)).sum();
            if held != has {
                self.broken("the chain makes or loses no money", format!("{has} for channels that hold {held}"));
            }
        }
    }
}
