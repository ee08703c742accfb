//! What a virtual channel has that a direct one has not: its way through ledgers, and signatures of more than two.

use alloc::vec::Vec;

use crate::B256;
use crate::cbor;
use crate::crypto::Signature;

/// The way of a virtual channel from payer to payee, as the payer chose it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The ledgers in their order: between payer and first hub, ..., between last hub and payee.
    pub ledgers: Vec<B256>,
    /// What each hub earns, in base units.
    pub fees: Vec<u128>,
}

cbor::array!(Route { ledgers, fees });

impl Route {
    /// What the ledger at `place` pays beyond the guarantee: the fees of all hubs after it.
    pub fn fee_from(&self, place: usize) -> Option<u128> {
        self.fees.get(place..)?.iter().try_fold(0u128, |sum, fee| sum.checked_add(*fee))
    }
}

/// How far a ledger on the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No state of the ledger with the guarantee was signed by us.
    Idle,
    /// We signed one, and the other side may have.
    Offered,
    /// The newest state that both signed has it.
    Held,
    /// It was removed, by both or by the chain.
    Released,
}

cbor::index!(Stage (4) { 0 Idle, 1 Offered, 2 Held, 3 Released });

impl Stage {
    /// The stage as a word: `"idle"`, `"offered"`, `"held"`, `"released"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Offered => "offered",
            Self::Held => "held",
            Self::Released => "released",
        }
    }
}

/// One of our ledgers on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The ledger.
    pub ledger: B256,
    /// How far it is.
    pub stage: Stage,
    /// The highest turn of a state of the ledger with the guarantee that we signed.
    pub turn: u64,
    /// What of the guarantee went to the downstream side when it was removed, in base units.
    pub paid: u128,
    /// What of the fee went back then, in base units.
    pub refund: u128,
}

cbor::array!(Hop { ledger, stage, turn, paid, refund });

impl Hop {
    pub(crate) const fn new(ledger: B256) -> Self {
        Self { ledger, stage: Stage::Idle, turn: 0, paid: 0, refund: 0 }
    }

    /// Whether the guarantee may be, or come, on chain.
    pub(crate) const fn is_bound(&self) -> bool {
        matches!(self.stage, Stage::Offered | Stage::Held)
    }
}

/// The signatures of one state, in the order of the participants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Whether we decided to sign.
    pub agreed: bool,
    /// Who signed.
    pub signatures: Vec<Option<Signature>>,
}

cbor::array!(Sheet { agreed, signatures });

impl Sheet {
    pub(crate) fn new(participants: usize) -> Self {
        Self { agreed: false, signatures: alloc::vec![None; participants] }
    }

    /// All signatures, if they are there.
    pub fn complete(&self) -> Option<Vec<Signature>> {
        let all: Option<Vec<Signature>> = self.signatures.iter().copied().collect();
        all.filter(|all| !all.is_empty())
    }

    /// The signatures of the participants before `place`, if all are there.
    pub(crate) fn before(&self, place: usize) -> Option<Vec<Signature>> {
        self.signatures.get(..place)?.iter().copied().collect()
    }

    /// The signatures of the participants after `place`, if all are there.
    pub(crate) fn after(&self, place: usize) -> Option<Vec<Signature>> {
        self.signatures.get(place.checked_add(1)?..)?.iter().copied().collect()
    }

    pub(crate) fn of(&self, place: usize) -> Option<Signature> {
        self.signatures.get(place).copied().flatten()
    }

    pub(crate) fn set(&mut self, place: usize, signature: Signature) {
        if let Some(slot) = self.signatures.get_mut(place) {
            *slot = Some(signature);
        }
    }
}

/// The part of a record that only a virtual channel has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its way.
    pub route: Route,
    /// Which of the participants we are: 0 for the payer.
    pub place: u64,
    /// Our ledger with the participant before us.
    pub upstream: Option<Hop>,
    /// Our ledger with the participant after us.
    pub downstream: Option<Hop>,
    /// Who signed the prefund.
    pub prefund: Sheet,
    /// Who signed the postfund.
    pub postfund: Sheet,
    /// Who signed the final state.
    pub last: Sheet,
    /// Payer: whether a hub or the payee told us that the channel will not open.
    pub refused: bool,
}

cbor::array!(Passage { route, place, upstream, downstream, prefund, postfund, last, refused });

impl Passage {
    /// The passage of the participant at `place` out of `participants`; `None` if the route does not fit.
    pub(crate) fn new(route: Route, place: usize, participants: usize) -> Option<Self> {
        let hops = participants.checked_sub(1)?;
        if route.ledgers.len() != hops || route.fees.len().checked_add(1) != Some(hops) || place > hops {
            return None;
        }
        let hop = |index: usize| route.ledgers.get(index).copied().map(Hop::new);
        let (upstream, downstream) = (place.checked_sub(1).and_then(hop), hop(place));
        let sheet = || Sheet::new(participants);
        let (prefund, postfund, last) = (sheet(), sheet(), sheet());
        let place = u64::try_from(place).ok()?;
        Some(Self { route, place, upstream, downstream, prefund, postfund, last, refused: false })
    }

    /// Which of the participants we are.
    pub(crate) fn place(&self) -> usize {
        usize::try_from(self.place).unwrap_or(usize::MAX)
    }

    /// Our ledgers on the way.
    pub fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.upstream.iter().chain(&self.downstream)
    }

    pub(crate) fn hop_mut(&mut self, ledger: &B256) -> Option<&mut Hop> {
        self.upstream.iter_mut().chain(&mut self.downstream).find(|hop| hop.ledger == *ledger)
    }

    /// Whether some guarantee may be, or come, on chain.
    pub(crate) fn is_bound(&self) -> bool {
        self.hops().any(Hop::is_bound)
    }

    /// Whether all guarantees that there were are gone.
    pub(crate) fn is_over(&self) -> bool {
        !self.is_bound() && self.hops().any(|hop| hop.stage == Stage::Released)
    }
}
