//! The rules for whatever leaves a host: durable before, and never signed with other content.

use alloy_primitives::B256;
use millstream_core::channel::{Balances, Channel, Guarantee, MAX_RECORD_BYTES, Role, Status, Terms};
use millstream_core::crypto::Signature;
use millstream_core::nitro::{challenge_digest, state_hash};
use millstream_core::payment::Voucher;
use millstream_core::protocol::{Event, Purpose, Transaction, TransactionKind};
use millstream_core::wallet::{SPEND_LOG_KEY, Write};
use millstream_core::wire::{Message, Payment, decode_payment};

use super::states;
use super::wire;
use super::world::{At, World};

/// The rule's name.
const DURABLE: &str = "nothing leaves before it is durable";
const ONCE: &str = "no serial or turn is signed twice";

/// A message that does not name its turn.
pub const ANY_TURN: u64 = u64::MAX;

/// What a record says of a turn: the digest, and what belongs to whom.
fn content(record: &Channel, turn: u64) -> Vec<(B256, Balances)> {
    let terms = &record.terms;
    let bases = states::set_aside(record).into_iter().chain(agreed(record)).filter(|(of, _, _)| *of == turn);
    let bases = bases.map(|(_, balances, guarantees)| {
        (states::digest(terms, &states::ledger(terms, turn, balances, &guarantees)), balances)
    });
    let closing = record.closing.filter(|closing| closing.turn == turn).map(|closing| {
        let digest = states::digest(terms, &states::closing(terms, &closing, record.successor.as_ref()));
        (digest, with_successor(record, closing.balances))
    });
    bases.chain(closing).collect()
}

/// The states of a virtual channel that it agreed to sign before they are its base.
fn agreed(record: &Channel) -> Vec<(u64, Balances, Vec<Guarantee>)> {
    let Some(passage) = &record.passage else { return Vec::new() };
    let sheets = [(0, &passage.prefund), (1, &passage.postfund)];
    let agreed = sheets.into_iter().filter(|(_, sheet)| sheet.agreed);
    agreed.map(|(turn, _)| (turn, record.terms.deposits(), Vec::new())).collect()
}

/// The parts of a final state with what goes on in the successor.
pub fn with_successor(record: &Channel, exits: Balances) -> Balances {
    let rest = record.successor.map_or(Balances::default(), |successor| successor.balances);
    Balances { payer: exits.payer.saturating_add(rest.payer), payee: exits.payee.saturating_add(rest.payee) }
}

/// The state that a message carries signatures of: its turn and the signatures, of which the sender's is one.
fn signed_state(message: &Message) -> Option<(u64, Vec<Signature>)> {
    let (turn, signature, hubs) = match message {
        Message::ChannelOpen { signature, hubs, .. } | Message::ChannelAccept { signature, hubs } => {
            (0, signature, hubs)
        }
        Message::FundingLocked { signature, hubs } => (1, signature, hubs),
        Message::SuccessorOpen { signature, .. } | Message::SuccessorAccept { signature } => {
            (1, signature, &Vec::new())
        }
        Message::Update { turn, signature, .. } | Message::UpdateAck { turn, signature } => {
            (*turn, signature, &Vec::new())
        }
        Message::Shutdown { turn, signature, hubs, .. } => (*turn, signature, hubs),
        Message::ShutdownAck { signature, hubs } => (ANY_TURN, signature, hubs),
        _ => return None,
    };
    Some((turn, hubs.iter().chain([signature]).copied().collect()))
}

/// The last turn that a voucher takes.
fn last_turn(voucher: &Voucher) -> u64 {
    voucher.base_turn + (u64::from(voucher.serial) << 8) + 255
}

impl World {
    fn record(&self, party: usize, channel_id: &B256) -> Option<&Channel> {
        self.parties[party].store.get(channel_id).map(|stored| &stored.channel)
    }

