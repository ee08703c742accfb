//! What the chain says about one channel, and how it is undone.
//!
//! A channel keeps the confirmed events that its chain reported; what follows from them is computed. A reorganisation
//! that is deeper than the confirmations takes events back, and with them whatever they said.

use alloc::vec::Vec;

use crate::cbor;
use crate::channel::guarantee::reclaimed;
use crate::channel::terms::Terms;
use crate::nitro::{self, Allocation, AllocationType};
use crate::{B256, U256};

/// How many events can be taken back. Older ones are folded away, so that strangers who deposit dust cannot make a record
/// grow.
const MAX_RECENT: usize = 32;
/// How many bytes of outcomes can be taken back, so that the challenges of a ledger with many guarantees fit into a record.
const MAX_RECENT_BYTES: usize = 24 * 1024;

/// A place in the chain. Ordered as the chain orders events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The block.
    pub block: u64,
    /// The log's index in the block.
    pub log_index: u64,
}

cbor::array!(Position { block, log_index });

/// A challenge that stands on chain, or the outcome that was finalised there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// The turn of the state on chain.
    pub turn: u64,
    /// When it becomes final, in seconds of the chain's clock.
    pub finalizes_at: u64,
    /// The hash of the state, zero once it was concluded; `transferAllAssets` asks for it.
    pub state_hash: B256,
    /// The ABI-encoded outcome of the state.
    pub outcome: Vec<u8>,
    /// Whether it is the best state that we have, so that paying it out is ours to do.
    pub ours: bool,
}

cbor::array!(Dispute { turn, finalizes_at, state_hash, outcome, ours });

/// What was paid out, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payout {
    /// To the payee.
    pub paid: u128,
    /// Back to the payer.
    pub refunded: u128,
    /// On to the successor channel.
    pub carried: u128,
}

cbor::array!(Payout { paid, refunded, carried });

impl Payout {
    fn total(&self) -> u128 {
        self.paid.saturating_add(self.refunded).saturating_add(self.carried)
    }

    /// Both pay-outs together.
    fn and(self, other: Self) -> Self {
        Self {
            paid: self.paid.saturating_add(other.paid),
            refunded: self.refunded.saturating_add(other.refunded),
            carried: self.carried.saturating_add(other.carried),
        }
    }
}

/// A confirmed event, as far as it matters to the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChainEvent {
    /// The adjudicator now holds this much for the channel.
    Deposited(u128),
    /// A challenge was registered, or the channel concluded.
    Disputed(Dispute),
    /// A newer state was recorded without a challenge, or in answer to one.
    Recorded(u64),
    /// Something was paid out: what was held before and after.
    Paid(u128, u128),
    /// This much came from the channel that this one succeeds. The adjudicator logs it of that channel only.
    Carried(u128),
    /// A ledger's guarantee was reclaimed: its place in the outcome, and what of it went to the downstream side.
    Reclaimed(u64, u128),
}

cbor::variants!(ChainEvent (6) {
    0 Deposited(holdings);
    1 Disputed(dispute);
    2 Recorded(turn);
    3 Paid(before, after);
    4 Carried(amount);
    5 Reclaimed(index, paid);
});

/// A confirmed event, and where it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    pub(crate) position: Position,
    /// Tells the log from another one that takes its place in a reorganisation: the start of its hash.
    pub(crate) mark: u64,
    pub(crate) event: ChainEvent,
}

cbor::array!(Confirmed { position, mark, event });

impl cbor::Item for Confirmed {}

/// What the confirmed events add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the adjudicator holds for the channel, in base units.
    pub holdings: u128,
    /// The highest turn on chain: no lower state can be put there any more.
    pub turn_record: u64,
    /// The challenge that stands, or the outcome that is final.
    pub dispute: Option<Dispute>,
    /// What was paid out, once everybody had a turn.
    pub payout: Option<Payout>,
    /// What was paid out so far.
    pub part: Payout,
}

cbor::array!(Facts { holdings, turn_record, dispute, payout, part });

