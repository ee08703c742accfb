//! What both sides agree on before anything is signed.

use alloc::vec::Vec;

use crate::cbor;
use crate::channel::balances::{Balances, Role};
use crate::nitro::{self, Allocation, AllocationType, AssetType, FixedPart, Outcome, SingleAssetExit};
use crate::payment::VoucherDomain;
use crate::{Address, B256, Bytes, U256};

/// The chain and the contracts that a channel settles on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The Nitro adjudicator.
    pub adjudicator: Address,
    /// The `StreamApp` contract: the rules of streams.
    pub stream_app: Address,
    /// The `ConsensusApp` contract: the rules of ledgers.
    pub consensus_app: Address,
}

cbor::array!(Chain { chain_id, adjudicator, stream_app, consensus_app });

impl Chain {
    /// The EIP-712 domain of vouchers and quotes on this chain.
    pub fn voucher_domain(&self) -> VoucherDomain {
        VoucherDomain::new(self.chain_id, self.stream_app)
    }
}

/// What moves the money of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The payer signs vouchers, which `StreamApp` redeems.
    Stream,
    /// Both sign every new split, which `ConsensusApp` asks for. The payer is the leader: it opens and proposes.
    Ledger,
}

cbor::index!(Kind (2) { 0 Stream, 1 Ledger });

impl Kind {
    /// The kind as a word: `"stream"` or `"ledger"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Ledger => "ledger",
        }
    }
}

/// How many hubs a virtual channel may run through: everyone signs each of its states.
pub const MAX_HUBS: usize = 6;

/// The terms of a channel: funded on chain by the payer or by both, or, with hubs, by guarantees in the ledgers between its
/// participants.
///
/// The payer is the first participant, the payee the last one, hubs stand between them in their order. In a ledger, where
/// money goes both ways, the payer is the side that proposes each new split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where the channel settles.
    pub chain: Chain,
    /// The payer's channel key.
    pub payer: Address,
    /// The payee's channel key.
    pub payee: Address,
    /// Where the payer's part is paid out: an address padded to 32 bytes.
    pub payer_destination: B256,
    /// Where the payee's part is paid out: an address padded to 32 bytes.
    pub payee_destination: B256,
    /// Token contract, or zero for the native asset.
    pub asset: Address,
    /// What the payer deposits, in base units.
    pub deposit: u128,
    /// How long a challenge can be answered, in seconds; at most 2^48 - 1.
    pub challenge_duration: u64,
    /// How many blocks deep a chain event must be before it is acted on; 1 is the block of the event itself.
    pub confirmations: u32,
    /// Never reused: with the participants, contract and duration it makes the channel id. [`derive_nonce`] makes one.
    pub nonce: u64,
    /// What moves the money.
    pub kind: Kind,
    /// What the payee deposits, in base units; zero in most streams.
    pub payee_deposit: u128,
    /// What each side keeps until the close, in base units, so that both have a reason to close together. The payee's
    /// holds as soon as it has that much.
    pub reserve: u128,
    /// The channel keys of the hubs on the way. Empty: the channel is funded on chain.
    pub hubs: Vec<Address>,
}

cbor::array!(Terms {
    chain,
    payer,
    payee,
    payer_destination,
    payee_destination,
    asset,
    deposit,
    challenge_duration,
    confirmations,
    nonce,
    kind,
    payee_deposit,
    reserve,
    hubs,
});

/// A nonce that cannot repeat: when the channel is proposed (seconds since 1970) above 32 random bits.
///
/// The time is in the channel id, so a payee that forgets a channel which was never funded can tell it from a new one.
pub fn derive_nonce(now: u64, random: u32) -> u64 {
    (now << 32) | u64::from(random)
}

/// Why terms make no channel at all, whatever a side's own policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// One key takes part twice.
    #[error("one key takes part twice")]
    SameParty,
    /// More hubs than anybody has.
    #[error("{count} hubs, at most {MAX_HUBS} are allowed")]
    TooManyHubs {
        /// How many the terms have.
        count: usize,
    },
    /// A channel through hubs is a stream in which the payer has everything at first.
    #[error("a channel through hubs is a stream that only the payer funds, without a reserve")]
    NotVirtual,
    /// Nobody deposits anything.
    #[error("deposit is zero")]
    ZeroDeposit,
    /// Both deposits together are above 2^128 - 1.
    #[error("deposits of both sides overflow")]
    DepositOverflow,
    /// Less is deposited than has to stay.
    #[error("reserve of {reserve} is above the payer's deposit of {deposit}")]
    Reserve {
        /// The reserve in the terms, in base units.
        reserve: u128,
        /// The payer's deposit, in base units.
        deposit: u128,
    },
    /// With no time to answer, a stale state is final at once.
    #[error("challenge duration of {seconds} s is not between 1 and 2^48 - 1")]
    ChallengeDuration {
        /// The duration in the terms, in seconds.
        seconds: u64,
    },
    /// An event in no block cannot be acted on.
    #[error("confirmations are zero")]
    ZeroConfirmations,
    /// A destination must be an address that can be paid out to.
    #[error("destination {destination} is not an address padded to 32 bytes")]
    Destination {
        /// The destination in the terms.
        destination: B256,
    },
}

