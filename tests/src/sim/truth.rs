//! What honest parties signed and let out: what the rules are measured against.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};
use millstream_core::channel::{Balances, Channel, Role};
use millstream_core::payment::Voucher;

use super::release::ANY_TURN;

/// A state that a party signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedState {
    /// What was signed.
    pub digest: B256,
    /// What belongs to whom, what goes on in a successor included.
    pub balances: Balances,
    /// How often the party had been restored when it first signed it.
    pub restores: u32,
}

/// What one party signed.
#[derive(Debug, Default)]
pub struct Signed {
    /// By channel and turn. More than one state only in the exception of [`Truth::sign`].
    pub states: BTreeMap<(B256, u64), Vec<SignedState>>,
    /// By channel, turn of the base, and serial.
    pub vouchers: BTreeMap<(B256, u64, u32), Voucher>,
    /// All that it paid, by asset and channel.
    pub paid: BTreeMap<(Address, B256), u128>,
    /// How many of a voucher's ticks left.
    pub ticks: BTreeMap<(B256, u64, u32), u8>,
    /// What it was about to pay, by digest.
    pub made: BTreeMap<B256, Voucher>,
    /// The digest of each voucher that an outside signer was asked for, by channel, turn of the base, and serial.
    pub asked: BTreeMap<(B256, u64, u32), B256>,
    /// How often the party was restored from a backup that may be old.
    pub restores: u32,
    /// Every state that a durable record ever agreed to: by channel and digest its turn and its balances. Starts anew
    /// with a restore.
    pub durable: BTreeMap<(B256, B256), (u64, Balances)>,
    /// Every record as it was stored last.
    pub records: BTreeMap<B256, Channel>,
    /// The number of the question that a stored record waits for an answer to, by channel.
    pub doubts: BTreeMap<B256, u64>,
    /// The answers that it was brought, by channel and number of the question.
    pub answers: BTreeSet<(B256, u64)>,
    /// The highest number of a message that was ever stored, by channel.
    pub numbers: BTreeMap<B256, u64>,
    /// What it gave away in ledgers besides virtual channels, by asset.
    pub given: BTreeMap<Address, u128>,
    /// The states of every record as it was stored last, so that they are not hashed again.
    pub last_states: BTreeMap<B256, Vec<(u64, Balances)>>,
}

impl Signed {
    /// Whether the party let this signature out before.
    pub fn has_let_out(&self, channel_id: B256, turn: u64, digest: B256) -> bool {
        let turns = if turn == ANY_TURN { 0..=ANY_TURN } else { turn..=turn };
        let of_channel = self.states.range((channel_id, *turns.start())..=(channel_id, *turns.end()));
        of_channel.flat_map(|(_, states)| states).any(|state| state.digest == digest)
    }
}

/// What all parties signed.
#[derive(Debug, Default)]
pub struct Truth {
    /// By party.
    pub parties: Vec<Signed>,
    /// How often the exception of [`Truth::sign`] was made use of.
    pub signed_twice_after_restore: u64,
}

impl Truth {
    /// Nobody has signed anything.
    pub fn new(parties: usize) -> Self {
        Self { parties: (0..parties).map(|_| Signed::default()).collect(), ..Self::default() }
    }

    /// A party let out its signature of a state.
    ///
    /// A turn has one content. The exception: a payee that was restored from an old backup has forgotten which turns it
    /// agreed to since, and only the payer can tell it; a payer that lies gets a second signature of a turn that the
    /// backup does not know. It gains nothing by it, since the payee signs only what pays it what it knows of. A prefund is
    /// no such turn: two of them may name different assets and deposits, and the payee deposits on the second.
    ///
    /// # Errors
    ///
    /// Says which turn was signed twice.
    pub fn sign(
        &mut self,
        party: usize,
        role: Role,
        (channel_id, turn): (B256, u64),
        state: (B256, Balances),
        peer_lies: bool,
    ) -> Result<(), String> {
        let (digest, balances) = state;
        let signed = &mut self.parties[party];
        let restores = signed.restores;
        let states = signed.states.entry((channel_id, turn)).or_default();
        if states.iter().any(|state| state.digest == digest) {
            return Ok(());
        }
        let before = states.last().copied();
        states.push(SignedState { digest, balances, restores });
        match before {
            None => Ok(()),
            Some(before) if role == Role::Payee && turn > 0 && peer_lies && before.restores < restores => {
                self.signed_twice_after_restore += 1;
                Ok(())
            }
            Some(before) => Err(format!("turn {turn} of {channel_id}: first {:?}, then {balances:?}", before.balances)),
        }
    }

    /// A party let out a voucher, or some of its ticks. A serial has one content.
    ///
    /// # Errors
    ///
    /// Says which serial was signed twice.
    pub fn pay(&mut self, party: usize, voucher: Voucher, ticks: u8) -> Result<(), String> {
        let key = (voucher.channel_id, voucher.base_turn, voucher.serial);
        let released = self.parties[party].ticks.entry(key).or_default();
        *released = ticks.max(*released);
        let before = *self.parties[party].vouchers.entry(key).or_insert(voucher);
        if before == voucher {
            return Ok(());
        }
        let Voucher { channel_id, base_turn, serial, cumulative_amount, .. } = voucher;
        let first = before.cumulative_amount;
        Err(format!("serial {serial} on turn {base_turn} of {channel_id}: first {first}, then {cumulative_amount}"))
    }

    /// The most that a party let out in vouchers and ticks on a base.
    pub fn most_paid(&self, party: usize, channel_id: B256, base_turn: u64) -> u128 {
        let on_base = (channel_id, base_turn, 0)..=(channel_id, base_turn, u32::MAX);
        let vouchers = self.parties[party].vouchers.range(on_base);
        let ticks = |key| self.parties[party].ticks.get(key).copied().unwrap_or(0);
        vouchers.map(|(key, voucher)| voucher.amount_with(ticks(key))).max().unwrap_or(0)
    }

    /// The newest voucher of a serial that a party let out.
    pub fn voucher_of(&self, party: usize, channel_id: B256, serial: u32) -> Option<Voucher> {
        let of_channel = (channel_id, 0, 0)..=(channel_id, u64::MAX, u32::MAX);
        let vouchers = self.parties[party].vouchers.range(of_channel);
        vouchers.map(|(_, voucher)| *voucher).rfind(|voucher| voucher.serial == serial)
    }
}
