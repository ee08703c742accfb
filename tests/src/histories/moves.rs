//! The calls of a history.

use super::Maker;
use crate::model::Transaction;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, sol};
use millstream_core::nitro::{
    AllocationType, ChannelMode, Outcome, ReclaimArgs, SignedVariablePart, VariablePart, calls, encode_outcome,
    sign_challenge, state_hash,
};

// What wallets never call.
sol! {
    function mint(address to, uint256 amount) external;
    function transferFrom(address from, address to, uint256 amount) external;
    function transfer(
        uint256 assetIndex, bytes32 fromChannelId, bytes outcomeBytes, bytes32 stateHash, uint256[] indices
    ) external;
    interface Token { function transfer(address to, uint256 amount) external; }
}

impl Maker {
    /// A call, now and then some that belong together.
    pub(super) fn call(&mut self) -> Vec<Transaction> {
        let mut calls = if self.of_ledgers && self.random.chance(80) { self.of_ledgers() } else { self.of_any() };
        for call in &mut calls {
            self.break_in(call);
        }
        calls
    }

    fn of_any(&mut self) -> Vec<Transaction> {
        let mut channel = self.random.index(self.channels.len());
        let kind = self.random.below(100);
        // A channel that is over answers every dispute in the same way: mostly another one takes its place.
        if (20..66).contains(&kind) && self.over(channel) && self.random.chance(75) {
            channel = self.renew(channel);
        }
        match kind {
            0..20 => vec![self.deposit(channel)],
            20..42 => {
                let data = self.challenge(channel);
                vec![self.for_adjudicator(data)]
            }
            42..52 => {
                let (proof, candidate) = self.supported(channel);
                let data = calls::checkpoint(&self.channels[channel].fixed, &proof, &candidate);
                vec![self.for_adjudicator(data)]
            }
            52..60 => {
                let candidate = self.conclusion(channel);
                let data = calls::conclude(&self.channels[channel].fixed, &candidate);
                vec![self.for_adjudicator(data)]
            }
            60..66 => {
                let candidate = self.conclusion(channel);
                let data = calls::conclude_and_transfer_all_assets(&self.channels[channel].fixed, &candidate);
                vec![self.for_adjudicator(data)]
            }
            66..80 => {
                let data = self.payout(channel);
                vec![self.for_adjudicator(data)]
            }
            80..89 => match self.reclaimable() {
                Some(found) if kind >= 82 => {
                    let data = self.reclaim(found);
                    vec![self.for_adjudicator(data)]
                }
                None if kind == 88 => {
                    let data = self.reclaim([0, 0, 0, 1]);
                    vec![self.for_adjudicator(data)]
                }
                _ => self.guarantee(),
            },
            89..96 => vec![self.token_call()],
            _ => vec![self.plain()],
        }
    }

    /// What is done with ledgers and the streams that they guarantee.
    fn of_ledgers(&mut self) -> Vec<Transaction> {
        let data = match (self.random.below(10), self.reclaimable()) {
            (0, _) => return self.route(),
            (1..6, Some(found)) => self.reclaim(found),
            (_, None) if self.channels.iter().all(|channel| channel.guaranteed.is_none()) => return self.route(),
            _ => {
                let channel = self.random.index(self.channels.len());
                self.payout(channel)
            }
        };
        vec![self.for_adjudicator(data)]
    }

    fn for_adjudicator(&mut self, data: Bytes) -> Transaction {
        let from = self.random.one_of(self.senders);
        Transaction { from, to: self.contracts.adjudicator, value: 0, data }
    }

    fn deposit(&mut self, channel: usize) -> Transaction {
        let usual = self.channels[channel].asset;
        let asset = match self.random.below(20) {
            0 => Address::ZERO,
            1 => self.contracts.token,
            2 => self.contracts.adjudicator,
            3 => self.accounts[3],
            _ => usual,
        };
        let held = self.holdings(channel, asset);
        let expected = if self.random.chance(85) { held } else { u128::from(self.random.below(1_000)) };
        let amount = u128::from(self.random.below(1_000));
        let id = if self.random.chance(96) { self.channels[channel].id } else { self.accounts[0].into_word() };
        let data = calls::deposit(asset, id, U256::from(expected), U256::from(amount));
        let fits = asset == Address::ZERO && self.random.chance(92) || self.random.chance(3);
        Transaction { value: if fits { amount } else { 0 }, ..self.for_adjudicator(data) }
    }

