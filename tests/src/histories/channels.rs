//! The channels of a history, and the states that their parties sign, or do not quite.

use super::Maker;
use crate::model::Contracts;
use crate::random::Random;
use alloy_primitives::{Address, B256, Bytes, U256};
use millstream_core::nitro::{
    Allocation, AllocationType, AssetType, ChannelStatus, FixedPart, Guarantee, Outcome, SignedVariablePart,
    SingleAssetExit, VariablePart, outcome_hash, sign_state, state_hash,
};
use millstream_core::payment::{Claim, TickChain, Voucher, VoucherDomain};

/// A channel.
pub(super) struct Channel {
    pub(super) id: B256,
    pub(super) fixed: FixedPart,
    /// Whose keys its participants are, by index.
    members: Vec<usize>,
    /// What it is mostly about; zero for the native asset.
    pub(super) asset: Address,
    /// Outcomes that the adjudicator may hold the fingerprint of, with the state hashes that go with them.
    pub(super) known: Vec<(Outcome, B256)>,
    /// What ledgers guarantee it, if they do: its states share out that much, and cannot be paid out.
    pub(super) guaranteed: Option<u128>,
    /// Whether some guarantee of it was to be reclaimed.
    pub(super) reclaimed: bool,
}

impl Channel {
    /// Streams and consensus channels, on both assets, and one on an app that does not exist.
    pub(super) fn some(random: &mut Random, contracts: Contracts, keys: [Address; 3]) -> Vec<Self> {
        let Contracts { stream_app, consensus_app, token, .. } = contracts;
        let nobody = Address::from_word(random.word());
        let nobody = random.one_of([token, nobody]);
        let kinds = [
            (stream_app, Address::ZERO, vec![0, 1]),
            (stream_app, token, vec![0, 1]),
            (consensus_app, Address::ZERO, vec![0, 1]),
            (consensus_app, token, vec![1, 0]),
            (random.one_of([stream_app, consensus_app]), random.one_of([Address::ZERO, token]), vec![0, 2, 1]),
            (nobody, token, vec![0, 1]),
        ];
        let mut channels = Vec::new();
        for (app_definition, asset, members) in kinds {
            let fixed = FixedPart {
                participants: members.iter().map(|&member| keys[member]).collect(),
                channel_nonce: random.bits(64) as u64,
                app_definition,
                challenge_duration: random.one_of([0, 2, 3, 10, 10, 60, 3_600, (1 << 48) - 1]),
            };
            channels.push(Self {
                id: fixed.channel_id(),
                fixed,
                members,
                asset,
                known: Vec::new(),
                guaranteed: None,
                reclaimed: false,
            });
        }
        channels
    }

    /// The outcome that the adjudicator has now, and its state hash, if it has one that was told here.
    pub(super) fn told(&self, status: &ChannelStatus) -> Option<&(Outcome, B256)> {
        self.known
            .iter()
            .find(|(outcome, hash)| ChannelStatus::fingerprint(*hash, outcome_hash(outcome)) == status.fingerprint)
    }
}

impl Maker {
    /// A channel like another one, on which nothing has happened yet.
    pub(super) fn renew(&mut self, channel: usize) -> usize {
        let Channel { fixed, members, asset, .. } = &self.channels[channel];
        let fixed = FixedPart { channel_nonce: self.random.bits(64) as u64, ..fixed.clone() };
        self.channels.push(Channel {
            id: fixed.channel_id(),
            fixed,
            members: members.clone(),
            asset: *asset,
            known: Vec::new(),
            guaranteed: None,
            reclaimed: false,
        });
        self.channels.len() - 1
    }

    /// An outcome for a channel: what it holds, or somewhat more or less, in two shares or in strange ones.
    pub(super) fn outcome(&mut self, channel: usize) -> Outcome {
        let Channel { asset, guaranteed, .. } = self.channels[channel];
        if let Some(total) = guaranteed.filter(|_| self.random.chance(95)) {
            let first = self.random.bits(127) % (total + 1);
            let mut exit = self.exit(asset, &[first, total - first]);
            for allocation in &mut exit.allocations {
                allocation.allocation_type = AllocationType::Guarantee;
            }
            return vec![exit];
        }
        let held = self.holdings(channel, asset);
        let total = match self.random.below(6) {
            0 => held.saturating_sub(u128::from(self.random.below(100))),
            1 => held + u128::from(self.random.below(100)),
            2 => u128::from(self.random.below(1_000)),
            _ => held,
        };
        let first = if self.random.chance(20) { 0 } else { self.random.bits(127) % (total + 1) };
        let mut exit = self.exit(asset, &[first, total - first]); // in a stream the payee's and the payer's
        if self.random.chance(75) {
            return vec![exit];
        }
        match self.random.below(8) {
            0 => exit.allocations.clear(),
            1 => drop(exit.allocations.pop()),
            2 => exit.allocations.push(Allocation { amount: U256::MAX, ..exit.allocations[0].clone() }),
            3 => self.random.pick(&mut exit.allocations).allocation_type = AllocationType::WithdrawHelper,
            4 => {
                self.random.pick(&mut exit.allocations).allocation_type = AllocationType::Guarantee;
            }
            5 => exit.asset_type = self.random.one_of([AssetType::Erc721, AssetType::Erc1155, AssetType::Qualified]),
            6 => return vec![exit.clone(), exit],
            _ => {
                let other = self.random.one_of([Address::ZERO, self.contracts.token, self.accounts[3]]);
                let amounts = [u128::from(self.random.below(50)), 0];
                return vec![exit, self.exit(other, &amounts)];
            }
        }
        if self.random.chance(10) { Vec::new() } else { vec![exit] }
    }