impl Facts {
    fn apply(&mut self, terms: &Terms, event: &ChainEvent) {
        match event {
            ChainEvent::Deposited(holdings) => self.holdings = *holdings,
            ChainEvent::Disputed(dispute) => {
                self.turn_record = dispute.turn;
                self.dispute = Some(dispute.clone());
            }
            ChainEvent::Recorded(turn) => {
                self.turn_record = *turn;
                self.dispute = None;
            }
            ChainEvent::Reclaimed(index, paid) => {
                let index = usize::try_from(*index).unwrap_or(usize::MAX);
                if let Some(dispute) = self.dispute.as_mut()
                    && let Some(outcome) = reclaimed(&dispute.outcome, index, *paid)
                {
                    dispute.outcome = outcome;
                }
            }
            ChainEvent::Carried(amount) => self.holdings = self.holdings.saturating_add(*amount),
            ChainEvent::Paid(before, after) => {
                self.holdings = *after;
                let moved = before.saturating_sub(*after);
                let Some(dispute) = self.dispute.as_mut() else { return };
                let paid = paid(terms, &dispute.outcome, *before, moved);
                let lost = || dispute.state_hash.is_zero().then(|| paid_by_lost(terms, &dispute.outcome, moved));
                let Some(paid) = paid.or_else(|| lost().flatten()) else { return };
                dispute.outcome = paid.rest;
                self.part = self.part.and(paid.payout);
                if paid.is_all || self.payout.is_some() {
                    self.payout = Some(self.part);
                }
            }
        }
    }
}

/// What an ABI-encoded outcome pays out of `holdings` if everybody is paid; `None` if the bytes are no outcome.
pub(crate) fn payout(terms: &Terms, outcome: &[u8], holdings: u128) -> Option<Payout> {
    let outcome = nitro::decode_outcome(outcome).ok()?;
    Some(pay_out(terms, &mut outcome.first()?.allocations.clone(), holdings, |_| true))
}

/// What one event paid.
struct Paid {
    payout: Payout,
    /// What is left of the outcome: the one that the adjudicator knows now.
    rest: Vec<u8>,
    /// Whether everybody had a turn.
    is_all: bool,
}

/// What was paid when `moved` left the holdings: to everybody, or by somebody's `transfer` to a part of them. Its event does
/// not say who was paid, so the parts are tried one after the other.
fn paid(terms: &Terms, outcome: &[u8], holdings: u128, moved: u128) -> Option<Paid> {
    let mut outcome = nitro::decode_outcome(outcome).ok()?;
    let exit = outcome.first_mut()?;
    // Three at most: the payee, a successor, the payer.
    let parts = 1u32.checked_shl(u32::try_from(exit.allocations.len()).ok().filter(|count| *count < 8)?)?;
    for part in (1..parts).rev() {
        let mut allocations = exit.allocations.clone();
        let payout = pay_out(terms, &mut allocations, holdings, |index| part.checked_shr(index).unwrap_or(0) & 1 == 1);
        if payout.total() == moved {
            let is_all = part.checked_add(1) == Some(parts);
            exit.allocations = allocations;
            return Some(Paid { payout, rest: nitro::encode_outcome(&outcome).to_vec(), is_all });
        }
    }
    None
}

/// What was paid by a final state that we lost and whose outcome is not what we think: nobody says to whom, or what is left.
/// Whoever concludes pays everybody at once, so it is over; what goes beyond what we know of is the payer's.
fn paid_by_lost(terms: &Terms, outcome: &[u8], moved: u128) -> Option<Paid> {
    let mut outcome = nitro::decode_outcome(outcome).ok()?;
    let allocations = &mut outcome.first_mut()?.allocations;
    let mut payout = pay_out(terms, allocations, moved, |_| true);
    payout.refunded = payout.refunded.saturating_add(moved.saturating_sub(payout.total()));
    for allocation in allocations {
        allocation.amount = U256::ZERO;
    }
    Some(Paid { payout, rest: nitro::encode_outcome(&outcome).to_vec(), is_all: true })
}

/// Whether an allocation sets money aside for another channel.
pub(crate) fn is_guarantee(allocation: &Allocation) -> bool {
    // Those of a virtual channel itself are of the same type, and name addresses.
    allocation.allocation_type == AllocationType::Guarantee
        && nitro::destination_address(allocation.destination).is_none()
}

/// Takes what some of the allocations get out of `holdings`, in their order, as the adjudicator does.
fn pay_out(terms: &Terms, allocations: &mut [Allocation], holdings: u128, is_paid: impl Fn(u32) -> bool) -> Payout {
    let mut left = holdings;
    let mut payout = Payout::default();
    let payee = allocations.iter().take_while(|allocation| is_guarantee(allocation)).count();
    for ((index, place), allocation) in (0u32..).zip(0..).zip(allocations) {
        let amount = u128::try_from(allocation.amount).unwrap_or(u128::MAX).min(left);
        left = left.saturating_sub(amount);
        if !is_paid(index) {
            continue;
        }
        allocation.amount = allocation.amount.saturating_sub(U256::from(amount));
        let part = if nitro::destination_address(allocation.destination).is_none() {
            &mut payout.carried
        } else if allocation.destination == terms.payee_destination && place == payee {
            &mut payout.paid
        } else {
            &mut payout.refunded
        };
        *part = part.saturating_add(amount);
    }
    payout
}

