//! How the money of a channel is split between its two sides.

use crate::cbor;

/// Which side of a channel somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens the channel, signs vouchers, proposes every new state. The leader of a ledger.
    Payer,
    /// Collects vouchers, agrees to what is proposed. The follower of a ledger.
    Payee,
    /// Stands between them in a virtual channel and sees no voucher.
    Hub,
}

cbor::index!(Role (3) { 0 Payer, 1 Payee, 2 Hub });

impl Role {
    /// The other side. A hub has two, and is between them.
    pub const fn other(self) -> Self {
        match self {
            Self::Payer => Self::Payee,
            Self::Payee => Self::Payer,
            Self::Hub => Self::Hub,
        }
    }

    /// The role as a word: `"payer"`, `"payee"` or `"hub"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payer => "payer",
            Self::Payee => "payee",
            Self::Hub => "hub",
        }
    }
}

/// What belongs to each side, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// The payer's part.
    pub payer: u128,
    /// The payee's part.
    pub payee: u128,
}

cbor::array!(Balances { payer, payee });

impl Balances {
    /// A side's part; a hub has none.
    pub const fn of(&self, role: Role) -> u128 {
        match role {
            Role::Payer => self.payer,
            Role::Payee => self.payee,
            Role::Hub => 0,
        }
    }

    /// Both parts together; `None` above 2^128 - 1.
    pub const fn total(&self) -> Option<u128> {
        self.payer.checked_add(self.payee)
    }

    /// The split after `amount` went from one side to the other; `None` if that side has less.
    pub fn pay(self, from: Role, amount: u128) -> Option<Self> {
        let Self { payer, payee } = self;
        Some(match from {
            Role::Payer => Self { payer: payer.checked_sub(amount)?, payee: payee.checked_add(amount)? },
            Role::Payee => Self { payer: payer.checked_add(amount)?, payee: payee.checked_sub(amount)? },
            Role::Hub => return None,
        })
    }

    /// The split with `amount` more for one side; `None` above 2^128 - 1 in all.
    pub fn raise(self, role: Role, amount: u128) -> Option<Self> {
        self.total()?.checked_add(amount)?;
        let Self { payer, payee } = self;
        Some(match role {
            Role::Payer => Self { payer: payer.checked_add(amount)?, payee },
            Role::Payee => Self { payer, payee: payee.checked_add(amount)? },
            Role::Hub => return None,
        })
    }

    /// The split with `amount` less for one side; `None` if that side has less.
    pub fn lower(self, role: Role, amount: u128) -> Option<Self> {
        let Self { payer, payee } = self;
        Some(match role {
            Role::Payer => Self { payer: payer.checked_sub(amount)?, payee },
            Role::Payee => Self { payer, payee: payee.checked_sub(amount)? },
            Role::Hub => return None,
        })
    }

    /// Both splits together.
    pub(crate) fn saturating_add(self, other: Self) -> Self {
        let Self { payer, payee } = self;
        Self { payer: payer.saturating_add(other.payer), payee: payee.saturating_add(other.payee) }
    }

    /// What is left of each part after `other` was taken; `None` if either has less.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self { payer: self.payer.checked_sub(other.payer)?, payee: self.payee.checked_sub(other.payee)? })
    }
}
