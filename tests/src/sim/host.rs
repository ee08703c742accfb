//! What a host does: feeds its wallet, carries out what it asks for, crashes and starts again.

use alloy_primitives::B256;
use millstream_core::channel::{Channel, Status};
use millstream_core::protocol::{Event, Purpose};
use millstream_core::wallet::{Command, Error, Input, Output, SPEND_LOG_KEY, StoredRecord, Wallet, Write};

use super::network::{Parcel, Pending};
use super::signer::Key;
use super::store::Commit;
use super::world::{At, Host, World};
use crate::model::Transaction;

/// How many blocks a host reports again with every update; no reorganisation is deeper.
pub const REPORTED_AGAIN: u64 = 16;
/// How many outputs, or tries to feed an input again, one input may lead to.
const MAX_OUTPUTS: usize = 5_000;
/// For how long a wallet that starts is told of a restore, in seconds: until every proposal made before it is too old.
const RESTORE_COUNTS: u64 = 1_800 + 600;
/// How many inputs wait for a record before the oldest is dropped.
const MAX_WAITING: usize = 64;

impl World {
    fn host(&mut self, at: At) -> &mut Host {
        &mut self.parties[at.party].hosts[at.host]
    }

    /// Starts a wallet from the store, with the records that need attention.
    pub fn start(&mut self, at: At) {
        self.boot(at);
        let store = &self.parties[at.party].store;
        let unheard = store.records().map(|(key, _)| *key).collect();
        let records = store.records().filter(|(_, stored)| stored.wake_at.is_some());
        let records: Vec<StoredRecord> = records.map(|(key, _)| store.read(*key)).collect();
        let is_open = |channel: &Channel| channel.status() != Status::Closed || !channel.deep;
        let open = store.records().filter(|(_, stored)| is_open(&stored.channel));
        let seen = open.map(|(_, stored)| stored.channel.seen_block().unwrap_or(0)).min();
        self.parties[at.party].hosts[at.host].unheard = unheard;
        self.host(at).next_block = seen.unwrap_or(0).saturating_sub(REPORTED_AGAIN);
        let ids: Vec<B256> = records.iter().map(|record| record.key).collect();
        self.feed(at, Input::Loaded(records));
        if self.parties[at.party].restored_at.is_some_and(|then| self.now < then + RESTORE_COUNTS) {
            self.feed(at, Input::Restore(Vec::new()));
        }
        for channel_id in ids {
            self.feed(at, Input::Command(Command::Resume { channel_id }));
        }
    }

    /// Starts a wallet that has lost everything but a backup.
    pub fn start_restored(&mut self, at: At, backup: Vec<(B256, Vec<u8>)>) {
        self.boot(at);
        let channels = backup.iter().map(|(key, _)| *key).filter(|key| *key != SPEND_LOG_KEY);
        self.host(at).unheard = channels.collect();
        self.feed(at, Input::Restore(backup));
    }

    /// Hands a wallet an input. What it is about to pay is noted: who is asked to sign a voucher sees only its digest.
    fn tell(&mut self, at: At, input: Input) -> Result<(), Error> {
        let now = self.now_of(at.party);
        let paid = match &input {
            Input::Command(Command::Pay { channel_id, .. }) => Some(*channel_id),
            Input::Answered { id, .. } => self.host(at).asked.get(id).copied(),
            _ => None,
        };
        let Some(wallet) = self.host(at).wallet.as_mut() else { return Ok(()) };
        let result = wallet.handle(input, now);
        let voucher = paid.and_then(|channel_id| wallet.channel(&channel_id)).and_then(|channel| channel.unsigned);
        if let Some(voucher) = voucher {
            let digest = voucher.digest(wallet.voucher_domain());
            self.truth.parties[at.party].made.insert(digest, voucher);
        }
        result
    }

