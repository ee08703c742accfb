//! How each kind of action is carried out.

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Kind as ChannelKind, Terms, derive_nonce};
use millstream_core::wallet::{Command, Input, Purchase};
use millstream_core::wire::Message;

use super::action::Kind;
use super::network::{Packet, Parcel};
use super::profile::CHALLENGE_DURATION;
use super::world::{At, NAMES, World};

/// How many channels a world has, successors apart.
const MAX_CHANNELS: usize = 8;
/// Honest wallets are up to date at least this often, in seconds: a quarter of the time there is to answer a challenge.
const SYNC_EVERY: u64 = CHALLENGE_DURATION / 4;

impl World {
    /// Carries out an action.
    pub fn act(&mut self, kind: Kind) {
        self.now += self.random.below(8) + 1;
        if self.now.saturating_sub(self.synced_at) > SYNC_EVERY {
            self.sync();
        }
        match kind {
            Kind::Deliver => self.deliver_some(),
            Kind::Mine => {
                self.say(|_| "a block".into());
                self.mine_block(|_| true);
            }
            Kind::Watch => {
                let at = self.some_place();
                self.say(|world| format!("{} sees the chain", world.place(at)));
                self.watch(at);
            }
            Kind::Open if self.profile.streets.is_some() => self.open_ledger(),
            Kind::Open => self.open(),
            Kind::Relay => self.open_relay(1),
            Kind::Rush => self.rush(),
            Kind::CloseRelay => self.close_relay(),
            Kind::Vanish => self.vanish(),
            Kind::Storage => self.storage(),
            Kind::Sign => self.signer(),
            Kind::Tick => {
                let at = self.some_place();
                self.feed(at, Input::Tick);
            }
            Kind::Jump => {
                self.sync();
                let hours = self.random.one_of([600, 1_800, 4_000, 90_000]);
                self.jump(hours);
            }
            Kind::Crash => {
                let at = self.some_place();
                let after = self.random.below(6);
                self.parties[at.party].hosts[at.host].crash_after = Some(after);
                self.say(|world| format!("{} will crash after {after} outputs", world.place(at)));
            }
            Kind::Restart => {
                for at in self.places() {
                    if self.parties[at.party].hosts[at.host].wallet.is_none() {
                        self.say(|world| format!("{} starts", world.place(at)));
                        self.start(at);
                    }
                }
            }
            Kind::Reorg => self.reorganise(),
            Kind::Backup => {
                let party = self.random.index(self.parties.len());
                self.say(|_| format!("{} backs up", NAMES[party]));
                self.parties[party].store.back_up();
            }
            Kind::Restore => self.restore(),
            Kind::Lie => self.lie(),
            Kind::LieOnChain => self.lie_on_chain(),
            Kind::Dust => self.dust(),
            _ => self.command(kind),
        }
    }

    fn some_place(&mut self) -> At {
        let party = self.random.index(self.parties.len());
        let host = self.random.index(self.parties[party].hosts.len());
        At { party, host }
    }

    // ---- the network ------------------------------------------------------------------------------------------------

    fn deliver_some(&mut self) {
        // What runs through hubs takes many more messages.
        let most = if self.profile.streets.is_some() { 16 } else { 3 };
        let count = self.random.below(most) + 1;
        for _ in 0..count {
            if self.network.packets.is_empty() {
                return;
            }
            let reordering = self.profile.faults.reordering;
            let jumps = reordering > 0 && self.random.chance(reordering);
            let index = if jumps { self.random.index(self.network.packets.len()) } else { 0 };
            let Some(packet) = self.network.packets.remove(index) else { return };
            let (loss, duplication) = (self.profile.faults.loss, self.profile.faults.duplication);
            if loss > 0 && self.random.chance(loss) {
                self.say(|world| format!("lost: {}", world.describe_packet(&packet)));
                continue;
            }
            if duplication > 0 && self.random.chance(duplication) {
                self.network.send(packet.clone());
            }
            self.deliver(packet);
        }
    }

    /// Brings a packet to one of the receiver's wallets.
    pub fn deliver(&mut self, packet: Packet) {
        self.say(|world| world.describe_packet(&packet));
        if self.is_honest(packet.to) {
            self.note_answer(&packet);
        } else {
            self.overhear(&packet);
        }
        let host = self.random.index(self.parties[packet.to].hosts.len());
        let input = match packet.parcel {
            Parcel::Message(bytes) => Input::Message(bytes),
            Parcel::Payment(bytes) => Input::Payment(bytes),
        };
        self.feed(At { party: packet.to, host }, input);
    }

