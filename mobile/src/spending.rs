//! What the owner lets a wallet pay.

use millstream_core::protocol;

use crate::values::{Address, Amount};

/// What the payments that count for a rule have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum SpendScope {
    /// Nothing is added up: the rule is for each payment alone.
    Payment,
    /// They go to the same payee's key.
    Payee,
    /// They are for the same origin, which the host names.
    Origin,
    /// They are for the same content, which the host names.
    File,
    /// Nothing: all payments count.
    Total,
}

impl From<SpendScope> for protocol::SpendScope {
    fn from(scope: SpendScope) -> Self {
        match scope {
            SpendScope::Payment => Self::Payment,
            SpendScope::Payee => Self::Payee,
            SpendScope::Origin => Self::Origin,
            SpendScope::File => Self::File,
            SpendScope::Total => Self::Total,
        }
    }
}

impl From<protocol::SpendScope> for SpendScope {
    fn from(scope: protocol::SpendScope) -> Self {
        match scope {
            protocol::SpendScope::Payment => Self::Payment,
            protocol::SpendScope::Payee => Self::Payee,
            protocol::SpendScope::Origin => Self::Origin,
            protocol::SpendScope::File => Self::File,
            protocol::SpendScope::Total => Self::Total,
        }
    }
}

/// One rule. Payments of different assets are never added up.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SpendRule {
    /// Which payments are added up.
    pub scope: SpendScope,
    /// The most that may be paid, in base units.
    pub limit: Amount,
    /// Within how many seconds. Of no meaning for single payments.
    pub window: u64,
    /// Whether the owner is asked above the limit; a yes is good for as much again. Otherwise the payment is refused.
    #[uniffi(default = false)]
    pub asks: bool,
    /// The only asset that it is for (zero address: native). Missing: every asset, each by itself.
    #[uniffi(default = None)]
    pub asset: Option<Address>,
}

impl From<SpendRule> for protocol::SpendRule {
    fn from(SpendRule { scope, limit, window, asks, asset }: SpendRule) -> Self {
        Self { scope: scope.into(), asset, limit, window, asks }
    }
}

/// The rule that a payment is above, and by how much; amounts in base units.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SpendRefusal {
    /// What the payments that count have in common.
    pub rule: SpendScope,
    /// In seconds.
    pub window: u64,
    /// Whether the owner is asked.
    pub asks: bool,
    /// What the rule allows, with what the owner granted.
    pub limit: Amount,
    /// What counts for it already, with what open vouchers can still pay.
    pub spent: Amount,
    /// What was to be paid.
    pub amount: Amount,
}

impl From<protocol::SpendRefusal> for SpendRefusal {
    fn from(protocol::SpendRefusal { rule, amount, spent, limit }: protocol::SpendRefusal) -> Self {
        Self { rule: rule.scope.into(), window: rule.window, asks: rule.asks, limit, spent, amount }
    }
}