    /// Checks a write before it is carried out.
    pub fn check_write(&mut self, party: usize, write: &Write) {
        let Some(bytes) = &write.bytes else { return };
        if write.key == SPEND_LOG_KEY {
            return;
        }
        if bytes.len() > MAX_RECORD_BYTES {
            self.broken("records stay small", format!("{} bytes for {}", bytes.len(), self.name(&write.key)));
        }
        let Ok(channel) = Channel::from_bytes(write.key, bytes) else {
            return self.broken("what is stored can be read", self.name(&write.key));
        };
        if self.terms(&write.key).is_none() {
            self.channels.push((write.key, channel.terms.clone()));
        }
        if !self.is_honest(party) {
            return;
        }
        self.check_set_aside(&channel);
        let whole = |balances: Balances| balances.payer.checked_add(balances.payee);
        let base = channel.base.map_or(channel.terms.deposits(), |base| base.balances);
        if whole(base) != whole(channel.balances()) {
            self.broken("no state makes or loses money", format!("{:?} of {base:?}", channel.balances()));
        }
        // A final state that was signed once stays what it was, whatever becomes of the splits that it stands on.
        let signed_before = self.record(party, &write.key).and_then(|record| record.closing);
        let signed_before = signed_before.map(|closing| closing.turn);
        if let Some(closing) = channel.closing.filter(|closing| Some(closing.turn) != signed_before) {
            let newest = channel.proposals.last().map_or(base, |proposal| proposal.base.balances);
            let most = whole(base).max(whole(newest));
            let mut all = with_successor(&channel, closing.balances);
            if channel.role == Role::Payee {
                // What the payer writes itself may be pledged and not there: it is paid last.
                all.payer = channel.successor.map_or(0, |successor| successor.balances.payer);
            }
            if whole(all) > most {
                self.broken("no state makes or loses money", format!("closes {base:?} with {all:?}"));
            }
        }
    }

    /// What a ledger sets aside or releases changes nothing in what it has altogether.
    fn check_set_aside(&mut self, channel: &Channel) {
        let whole = |(_, balances, guarantees): &(u64, Balances, Vec<Guarantee>)| {
            balances.payer + balances.payee + guarantees.iter().map(|guarantee| guarantee.amount).sum::<u128>()
        };
        if channel.facts().dispute.is_some() {
            // What follows a base that was learned from the chain is never signed.
            return;
        }
        let states = states::set_aside(channel);
        let changes = channel.proposals.iter().map(|proposal| proposal.change.is_some());
        let skip = usize::from(channel.base.is_some());
        for (index, is_change) in changes.enumerate() {
            let Some(before) = (index + skip).checked_sub(1).and_then(|before| states.get(before)) else { continue };
            let Some(after) = states.get(index + skip) else { continue };
            if is_change && whole(before) != whole(after) {
                let detail = format!("{before:?}, then {after:?} on {}", self.name(&channel.terms.channel_id()));
                return self.broken("no state makes or loses money", detail);
            }
        }
    }

    /// A record is durable now.
    pub fn stored(&mut self, party: usize, channel: &Channel) {
        if !self.is_honest(party) {
            return self.liar.learn_record(channel);
        }
        let channel_id = channel.terms.channel_id();
        let number = self.truth.parties[party].numbers.entry(channel_id).or_default();
        *number = channel.sent.max(*number);
        self.stored_redemption(party, channel);
        self.stored_doubt(party, channel);
        self.stored_claim(party, channel);
        let turns = states::set_aside(channel).into_iter().chain(agreed(channel));
        let turns = turns.map(|(turn, balances, _)| (turn, balances));
        let closing = channel.closing.map(|closing| (closing.turn, closing.balances));
        let states: Vec<(u64, Balances)> = turns.chain(closing).collect();
        if self.truth.parties[party].last_states.insert(channel_id, states.clone()) == Some(states.clone()) {
            return;
        }
        for (turn, _) in states {
            for (digest, balances) in content(channel, turn) {
                self.truth.parties[party].durable.insert((channel_id, digest), (turn, balances));
            }
        }
        let base = states::set_aside(channel).into_iter().take(usize::from(channel.base.is_some()));
        for (turn, balances, guarantees) in base.chain(agreed(channel)) {
            let part = states::ledger(&channel.terms, turn, balances, &guarantees);
            let challenge = challenge_digest(state_hash(channel_id, &part));
            self.truth.parties[party].durable.insert((channel_id, challenge), (turn, balances));
        }
    }