    fn boot(&mut self, at: At) {
        let party = &mut self.parties[at.party];
        let hosting = &self.profile.hosting[at.party];
        let config = hosting.config(self.chain.contracts(), party.destination);
        let host = &mut party.hosts[at.host];
        *host = Host { life: host.life + 1, ..Host::default() };
        host.wallet = Some(match hosting.external {
            true => Wallet::with_external_signer(config, party.key.address()),
            false => Wallet::new(config, Box::new(party.key.clone())),
        });
    }

    /// Stops a wallet as a power cut does: what was on its way to the store arrives there or does not.
    pub fn crash(&mut self, at: At) {
        self.say(|world| format!("{} crashes", world.place(at)));
        let host = self.host(at);
        *host = Host { life: host.life, ..Host::default() };
        let mut index = 0;
        while index < self.parties[at.party].store.commits.len() {
            if self.parties[at.party].store.commits[index].host != at.host {
                index += 1;
                continue;
            }
            if self.random.chance(50) {
                self.carry_out_commit(at.party, index);
            }
            self.parties[at.party].store.commits.remove(index);
        }
    }

    /// A text with the names of channels in place of their ids.
    fn with_names(&self, mut text: String) -> String {
        for (id, _) in &self.channels {
            text = text.replace(&id.to_string(), &self.name(id));
        }
        text.replace("channel_id: ", "")
    }

    /// A wallet's name.
    pub fn place(&self, at: At) -> String {
        let name = super::world::NAMES[at.party];
        if self.parties[at.party].hosts.len() > 1 { format!("{name}#{}", at.host) } else { name.to_owned() }
    }

    /// Gives a wallet an input and does what follows. Refusals are part of life; what no host can cause is not.
    pub fn feed(&mut self, at: At, input: Input) {
        match self.tell(at, input.clone()) {
            Ok(()) => {}
            Err(Error::Loading { .. }) => {
                let waiting = &mut self.host(at).waiting;
                waiting.push_back(input);
                if waiting.len() > MAX_WAITING {
                    waiting.pop_front();
                }
            }
            Err(error) => {
                self.say(|world| format!("   {} refuses: {} ({error})", world.place(at), error.code()));
                if matches!(input, Input::Loaded(_) | Input::Restore(_) | Input::Chain(_) | Input::Tick) {
                    let detail = format!("{}: {} ({error})", self.place(at), error.code());
                    self.broken("what the host must say is taken", detail);
                }
            }
        }
        self.drain(at);
    }

    /// Carries out everything that a wallet asks for.
    fn drain(&mut self, at: At) {
        for _ in 0..MAX_OUTPUTS {
            let host = self.host(at);
            let Some(wallet) = host.wallet.as_mut() else { return };
            let Some(output) = wallet.poll_output() else {
                if std::mem::take(&mut host.loaded) && !host.waiting.is_empty() {
                    self.feed_waiting(at);
                    continue;
                }
                let Some((id, granted)) = self.host(at).answers.pop_front() else { return };
                let input = Input::Answered { id, granted };
                if let Err(Error::Loading { .. }) = self.tell(at, input.clone()) {
                    self.host(at).waiting.push_back(input);
                }
                continue;
            };
            match &mut host.crash_after {
                Some(0) => return self.crash(at),
                Some(left) => *left -= 1,
                None => {}
            }
            self.carry_out(at, output);
            if self.violation.is_some() {
                return;
            }
        }
        let waiting: Vec<String> = self.host(at).waiting.iter().map(|input| format!("{input:.120?}")).collect();
        self.broken("a wallet comes to rest", format!("{}: {}", self.place(at), waiting.join("; ")));
    }

    /// Feeds inputs again whose record may be there now, up to the first that waits for another one: two inputs that name
    /// two channels each would push each other's out of a memory that holds few.
    fn feed_waiting(&mut self, at: At) {
        while let Some(input) = self.host(at).waiting.pop_front() {
            if let Err(Error::Loading { .. }) = self.tell(at, input.clone()) {
                return self.host(at).waiting.push_front(input);
            }
        }
    }

