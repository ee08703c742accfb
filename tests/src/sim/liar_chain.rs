//! What a liar does on chain: it challenges, checkpoints, concludes and pays out with anything it ever had.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, sol};
use millstream_core::channel::{Role, Terms};
use millstream_core::nitro::{SignedVariablePart, calls, challenge_digest, encode_outcome, state_hash};

use super::network::Pending;
use super::states;
use super::world::{NAMES, World};
use crate::model::Transaction;

// What wallets never call.
sol! {
    function transfer(
        uint256 assetIndex, bytes32 fromChannelId, bytes outcomeBytes, bytes32 stateHash, uint256[] indices
    ) external;
}

impl World {
    /// The liar sends a transaction of its own.
    pub fn lie_on_chain(&mut self) {
        let Some(liar) = self.profile.liar else { return };
        let Some((channel_id, terms, role, _)) = self.liars_channel() else { return };
        if self.random.chance(10) && !self.mined.is_empty() {
            // Whatever was sent once can be sent again by anybody.
            let index = self.random.index(self.mined.len());
            let Transaction { to, data, value: 0, .. } = self.mined[index].1.transaction.clone() else { return };
            if to == terms.chain.adjudicator {
                self.send_as(liar, None, data);
            }
            return;
        }
        let known = self.liar.channels.get(&channel_id).cloned().unwrap_or_default();
        if terms.is_virtual() {
            return self.lie_of_relay_on_chain(liar, channel_id, &terms, role);
        }
        if known.bases.is_empty() {
            return;
        }
        let base = known.bases[self.random.index(known.bases.len())];
        let aside = known.guarantees.get(&base.turn).cloned().unwrap_or_default();
        let Some(signed) = states::signed_base(&terms, &base, &aside) else { return };
        let vouchers: Vec<_> = known.vouchers.iter().filter(|signed| signed.voucher.base_turn == base.turn).collect();
        let (mut proof, mut candidate) = (Vec::new(), signed.clone());
        if role == Role::Payee && !vouchers.is_empty() && self.random.chance(70) {
            let voucher = vouchers[self.random.index(vouchers.len())];
            if let Some(part) =
                states::redemption(&terms, &base, voucher, known.shown.get(&voucher.voucher.serial).copied())
            {
                proof = vec![signed];
                candidate = states::signed_by(&terms, part, &self.parties[liar].key);
            }
        }
        let turn = candidate.variable_part.turn_num;
        let kind = self.random.below(10);
        let name = self.name(&channel_id);
        let what = match kind {
            0..5 => "challenges",
            5..7 => "checkpoints",
            7 => "concludes",
            8 => "pays out",
            _ => "pays out a part of",
        };
        self.say(|_| format!("{} {what} {name} at turn {turn}", NAMES[liar]));
        let data = match kind {
            0..5 => self.challenge(liar, &terms, channel_id, &proof, &candidate),
            5..7 => calls::checkpoint(&terms.fixed_part(), &proof, &candidate),
            7 => {
                if known.finals.is_empty() {
                    return;
                }
                let (closing, successor) = known.finals[self.random.index(known.finals.len())];
                let Some(signatures) = closing.signatures.both() else { return };
                let variable_part = states::closing(&terms, &closing, successor.as_ref());
                let candidate = SignedVariablePart { variable_part, signatures: signatures.to_vec() };
                if self.random.chance(50) {
                    calls::conclude(&terms.fixed_part(), &candidate)
                } else {
                    calls::conclude_and_transfer_all_assets(&terms.fixed_part(), &candidate)
                }
            }
            _ => {
                let part = &candidate.variable_part;
                let hash = state_hash(channel_id, part);
                if kind == 8 {
                    calls::transfer_all_assets(channel_id, &part.outcome, hash)
                } else {
                    let call = transferCall {
                        assetIndex: U256::ZERO,
                        fromChannelId: channel_id,
                        outcomeBytes: encode_outcome(&part.outcome),
                        stateHash: hash,
                        indices: vec![U256::from(self.random.below(2))],
                    };
                    call.abi_encode().into()
                }
            }
        };
        self.send_as(liar, None, data);
    }

    pub(super) fn challenge(
        &self,
        liar: usize,
        terms: &Terms,
        channel_id: B256,
        proof: &[SignedVariablePart],
        candidate: &SignedVariablePart,
    ) -> Bytes {
        let hash = state_hash(channel_id, &candidate.variable_part);
        let signature = self.parties[liar].key.sign(challenge_digest(hash));
        calls::challenge(&terms.fixed_part(), proof, candidate, &signature)
    }

    pub(super) fn send_as(&mut self, party: usize, dust: Option<(B256, u128)>, data: Bytes) {
        let value = dust.map_or(0, |(_, amount)| amount);
        let (from, to) = (self.parties[party].account, self.chain.contracts().adjudicator);
        let transaction = Transaction { from, to, value, data };
        self.mempool.push(Pending { party, host: 0, life: 0, channel: None, dust, transaction });
    }

    /// Somebody deposits a little for a channel.
    pub fn dust(&mut self) {
        if self.channels.is_empty() {
            return;
        }
        let index = self.random.index(self.channels.len());
        let (channel_id, asset) = (self.channels[index].0, self.channels[index].1.asset);
        if asset != Address::ZERO {
            return;
        }
        let held = self.chain.holdings(asset, channel_id);
        let amount = u128::from(self.random.below(5) + 1);
        let data = calls::deposit(asset, channel_id, U256::from(held), U256::from(amount));
        self.say(|world| format!("somebody deposits {amount} for {}", world.name(&channel_id)));
        let party = self.profile.liar.unwrap_or(0);
        self.send_as(party, Some((channel_id, amount)), data);
    }
}