    /// Whoever may have forgotten what it signed does not think otherwise before its question was answered.
    fn stored_doubt(&mut self, party: usize, channel: &Channel) {
        let channel_id = channel.terms.channel_id();
        let signed = &mut self.truth.parties[party];
        if channel.unsure {
            signed.doubts.insert(channel_id, channel.question);
        } else if let Some(question) = signed.doubts.remove(&channel_id)
            && !signed.answers.contains(&(channel_id, question))
        {
            self.broken("a doubt lasts until it is answered", self.name(&channel_id));
        }
    }

    /// A stored voucher may be redeemed: an outside signer may be asked to when a better one is stored already.
    fn stored_redemption(&mut self, party: usize, channel: &Channel) {
        let Some((base, best)) = channel.base.zip(channel.best).filter(|_| self.profile.hosting[party].external) else {
            return;
        };
        let channel_id = channel.terms.channel_id();
        if let Some(part) = states::redemption(&channel.terms, &base, &best, channel.shown) {
            let content = (part.turn_num, channel.balances());
            let durable = &mut self.truth.parties[party].durable;
            durable.insert((channel_id, states::digest(&channel.terms, &part)), content);
            durable.insert((channel_id, challenge_digest(state_hash(channel_id, &part))), content);
        }
    }

    /// A message left.
    pub fn released_message(&mut self, party: usize, channel_id: B256, bytes: &[u8]) {
        if !self.is_honest(party) {
            return;
        }
        let Some(opened) = wire::open(bytes) else {
            return self.broken("messages can be read", self.name(&channel_id));
        };
        let name = wire::name(&opened.message);
        let highest = self.truth.parties[party].numbers.get(&channel_id).copied().unwrap_or(0);
        // The last word of whoever forgets a virtual channel that never opened; nobody counts those.
        let is_virtual = self.terms(&channel_id).is_some_and(Terms::is_virtual);
        let is_last = is_virtual && self.record(party, &channel_id).is_none();
        if opened.sequence > highest && !is_last {
            self.broken(DURABLE, format!("{name} for {} has a number that is not stored", self.name(&channel_id)));
        }
        if let Some((turn, signatures)) = signed_state(&opened.message) {
            let key = &self.parties[party].key;
            let own = signatures.iter().find(|signature| key.digest_of(signature).is_some());
            let signature = own.or(signatures.first()).copied();
            signature.into_iter().for_each(|it| self.released_state(party, channel_id, turn, &it, &name));
        }
        if let Message::ChannelReestablish { base: Some(base), voucher, shown, .. } = &opened.message {
            // What it says of itself may be the first that anybody hears of it.
            let key = self.parties[party].key.clone();
            for signature in [base.signatures.payer, base.signatures.payee].into_iter().flatten() {
                if key.digest_of(&signature).is_some() {
                    self.released_state(party, channel_id, base.turn, &signature, &name);
                }
            }
            if let Some(payment) = voucher.filter(|payment| key.digest_of(&payment.signature).is_some()) {
                self.released_voucher(party, payment.voucher, shown.map_or(0, |shown| shown.ticks));
            }
        }
    }

    fn released_state(&mut self, party: usize, channel_id: B256, turn: u64, signature: &Signature, what: &str) {
        let digest = self.parties[party].key.digest_of(signature);
        let Some(digest) = digest else {
            return self.broken("messages can be read", format!("{what}: its signature is not the sender's"));
        };
        let signed = &self.truth.parties[party];
        if signed.has_let_out(channel_id, turn, digest) {
            return;
        }
        let Some(&(turn, balances)) = signed.durable.get(&(channel_id, digest)) else {
            let detail = format!("{what} for {} says what was never stored", self.name(&channel_id));
            return self.broken(DURABLE, detail);
        };
        let Some(terms) = self.terms(&channel_id).cloned() else { return };
        let role = if terms.payer == self.parties[party].key.address() { Role::Payer } else { Role::Payee };
        let peer_lies =
            terms.participants().iter().any(|key| self.party_of(*key).is_none_or(|peer| !self.is_honest(peer)));
        if let Err(why) = self.truth.sign(party, role, (channel_id, turn), (digest, balances), peer_lies) {
            self.broken(ONCE, format!("{} ({why})", self.name(&channel_id)));
        }
    }

