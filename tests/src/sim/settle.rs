//! Times without faults: honest wallets catch up, hours pass, and in the end everything is settled.

use alloy_primitives::B256;
use millstream_core::channel::{Channel, Status};
use millstream_core::wallet::{Command, Input};

use super::profile::CHALLENGE_DURATION;
use super::world::{At, World};

/// How often a wallet gets to send what it owes the chain before the simulator calls it stuck.
const CATCHING_UP: usize = 6;
/// How many rounds the end has, each up to a challenge long.
const ROUNDS: usize = 30;

impl World {
    /// Brings every honest wallet up to date with its store, its signer and the chain, and their transactions into blocks:
    /// what a party must be able to do within the time it has to answer a challenge. A commit that failed, because another
    /// wallet of the party wrote first, is made up for with the next block. Parcels stay on their way.
    pub fn sync(&mut self) {
        let calm = std::mem::replace(&mut self.calm, true);
        self.say(|_| "honest wallets catch up".into());
        let places: Vec<At> = self.places().into_iter().filter(|at| self.is_honest(at.party)).collect();
        for _ in 0..CATCHING_UP {
            let failed = self.failed_commits;
            for &at in &places {
                self.revive(at);
            }
            for _ in 0..self.profile.confirmations {
                self.mine_block(|_| true);
            }
            for &at in &places {
                self.watch(at);
                self.answer_everything(at);
            }
            let waits = self.mempool.iter().any(|pending| places.iter().any(|at| at.party == pending.party));
            if !(waits || self.failed_commits > failed) || self.violation.is_some() {
                break;
            }
        }
        self.synced_at = self.now;
        for (party, owner) in self.parties.iter().enumerate() {
            for (channel_id, stored) in owner.store.records() {
                let turn = stored.channel.base.map_or(0, |base| base.turn);
                self.synced_bases.insert((party, *channel_id), turn);
            }
        }
        self.calm = calm;
    }

    /// Starts a wallet if it does not run, and lets everything that it waits for happen.
    fn revive(&mut self, at: At) {
        self.parties[at.party].hosts[at.host].crash_after = None;
        if self.parties[at.party].hosts[at.host].wallet.is_none() {
            self.start(at);
        }
        self.answer_everything(at);
        for channel_id in std::mem::take(&mut self.parties[at.party].hosts[at.host].resume) {
            self.feed(at, Input::Command(Command::Resume { channel_id }));
        }
        self.answer_everything(at);
    }

    fn answer_everything(&mut self, at: At) {
        loop {
            let store = &self.parties[at.party].store;
            let commit = store.commits.iter().position(|commit| commit.host == at.host);
            let host = &self.parties[at.party].hosts[at.host];
            if let Some(index) = commit {
                self.carry_out_commit(at.party, index);
                self.answer_commit(at.party, index);
            } else if !host.reads.is_empty() {
                self.answer_read(at);
            } else if !host.signatures.is_empty() {
                self.answer_signature(at);
            } else {
                return;
            }
            self.go_on(at);
            if self.violation.is_some() {
                return;
            }
        }
    }

    /// Lets time pass, after which honest wallets look at the chain and their clocks.
    pub fn jump(&mut self, seconds: u64) {
        self.say(|_| format!("{seconds} seconds pass"));
        self.now += seconds;
        self.mine_block(|_| false);
        self.reorg_floor = self.chain.block();
        for at in self.places() {
            if self.is_honest(at.party) || self.calm {
                self.watch(at);
                self.feed(at, Input::Tick);
            }
        }
    }

    /// Lets everything that was begun come to its end without faults.
    pub fn settle_in(&mut self) {
        let calm = std::mem::replace(&mut self.calm, true);
        let places = self.places();
        for _ in 0..4 {
            places.iter().for_each(|at| self.revive(*at));
            self.exchange(&places);
            self.sync();
        }
        self.exchange(&places);
        self.calm = calm;
    }

    /// Ends the world: no more faults, no more lies; every honest party closes what is open, or leaves it.
    pub fn settle(&mut self) {
        self.step = None;
        self.calm = true;
        self.say(|_| "-- everything is settled".into());
        let mut places = self.places();
        if !self.profile.liar_answers_at_the_end {
            places.retain(|at| self.is_honest(at.party));
        }
        // One wallet of each party is enough now; the others stop. It starts again: one that only reads is not told what
        // another one wrote.
        let shared: Vec<At> = places.iter().filter(|at| self.parties[at.party].hosts.len() > 1).copied().collect();
        for &at in &shared {
            self.answer_everything(at);
        }
        for &at in &shared {
            self.crash(at);
        }
        places.retain(|at| at.host == 0);
        for round in 0..ROUNDS {
            for &at in &places {
                self.revive(at);
                self.go_home(at, round);
            }
            self.exchange(&places);
            self.sync();
            self.exchange(&places);
            if self.violation.is_some() {
                return;
            }
            if round > 0 && self.mempool.is_empty() && self.at_rest() {
                break;
            }
            let patience = if round % 6 == 5 { 86_400 } else { CHALLENGE_DURATION + 700 };
            self.jump(if round < 2 { 60 } else { patience });
        }
    }

    /// Brings every parcel to wallets that answer, until nobody has anything to say.
    fn exchange(&mut self, places: &[At]) {
        let most = if self.profile.streets.is_some() { 8_000 } else { 2_000 };
        for _ in 0..most {
            let Some(packet) = self.network.packets.pop_front() else { return };
            if !places.iter().any(|at| at.party == packet.to) || self.violation.is_some() {
                continue;
            }
            self.deliver(packet);
            for &at in places {
                self.answer_everything(at);
            }
        }
        // A liar may go on talking; it gets an answer to each word.
        let honest = |party: usize| self.is_honest(party);
        if self.network.packets.iter().any(|packet| honest(packet.from) && honest(packet.to)) {
            self.broken("everybody falls silent in the end", format!("{most} parcels did not settle it"));
        }
        self.network.packets.clear();
    }

    /// A party wants to have its money: it closes, and if that leads nowhere it leaves.
    fn go_home(&mut self, at: At, round: usize) {
        let records = self.parties[at.party].store.records();
        let open = records.filter(|(_, stored)| !is_over(&stored.channel));
        let open: Vec<(B256, Status)> = open.map(|(id, stored)| (*id, stored.channel.status())).collect();
        for (channel_id, status) in open {
            let commands: &[Command] = match (status, round) {
                (Status::Initialized, _) => &[Command::AbortChannel { channel_id }],
                (Status::Signed, 4..) => &[Command::AbortChannel { channel_id }, Command::LeaveChannel { channel_id }],
                (Status::Open | Status::Withdrawing, 1..4) => {
                    &[Command::Resume { channel_id }, Command::CloseChannel { channel_id }]
                }
                (Status::Challenged, _) | (_, 0..4) => &[Command::Resume { channel_id }],
                _ => &[Command::Resume { channel_id }, Command::LeaveChannel { channel_id }],
            };
            for command in commands {
                self.order(at, command.clone());
                self.answer_everything(at);
            }
        }
    }

    fn at_rest(&self) -> bool {
        let honest = (0..self.parties.len()).filter(|party| self.is_honest(*party));
        let mut records = honest.flat_map(|party| self.parties[party].store.records());
        records.all(|(_, stored)| is_over(&stored.channel))
    }
}

/// Whether nothing more can happen to a channel.
pub fn is_over(channel: &Channel) -> bool {
    matches!(channel.status(), Status::Closed | Status::Aborted)
}