/// The confirmed events of one channel, and what they add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChainFacts {
    /// What the events that are no longer kept added up to.
    folded: Facts,
    /// The last of them.
    folded_to: Option<Position>,
    recent: Vec<Confirmed>,
    /// What came from the channel that this one succeeds, in base units; it is among the events, too.
    carried: u128,
    /// Not stored: `folded` and `recent` say it.
    now: Facts,
}

cbor::array!(ChainFacts { folded, folded_to, recent, carried; now });

impl ChainFacts {
    /// What the chain says now.
    pub(crate) fn now(&self) -> &Facts {
        &self.now
    }

    /// The place of the last event of the channel itself that was taken in. What came from the channel that it succeeds
    /// may be newer than events that are still to be taken in.
    pub(crate) fn last(&self) -> Option<Position> {
        self.own().next_back().map(|confirmed| confirmed.position).or(self.folded_to)
    }

    /// The events of the channel itself, which can still be taken back: what came from the channel that it succeeds was
    /// logged of that one.
    pub(crate) fn own(&self) -> impl DoubleEndedIterator<Item = &Confirmed> + Clone {
        self.recent.iter().filter(|confirmed| !matches!(confirmed.event, ChainEvent::Carried(_)))
    }

    /// Whether an event at `position` comes before one that was taken in and is none of them: what was taken in after it is
    /// about to be found gone. `undone` is where taking back begins.
    pub(crate) fn is_overtaken(&self, position: Position, mark: u64, undone: Option<Position>) -> bool {
        let mut kept = self.own().filter(|confirmed| undone.is_none_or(|from| confirmed.position < from));
        let folded = self.folded_to.is_some_and(|folded| position <= folded);
        let is_known = |confirmed: &Confirmed| (confirmed.position, confirmed.mark) == (position, mark);
        !folded && !kept.clone().any(is_known) && kept.any(|confirmed| confirmed.position > position)
    }

    /// What came from the channel that this one succeeds.
    pub(crate) fn carried(&self) -> u128 {
        self.carried
    }

    /// The events that can still be taken back.
    pub(crate) fn recent(&self) -> &[Confirmed] {
        &self.recent
    }

    /// Takes an event in.
    pub(crate) fn push(&mut self, terms: &Terms, confirmed: Confirmed) {
        let index = self.recent.partition_point(|before| before.position < confirmed.position);
        let is_last = index == self.recent.len();
        self.recent.insert(index, confirmed);
        if !is_last {
            self.replay(terms);
        } else if let Some(confirmed) = self.recent.last() {
            self.now.apply(terms, &confirmed.event);
        }
        while self.recent.len() > MAX_RECENT || (self.recent.len() > 1 && self.outcome_bytes() > MAX_RECENT_BYTES) {
            let oldest = self.recent.remove(0);
            self.folded.apply(terms, &oldest.event);
            self.folded_to = Some(oldest.position);
        }
    }

    /// How much the outcomes of the events that can be taken back take, in bytes.
    fn outcome_bytes(&self) -> usize {
        let size = |confirmed: &Confirmed| match &confirmed.event {
            ChainEvent::Disputed(dispute) => dispute.outcome.len(),
            _ => 0,
        };
        self.recent.iter().map(size).fold(0, usize::saturating_add)
    }

    /// Takes in what came from the channel that this one succeeds, in place of what was thought to come; `None` if
    /// nothing does.
    pub(crate) fn carry(&mut self, terms: &Terms, carried: Option<Confirmed>) {
        let before = self.recent.len();
        self.recent.retain(|confirmed| !matches!(confirmed.event, ChainEvent::Carried(_)));
        if self.carried > 0 && self.recent.len() == before {
            // It was folded away, too deep to be taken back: taken in again it would count twice.
            return;
        }
        self.carried = 0;
        if let Some(carried) = carried {
            if let ChainEvent::Carried(amount) = carried.event {
                self.carried = amount;
            }
            // A deposit says what is held after it, so the order counts.
            let index = self.recent.partition_point(|confirmed| confirmed.position < carried.position);
            self.recent.insert(index, carried);
        }
        self.replay(terms);
    }

    /// Takes back every event of the channel's own from `from` on.
    pub(crate) fn undo(&mut self, terms: &Terms, from: Position) {
        let is_kept =
            |confirmed: &Confirmed| confirmed.position < from || matches!(confirmed.event, ChainEvent::Carried(_));
        self.recent.retain(is_kept);
        self.replay(terms);
    }

    /// Computes what is not stored.
    pub(crate) fn replay(&mut self, terms: &Terms) {
        self.now = self.folded.clone();
        for confirmed in &self.recent {
            self.now.apply(terms, &confirmed.event);
        }
    }
}