    /// Notes which question of the receiver's a packet answers.
    fn note_answer(&mut self, packet: &Packet) {
        let Parcel::Message(bytes) = &packet.parcel else { return };
        let Some(opened) = super::wire::open(bytes) else { return };
        if let Message::ChannelReestablish { answers: Some(number), .. } = opened.message {
            self.truth.parties[packet.to].answers.insert((opened.channel_id, number));
        }
    }

    fn describe_packet(&self, packet: &Packet) -> String {
        let what = match &packet.parcel {
            Parcel::Message(bytes) => self.describe(bytes),
            Parcel::Payment(bytes) => match millstream_core::wire::decode_payment(bytes) {
                Ok(payment) => {
                    let (name, serial) = (self.name(&payment.channel_id()), payment.serial());
                    match payment.voucher().map(|signed| signed.voucher) {
                        Some(voucher) => {
                            let (base, amount) = (voucher.base_turn, voucher.amount_with(payment.ticks()));
                            format!("{name} Payment {base}/{serial}: {amount} in all")
                        }
                        None => format!("{name} Tick {} of {serial}", payment.ticks()),
                    }
                }
                Err(_) => "bytes".into(),
            },
        };
        format!("{} -> {}: {what}", NAMES[packet.from], NAMES[packet.to])
    }

    /// A message in a few words.
    pub fn describe(&self, bytes: &[u8]) -> String {
        match super::wire::open(bytes) {
            Some(opened) => format!("{} {}", self.name(&opened.channel_id), super::wire::describe(&opened.message)),
            None => "bytes".into(),
        }
    }

    // ---- commands ---------------------------------------------------------------------------------------------------

    /// Opens one of the kinds of channels that there are.
    fn open(&mut self) {
        let first = self.channels.len() < 3;
        if self.channels.iter().filter(|(_, terms)| terms.nonce & 0xffff_ffff < 1_000).count() >= MAX_CHANNELS {
            return;
        }
        let token = self.chain.token();
        let template = if first { self.channels.len() as u64 } else { self.random.below(6) };
        let (payer, payee, asset, kind) = match template {
            0 => (0, 1, Address::ZERO, ChannelKind::Stream),
            1 => (0, 1, token, ChannelKind::Stream),
            2 => (0, 2, Address::ZERO, ChannelKind::Ledger),
            3 => (2, 1, token, ChannelKind::Ledger),
            4 => (2, 0, Address::ZERO, ChannelKind::Ledger),
            _ => (1, 2, Address::ZERO, ChannelKind::Stream),
        };
        let two_sided = kind == ChannelKind::Ledger || self.random.chance(20);
        let terms = Terms {
            chain: self.chain.contracts(),
            payer: self.parties[payer].key.address(),
            payee: self.parties[payee].key.address(),
            payer_destination: self.parties[payer].destination.into_word(),
            payee_destination: self.parties[payee].destination.into_word(),
            asset,
            deposit: u128::from(self.random.below(2_000) + 200),
            challenge_duration: CHALLENGE_DURATION,
            confirmations: self.profile.confirmations,
            nonce: derive_nonce(self.now_of(payer), u32::try_from(self.random.below(1_000)).unwrap_or(0)),
            kind,
            payee_deposit: if two_sided { u128::from(self.random.below(1_000)) } else { 0 },
            reserve: self.random.one_of([0, 0, 0, 20]),
            hubs: Vec::new(),
        };
        let at = At { party: payer, host: self.random.index(self.parties[payer].hosts.len()) };
        self.say(|world| {
            let (kind, deposits) = (terms.kind, (terms.deposit, terms.payee_deposit));
            let what = if terms.is_native() { "native" } else { "token" };
            format!("{} opens a {what} {kind:?} with {} over {deposits:?}", world.place(at), NAMES[payee])
        });
        self.feed(at, Input::Command(Command::OpenChannel(terms)));
    }