    fn exit(&mut self, asset: Address, amounts: &[u128]) -> SingleAssetExit {
        let mut allocations = Vec::new();
        for &amount in amounts {
            allocations.push(Allocation {
                destination: self.destination(),
                amount: U256::from(amount),
                allocation_type: AllocationType::Simple,
                metadata: if self.random.chance(10) { self.random.metadata() } else { Bytes::new() },
            });
        }
        SingleAssetExit { asset, asset_type: AssetType::Default, asset_metadata: Bytes::new(), allocations }
    }

    /// Mostly an account or another channel, which is then its successor.
    fn destination(&mut self) -> B256 {
        let index = self.random.index(self.channels.len());
        match self.random.below(40) {
            0..10 => self.channels[index].id,
            10 | 11 => self.contracts.adjudicator.into_word(),
            12 => Address::ZERO.into_word(),
            13 => self.random.word(),
            _ => self.accounts[self.random.index(4)].into_word(),
        }
    }

    /// A ledger's outcome that guarantees `amount` to a channel, for the destinations of its two shares.
    pub(super) fn guaranteeing(&mut self, target: usize, shares: &[Allocation]) -> Outcome {
        let asset = self.channels[target].asset;
        let amounts = [u128::from(self.random.below(100)), u128::from(self.random.below(100))];
        let mut exit = self.exit(asset, &amounts);
        let sides = [self.accounts[0].into_word(), self.accounts[1].into_word()];
        for (allocation, destination) in exit.allocations.iter_mut().zip(sides) {
            if !self.random.chance(10) {
                allocation.destination = destination;
            }
        }
        let total = shares.iter().fold(U256::ZERO, |sum, share| sum.saturating_add(share.amount));
        let [left, right] = if self.random.chance(80) { sides } else { [sides[1], sides[0]] };
        let guarantee = Allocation {
            destination: self.channels[target].id,
            amount: if self.random.chance(85) { total } else { total.saturating_add(U256::ONE) },
            allocation_type: if self.random.chance(90) { AllocationType::Guarantee } else { AllocationType::Simple },
            metadata: if self.random.chance(90) { Guarantee { left, right }.encode() } else { Bytes::from([1; 63]) },
        };
        let position = self.random.index(exit.allocations.len() + 1);
        exit.allocations.insert(position, guarantee);
        vec![exit]
    }

    /// A new stream of a ledger's asset that ledgers guarantee, mostly through a hub.
    pub(super) fn guaranteed_stream(&mut self, asset: Address) -> usize {
        let direct = usize::from(asset != Address::ZERO);
        let through_hub = self.channels[4].asset == asset && self.random.chance(70);
        let stream = self.renew(if through_hub { 4 } else { direct });
        self.channels[stream].guaranteed = Some(u128::from(self.random.below(1_000)));
        stream
    }

    /// A ledger's outcome that guarantees several streams what they share out: guarantees first, or here and there.
    pub(super) fn guaranteeing_all(&mut self, asset: Address, streams: &[usize]) -> Outcome {
        let other = self.random.one_of([1, 1, 1, 0]); // an account may be both sides
        let sides = [self.accounts[0].into_word(), self.accounts[other].into_word()];
        let own = [u128::from(self.random.below(100)), u128::from(self.random.below(100))];
        let mut exit = self.exit(asset, &own);
        let first = self.random.chance(75);
        for (allocation, destination) in exit.allocations.iter_mut().zip(sides) {
            allocation.destination = destination;
        }
        for (&stream, place) in streams.iter().zip(0..) {
            let Channel { id, guaranteed, .. } = self.channels[stream];
            let [left, right] = self.random.one_of([sides, [sides[1], sides[0]]]);
            let guarantee = Allocation {
                destination: id,
                amount: U256::from(guaranteed.unwrap_or_default()),
                allocation_type: AllocationType::Guarantee,
                metadata: Guarantee { left, right }.encode(),
            };
            let place = if first { place } else { self.random.index(exit.allocations.len() + 1) };
            exit.allocations.insert(place, guarantee);
        }
        vec![exit]
    }

