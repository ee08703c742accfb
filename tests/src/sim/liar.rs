//! A party that lies: it has a real key, an honest wallet whose words it may hold back or repeat, everything that it ever
//! saw, and no rules.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use millstream_core::channel::{
    Balances, Base, Channel, Closing, Guarantee, Role, Signatures, Successor, Terms, Wish, derive_nonce,
};
use millstream_core::nitro::SignedVariablePart;
use millstream_core::payment::{Shown, SignedVoucher, Voucher};
use millstream_core::wire::{Message, Payment, Tick, decode_payment, encode_payment};

use super::network::{Packet, Parcel};
use super::states;
use super::wire;
use super::world::{NAMES, World};

/// How much of each kind the liar remembers of a channel.
const MEMORY: usize = 64;

/// What the liar knows of one channel.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Bases with both signatures.
    pub bases: Vec<Base>,
    /// States that it signed alone.
    pub halves: Vec<Base>,
    /// Vouchers of the other side, or its own.
    pub vouchers: Vec<SignedVoucher>,
    /// Final states with both signatures.
    pub finals: Vec<(Closing, Option<Successor>)>,
    /// Its own words.
    pub said: Vec<Vec<u8>>,
    /// The highest number on one of them.
    pub sequence: u64,
    /// The question that the other side asked last.
    pub question: u64,
    /// The ticks that were shown for a voucher last, by its serial.
    pub shown: BTreeMap<u32, Shown>,
    /// What a ledger set aside, by the turn of the state.
    pub guarantees: BTreeMap<u64, Vec<Guarantee>>,
    /// States of a virtual channel that everyone signed.
    pub sheets: Vec<SignedVariablePart>,
}

/// What the liar knows.
#[derive(Clone, Debug, Default)]
pub struct Liar {
    /// By channel.
    pub channels: BTreeMap<B256, Known>,
    /// Whom it says nothing to.
    pub silent: Vec<usize>,
}

fn remember<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        if list.len() >= MEMORY {
            list.remove(0);
        }
        list.push(item);
    }
}

impl Liar {
    /// Learns from its own wallet's record.
    pub fn learn_record(&mut self, channel: &Channel) {
        let known = self.channels.entry(channel.terms.channel_id()).or_default();
        known.sequence = known.sequence.max(channel.sent);
        known.guarantees.extend(states::set_aside(channel).into_iter().map(|(turn, _, guarantees)| (turn, guarantees)));
        states::sheets(channel).into_iter().for_each(|signed| remember(&mut known.sheets, signed));
        for base in channel.base.into_iter().chain(channel.proposals.iter().map(|proposal| proposal.base)) {
            let both = base.signatures.both().is_some();
            remember(if both { &mut known.bases } else { &mut known.halves }, base);
        }
        if let Some(best) = channel.best {
            remember(&mut known.vouchers, best);
        }
        if let Some(closing) = channel.closing.filter(|closing| closing.signatures.both().is_some()) {
            remember(&mut known.finals, (closing, channel.successor));
        }
    }
}