    fn carry_out(&mut self, at: At, output: Output) {
        match output {
            Output::Commit { id, writes } => self.commit(at, id, writes),
            Output::Load { keys } => {
                self.host(at).reads.push_back(keys);
                if !self.stalls(self.profile.faults.storage_stalls) {
                    self.answer_read(at);
                }
            }
            Output::Send { peer, channel_id, bytes } => {
                self.say(|world| format!("   {} sends {}", world.place(at), world.describe(&bytes)));
                self.released_message(at.party, channel_id, &bytes);
                let silent = !self.is_honest(at.party);
                let to = self.party_of(peer).filter(|to| !(silent && self.liar.silent.contains(to)));
                if let Some(to) = to {
                    self.post(at.party, to, Parcel::Message(bytes));
                }
            }
            Output::Payment { channel_id, bytes, serial, cumulative_amount, .. } => {
                let name = self.name(&channel_id);
                self.say(|world| {
                    format!("   {} pays on {name}: serial {serial}, {cumulative_amount} in all", world.place(at))
                });
                self.released_payment(at.party, &bytes);
                self.spent(at.party, channel_id, cumulative_amount);
                let payee = self.terms(&channel_id).map(|terms| terms.payee);
                if let Some(to) = payee.and_then(|payee| self.party_of(payee)) {
                    self.post(at.party, to, Parcel::Payment(bytes));
                }
            }
            Output::Sign { channel_id, digest, purpose } => {
                self.asked_to_sign(at, channel_id, digest, purpose);
                self.host(at).signatures.push_back((channel_id, digest, purpose));
                if !self.stalls(self.profile.faults.signer_stalls) {
                    self.answer_signature(at);
                }
            }
            Output::Submit { channel_id, transaction } => {
                let (name, kind) = (self.name(&channel_id), transaction.kind);
                self.say(|world| format!("   {} submits {} for {name}", world.place(at), kind.name()));
                self.released_transaction(at, channel_id, &transaction);
                let (from, life) = (self.parties[at.party].account, self.host(at).life);
                let (to, value, data) = (transaction.to, transaction.value, transaction.data);
                let transaction = Transaction { from, to, value, data };
                let channel = Some((channel_id, kind));
                self.mempool.push(Pending { party: at.party, host: at.host, life, channel, dust: None, transaction });
            }
            Output::Ask { id, channel_id, question } => {
                self.host(at).asked.insert(id, channel_id);
                let granted = self.random.chance(50);
                self.say(|world| format!("   {} is asked: {question}: {granted}", world.place(at)));
                self.host(at).answers.push_back((id, granted));
            }
            Output::Notify(event) => {
                self.say(|world| format!("   {} notes {}", world.place(at), world.with_names(format!("{event:?}"))));
                let text = format!("{event:?}");
                self.count(text.split(' ').next().unwrap_or_default());
                if let Event::StatusChanged { status, .. } = &event {
                    self.count(status.name());
                }
                self.released_event(at.party, &event);
            }
            Output::WakeAt(time) => {
                let wake_at = &mut self.host(at).wake_at;
                *wake_at = Some(wake_at.map_or(time, |before| before.min(time)));
            }
        }
    }

    fn stalls(&mut self, percent: u64) -> bool {
        !self.calm && percent > 0 && self.random.chance(percent)
    }

    // ---- the store --------------------------------------------------------------------------------------------------

    fn commit(&mut self, at: At, id: u64, writes: Vec<Write>) {
        for write in &writes {
            self.check_write(at.party, write);
        }
        let fails = self.stalls(self.profile.faults.commit_fails);
        let store = &mut self.parties[at.party].store;
        store.commits.push_back(Commit { host: at.host, id, writes, fails, done: None });
        let index = store.commits.len() - 1;
        if !self.stalls(self.profile.faults.storage_stalls) {
            self.carry_out_commit(at.party, index);
            self.answer_commit(at.party, index);
        }
    }