    /// A turn around the one that the adjudicator has on record.
    fn turn(&mut self, channel: usize) -> u64 {
        let record = self.status(channel).turn_num_record;
        match self.random.below(8) {
            0 => record.saturating_sub(1),
            1 => record,
            2 => self.random.below(5),
            3 => record.saturating_add(self.random.below(1 << 40)).min((1 << 48) - 1),
            _ => (record + 1).min((1 << 48) - 1),
        }
    }

    /// A state without proof, mostly signed by everyone, and the proof that it does not need.
    pub(super) fn agreed(&mut self, channel: usize, is_final: bool) -> (Vec<SignedVariablePart>, SignedVariablePart) {
        let part = VariablePart {
            outcome: self.outcome(channel),
            app_data: self.random.metadata(),
            turn_num: self.turn(channel),
            is_final,
        };
        let candidate = self.signed(channel, part, None);
        let proof = if self.random.chance(5) { vec![candidate.clone()] } else { Vec::new() };
        (proof, candidate)
    }

    /// A redemption on its base, broken in some way one time in four.
    pub(super) fn redemption(&mut self, channel: usize) -> (Vec<SignedVariablePart>, SignedVariablePart) {
        let broken = self.random.chance(25).then(|| self.random.below(12));
        let is = |kind: u64| broken == Some(kind);
        let base_turn = if is(0) { 0 } else { 1 + self.random.below(2) };
        let base = VariablePart {
            outcome: self.outcome(channel),
            app_data: Bytes::new(),
            turn_num: base_turn,
            is_final: is(1),
        };
        let shares = base.outcome.first().map(|exit| exit.allocations.as_slice()).unwrap_or_default();
        let available: u128 = shares.get(1).map_or(0, |share| share.amount.saturating_to());

        let (ticks, spare) = (self.random.below(5) as u8, self.random.below(3) as u8);
        let chain = TickChain::new(self.random.word(), ticks + spare);
        let tick_price = u128::from(self.random.below(4));
        let most = available.saturating_sub(tick_price * u128::from(ticks));
        let voucher = Voucher {
            channel_id: if is(2) { self.random.word() } else { self.channels[channel].id },
            base_turn: base_turn + u64::from(is(3)),
            serial: if is(4) { 0 } else { 1 + self.random.below(3) as u32 },
            cumulative_amount: if is(5) { available + 1 } else { self.random.bits(127) % (most + 1) },
            tick_tip: chain.tip(),
            tick_price,
            tick_limit: ticks + spare - u8::from(is(6) && ticks + spare > 0),
            memo: self.random.word(),
        };
        let domain = VoucherDomain::new(self.contracts.chain_id, self.contracts.stream_app);
        let payer = &self.keys[if is(7) { 2 } else { 0 }];
        let signed = voucher.sign(&domain, payer).expect("a local key signs");
        let preimage = if is(8) { chain.tip() } else { chain.preimage(ticks).expect("in range") };
        let claim = Claim { ticks, preimage, ..Claim::new(&signed, None) };

        let mut state = VariablePart {
            outcome: base.outcome.clone(),
            app_data: claim.to_app_data(),
            turn_num: claim.turn() + u64::from(is(9)),
            is_final: is(10),
        };
        if let Some([payee, payer]) = state.outcome.first_mut().map(|exit| exit.allocations.as_mut_slice()) {
            payer.amount = payer.amount.saturating_sub(claim.claimed());
            payee.amount = payee.amount.saturating_add(claim.claimed());
            payee.amount = payee.amount.wrapping_add(U256::from(u8::from(is(11))));
        }
        let last = self.channels[channel].members.len() - 1;
        let base = self.signed(channel, base, None);
        let candidate = self.signed(channel, state, Some(last));
        let proof = if self.random.chance(3) { vec![base.clone(), base] } else { vec![base] };
        (proof, candidate)
    }

    /// Signs a state as one participant or as all; now and then with somebody missing, too many, or twice.
    pub(super) fn signed(&mut self, channel: usize, part: VariablePart, by: Option<usize>) -> SignedVariablePart {
        let Channel { id, members, .. } = &self.channels[channel];
        let hash = state_hash(*id, &part);
        let mut signers = match by {
            Some(index) => vec![members[index]],
            None => members.clone(),
        };
        match self.random.below(30) {
            0 | 1 => drop(signers.pop()),
            2 => signers.push(2),
            3 => signers.insert(0, 0),
            4 => signers.reverse(),
            5 => signers = vec![2],
            _ => {}
        }
        let sign = |&key: &usize| sign_state(&self.keys[key], hash).expect("a local key signs");
        let signatures = signers.iter().map(sign).collect();
        self.channels[channel].known.push((part.outcome.clone(), hash));
        self.channels[channel].known.push((part.outcome.clone(), B256::ZERO));
        SignedVariablePart { variable_part: part, signatures }
    }

    /// Who stands behind a challenge: a participant, or now and then a stranger.
    pub(super) fn challenger(&mut self, channel: usize) -> usize {
        let members = &self.channels[channel].members;
        if self.random.chance(92) { members[self.random.index(members.len())] } else { 2 }
    }
}
