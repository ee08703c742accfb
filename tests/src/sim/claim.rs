//! A payee gives nothing away that it did not offer, and takes nothing that is not there: whatever it agrees to leaves it
//! what its record says is its own.

use alloy_primitives::B256;
use millstream_core::channel::{Balances, Channel, Role, Wish};

use super::release::with_successor;
use super::states;
use super::world::World;

const KEEPS: &str = "a payee keeps what is its own";

/// What the payee offered to give back.
fn offered(record: &Channel) -> u128 {
    match record.request.map(|request| request.wish) {
        Some(Wish::Give(amount)) => amount,
        _ => 0,
    }
}

/// Whether the holdings are still what they were when the step looked at them: one write may take in a deposit and the
/// pay-out after it.
fn is_quiet(record: &Channel) -> bool {
    record.facts().dispute.is_none()
}

impl World {
    /// Compares a payee's record with what was stored of the channel before.
    pub fn stored_claim(&mut self, party: usize, channel: &Channel) {
        let channel_id = channel.terms.channel_id();
        let Some(before) = self.truth.parties[party].records.insert(channel_id, channel.clone()) else { return };
        self.stored_postfund(party, &before, channel);
        if channel.role != Role::Payee {
            return;
        }
        let base_turn = |record: &Channel| record.base.map_or(0, |base| base.turn);
        if base_turn(&before) == base_turn(channel) && before.cumulative_amount() > channel.cumulative_amount() {
            return self.broken(KEEPS, format!("a better voucher on {} is gone", self.name(&channel_id)));
        }
        let grew = before.cumulative_amount() < channel.cumulative_amount() && base_turn(&before) == base_turn(channel);
        let there = match channel.passage {
            Some(_) if self.is_guaranteed(party, channel) => channel.terms.deposit,
            Some(_) => 0,
            None => channel.facts().holdings,
        };
        if grew && is_quiet(channel) && channel.balances().payee > there {
            return self.broken(KEEPS, format!("what it accepts on {} is not there", self.name(&channel_id)));
        }
        let changes = |record: &Channel| record.proposals.iter().any(|proposal| proposal.change.is_some());
        if changes(&before) || changes(channel) || before.guarantees != channel.guarantees {
            // What runs through a ledger is measured altogether, at the end.
            return;
        }
        let owed = before.balances().payee.saturating_sub(offered(&before));
        let new = |turn| turn > 1 && !before.proposals.iter().any(|proposal| proposal.base.turn == turn);
        let bases = channel.base.filter(|base| base.turn > base_turn(&before)).map(|base| (base.turn, base.balances));
        let proposals = channel.proposals.iter().map(|proposal| (proposal.base.turn, proposal.base.balances));
        let splits: Vec<(u64, Balances)> = bases.into_iter().chain(proposals).filter(|(turn, _)| new(*turn)).collect();
        for (turn, balances) in splits {
            // One that it signed before it was restored is its own word.
            if balances.payee < owed && !self.has_said(party, channel, turn, balances) {
                let detail = format!("{} of {owed} in turn {turn} of {}", balances.payee, self.name(&channel_id));
                return self.broken(KEEPS, detail);
            }
        }
        if let Some(closing) = channel.closing.filter(|_| before.closing.is_none()) {
            let left = with_successor(channel, closing.balances).payee;
            if left < before.balances().payee {
                let owed = before.balances().payee;
                self.broken(KEEPS, format!("closes {} with {left} of {owed}", self.name(&channel_id)));
            }
        }
    }

    /// Whether the ledger that a virtual channel comes to a party through sets its money aside, with both signatures. A payer's
    /// own does when it has offered it.
    fn is_guaranteed(&self, party: usize, channel: &Channel) -> bool {
        let hop = channel.passage.as_ref().and_then(|passage| passage.upstream);
        let ledger = hop.and_then(|hop| self.parties[party].store.get(&hop.ledger));
        let id = channel.terms.channel_id();
        let is_there = ledger.is_some_and(|it| it.channel.guarantees.iter().any(|one| one.channel_id == id));
        // Of a backup the records are stored one after the other.
        let is_coming = ledger.is_none() && self.truth.parties[party].restores > 0;
        hop.is_none() || is_there || is_coming
    }

    /// Nobody signs the postfund of a virtual channel before the ledger that it comes through sets its money aside.
    fn stored_sheet(&mut self, party: usize, before: &Channel, channel: &Channel) {
        let agreed = |record: &Channel| record.passage.as_ref().is_some_and(|passage| passage.postfund.agreed);
        if agreed(channel) && !agreed(before) && !self.is_guaranteed(party, channel) {
            self.broken("nothing is open before it is funded", self.name(&channel.terms.channel_id()));
        }
    }

    /// Both sides sign the postfund when they see the deposits. What somebody signed before a restore is taken as it is.
    fn stored_postfund(&mut self, party: usize, before: &Channel, channel: &Channel) {
        if channel.passage.is_some() {
            return self.stored_sheet(party, before, channel);
        }
        let locked = |record: &Channel| {
            let agreed = record.proposals.iter().any(|proposal| proposal.agreed && proposal.base.turn == 1);
            agreed || record.base.is_some_and(|base| base.turn >= 1)
        };
        let terms = &channel.terms;
        let funded = channel.facts().holdings >= terms.deposit + terms.payee_deposit || !is_quiet(channel);
        let restored = self.truth.parties[party].restores > 0;
        if locked(channel) && !locked(before) && !funded && channel.predecessor.is_none() && !restored {
            self.broken("nothing is open before it is funded", self.name(&channel.terms.channel_id()));
        }
    }

    fn has_said(&self, party: usize, channel: &Channel, turn: u64, balances: Balances) -> bool {
        let channel_id: B256 = channel.terms.channel_id();
        let aside = states::set_aside(channel).into_iter().find(|(of, _, _)| *of == turn);
        let aside = aside.map_or_else(Vec::new, |(_, _, guarantees)| guarantees);
        let digest = states::digest(&channel.terms, &states::ledger(&channel.terms, turn, balances, &aside));
        self.truth.parties[party].has_let_out(channel_id, turn, digest)
    }
}