    /// A payment left.
    pub fn released_payment(&mut self, party: usize, bytes: &[u8]) {
        if !self.is_honest(party) {
            return;
        }
        let Ok(payment) = decode_payment(bytes) else {
            return self.broken("messages can be read", "a payment".into());
        };
        match payment {
            Payment::Claim { signed, shown } => {
                self.released_voucher(party, signed.voucher, shown.map_or(0, |shown| shown.ticks));
            }
            Payment::Tick(tick) => {
                // A voucher that was stored and lost on its way out is known from the record alone.
                let stored = self.record(party, &tick.channel_id).and_then(|record| record.best);
                let stored = stored.map(|signed| signed.voucher).filter(|voucher| voucher.serial == tick.serial);
                match stored.or_else(|| self.truth.voucher_of(party, tick.channel_id, tick.serial)) {
                    Some(voucher) => self.released_voucher(party, voucher, tick.shown.ticks),
                    None => self.broken(DURABLE, format!("a tick of voucher {}, which is not stored", tick.serial)),
                }
            }
        }
    }

    /// A payment left: all that a party ever paid stays within its owner's budget. A restore begins anew.
    pub fn spent(&mut self, party: usize, channel_id: B256, cumulative_amount: u128) {
        let Some(asset) = self.terms(&channel_id).map(|terms| terms.asset) else { return };
        let signed = &mut self.truth.parties[party];
        let paid = signed.paid.entry((asset, channel_id)).or_default();
        *paid = cumulative_amount.max(*paid);
        let of_asset = signed.paid.iter().filter(|((of, _), _)| *of == asset);
        let (total, restores) = (of_asset.map(|(_, paid)| paid).sum::<u128>(), signed.restores);
        let budget = self.profile.hosting[party].budget.filter(|_| restores == 0 && self.is_honest(party));
        if let Some(limit) = budget.filter(|limit| total > *limit) {
            self.broken("nobody pays above the owner's rules", format!("{total} of {limit}"));
        }
    }

    fn released_voucher(&mut self, party: usize, voucher: Voucher, ticks: u8) {
        let released = voucher.amount_with(ticks);
        let last_turn = last_turn(&voucher);
        let covered = self.record(party, &voucher.channel_id).is_some_and(|record| {
            let base_turn = record.base.map_or(0, |base| base.turn);
            let leased = record.lease.map_or(0, |lease| lease.amount);
            let amount = record.cumulative_amount().max(leased);
            let amount_covered = base_turn > voucher.base_turn || amount >= released;
            record.signed_turn >= last_turn && amount_covered
        });
        if !covered {
            let name = self.name(&voucher.channel_id);
            self.broken(DURABLE, format!("voucher {} over {released} on {name}", voucher.serial));
        }
        if let Err(why) = self.truth.pay(party, voucher, ticks) {
            self.broken(ONCE, why);
        }
    }

    /// A transaction left.
    pub fn released_transaction(&mut self, at: At, channel_id: B256, transaction: &Transaction) {
        let party = at.party;
        if !self.is_honest(party) {
            return;
        }
        let Some(record) = self.record(party, &channel_id) else {
            let detail = format!("{} for {}, which is not stored", transaction.kind.name(), self.name(&channel_id));
            return self.broken(DURABLE, detail);
        };
        // A deposit is safe only with the other side's signature on a state that pays it back.
        let is_deposit = matches!(transaction.kind, TransactionKind::Approve | TransactionKind::Deposit);
        let recoverable = record.base.is_some_and(|base| base.signatures.both().is_some());
        if is_deposit && !recoverable {
            self.broken("a deposit can be recovered", self.name(&channel_id));
        }
        // The channel may have been paid out meanwhile: a deposit would be lost.
        if is_deposit && self.parties[party].hosts[at.host].unheard.contains(&channel_id) {
            self.broken("nobody deposits before it has heard the chain", self.name(&channel_id));
        }
    }