    /// What an app may support: a state that everyone signed, or in a stream also a redemption.
    fn supported(&mut self, channel: usize) -> (Vec<SignedVariablePart>, SignedVariablePart) {
        let stream = self.channels[channel].fixed.app_definition == self.contracts.stream_app;
        if self.random.chance(if stream { 60 } else { 4 }) {
            return self.redemption(channel);
        }
        let is_final = self.random.chance(10);
        self.agreed(channel, is_final)
    }

    fn challenge(&mut self, channel: usize) -> Bytes {
        let (proof, candidate) = self.supported(channel);
        let challenger = self.challenger(channel);
        let hash = state_hash(self.channels[channel].id, &candidate.variable_part);
        let signature = sign_challenge(&self.keys[challenger], hash).expect("a local key signs");
        calls::challenge(&self.channels[channel].fixed, &proof, &candidate, &signature)
    }

    fn conclusion(&mut self, channel: usize) -> SignedVariablePart {
        let is_final = self.random.chance(90);
        self.agreed(channel, is_final).1
    }

    /// Pays out what the adjudicator was told last, or something else.
    fn payout(&mut self, channel: usize) -> Bytes {
        // More often than not one that can be paid out.
        let mut ready: Vec<_> = (0..self.channels.len()).filter(|&index| self.ready(index)).collect();
        // Best a ledger that has nothing left to reclaim.
        let mut settled = ready.clone();
        settled.retain(|&index| self.channels[index].reclaimed && !self.guarantees(index));
        if !settled.is_empty() && self.random.chance(60) {
            ready = settled;
        }
        let channel = if ready.is_empty() || self.random.chance(25) { channel } else { *self.random.pick(&mut ready) };
        let (outcome, hash) = self.told(channel);
        let id = self.channels[channel].id;
        let hash = if self.random.chance(95) { hash } else { B256::ZERO };
        if self.random.chance(70) {
            self.keep_remainder(channel, &outcome, hash, None);
            return calls::transfer_all_assets(id, &outcome, hash);
        }
        let beyond = usize::from(outcome.is_empty() || self.random.chance(10));
        let asset_index = self.random.index(outcome.len() + beyond) as u64;
        let mut indices: Vec<u64> = (0..4).filter(|_| self.random.chance(40)).collect();
        if self.random.chance(10) {
            indices.reverse();
        }
        self.keep_remainder(channel, &outcome, hash, Some((asset_index, &indices)));
        let call = transferCall {
            assetIndex: U256::from(asset_index),
            fromChannelId: id,
            outcomeBytes: encode_outcome(&outcome),
            stateHash: hash,
            indices: indices.into_iter().map(U256::from).collect(),
        };
        call.abi_encode().into()
    }

    /// Whether a channel is finalized.
    fn over(&self, channel: usize) -> bool {
        self.status(channel).mode(self.chain.time()) == ChannelMode::Finalized
    }

    /// Whether a channel can be paid out by now, with an outcome that is known.
    fn ready(&self, channel: usize) -> bool {
        self.over(channel) && self.channels[channel].told(&self.status(channel)).is_some()
    }

    /// Whether a channel's outcome still has a guarantee.
    fn guarantees(&self, channel: usize) -> bool {
        let told = self.channels[channel].told(&self.status(channel));
        let mut allocations = told.iter().flat_map(|(outcome, _)| outcome).flat_map(|exit| &exit.allocations);
        allocations.any(|allocation| allocation.allocation_type == AllocationType::Guarantee)
    }

    fn told(&mut self, channel: usize) -> (Outcome, B256) {
        let status = self.status(channel);
        let told = self.channels[channel].told(&status).cloned();
        told.filter(|_| self.random.chance(92)).unwrap_or_else(|| (self.outcome(channel), self.random.word()))
    }

