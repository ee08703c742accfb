//! What a liar says of virtual channels and of ledgers that they run through, and what it does with them on chain.

use alloy_primitives::B256;
use millstream_core::channel::{
    Balances, Base, Change, Closing, Guarantee, Kind as ChannelKind, Role, Signatures, Terms, Wish,
};
use millstream_core::crypto::Signature;
use millstream_core::nitro::{SignedVariablePart, calls};
use millstream_core::wire::Message;

use super::liar::Known;
use super::states;
use super::world::{NAMES, World};

impl World {
    /// A message about a virtual channel, or a ledger on the way of some, and the channel that it names.
    pub(super) fn forgery_of_relay(
        &mut self,
        liar: usize,
        channel_id: B256,
        terms: &Terms,
        role: Role,
    ) -> (B256, Message) {
        let known = self.known(&channel_id);
        let message = match terms.kind {
            ChannelKind::Ledger => self.forged_change(liar, channel_id, terms, role, &known),
            ChannelKind::Stream => self.forged_sheet(liar, channel_id, terms, role, &known),
        };
        (channel_id, message)
    }

    /// What a ledger might set aside, or release, for some virtual channel: rightly or not.
    fn some_change(&mut self, terms: &Terms, aside: &[Guarantee]) -> Change {
        let released = self.one_of_list(aside).filter(|_| self.random.chance(60));
        if let Some(guarantee) = released {
            let share = u128::from(self.random.below(250));
            let paid = self.random.one_of([0, guarantee.amount, share.min(guarantee.amount)]);
            let refund = self.random.one_of([0, 0, 3, 6, 50]);
            return Change::Remove { channel_id: guarantee.channel_id, paid, refund };
        }
        let relays: Vec<(B256, Terms)> = self.channels.iter().filter(|(_, it)| it.is_virtual()).cloned().collect();
        let (channel_id, amount) = match self.one_of_list(&relays) {
            Some((id, relay)) => (id, relay.deposit),
            None => (terms.channel_id(), 10),
        };
        let amount = if self.random.chance(80) { amount } else { amount + 1 };
        let payer = self.random.one_of([Role::Payer, Role::Payee]);
        Change::Add { guarantee: Guarantee { channel_id, amount, payer }, fee: self.random.one_of([0, 3, 3, 6]) }
    }

    fn forged_change(&mut self, liar: usize, channel_id: B256, terms: &Terms, role: Role, known: &Known) -> Message {
        let newest = known.bases.last().copied();
        let Base { turn, balances, .. } =
            newest.unwrap_or(Base { turn: 1, balances: terms.deposits(), signatures: Signatures::default() });
        let mut aside = known.guarantees.get(&turn).cloned().unwrap_or_default();
        let change = self.some_change(terms, &aside);
        if role == Role::Payee {
            return Message::UpdateRequest { number: self.random.below(30), wish: Wish::Change(change) };
        }
        let after = changed(balances, &mut aside, change).unwrap_or(balances);
        let next = turn + 1 + self.random.below(3);
        let signature = self.parties[liar].key.sign(states::digest(terms, &states::ledger(terms, next, after, &aside)));
        let signatures = Signatures { payer: Some(signature), payee: None };
        self.remember_half(channel_id, Base { turn: next, balances: after, signatures });
        self.liar.channels.entry(channel_id).or_default().guarantees.insert(next, aside);
        Message::Update { turn: next, follows: turn, balances: after, answers: None, signature, change: Some(change) }
    }

    /// The signatures of a state that the liar's own wallet has, with the liar's where others are missing.
    fn signatures(&self, liar: usize, channel_id: B256, digest: B256, form: u64) -> Vec<Signature> {
        let record = self.parties[liar].store.get(&channel_id).map(|stored| &stored.channel);
        let Some(passage) = record.and_then(|record| record.passage.as_ref()) else { return Vec::new() };
        let sheet = match form {
            0 => &passage.prefund,
            1 => &passage.postfund,
            _ => &passage.last,
        };
        let own = self.parties[liar].key.sign(digest);
        let place = usize::try_from(passage.place).unwrap_or(0);
        let signatures = sheet.signatures.iter().enumerate();
        signatures.map(|(index, by)| by.filter(|_| index != place).unwrap_or(own)).collect()
    }

