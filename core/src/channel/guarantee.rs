//! What a ledger sets aside for the virtual channels that run through it.
//!
//! A guarantee is money of a ledger that is paid as another channel says. It comes before everything else in the ledger's
//! outcome: with one at the head nobody can have the adjudicator pay anything out before all of them are reclaimed. (ADR 19)

use alloc::vec::Vec;

use crate::B256;
use crate::U256;
use crate::cbor;
use crate::channel::balances::{Balances, Role};
use crate::channel::terms::Terms;
use crate::nitro::{self, Allocation, AllocationType};

/// How many guarantees a ledger holds at once: all of them have to be put on chain if the other side is gone.
pub const MAX_GUARANTEES: usize = 32;

/// Money of a ledger that is paid as a virtual channel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// The virtual channel.
    pub channel_id: B256,
    /// All of its money, in base units.
    pub amount: u128,
    /// The upstream side of the ledger: the one that pays in the virtual channel, for itself or for others.
    pub payer: Role,
}

cbor::array!(Guarantee { channel_id, amount, payer });

impl cbor::Item for Guarantee {}

impl Guarantee {
    /// As it stands in the ledger's outcome. `reclaim` gives `left` what the virtual channel's first allocation has, which is
    /// the payee's, and `right` what the second one has.
    pub(crate) fn allocation(&self, ledger: &Terms) -> Allocation {
        let (left, right) = (ledger.destination_of(self.payer.other()), ledger.destination_of(self.payer));
        Allocation {
            destination: self.channel_id,
            amount: U256::from(self.amount),
            allocation_type: AllocationType::Guarantee,
            metadata: nitro::Guarantee { left, right }.encode(),
        }
    }

    /// Reads an allocation of a ledger's outcome, if it is a guarantee.
    pub(crate) fn from_allocation(ledger: &Terms, allocation: &Allocation) -> Option<Self> {
        if allocation.allocation_type != AllocationType::Guarantee {
            return None;
        }
        let amount = u128::try_from(allocation.amount).ok()?;
        let read = |payer| Self { channel_id: allocation.destination, amount, payer };
        [Role::Payer, Role::Payee].map(read).into_iter().find(|one| one.allocation(ledger) == *allocation)
    }
}

/// A guarantee that comes or goes with a new state of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The upstream side sets its money aside, and pays the fee with the same signature.
    Add {
        /// What is set aside.
        guarantee: Guarantee,
        /// What the upstream side pays for it, in base units: to the hub, and to those after it.
        fee: u128,
    },
    /// What was set aside goes to its owners.
    Remove {
        /// The virtual channel.
        channel_id: B256,
        /// What of it goes to the downstream side, in base units. The rest goes back.
        paid: u128,
        /// What of the fee goes back, in base units: that of a channel which never opened.
        refund: u128,
    },
}

cbor::variants!(Change (2) {
    0 Add { guarantee, fee };
    1 Remove { channel_id, paid, refund };
});

impl Change {
    /// The virtual channel.
    pub const fn channel_id(&self) -> B256 {
        match self {
            Self::Add { guarantee, .. } => guarantee.channel_id,
            Self::Remove { channel_id, .. } => *channel_id,
        }
    }
}

/// How the money of a ledger is split: what each side has, and what is set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What each side has, in base units.
    pub balances: Balances,
    /// What is set aside, in the order of the channels' ids.
    pub guarantees: Vec<Guarantee>,
}

impl Split {
    /// All of it together; `None` above 2^128 - 1.
    pub fn total(&self) -> Option<u128> {
        self.balances.total()?.checked_add(self.guaranteed())
    }

    /// What is set aside, in base units.
    pub fn guaranteed(&self) -> u128 {
        self.guarantees.iter().fold(0, |sum, guarantee| sum.saturating_add(guarantee.amount))
    }

    /// The split after a change; `None` if it cannot be made: not enough money, or a guarantee that is there already or not
    /// there.
    pub(crate) fn apply(&self, change: Change) -> Option<Self> {
        let Self { balances, mut guarantees } = self.clone();
        let place = guarantees.binary_search_by_key(&change.channel_id(), |guarantee| guarantee.channel_id);
        let balances = match (change, place) {
            (Change::Add { guarantee, fee }, Err(place)) if guarantee.amount > 0 => {
                guarantees.insert(place, guarantee);
                let left = balances.lower(guarantee.payer, guarantee.amount.checked_add(fee)?)?;
                left.raise(guarantee.payer.other(), fee)?
            }
            (Change::Remove { paid, refund, .. }, Ok(place)) => {
                let guarantee = guarantees.remove(place);
                let back = balances.raise(guarantee.payer, guarantee.amount.checked_sub(paid)?)?;
                back.raise(guarantee.payer.other(), paid)?.pay(guarantee.payer.other(), refund)?
            }
            _ => return None,
        };
        Some(Self { balances, guarantees })
    }

    /// The guarantee of a virtual channel.
    pub fn guarantee(&self, channel_id: &B256) -> Option<&Guarantee> {
        let place = self.guarantees.binary_search_by_key(channel_id, |guarantee| guarantee.channel_id).ok()?;
        self.guarantees.get(place)
    }

    /// The allocations, in the order in which the adjudicator pays them: guarantees, payee, payer.
    pub(crate) fn outcome(&self, ledger: &Terms) -> nitro::Outcome {
        let mut outcome = ledger.outcome(self.balances);
        if let Some(exit) = outcome.first_mut() {
            exit.allocations.splice(0..0, self.guarantees.iter().map(|guarantee| guarantee.allocation(ledger)));
        }
        outcome
    }
}

/// Money of a ledger that is promised to a virtual channel which is being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The virtual channel.
    pub channel_id: B256,
    /// What it will take, fees included, in base units.
    pub amount: u128,
    /// The side of the ledger whose money it is.
    pub payer: Role,
}

cbor::array!(Reservation { channel_id, amount, payer });

impl cbor::Item for Reservation {}

/// What the chain says of a virtual channel that a ledger guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The virtual channel.
    pub channel_id: B256,
    /// When its state becomes final, in seconds of the chain's clock.
    pub finalizes_at: u64,
    /// What that state pays to the payee, in base units.
    pub paid: u128,
}

cbor::array!(Verdict { channel_id, finalizes_at, paid });

impl cbor::Item for Verdict {}

/// The outcome of a ledger after the guarantee at `index` was reclaimed, of which `paid` went to the downstream side, as
/// `compute_reclaim_effects` computes it; `None` if it would revert.
pub(crate) fn reclaimed(ledger: &[u8], index: usize, paid: u128) -> Option<Vec<u8>> {
    let mut outcome = nitro::decode_outcome(ledger).ok()?;
    let allocations = &mut outcome.first_mut()?.allocations;
    if index >= allocations.len() {
        return None;
    }
    let guarantee = allocations.remove(index);
    let nitro::Guarantee { left, right } = nitro::Guarantee::decode(&guarantee.metadata).ok()?;
    let paid = U256::from(paid);
    for (destination, share) in [(left, paid), (right, guarantee.amount.checked_sub(paid)?)] {
        let owner = allocations.iter_mut().find(|allocation| allocation.destination == destination)?;
        owner.amount = owner.amount.checked_add(share)?;
    }
    Some(nitro::encode_outcome(&outcome).to_vec())
}