    /// Lets one side of some channel want something of the kind.
    fn command(&mut self, kind: Kind) {
        if self.channels.is_empty() {
            return;
        }
        let index = match (kind, self.random_open_relay()) {
            (Kind::Pay, Some(index)) => index,
            _ => self.random.index(self.channels.len()),
        };
        let (channel_id, terms) = self.channels[index].clone();
        let by_payer = match kind {
            Kind::Pay if terms.kind == ChannelKind::Stream => true,
            _ => self.random.chance(60),
        };
        let Some(party) = self.party_of(if by_payer { terms.payer } else { terms.payee }) else { return };
        let at = At { party, host: self.random.index(self.parties[party].hosts.len()) };
        let amount = u128::from(self.random.below(60) + 1);
        let rare = matches!(kind, Kind::Pay | Kind::Update) && terms.kind == ChannelKind::Ledger;
        if rare && self.profile.streets.is_some() && self.random.chance(85) {
            return;
        }
        let command = match kind {
            // Equal payments are ticks of one voucher.
            Kind::Pay => {
                let ticks = self.random.one_of([0, 0, 2, 255]);
                // Ticks, like leases, are for a wallet that is alone on its store.
                let ticks = if self.parties[party].hosts.len() > 1 { 0 } else { ticks };
                let amount = if self.random.chance(60) { 7 } else { amount };
                Command::Pay { channel_id, amount, purchase: Purchase::default(), ticks }
            }
            Kind::Update => match (self.random.below(3), by_payer) {
                (0, true) => Command::TopUp { channel_id, amount: amount * 5 },
                (0, false) => Command::GiveBack { channel_id, amount },
                (1, false) if terms.kind == ChannelKind::Stream => Command::GiveBack { channel_id, amount },
                _ => Command::Fold { channel_id },
            },
            Kind::Withdraw => Command::Withdraw { channel_id, amount },
            Kind::Snapshot if self.random.chance(50) => Command::ClearChallenge { channel_id },
            Kind::Snapshot => Command::Snapshot { channel_id },
            Kind::Close => Command::CloseChannel { channel_id },
            Kind::Leave => Command::LeaveChannel { channel_id },
            Kind::Abort => Command::AbortChannel { channel_id },
            Kind::Ping => Command::Ping { channel_id },
            _ => Command::Resume { channel_id },
        };
        let given = match command {
            Command::Pay { amount, .. } | Command::GiveBack { amount, .. } if terms.kind == ChannelKind::Ledger => {
                amount
            }
            _ => 0,
        };
        *self.truth.parties[party].given.entry(terms.asset).or_default() += given;
        self.order(at, command);
    }

    /// Gives a wallet a command.
    pub fn order(&mut self, at: At, command: Command) {
        self.say(|world| {
            let text = format!("{command:?}");
            let (verb, rest) = text.split_once(" { channel_id: ").unwrap_or((&text, ""));
            let amount = rest.split_once(", amount: ").map_or("", |(_, amount)| amount);
            let amount = amount.split([',', ' ', '}']).next().unwrap_or_default();
            let id = rest.split([',', ' ']).next().and_then(|id| id.parse::<B256>().ok());
            let name = id.map_or_else(String::new, |id| world.name(&id));
            format!("{} wants: {verb} {name} {amount}", world.place(at))
        });
        self.feed(at, Input::Command(command));
    }

    // ---- stores and signers -----------------------------------------------------------------------------------------

    fn storage(&mut self) {
        for party in 0..self.parties.len() {
            let count = self.parties[party].store.commits.len();
            if count > 0 {
                let index = self.random.index(count);
                let host = self.parties[party].store.commits[index].host;
                self.carry_out_commit(party, index);
                // It may be durable for a while before the wallet hears of it.
                if self.random.chance(70) {
                    self.answer_commit(party, index);
                }
                self.go_on(At { party, host });
            }
        }
        for at in self.places() {
            self.answer_read(at);
            self.go_on(at);
        }
    }

    fn signer(&mut self) {
        for at in self.places() {
            let count = self.parties[at.party].hosts[at.host].signatures.len();
            if count > 0 {
                let turn = self.random.index(count);
                self.parties[at.party].hosts[at.host].signatures.rotate_left(turn);
                self.answer_signature(at);
                self.go_on(at);
            }
        }
    }

    /// A party's device is lost: what is left is its last backup.
    fn restore(&mut self) {
        let party = self.random.index(self.parties.len());
        // A backup is good for one restore: what was signed after it is in none.
        let Some(backup) = self.parties[party].store.backup.take() else { return };
        self.say(|_| format!("{} is restored from its backup", NAMES[party]));
        for host in 0..self.parties[party].hosts.len() {
            self.crash(At { party, host });
        }
        self.parties[party].store.lose();
        self.parties[party].restored_at = Some(self.now);
        let signed = &mut self.truth.parties[party];
        signed.restores += 1;
        signed.durable.clear();
        signed.last_states.clear();
        signed.doubts.clear();
        signed.records.clear();
        self.start_restored(At { party, host: 0 }, backup);
        for host in 1..self.parties[party].hosts.len() {
            self.start(At { party, host });
        }
    }
}