    /// An honest wallet announced something that its owner acts on.
    pub fn released_event(&mut self, party: usize, event: &Event) {
        if !self.is_honest(party) {
            return;
        }
        if let Event::PaymentReceived { channel_id, serial, .. } = event {
            // Bytes are delivered now; a newer base contains the payment.
            let stored = self
                .record(party, channel_id)
                .is_some_and(|record| record.last_serial() >= *serial || record.base.is_some_and(|base| base.turn > 1));
            if !stored {
                self.broken(DURABLE, format!("payment {serial} on {} is announced", self.name(channel_id)));
            }
        }
    }

    /// A wallet asks its outside signer: what is signed has to be in the record by then.
    pub fn asked_to_sign(&mut self, at: At, channel_id: B256, digest: B256, purpose: Purpose) {
        if !self.is_honest(at.party) || purpose == Purpose::Message {
            return;
        }
        if purpose == Purpose::Voucher {
            return self.asked_for_voucher(at, digest);
        }
        // By the time that a signature is asked for, the record may have gone on, or be forgotten.
        if self.truth.parties[at.party].durable.contains_key(&(channel_id, digest)) {
            return;
        }
        let Some(record) = self.record(at.party, &channel_id) else {
            return self.broken(DURABLE, format!("a signature for {}, which is not stored", self.name(&channel_id)));
        };
        let terms = &record.terms;
        let turns = record.proposals.iter().map(|proposal| proposal.base.turn);
        let turns = turns.chain(record.closing.map(|closing| closing.turn));
        let mut signable: Vec<B256> = turns.flat_map(|turn| content(record, turn)).map(|(digest, _)| digest).collect();
        if let Some(base) = &record.base {
            let part = states::ledger(terms, base.turn, base.balances, &record.guarantees);
            signable.push(states::digest(terms, &part));
            signable.push(challenge_digest(state_hash(channel_id, &part)));
        }
        // The payee's own redemption, which a payer challenges with, is not looked at here.
        let posted = purpose == Purpose::Challenge && record.posted.is_some();
        // Of two wallets one may ask for what the other has left behind; it will not be able to store anything on it.
        let behind = self.parties[at.party].hosts.len() > 1;
        let over = record.status() == Status::Closed;
        if !signable.contains(&digest) && !posted && !behind && !over {
            self.broken(DURABLE, format!("a {} signature for {}", purpose.name(), self.name(&channel_id)));
        }
    }

    /// A wallet asks its outside signer for a voucher. Its turns are reserved by then, in the record or under the lease that is
    /// in it, and no other content was asked for under its serial. Whether its amount is stored is checked when it leaves: one
    /// that is given up in between never does.
    fn asked_for_voucher(&mut self, at: At, digest: B256) {
        let Some(voucher) = self.truth.parties[at.party].made.get(&digest).copied() else {
            return self.broken(DURABLE, "a signature of a voucher that nobody wanted".into());
        };
        let Voucher { channel_id, base_turn, serial, .. } = voucher;
        // Of two wallets one may ask for what the other has left behind; it will not be able to store anything on it.
        if self.parties[at.party].hosts.len() > 1 {
            return;
        }
        let name = self.name(&channel_id);
        let reserved =
            self.record(at.party, &channel_id).is_some_and(|record| record.signed_turn >= last_turn(&voucher));
        if !reserved {
            self.broken(DURABLE, format!("a signature for voucher {serial} on {name}"));
        }
        let first = *self.truth.parties[at.party].asked.entry((channel_id, base_turn, serial)).or_insert(digest);
        if first != digest {
            self.broken(ONCE, format!("two vouchers {serial} on {name}"));
        }
    }
}