    /// Remembers what is left of an outcome after a payout, of everything or of some indices of one asset.
    fn keep_remainder(&mut self, channel: usize, outcome: &Outcome, hash: B256, only: Option<(u64, &[u64])>) {
        let mut left = outcome.clone();
        for (exit, position) in left.iter_mut().zip(0u64..) {
            let mut surplus = U256::from(self.holdings(channel, exit.asset));
            for (allocation, index) in exit.allocations.iter_mut().zip(0u64..) {
                let affordable = allocation.amount.min(surplus);
                surplus -= affordable;
                let paid = only.is_none_or(|(asset, indices)| {
                    asset == position && (indices.is_empty() || indices.contains(&index))
                });
                if paid {
                    allocation.amount -= affordable;
                }
            }
        }
        self.channels[channel].known.push((left, hash));
    }

    /// Concludes a channel, and another one that guarantees it.
    fn guarantee(&mut self) -> Vec<Transaction> {
        let target = self.random.index(4);
        let source = (target + 1 + self.random.index(3)) % 4;
        let [target, source] = [target, source].map(|channel| self.renew(channel));
        let (_, conclusion) = self.agreed(target, true);
        let shares = conclusion.variable_part.outcome.first().map(|exit| exit.allocations.clone()).unwrap_or_default();
        let part = VariablePart {
            outcome: self.guaranteeing(target, &shares),
            app_data: Bytes::new(),
            turn_num: 3,
            is_final: true,
        };
        let ledger = self.signed(source, part, None);
        let calls = [
            calls::conclude(&self.channels[target].fixed, &conclusion),
            calls::conclude(&self.channels[source].fixed, &ledger),
        ];
        calls.map(|data| self.for_adjudicator(data)).into()
    }

    /// A funded ledger that guarantees one to three streams, on their way to become final, and now and then dust for one.
    fn route(&mut self) -> Vec<Transaction> {
        let ledger = self.random.one_of([2, 3]);
        let ledger = self.renew(ledger);
        let asset = self.channels[ledger].asset;
        let streams: Vec<_> = (0..1 + self.random.below(3)).map(|_| self.guaranteed_stream(asset)).collect();
        let outcome = self.guaranteeing_all(asset, &streams);
        let total = outcome[0].allocations.iter().fold(U256::ZERO, |sum, allocation| sum + allocation.amount);
        let dust = streams[0];
        let part = VariablePart { outcome, app_data: Bytes::new(), turn_num: 3, is_final: true };
        let candidate = self.signed(ledger, part, None);
        let mut calls = vec![self.deposit_into(ledger, asset, total)];
        let data = calls::conclude(&self.channels[ledger].fixed, &candidate);
        calls.push(self.for_adjudicator(data));
        for stream in streams {
            let data = if self.random.chance(60) {
                let (_, conclusion) = self.agreed(stream, true);
                calls::conclude(&self.channels[stream].fixed, &conclusion)
            } else {
                self.challenge(stream)
            };
            calls.push(self.for_adjudicator(data));
        }
        if self.random.chance(30) {
            calls.push(self.deposit_into(dust, asset, U256::ONE));
        }
        calls
    }

    fn deposit_into(&mut self, channel: usize, asset: Address, amount: U256) -> Transaction {
        let data = calls::deposit(asset, self.channels[channel].id, U256::ZERO, amount);
        let value = if asset == Address::ZERO { amount.to() } else { 0 };
        Transaction { value, ..self.for_adjudicator(data) }
    }

    /// Two finalized channels of which one has an entry for the other: source, position of the asset, index of the
    /// entry, target.
    fn reclaimable(&mut self) -> Option<[usize; 4]> {
        let mut found = Vec::new();
        for source in (0..self.channels.len()).filter(|&index| self.ready(index)) {
            let Some((outcome, _)) = self.channels[source].told(&self.status(source)) else { continue };
            for (position, exit) in outcome.iter().enumerate() {
                for (index, allocation) in exit.allocations.iter().enumerate() {
                    let target = self.channels.iter().position(|channel| channel.id == allocation.destination);
                    if let Some(target) = target.filter(|&target| target != source && self.ready(target)) {
                        found.push([source, position, index, target]);
                    }
                }
            }
        }
        // Mostly what was meant to be reclaimed, if there is any.
        let mut meant = found.clone();
        meant.retain(|&[.., target]| self.channels[target].guaranteed.is_some());
        if !meant.is_empty() && self.random.chance(90) {
            found = meant;
        }
        if found.is_empty() { None } else { Some(*self.random.pick(&mut found)) }
    }

