//! What a side asks of a channel before it takes part in one.

use alloc::vec::Vec;

use crate::Address;
use crate::channel::{Chain, Kind, Terms};

/// How far ahead a peer's clock may be, in seconds.
const MAX_CLOCK_SKEW: u64 = 600;

/// The rules of one wallet for new channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Assets that are taken: zero for the native asset, else the token contract. Empty: any.
    pub assets: Vec<Address>,
    /// Kinds of channels that are taken. Empty: any.
    pub kinds: Vec<Kind>,
    /// The smallest deposit, in base units.
    pub min_deposit: u128,
    /// What leaving alone costs in gas, in base units of the asset. A channel that holds no more is refused, and nobody
    /// leaves one alone unasked for less.
    pub exit_cost: u128,
    /// How much a peer may ask us to deposit on our side, in base units.
    pub max_contribution: u128,
    /// The shortest time to answer a challenge, in seconds.
    pub min_challenge_duration: u64,
    /// The longest time that leaving alone may take, in seconds.
    pub max_challenge_duration: u64,
    /// How many blocks deep a deposit must be, at least.
    pub min_confirmations: u32,
    /// How many blocks deep it must be at most: until then it can neither be spent nor taken back.
    pub max_confirmations: u32,
    /// How many channels may wait for their deposit at once; more are refused.
    pub max_unfunded: u32,
    /// How long a channel may stay without a deposit, in seconds.
    pub funding_timeout: u64,
    /// How long the other side may take to answer once money is in a channel, in seconds. Then we leave without it.
    pub answer_timeout: u64,
    /// How long a virtual channel may take to open, in seconds: until then money is promised to it.
    pub opening_timeout: u64,
    /// On which terms we stand between others, if we do.
    pub hub: Option<HubPolicy>,
}

/// The terms of a hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubPolicy {
    /// Who may open channels through us, by channel key. Empty: everyone with a ledger.
    pub serves: Vec<Address>,
    /// What each channel costs, in base units.
    pub fee: u128,
    /// What each channel costs for its amount, in millionths.
    pub fee_rate: u32,
    /// The largest channel, in base units; zero: as large as the ledger allows.
    pub max_amount: u128,
    /// How much of a ledger's money may be set aside for one side's channels at once, in base units; zero: all of it.
    pub max_per_peer: u128,
}

impl HubPolicy {
    /// What a channel over `amount` base units costs; at most 2^128 - 1.
    pub fn fee_for(&self, amount: u128) -> u128 {
        let (whole, rest) = (amount / 1_000_000, amount % 1_000_000);
        let rate = u128::from(self.fee_rate);
        // Rounded up, and without an overflow in between.
        let share = whole.saturating_mul(rate).saturating_add(rest.saturating_mul(rate).div_ceil(1_000_000));
        self.fee.saturating_add(share)
    }
}

impl Default for Policy {
    /// An hour to a week to answer a challenge and a day to answer a message, 2 to 128 blocks, 1,000 unfunded channels for
    /// at most half an hour, no deposit of our own.
    fn default() -> Self {
        Self {
            assets: Vec::new(),
            kinds: Vec::new(),
            min_deposit: 1,
            exit_cost: 0,
            max_contribution: 0,
            min_challenge_duration: 3_600,
            max_challenge_duration: 7 * 24 * 3_600,
            min_confirmations: 2,
            max_confirmations: 128,
            max_unfunded: 1_000,
            funding_timeout: 1_800,
            answer_timeout: 24 * 3_600,
            opening_timeout: 120,
            hub: None,
        }
    }
}

/// Why terms are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The channel would settle elsewhere.
    #[error("channel on another chain or other contracts")]
    WrongChain,
    /// The asset is not taken.
    #[error("asset {asset} is not accepted")]
    Asset {
        /// The asset in the terms.
        asset: Address,
    },
    /// The kind of channel is not taken.
    #[error("channels of kind {} are not accepted", .kind.name())]
    Kind {
        /// The kind in the terms.
        kind: Kind,
    },
    /// Too little money.
    #[error("deposit of {deposit} is below the minimum of {minimum}")]
    Deposit {
        /// The deposit in the terms, in base units.
        deposit: u128,
        /// The policy's minimum, in base units.
        minimum: u128,
    },
    /// Leaving alone would cost all there is.
    #[error("deposit of {deposit} is not worth the {exit_cost} that leaving alone costs")]
    ExitCost {
        /// The deposit in the terms, in base units.
        deposit: u128,
        /// The policy's cost, in base units.
        exit_cost: u128,
    },
    /// We would have to deposit more than we want to.
    #[error("deposit of {asked} asked of us is above the maximum of {maximum}")]
    Contribution {
        /// What the terms ask of us, in base units.
        asked: u128,
        /// The policy's maximum, in base units.
        maximum: u128,
    },
    /// Too little or too much time.
    #[error("challenge duration of {seconds} s is not between {min} and {max}")]
    ChallengeDuration {
        /// The duration in the terms, in seconds.
        seconds: u64,
        /// The policy's minimum.
        min: u64,
        /// The policy's maximum.
        max: u64,
    },
    /// Proposed too long ago, or by a clock that is wrong. An old proposal may have been challenged on chain since.
    #[error("channel was proposed at {proposed_at}, too far from {now}")]
    ProposalTime {
        /// The time in the nonce, in seconds since 1970.
        proposed_at: u64,
        /// Our time, in seconds since 1970.
        now: u64,
    },
    /// Too few or too many blocks.
    #[error("{confirmations} confirmations are not between {min} and {max}")]
    Confirmations {
        /// Blocks in the terms.
        confirmations: u32,
        /// The policy's minimum.
        min: u32,
        /// The policy's maximum.
        max: u32,
    },
}