impl TermsError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SameParty => "TERMS_SAME_PARTY",
            Self::TooManyHubs { .. } => "TERMS_TOO_MANY_HUBS",
            Self::NotVirtual => "TERMS_NOT_VIRTUAL",
            Self::ZeroDeposit => "TERMS_ZERO_DEPOSIT",
            Self::DepositOverflow => "TERMS_DEPOSIT_OVERFLOW",
            Self::Reserve { .. } => "TERMS_RESERVE",
            Self::ChallengeDuration { .. } => "TERMS_CHALLENGE_DURATION",
            Self::ZeroConfirmations => "TERMS_ZERO_CONFIRMATIONS",
            Self::Destination { .. } => "TERMS_DESTINATION",
        }
    }
}

impl Terms {
    /// Checks what must hold of every channel.
    ///
    /// # Errors
    ///
    /// [`TermsError`] for the first rule that is broken.
    pub fn validate(&self) -> Result<(), TermsError> {
        if self.hubs.len() > MAX_HUBS {
            return Err(TermsError::TooManyHubs { count: self.hubs.len() });
        }
        let keys = self.participants();
        if keys
            .iter()
            .enumerate()
            .any(|(index, key)| keys.iter().skip(index.saturating_add(1)).any(|other| other == key))
        {
            return Err(TermsError::SameParty);
        }
        if self.is_virtual() && (self.kind != Kind::Stream || self.payee_deposit > 0 || self.reserve > 0) {
            return Err(TermsError::NotVirtual);
        }
        match self.deposit.checked_add(self.payee_deposit) {
            Some(0) => return Err(TermsError::ZeroDeposit),
            Some(_) => {}
            None => return Err(TermsError::DepositOverflow),
        }
        if self.reserve > self.deposit {
            return Err(TermsError::Reserve { reserve: self.reserve, deposit: self.deposit });
        }
        if !(1..=nitro::MAX_UINT48).contains(&self.challenge_duration) {
            return Err(TermsError::ChallengeDuration { seconds: self.challenge_duration });
        }
        if self.confirmations == 0 {
            return Err(TermsError::ZeroConfirmations);
        }
        for destination in [self.payer_destination, self.payee_destination] {
            if nitro::destination_address(destination).is_none_or(|address| address.is_zero()) {
                return Err(TermsError::Destination { destination });
            }
        }
        Ok(())
    }

    /// When the channel was proposed, in seconds since 1970, as its nonce says.
    pub const fn proposed_at(&self) -> u64 {
        self.nonce >> 32
    }

    /// Whether the channel runs through hubs.
    pub fn is_virtual(&self) -> bool {
        !self.hubs.is_empty()
    }

    /// The channel keys of all participants, payer first, payee last.
    pub fn participants(&self) -> Vec<Address> {
        let mut keys = Vec::with_capacity(self.hubs.len().saturating_add(2));
        keys.push(self.payer);
        keys.extend_from_slice(&self.hubs);
        keys.push(self.payee);
        keys
    }

    /// The channel key of payer or payee; zero for a hub, of which there may be more than one.
    pub const fn key_of(&self, role: Role) -> Address {
        match role {
            Role::Payer => self.payer,
            Role::Payee => self.payee,
            Role::Hub => Address::ZERO,
        }
    }

    /// How the money is split at the start, in base units.
    pub const fn deposits(&self) -> Balances {
        Balances { payer: self.deposit, payee: self.payee_deposit }
    }

    /// The part of every state that never changes: participants, nonce, the app's contract, challenge duration.
    pub fn fixed_part(&self) -> FixedPart {
        FixedPart {
            participants: self.participants(),
            channel_nonce: self.nonce,
            app_definition: match self.kind {
                Kind::Stream => self.chain.stream_app,
                Kind::Ledger => self.chain.consensus_app,
            },
            challenge_duration: self.challenge_duration,
        }
    }

    /// The channel id, as the adjudicator computes it.
    pub fn channel_id(&self) -> B256 {
        self.fixed_part().channel_id()
    }

    /// Where a side's part is paid out.
    pub const fn destination_of(&self, role: Role) -> B256 {
        match role {
            Role::Payer => self.payer_destination,
            Role::Payee => self.payee_destination,
            Role::Hub => B256::ZERO,
        }
    }

    /// The outcome that pays both what they have: the payee first, because the adjudicator pays in this order out of
    /// what it holds.
    ///
    /// Of a virtual channel it pays nobody: it tells the ledgers on the way how to split their guarantees. Its allocations are
    /// of a type that cannot be paid out, so that nobody can change them with a deposit and a pay-out. (ADR 19)
    pub fn outcome(&self, balances: Balances) -> Outcome {
        self.outcome_to([(self.payee_destination, balances.payee), (self.payer_destination, balances.payer)])
    }

    /// The outcome that pays `parts` in this order.
    pub(crate) fn outcome_to(&self, parts: impl IntoIterator<Item = (B256, u128)>) -> Outcome {
        let allocation_type = if self.is_virtual() { AllocationType::Guarantee } else { AllocationType::Simple };
        let part = |(destination, amount)| Allocation {
            destination,
            amount: U256::from(amount),
            allocation_type,
            metadata: Bytes::new(),
        };
        let (asset, asset_type) = (self.asset, AssetType::Default);
        let allocations = parts.into_iter().map(part).collect();
        alloc::vec![SingleAssetExit { asset, asset_type, asset_metadata: Bytes::new(), allocations }]
    }

    /// Whether the channel holds the chain's native asset rather than a token.
    pub fn is_native(&self) -> bool {
        self.asset.is_zero()
    }
}