impl World {
    /// The liar reads what comes to it.
    pub fn overhear(&mut self, packet: &Packet) {
        match &packet.parcel {
            Parcel::Payment(bytes) => {
                if let Ok(payment) = decode_payment(bytes) {
                    let known = self.liar.channels.entry(payment.channel_id()).or_default();
                    match payment {
                        Payment::Claim { signed, .. } => remember(&mut known.vouchers, signed),
                        Payment::Tick(Tick { serial, shown, .. }) => {
                            known.shown.insert(serial, shown);
                        }
                    }
                }
            }
            Parcel::Message(bytes) => {
                let Some(opened) = wire::open(bytes) else { return };
                let Some(terms) = self.terms(&opened.channel_id).cloned() else { return };
                let key = &self.parties[packet.from].key;
                let known = self.liar.channels.entry(opened.channel_id).or_default();
                match opened.message {
                    Message::ChannelReestablish { base, voucher, asks, .. } => {
                        known.question = asks.unwrap_or(known.question);
                        if let Some(base) = base.filter(|base| base.signatures.both().is_some()) {
                            remember(&mut known.bases, base);
                        }
                        known.vouchers.extend(voucher);
                    }
                    Message::ChannelAccept { signature, .. }
                    | Message::FundingLocked { signature, .. }
                    | Message::UpdateAck { signature, .. }
                    | Message::SuccessorAccept { signature } => {
                        let digest = key.digest_of(&signature);
                        let guarantees = known.guarantees.clone();
                        let aside = |turn| guarantees.get(&turn).map_or(&[][..], Vec::as_slice);
                        let half = known.halves.iter().find(|half| {
                            let part = states::ledger(&terms, half.turn, half.balances, aside(half.turn));
                            Some(states::digest(&terms, &part)) == digest
                        });
                        if let Some(mut base) = half.copied() {
                            base.signatures.payee = Some(signature);
                            if base.signatures.both().is_some() {
                                remember(&mut known.bases, base);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// A channel of the liar's: its terms, its role and the other side.
    pub fn liars_channel(&mut self) -> Option<(B256, Terms, Role, usize)> {
        let liar = self.profile.liar?;
        let key = self.parties[liar].key.address();
        let mine = self.channels.iter().filter(|(_, terms)| terms.participants().contains(&key));
        let mine: Vec<&(B256, Terms)> = mine.collect();
        if mine.is_empty() {
            return None;
        }
        let (channel_id, terms) = mine[self.random.index(mine.len())].clone();
        let role = match key {
            key if key == terms.payer => Role::Payer,
            key if key == terms.payee => Role::Payee,
            _ => Role::Hub,
        };
        let others: Vec<_> = terms.participants().into_iter().filter(|other| *other != key).collect();
        let peer = match others[..] {
            [other] => other,
            _ => others[self.random.index(others.len())],
        };
        let peer = self.party_of(peer)?;
        Some((channel_id, terms, role, peer))
    }

    /// The liar says something.
    pub fn lie(&mut self) {
        let Some(liar) = self.profile.liar else { return };
        let Some((channel_id, terms, role, peer)) = self.liars_channel() else { return };
        match self.random.below(10) {
            // Holds back what its wallet said.
            0 => {
                if let Some(index) = self.network.packets.iter().position(|packet| packet.from == liar) {
                    self.network.packets.remove(index);
                }
            }
            // Says again what it said before.
            1 => {
                let said = self.liar.channels.get(&channel_id).map(|known| known.said.clone()).unwrap_or_default();
                if !said.is_empty() {
                    let bytes = said[self.random.index(said.len())].clone();
                    self.post(liar, peer, Parcel::Message(bytes));
                }
            }
            // Damages what its wallet said.
            2 => {
                let index = self.network.packets.iter().position(|packet| packet.from == liar);
                let at = self.random.below(400);
                if let Some(Parcel::Message(bytes) | Parcel::Payment(bytes)) =
                    index.and_then(|index| self.network.packets.get_mut(index)).map(|packet| &mut packet.parcel)
                {
                    let at = usize::try_from(at).unwrap_or(0) % bytes.len().max(1);
                    bytes[at] ^= 1;
                }
            }
            3 if role == Role::Payer => self.forge_voucher(liar, peer, channel_id, &terms),
            _ => {
                let relays = self.profile.streets.is_some() && self.random.chance(60);
                let (named, message) = match relays {
                    true => self.forgery_of_relay(liar, channel_id, &terms, role),
                    false => self.forgery(liar, channel_id, &terms, role),
                };
                let numbers = self.liar.channels.entry(channel_id).or_default();
                numbers.sequence += self.random.below(2);
                let sequence = if self.random.chance(90) { numbers.sequence } else { self.random.below(50) };
                self.say(|world| {
                    format!(
                        "{} lies to {}: {} {}",
                        NAMES[liar],
                        NAMES[peer],
                        world.name(&named),
                        wire::describe(&message)
                    )
                });
                let receiver = self.parties[peer].key.address();
                let bytes = wire::seal(&self.parties[liar].key, receiver, named, sequence, &message);
                remember(&mut self.liar.channels.entry(channel_id).or_default().said, bytes.clone());
                self.post(liar, peer, Parcel::Message(bytes));
            }
        }
    }

    pub(super) fn known(&self, channel_id: &B256) -> Known {
        self.liar.channels.get(channel_id).cloned().unwrap_or_default()
    }

    pub(super) fn one_of_list<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        if list.is_empty() { None } else { Some(list[self.random.index(list.len())].clone()) }
    }

    fn forge_voucher(&mut self, liar: usize, peer: usize, channel_id: B256, terms: &Terms) {
        let known = self.known(&channel_id);
        let last = known.vouchers.last().map(|signed| signed.voucher);
        let base_turn = match self.one_of_list(&known.bases) {
            Some(base) if self.random.chance(30) => base.turn,
            _ => known.bases.last().map_or(1, |base| base.turn),
        };
        let serial = match self.random.below(4) {
            0 => u32::try_from(self.random.below(20)).unwrap_or(1),
            1 => 1 << 20,
            _ => last.map_or(1, |voucher| voucher.serial + 1),
        };
        let amount = match self.random.below(4) {
            0 => u128::from(self.random.below(3_000)).min(last.map_or(0, |voucher| voucher.cumulative_amount / 2)),
            1 => terms.deposit,
            _ => last.map_or(0, |voucher| voucher.cumulative_amount) + u128::from(self.random.below(100)),
        };
        let voucher = Voucher::flat(channel_id, base_turn, serial, amount, B256::ZERO);
        let signature = self.parties[liar].key.sign(voucher.digest(&self.chain.contracts().voucher_domain()));
        let payment = SignedVoucher { voucher, signature };
        self.say(|world| {
            format!("{} forges voucher {base_turn}/{serial} over {amount} on {}", NAMES[liar], world.name(&channel_id))
        });
        remember(&mut self.liar.channels.entry(channel_id).or_default().vouchers, payment);
        self.post(liar, peer, Parcel::Payment(encode_payment(&payment.into())));
    }

    /// A split that the other side may like, or not.
    pub(super) fn some_split(&mut self, terms: &Terms, known: &Known) -> Balances {
        let latest = known.bases.last().map_or(terms.deposits(), |base| base.balances);
        let paid = known.vouchers.last().map_or(0, |signed| signed.voucher.cumulative_amount);
        let shift = u128::from(self.random.below(200));
        let fair = latest.pay(Role::Payer, paid).unwrap_or(latest);
        match self.random.below(6) {
            0 => fair,
            1 => fair.pay(Role::Payer, shift).unwrap_or(fair),
            2 => fair.pay(Role::Payee, shift).unwrap_or(fair),
            3 => fair.raise(Role::Payer, shift * 10).unwrap_or(fair),
            4 => fair.raise(Role::Payee, shift).unwrap_or(fair),
            _ => terms.deposits(),
        }
    }

    /// A message of any kind, properly signed, and the channel that it names.
    fn forgery(&mut self, liar: usize, channel_id: B256, terms: &Terms, role: Role) -> (B256, Message) {
        let known = self.known(&channel_id);
        let key = self.parties[liar].key.clone();
        let newest = known.bases.last().map_or(0, |base| base.turn);
        let balances = self.some_split(terms, &known);
        let turn = match self.random.below(6) {
            0 => newest,
            1 => newest + self.random.below(600),
            2 => self.random.below(3),
            3 => newest + (self.random.below(40) << 8),
            _ => newest + 256 * (1 + u64::from(known.vouchers.last().map_or(0, |last| last.voucher.serial))),
        };
        // It keeps to what is set aside, as far as it knows: else nobody would look at the rest.
        let aside = known.guarantees.get(&newest).cloned().unwrap_or_default();
        self.liar.channels.entry(channel_id).or_default().guarantees.entry(turn).or_insert_with(|| aside.clone());
        let base_signature =
            |turn, balances| key.sign(states::digest(terms, &states::ledger(terms, turn, balances, &aside)));
        let half = |turn, balances, signature| {
            let mut signatures = Signatures::default();
            match role {
                Role::Payer => signatures.payer = Some(signature),
                Role::Payee | Role::Hub => signatures.payee = Some(signature),
            }
            Base { turn, balances, signatures }
        };
        let message = match self.random.below(19) {
            0 => {
                let mut terms = terms.clone();
                match self.random.below(4) {
                    0 => terms.deposit += 50,
                    1 => terms.payee_deposit += 10,
                    2 => terms.payer_destination = terms.payee_destination,
                    _ => terms.asset = self.chain.token(),
                }
                let part = states::base(&terms, 0, terms.deposits());
                let signature = key.sign(states::digest(&terms, &part));
                Message::ChannelOpen { terms, signature, route: None, hubs: Vec::new() }
            }
            1 => Message::ChannelAccept { signature: base_signature(0, terms.deposits()), hubs: Vec::new() },
            2 => {
                let signature = base_signature(1, terms.deposits());
                self.remember_half(channel_id, half(1, terms.deposits(), signature));
                Message::FundingLocked { signature, hubs: Vec::new() }
            }
            3 => Message::ShutdownRequest,
            4 | 5 => {
                let submitter = self.random.one_of([Role::Payer, Role::Payee]);
                let closing = Closing { turn, balances, signatures: Signatures::default(), submitter };
                let signature = key.sign(states::digest(terms, &states::closing(terms, &closing, None)));
                Message::Shutdown { turn, balances, submitter, successor: None, signature, hubs: Vec::new() }
            }
            6 => Message::ShutdownAck { signature: base_signature(turn, balances), hubs: Vec::new() },
            7 | 8 => {
                let signature = base_signature(turn, balances);
                self.remember_half(channel_id, half(turn, balances, signature));
                let answers = self.random.one_of([None, None, Some(1), Some(2)]);
                Message::Update { turn, follows: newest, balances, answers, signature, change: None }
            }
            9 => {
                let (turn, balances) =
                    self.one_of_list(&known.halves).map_or((turn, balances), |half| (half.turn, half.balances));
                Message::UpdateAck { turn, signature: base_signature(turn, balances) }
            }
            10 => {
                let turn = self.one_of_list(&known.halves).map_or(turn, |half| half.turn);
                Message::UpdateError { turn, code: "UPDATE_LIE".into() }
            }
            11 | 12 => {
                let amount = u128::from(self.random.below(400));
                let wish = self.random.one_of([Wish::Fold, Wish::Give(amount), Wish::Withdraw(amount)]);
                Message::UpdateRequest { number: self.random.below(6), wish }
            }
            13 => {
                let now = self.now_of(liar);
                let nonce = derive_nonce(now, u32::try_from(2_000 + self.random.below(50)).unwrap_or(0));
                let next = Terms { nonce, deposit: balances.payer, payee_deposit: balances.payee, ..terms.clone() };
                let part = states::base(&next, 1, balances);
                let signature = key.sign(states::digest(&next, &part));
                return (next.channel_id(), Message::SuccessorOpen { predecessor: channel_id, terms: next, signature });
            }
            14 => Message::SuccessorAccept { signature: base_signature(1, terms.deposits()) },
            15 | 16 => match self.one_of_list(&known.bases) {
                Some(base) => {
                    let on_base: Vec<SignedVoucher> =
                        known.vouchers.iter().filter(|signed| signed.voucher.base_turn == base.turn).copied().collect();
                    let voucher = self.one_of_list(&on_base).filter(|_| self.random.chance(70));
                    let asks = self.random.chance(50).then(|| self.random.below(4));
                    let answers = self.random.chance(50).then_some(known.question);
                    Message::ChannelReestablish {
                        base: Some(base),
                        voucher,
                        asks,
                        answers,
                        shown: None,
                        guarantees: known.guarantees.get(&base.turn).cloned().unwrap_or_default(),
                    }
                }
                None => Message::Pong,
            },
            17 => Message::Ping,
            _ => Message::Error { code: "LIE".into(), text: "no".into() },
        };
        (channel_id, message)
    }

    pub(super) fn remember_half(&mut self, channel_id: B256, half: Base) {
        remember(&mut self.liar.channels.entry(channel_id).or_default().halves, half);
    }
}