impl PolicyError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongChain => "POLICY_WRONG_CHAIN",
            Self::Asset { .. } => "POLICY_ASSET",
            Self::Kind { .. } => "POLICY_KIND",
            Self::Deposit { .. } => "POLICY_DEPOSIT",
            Self::ExitCost { .. } => "POLICY_EXIT_COST",
            Self::Contribution { .. } => "POLICY_CONTRIBUTION",
            Self::ChallengeDuration { .. } => "POLICY_CHALLENGE_DURATION",
            Self::ProposalTime { .. } => "POLICY_PROPOSAL_TIME",
            Self::Confirmations { .. } => "POLICY_CONFIRMATIONS",
        }
    }
}

impl Policy {
    /// Until when a proposal can be accepted and then funded, in seconds since 1970.
    ///
    /// Whoever forgets a channel at that time can never be made to accept it again: in between, its prefund could have
    /// been challenged on chain unseen, and a deposit into a finalised channel goes straight back to the payer.
    pub(crate) fn funding_deadline(&self, terms: &Terms) -> u64 {
        terms.proposed_at().saturating_add(self.funding_timeout)
    }

    /// Checks terms against the rules at `now`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for the first rule that they break.
    pub fn check(&self, terms: &Terms, chain: &Chain, now: u64) -> Result<(), PolicyError> {
        if terms.chain != *chain {
            return Err(PolicyError::WrongChain);
        }
        self.check_time(terms, now)?;
        if !self.assets.is_empty() && !self.assets.contains(&terms.asset) {
            return Err(PolicyError::Asset { asset: terms.asset });
        }
        if !self.kinds.is_empty() && !self.kinds.contains(&terms.kind) {
            return Err(PolicyError::Kind { kind: terms.kind });
        }
        if terms.deposit < self.min_deposit {
            return Err(PolicyError::Deposit { deposit: terms.deposit, minimum: self.min_deposit });
        }
        if self.exit_cost > 0 && terms.deposit <= self.exit_cost {
            return Err(PolicyError::ExitCost { deposit: terms.deposit, exit_cost: self.exit_cost });
        }
        let (min, max) = (self.min_challenge_duration, self.max_challenge_duration);
        if !(min..=max).contains(&terms.challenge_duration) {
            return Err(PolicyError::ChallengeDuration { seconds: terms.challenge_duration, min, max });
        }
        let (min, max) = (self.min_confirmations, self.max_confirmations);
        if !(min..=max).contains(&terms.confirmations) {
            return Err(PolicyError::Confirmations { confirmations: terms.confirmations, min, max });
        }
        Ok(())
    }

    /// Checks that terms were proposed after the wallet was restored: a proposal that its backup does not know may have been
    /// accepted before, and a prefund on other terms would be a second one of the same channel.
    pub(crate) fn check_restored(terms: &Terms, restored_at: Option<u64>) -> Result<(), PolicyError> {
        let proposed_at = terms.proposed_at();
        match restored_at {
            // It may have been accepted when it was ahead of our clock.
            Some(now) if proposed_at <= now.saturating_add(MAX_CLOCK_SKEW) => {
                Err(PolicyError::ProposalTime { proposed_at, now })
            }
            _ => Ok(()),
        }
    }

    /// Checks that terms were proposed not long ago.
    ///
    /// # Errors
    ///
    /// [`PolicyError::ProposalTime`] if they were proposed before the funding timeout, or far in the future.
    pub(crate) fn check_time(&self, terms: &Terms, now: u64) -> Result<(), PolicyError> {
        let proposed_at = terms.proposed_at();
        if self.funding_deadline(terms) <= now || proposed_at > now.saturating_add(MAX_CLOCK_SKEW) {
            return Err(PolicyError::ProposalTime { proposed_at, now });
        }
        Ok(())
    }
}