    fn forged_sheet(&mut self, liar: usize, channel_id: B256, terms: &Terms, role: Role, known: &Known) -> Message {
        let place = terms.participants().iter().position(|key| *key == self.parties[liar].key.address()).unwrap_or(0);
        let balances = self.some_split(terms, known);
        let turn = 257 + (self.random.below(20) << 8);
        let closing = Closing { turn, balances, signatures: Signatures::default(), submitter: Role::Payer };
        let form = self.random.below(3);
        let part = match form {
            0 | 1 => states::base(terms, form, terms.deposits()),
            _ => states::closing(terms, &closing, None),
        };
        let signatures = self.signatures(liar, channel_id, states::digest(terms, &part), form);
        let (Some(first), Some(last)) = (signatures.first().copied(), signatures.last().copied()) else {
            return Message::Abort { code: "LIE".into() };
        };
        // Those on the way down to whoever is after us, and on the way up to whoever is before us.
        let down = signatures.get(1..=place).map_or_else(Vec::new, <[Signature]>::to_vec);
        let up = signatures.get(place..signatures.len() - 1).map_or_else(Vec::new, <[Signature]>::to_vec);
        match (self.random.below(6), form) {
            (0, _) => Message::Abort { code: "LIE".into() },
            (1, _) => Message::ShutdownRequest,
            (2 | 3, 0) => {
                let record = self.parties[liar].store.get(&channel_id).map(|stored| &stored.channel);
                let route = record.and_then(|record| record.passage.as_ref()).map(|passage| passage.route.clone());
                let mut route = route.unwrap_or_default();
                match self.random.below(4) {
                    0 => route.fees.iter_mut().for_each(|fee| *fee += 5),
                    1 => route.ledgers.reverse(),
                    _ => {}
                }
                let mut terms = terms.clone();
                terms.deposit += self.random.one_of([0, 0, 7]);
                Message::ChannelOpen { terms, signature: first, route: Some(route), hubs: down }
            }
            (2 | 3, 1) => Message::FundingLocked { signature: first, hubs: down },
            (2 | 3, _) => {
                let submitter = self.random.one_of([Role::Payer, Role::Payee]);
                Message::Shutdown { turn, balances, submitter, successor: None, signature: first, hubs: down }
            }
            (_, 0) => Message::ChannelAccept { signature: last, hubs: up },
            (_, 1) if role == Role::Payer => Message::Ping,
            (_, 1) => Message::ChannelReestablish {
                base: None,
                voucher: self.one_of_list(&known.vouchers),
                asks: Some(self.random.below(4)),
                answers: self.random.chance(50).then_some(known.question),
                shown: None,
                guarantees: Vec::new(),
            },
            _ => Message::ShutdownAck { signature: last, hubs: up },
        }
    }

    /// The liar goes to the chain with a state of a virtual channel that everyone signed, or with a voucher.
    pub(super) fn lie_of_relay_on_chain(&mut self, liar: usize, channel_id: B256, terms: &Terms, role: Role) {
        let known = self.known(&channel_id);
        let Some(signed) = self.one_of_list(&known.sheets) else { return };
        let (mut proof, mut candidate) = (Vec::new(), signed);
        let postfund = Base { turn: 1, balances: terms.deposits(), signatures: Signatures::default() };
        let is_postfund = |signed: &SignedVariablePart| signed.variable_part.turn_num == 1;
        if let (Role::Payee, true) = (role, is_postfund(&candidate))
            && let Some(voucher) = self.one_of_list(&known.vouchers)
        {
            let shown = known.shown.get(&voucher.voucher.serial).copied();
            if let Some(part) = states::redemption(terms, &postfund, &voucher, shown) {
                proof = vec![candidate];
                candidate = states::signed_by(terms, part, &self.parties[liar].key);
            }
        }
        let (name, turn) = (self.name(&channel_id), candidate.variable_part.turn_num);
        let is_final = candidate.variable_part.is_final;
        let (what, data) = match self.random.below(8) {
            _ if is_final && self.random.chance(50) => ("concludes", calls::conclude(&terms.fixed_part(), &candidate)),
            0 => ("checkpoints", calls::checkpoint(&terms.fixed_part(), &proof, &candidate)),
            1 if is_final => ("concludes", calls::conclude_and_transfer_all_assets(&terms.fixed_part(), &candidate)),
            _ => ("challenges", self.challenge(liar, terms, channel_id, &proof, &candidate)),
        };
        self.say(|_| format!("{} {what} {name} at turn {turn}", NAMES[liar]));
        self.send_as(liar, None, data);
    }
}

/// A split after a change, written by hand from docs/protocol.md; `None` if there is not enough.
fn changed(balances: Balances, aside: &mut Vec<Guarantee>, change: Change) -> Option<Balances> {
    let Balances { payer, payee } = balances;
    match change {
        Change::Add { guarantee, fee } => {
            aside.push(guarantee);
            Some(match guarantee.payer {
                Role::Payer => Balances { payer: payer.checked_sub(guarantee.amount + fee)?, payee: payee + fee },
                _ => Balances { payer: payer + fee, payee: payee.checked_sub(guarantee.amount + fee)? },
            })
        }
        Change::Remove { channel_id, paid, refund } => {
            let place = aside.iter().position(|guarantee| guarantee.channel_id == channel_id)?;
            let guarantee = aside.remove(place);
            let back = guarantee.amount.checked_sub(paid)? + refund;
            Some(match guarantee.payer {
                Role::Payer => Balances { payer: payer + back, payee: (payee + paid).checked_sub(refund)? },
                _ => Balances { payer: (payer + paid).checked_sub(refund)?, payee: payee + back },
            })
        }
    }
}