    /// Remembers what a ledger's outcome is once a guarantee was reclaimed.
    fn keep_reclaimed(&mut self, source: usize, (outcome, hash): (Outcome, B256), at: [usize; 2], target: &Outcome) {
        let mut left = outcome;
        let [position, index] = at;
        let guarantee = left[position].allocations.remove(index);
        let Some([first, second]) = target.get(position).map(|exit| exit.allocations.as_slice()) else { return };
        if guarantee.metadata.len() != 64 {
            return;
        }
        for (side, share) in guarantee.metadata.chunks(32).zip([first, second]) {
            let mut allocations = left[position].allocations.iter_mut();
            if let Some(allocation) = allocations.find(|allocation| allocation.destination == side) {
                allocation.amount = allocation.amount.saturating_add(share.amount);
            }
        }
        self.channels[source].known.push((left, hash));
        self.channels[source].reclaimed = true;
    }

    fn reclaim(&mut self, [source, position, index, target]: [usize; 4]) -> Bytes {
        let (outcome, hash) = self.told(source);
        let (target_outcome, target_hash) = self.told(target);
        if outcome.get(position).is_some_and(|exit| index < exit.allocations.len()) {
            self.keep_reclaimed(source, (outcome.clone(), hash), [position, index], &target_outcome);
        }
        let args = ReclaimArgs {
            source_channel_id: self.channels[source].id,
            source_state_hash: hash,
            source_outcome_bytes: encode_outcome(&outcome),
            source_asset_index: position as u64 + u64::from(self.random.chance(5)),
            index_of_target_in_source: index as u64 + u64::from(self.random.chance(8)),
            target_state_hash: target_hash,
            target_outcome_bytes: encode_outcome(&target_outcome),
            target_asset_index: u64::from(self.random.chance(5)),
        };
        calls::reclaim(&args)
    }

    pub(super) fn mint(&mut self, from: Address) -> Transaction {
        let amount = U256::from(self.random.below(1 << 20));
        Transaction {
            from,
            to: self.contracts.token,
            value: 0,
            data: mintCall { to: from, amount }.abi_encode().into(),
        }
    }

    /// Lets the adjudicator, or now and then somebody else, take tokens.
    pub(super) fn approve(&mut self, from: Address) -> Transaction {
        let limited = U256::from(self.random.below(5_000));
        let amount = self.random.one_of([U256::MAX, limited, U256::ZERO, U256::from(1 << 30)]);
        let other = self.random.one_of(self.senders);
        let spender = if self.random.chance(75) { self.contracts.adjudicator } else { other };
        let data = calls::approve(spender, amount);
        Transaction { from, to: self.contracts.token, value: 0, data }
    }

    fn token_call(&mut self) -> Transaction {
        let from = self.random.one_of(self.senders);
        let index = self.random.index(4);
        let other = if self.random.chance(90) { self.accounts[index] } else { Address::ZERO };
        let amount = match self.random.below(20) {
            0 => U256::MAX,
            1 => U256::ZERO,
            _ => U256::from(self.random.below(2_000)),
        };
        let data = match self.random.below(6) {
            0 => mintCall { to: other, amount }.abi_encode().into(),
            1 => return self.approve(from),
            2 => calls::approve(other, amount),
            3 => Token::transferCall { to: other, amount }.abi_encode().into(),
            _ => {
                let owner = self.random.one_of(self.senders);
                let owner = if self.random.chance(90) { owner } else { Address::ZERO };
                transferFromCall { from: owner, to: other, amount }.abi_encode().into()
            }
        };
        Transaction { from, to: self.contracts.token, value: 0, data }
    }

    /// Wei for an account, or for a contract that takes none.
    fn plain(&mut self) -> Transaction {
        let from = self.random.one_of(self.senders);
        let contracts = self.contracts;
        let to = match self.random.below(8) {
            0 => contracts.adjudicator,
            1 => contracts.token,
            2 => contracts.stream_app,
            3 => contracts.consensus_app,
            _ => self.accounts[self.random.index(4)],
        };
        // Now and then more than anybody has.
        let value = if self.random.chance(10) { 1 << 100 } else { u128::from(self.random.below(1_000)) };
        Transaction { from, to, value, data: self.random.metadata() }
    }
}
