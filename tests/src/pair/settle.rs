//! How everything ends when both sides are honest and awake.

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Channel, Role, Status, Wish};
use millstream_core::wallet::{Command, Input};

use super::host::all_known;
use super::{ALICE, BOB, CHALLENGE_DURATION, Commits, ENDOWMENT, Pair};

/// How many times the parties try to close together before they leave alone.
const ATTEMPTS: usize = 4;
/// How many more times they look after what they left.
const ROUNDS: usize = 8;

impl Pair {
    /// What a party has and can claim of an asset at least: its account, and its part of every channel by its record.
    fn entitled(&self, host: usize, asset: Address) -> u128 {
        let parts = self.funded(host, asset).map(|(holdings, channel)| {
            let wished = match channel.request {
                Some(request) if channel.role == Role::Payee => match request.wish {
                    Wish::Give(amount) => amount,
                    _ => 0,
                },
                _ => 0,
            };
            let balances = channel.balances();
            let payee = balances.payee.min(holdings);
            match channel.role {
                // What it offered to give back may be taken at any time.
                Role::Payee | Role::Hub => payee.saturating_sub(wished),
                Role::Payer => {
                    let promised = channel.proposals.iter().map(|proposal| proposal.base.balances.payee);
                    // What left under a lease or by ticks counts, and what waits for its signature: the record may know of
                    // none of it.
                    let unsigned = channel.unsigned.map(|voucher| (voucher, voucher.cumulative_amount));
                    let vouchers = self.hosts[host].released(&channel).chain(unsigned);
                    let vouched = channel.base.map_or(0, |base| {
                        let paid = vouchers.filter(|(voucher, _)| voucher.base_turn == base.turn);
                        base.balances.payee + paid.map(|(_, amount)| amount).max().unwrap_or(0)
                    });
                    let payee = promised.fold(payee.max(vouched), u128::max);
                    balances.payer.min(holdings.saturating_sub(payee))
                }
            }
        });
        self.account(host, asset) + parts.sum::<u128>()
    }

    /// The channels of an asset that the chain holds money of, with the party's records.
    fn funded(&self, host: usize, asset: Address) -> impl Iterator<Item = (u128, Channel)> {
        let records = all_known(&self.hosts).into_iter().filter_map(move |id| {
            let channel = self.hosts[host].channel(&id)?;
            Some((self.chain.holdings(asset, id), channel))
        });
        records.filter(|(holdings, _)| *holdings > 0)
    }

    fn account(&self, host: usize, asset: Address) -> u128 {
        let account = self.hosts[host].account;
        if asset.is_zero() { self.chain.balance(account) } else { self.chain.token_balance(account) }
    }

    /// Checks that nothing was made or lost.
    ///
    /// # Panics
    ///
    /// If something was.
    pub fn assert_conserved(&self) {
        for asset in [Address::ZERO, self.chain.token()] {
            let held: u128 = self.channels.iter().map(|id| self.chain.holdings(asset, *id)).sum();
            let owned = self.account(ALICE, asset) + self.account(BOB, asset);
            assert_eq!(owned + held, 2 * ENDOWMENT, "of {asset}");
        }
    }

    /// Ends everything: no more faults, both close what is open, and leave what the other does not close.
    ///
    /// # Panics
    ///
    /// If a channel never ends, if a party gets less than it was sure of, or if money was made or lost.
    pub fn settle(&mut self) {
        for host in [ALICE, BOB] {
            self.hosts[host].commits = Commits::Store;
            self.flush(host);
        }
        let before = self.entitlements();
        self.assert_conserved();
        for attempt in 0..ATTEMPTS {
            if attempt > 1 && self.ended() {
                break;
            }
            self.everyone(|channel_id| Command::Resume { channel_id });
            if attempt > 0 {
                self.everyone(|channel_id| Command::CloseChannel { channel_id });
            }
            self.go_on();
        }
        for round in 0..ROUNDS {
            if self.ended() {
                break;
            }
            self.everyone(|channel_id| Command::LeaveChannel { channel_id });
            self.everyone(|channel_id| Command::Resume { channel_id });
            self.go_on();
            self.go_on();
            if round % 2 == 1 {
                // Long enough for a challenge, and for the other side to be silent for too long.
                self.chain.pass(CHALLENGE_DURATION * if round > 3 { 25 } else { 1 });
            }
            for host in [ALICE, BOB] {
                self.watch(host);
                self.input(host, Input::Tick).unwrap_or_else(|error| panic!("a tick: {error}"));
            }
            self.go_on();
        }
        assert!(self.ended(), "channels that never end: {:#?}", self.unfinished());
        self.assert_conserved();
        for ((host, asset, least), (_, _, now)) in before.into_iter().zip(self.entitlements()) {
            let name = if host == ALICE { "alice" } else { "bob" };
            assert!(now >= least, "{name} was sure of {least} of {asset} and has {now}");
        }
    }

    fn entitlements(&self) -> Vec<(usize, Address, u128)> {
        let assets = [Address::ZERO, self.chain.token()];
        let both = [ALICE, BOB].into_iter().flat_map(|host| assets.map(|asset| (host, asset)));
        both.map(|(host, asset)| (host, asset, self.entitled(host, asset))).collect()
    }

    /// Both owners say the same about every channel that they know.
    fn everyone(&mut self, command: impl Fn(B256) -> Command) {
        for host in [ALICE, BOB] {
            for id in self.hosts[host].known() {
                let _ = self.command(host, command(id));
                self.flush(host);
            }
        }
    }

    fn ended(&self) -> bool {
        self.unfinished().is_empty()
    }

    /// The channels that still hold money, or that a party still waits for: status and holdings.
    fn unfinished(&self) -> Vec<(B256, Vec<Option<Status>>, u128)> {
        let mut left = Vec::new();
        for id in all_known(&self.hosts) {
            let records: Vec<_> = self.hosts.iter().map(|host| host.channel(&id)).collect();
            let asset = records.iter().flatten().map(|channel| channel.terms.asset).next().unwrap_or_default();
            let held = self.chain.holdings(asset, id);
            let status: Vec<_> = records.iter().map(|record| record.as_ref().map(Channel::status)).collect();
            if held > 0 {
                left.push((id, status, held));
            }
        }
        left
    }
}