    /// Makes a commit durable, or not.
    pub fn carry_out_commit(&mut self, party: usize, index: usize) {
        let carried = self.parties[party].store.carry_out(index);
        self.note_stored(party, carried);
    }

    fn note_stored(&mut self, party: usize, carried: Result<(), String>) {
        if let Err(why) = carried {
            self.broken("what is stored can be read", why);
        }
        for channel in std::mem::take(&mut self.parties[party].store.written) {
            self.stored(party, &channel);
        }
    }

    /// Tells the wallet what became of a commit that was carried out.
    pub fn answer_commit(&mut self, party: usize, index: usize) {
        let store = &mut self.parties[party].store;
        let Some(commit) = store.commits.remove(index) else { return };
        let Commit { host, id, done: Some(done), .. } = commit else { return store.commits.insert(index, commit) };
        if !done {
            store.forget_what_stands_on(&commit);
        }
        let at = At { party, host };
        if !done {
            self.failed_commits += 1;
            self.say(|world| format!("   {}: commit {id} fails", world.place(at)));
        }
        let now = self.now_of(party);
        let input = if done { Input::Committed { id } } else { Input::CommitFailed { id } };
        if let Some(wallet) = self.host(at).wallet.as_mut() {
            // A commit that stood on one that failed is forgotten.
            let _ = wallet.handle(input, now);
        }
    }

    /// Answers the oldest read.
    pub fn answer_read(&mut self, at: At) {
        let Some(keys) = self.host(at).reads.pop_front() else { return };
        let store = &mut self.parties[at.party].store;
        let ordered: Result<(), String> = keys.iter().try_for_each(|key| store.before_reading(at.host, *key));
        let records = keys.iter().map(|key| store.read(*key)).collect();
        self.say(|world| format!("   {} reads {}", world.place(at), world.name(&keys[0])));
        self.note_stored(at.party, ordered);
        let now = self.now_of(at.party);
        let host = self.host(at);
        host.loaded = true;
        let result = host.wallet.as_mut().map(|wallet| wallet.handle(Input::Loaded(records), now));
        if let Some(Err(error)) = result {
            let detail = format!("{}: {} ({error})", self.place(at), error.code());
            self.broken("what the host must say is taken", detail);
        }
    }

    // ---- the outside signer -----------------------------------------------------------------------------------------

    /// Answers the oldest request for a signature.
    pub fn answer_signature(&mut self, at: At) {
        let Some((channel_id, digest, purpose)) = self.host(at).signatures.pop_front() else { return };
        let refusable = matches!(purpose, Purpose::Voucher | Purpose::State | Purpose::Message);
        let refuses = refusable && self.stalls(self.profile.faults.signer_refuses);
        let key: &Key = &self.parties[at.party].key;
        let input = if refuses {
            Input::SignRefused { digest }
        } else {
            Input::Signed { digest, signature: key.sign(digest).to_bytes().to_vec() }
        };
        if refuses {
            self.say(|world| format!("   the owner of {} does not sign", world.place(at)));
            self.host(at).resume.push_back(channel_id);
        }
        let now = self.now_of(at.party);
        let Some(wallet) = self.host(at).wallet.as_mut() else { return };
        if let Err(Error::Loading { .. }) = wallet.handle(input.clone(), now) {
            self.host(at).waiting.push_back(input);
        }
    }

    /// Carries out what an answer led to.
    pub fn go_on(&mut self, at: At) {
        self.drain(at);
    }

    // ---- the chain --------------------------------------------------------------------------------------------------

    /// Reports the chain to a wallet.
    pub fn watch(&mut self, at: At) {
        let from = self.host(at).next_block;
        let update = self.chain.update(from);
        let host = self.host(at);
        if host.wallet.is_none() {
            return;
        }
        host.next_block = update.head_block.saturating_sub(REPORTED_AGAIN);
        host.unheard.clear();
        self.feed(at, Input::Chain(update));
    }
}
