//! The record of one channel: everything that must survive a crash, and its bytes.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::cbor;
use crate::channel::balances::{Balances, Role};
use crate::channel::chain_facts::{ChainFacts, Facts, Payout, payout};
use crate::channel::guarantee::{Change, Guarantee, Reservation, Verdict};
use crate::channel::passage::{Passage, Stage};
use crate::channel::signed::{Base, Closing, Lease, Posted, Proposal, Request, Successor};
use crate::channel::states::POSTFUND_TURN;
use crate::channel::terms::Terms;
use crate::payment::{Claim, Shown, SignedVoucher, Voucher};
use crate::{Address, B256};

/// The version that records are written in, and the only one that is read.
const RECORD_VERSION: u8 = 2;

/// The largest record that is read, in bytes. One with a full queue and every event kept has about half of it.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// Where a channel is in its life. Derived from the record, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Proposed; the prefund waits for the payee's signature.
    Initialized,
    /// The prefund is signed by both; waits for the deposits, their confirmations and both postfund signatures.
    Signed,
    /// Funded: money can move.
    Open,
    /// We may have forgotten what we signed: nothing is signed before the other side said what it has.
    Disconnected,
    /// There is proof of a newer state than ours: nothing is signed before we have it.
    Stale,
    /// A part is taken out and the rest goes on in a successor; nothing moves until then.
    Withdrawing,
    /// One side asked to close, or we decided to leave alone; no more payments.
    Closing,
    /// A challenge runs on chain.
    Challenged,
    /// Paid out.
    Closed,
    /// Given up before any deposit.
    Aborted,
}

impl Status {
    /// The status as a word: `"open"`, `"closing"` ...
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Signed => "signed",
            Self::Open => "open",
            Self::Disconnected => "disconnected",
            Self::Stale => "stale",
            Self::Withdrawing => "withdrawing",
            Self::Closing => "closing",
            Self::Challenged => "challenged",
            Self::Closed => "closed",
            Self::Aborted => "aborted",
        }
    }
}

/// One channel, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    version: u8,
    /// What both sides agreed on.
    pub terms: Terms,
    /// Which side we are.
    pub role: Role,
    /// The newest state signed by both that is not final.
    pub base: Option<Base>,
    /// The states that are to follow it, in order; each is signed by at least one side, or about to be.
    pub proposals: Vec<Proposal>,
    /// Payer: the last voucher signed on the base. Payee: the best one accepted.
    pub best: Option<SignedVoucher>,
    /// Payer: a voucher whose signature was asked for and has not come yet.
    pub unsigned: Option<Voucher>,
    /// The final state, once proposed.
    pub closing: Option<Closing>,
    /// Whether we asked for the close.
    pub close_requested: bool,
    /// Whether we decided to leave without the other side.
    pub leaving: bool,
    pub(crate) chain: ChainFacts,
    /// Why the channel was given up, as an error code.
    pub aborted: Option<String>,
    /// When a channel that is not funded is given up, in seconds since 1970.
    pub deadline: Option<u64>,
    /// The sequence of the last message we sent.
    pub sent: u64,
    /// The sequence of the last message we received.
    pub received: u64,
    /// The highest turn that we may have signed, or gave up. It never falls, so no turn is signed twice.
    pub signed_turn: u64,
    /// Payer: what may be signed without storing it.
    pub lease: Option<Lease>,
    /// Whether we may have forgotten what we signed, because of a backup or a lease.
    pub unsure: bool,
    /// The turn of a state that exists and that we do not have.
    pub stale: Option<u64>,
    /// The channel that this one goes on from, if its money comes from there.
    pub predecessor: Option<B256>,
    /// The channel that goes on with what a withdrawal leaves.
    pub successor: Option<Successor>,
    /// Payee: what we asked the payer to propose.
    pub request: Option<Request>,
    /// How many requests there were: made by us as payee, granted by us as payer.
    pub requests: u64,
    /// Payer: the payee's redemption that the chain keeps only the turn of.
    pub posted: Option<Posted>,
    /// Whether our best state is to be put on chain while the channel goes on.
    pub recording: bool,
    /// The number of the question that takes the doubt away. It grows with every doubt, so that nothing said before the
    /// doubt can be taken for an answer.
    pub question: u64,
    /// Payer: whether the payee missed a proposal. From then on each is sent again when the one before it is answered, until
    /// none waits.
    pub lagging: bool,
    /// The ticks shown for the best voucher: released by us as payer, accepted by us as payee.
    pub shown: Option<Shown>,
    /// When the other side's silence has an end, in seconds since 1970, if it owes us an answer.
    pub answer_by: Option<u64>,
    /// Whether what it has taken in from the chain is so deep that no reorganisation is expected to take it back. Until then
    /// a wallet that starts loads it, since nobody else would notice.
    pub deep: bool,
    /// What a ledger sets aside in its base, in the order of the channels' ids.
    pub guarantees: Vec<Guarantee>,
    /// What of a ledger's money is promised to channels that are being opened.
    pub reserved: Vec<Reservation>,
    /// What the chain says of the channels that a ledger guarantees.
    pub verdicts: Vec<Verdict>,
    /// The way of a virtual channel.
    pub passage: Option<Box<Passage>>,
}

cbor::array!(Channel {
    version,
    terms,
    role,
    base,
    proposals,
    best,
    unsigned,
    closing,
    close_requested,
    leaving,
    chain,
    aborted,
    deadline,
    sent,
    received,
    signed_turn,
    lease,
    unsure,
    stale,
    predecessor,
    successor,
    request,
    requests,
    posted,
    recording,
    question,
    lagging,
    shown,
    answer_by,
    deep,
    guarantees,
    reserved,
    verdicts,
    passage,
});

/// Why stored bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are damaged, have fields that this version does not know, or were not written by this software.
    #[error("record is malformed")]
    Malformed,
    /// More bytes than a record can have; nothing was read.
    #[error("record of {length} bytes is above the limit of {MAX_RECORD_BYTES}")]
    TooLarge {
        /// How many bytes there are.
        length: usize,
    },
    /// Written by another version.
    #[error("record of version {version}, expected {RECORD_VERSION}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// Stored under another channel's key.
    #[error("record of channel {actual} stored under {key}")]
    WrongKey {
        /// The key it was stored under.
        key: B256,
        /// The channel that it describes.
        actual: B256,
    },
}

impl RecordError {
    /// The stable code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "RECORD_MALFORMED",
            Self::TooLarge { .. } => "RECORD_TOO_LARGE",
            Self::Version { .. } => "RECORD_VERSION",
            Self::WrongKey { .. } => "RECORD_WRONG_KEY",
        }
    }
}

impl Channel {
    pub(crate) fn new(terms: Terms, role: Role) -> Self {
        Self {
            version: RECORD_VERSION,
            terms,
            role,
            base: None,
            proposals: Vec::new(),
            best: None,
            unsigned: None,
            closing: None,
            close_requested: false,
            leaving: false,
            chain: ChainFacts::default(),
            aborted: None,
            deadline: None,
            sent: 0,
            received: 0,
            signed_turn: 0,
            lease: None,
            unsure: false,
            stale: None,
            predecessor: None,
            successor: None,
            request: None,
            requests: 0,
            posted: None,
            recording: false,
            question: 0,
            lagging: false,
            shown: None,
            answer_by: None,
            deep: true,
            guarantees: Vec::new(),
            reserved: Vec::new(),
            verdicts: Vec::new(),
            passage: None,
        }
    }

    /// Notes that we may have forgotten what we signed: only what the other side says from `now` on, in seconds since
    /// 1970, tells.
    pub(crate) fn doubt(&mut self, now: u64) {
        self.unsure = true;
        self.question = self.question.saturating_add(1).max(now);
    }

    /// Where the channel is in its life.
    pub fn status(&self) -> Status {
        let facts = self.facts();
        let is_bound = self.passage.as_ref().is_some_and(|passage| passage.is_bound());
        let is_over = |passage: &Passage| passage.is_over() || (!is_bound && self.is_final_signed());
        if facts.payout.is_some() || self.passage.as_ref().is_some_and(|passage| is_over(passage)) {
            Status::Closed
        } else if self.aborted.is_some() && !is_bound {
            Status::Aborted
        } else if facts.dispute.is_some() {
            Status::Challenged
        } else if self.stale.is_some() {
            Status::Stale
        } else if self.unsure {
            Status::Disconnected
        } else if self.leaving {
            Status::Closing
        } else if self.successor.is_some() {
            Status::Withdrawing
        } else if self.closing.is_some() || self.close_requested || self.aborted.is_some() {
            Status::Closing
        } else {
            match self.base {
                None => Status::Initialized,
                Some(base) if base.turn < POSTFUND_TURN => Status::Signed,
                Some(_) if self.passage.is_some() && self.backing() == 0 => Status::Signed,
                // The states of a successor are signed before its money is there.
                Some(_) if self.predecessor.is_some() && facts.holdings == 0 => Status::Signed,
                Some(_) => Status::Open,
            }
        }
    }

    /// What the chain says about the channel, as far as confirmed.
    pub fn facts(&self) -> &Facts {
        self.chain.now()
    }

    /// The block of the last chain event that was taken in: its history is in the record up to there.
    pub fn seen_block(&self) -> Option<u64> {
        self.chain.last().map(|position| position.block)
    }

    /// Our channel key.
    pub fn key(&self) -> Address {
        match &self.passage {
            Some(passage) => self.terms.participants().get(passage.place()).copied().unwrap_or_default(),
            None => self.terms.key_of(self.role),
        }
    }

    /// The other side's channel key: of a virtual channel the payee for the payer and the payer for everyone else.
    pub fn peer(&self) -> Address {
        match self.role {
            Role::Hub => self.terms.payer,
            role => self.terms.key_of(role.other()),
        }
    }

    /// Our neighbours in a virtual channel: who is before us and who after.
    pub(crate) fn neighbours(&self) -> (Option<Address>, Option<Address>) {
        let Some(passage) = &self.passage else { return (None, None) };
        let keys = self.terms.participants();
        let at = |index: Option<usize>| index.and_then(|index| keys.get(index).copied());
        (at(passage.place().checked_sub(1)), at(passage.place().checked_add(1)))
    }

    /// What the money of the channel is covered by, in base units: what the chain holds for it, or the guarantees on its way.
    /// A payer may pay on a guarantee that it has signed; a payee takes nothing before both have.
    pub fn backing(&self) -> u128 {
        let Some(passage) = &self.passage else { return self.facts().holdings };
        let is_backed = match self.role {
            Role::Payee => passage.upstream.is_some_and(|hop| hop.stage == Stage::Held),
            Role::Payer | Role::Hub => passage.is_bound(),
        };
        if is_backed { self.terms.deposit } else { 0 }
    }

    /// How the money is split now, in base units: the base, with the best voucher on top.
    pub fn balances(&self) -> Balances {
        let base = self.base.map_or(self.terms.deposits(), |base| base.balances);
        base.pay(Role::Payer, self.cumulative_amount()).unwrap_or(base)
    }

    /// The best voucher with the ticks shown for it.
    pub fn claim(&self) -> Option<Claim> {
        self.best.map(|signed| Claim::new(&signed, self.shown))
    }

    /// What the best voucher and its ticks pay on top of the base, in base units; zero before the first.
    pub fn cumulative_amount(&self) -> u128 {
        self.best.map_or(0, |signed| signed.voucher.amount_with(self.shown.map_or(0, |shown| shown.ticks)))
    }

    /// Takes a voucher as the best one, with the ticks shown for it.
    pub(crate) fn set_best(&mut self, signed: SignedVoucher, shown: Option<Shown>) {
        self.signed_turn = self.signed_turn.max(signed.voucher.last_turn());
        (self.best, self.shown) = (Some(signed), shown);
    }

    /// What went from payer to payee since the channel was opened, in base units: signed by the payer, or accepted by the
    /// payee. Zero in a ledger in which more came back.
    pub fn paid(&self) -> u128 {
        self.balances().payee.saturating_sub(self.terms.payee_deposit)
    }

    /// What the payer can still pay, in base units: its part less the reserve, and no more than what is deposited or
    /// guaranteed. In a ledger also less what is promised to virtual channels.
    pub fn remaining(&self) -> u128 {
        let balances = self.balances();
        let spendable = balances.payer.saturating_sub(self.terms.reserve).saturating_sub(self.promised(Role::Payer));
        if self.base_turn() < POSTFUND_TURN {
            return spendable;
        }
        spendable.min(self.backing().saturating_sub(balances.payee))
    }

    /// What an ABI-encoded outcome pays out of the money of the channel.
    pub(crate) fn payout_of(&self, outcome: &[u8]) -> Payout {
        payout(&self.terms, outcome, self.backing()).unwrap_or_default()
    }

    /// What of one side's money in a ledger is promised to virtual channels that are being opened, in base units.
    pub fn promised(&self, side: Role) -> u128 {
        let promises = self.promises().filter(|promise| promise.payer == side);
        promises.fold(0, |sum, promise| sum.saturating_add(promise.amount))
    }

    /// The promises that no proposal keeps yet.
    pub(crate) fn promises(&self) -> impl Iterator<Item = &Reservation> {
        let adds = |id| {
            let is_it = |change| matches!(change, Change::Add { guarantee, .. } if guarantee.channel_id == id);
            self.proposals.iter().filter_map(|proposal| proposal.change).any(is_it)
        };
        self.reserved.iter().filter(move |promise| !adds(promise.channel_id))
    }

    /// The serial of the last voucher on the base, zero before the first.
    pub fn last_serial(&self) -> u32 {
        self.best.map_or(0, |signed| signed.voucher.serial)
    }

    /// The record as bytes: CBOR, about 500 to 1,500 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads a record stored under `key`, the channel id.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the bytes are no record of this version, or one of another channel. A record with a field that
    /// is not known is not read: writing it back would lose the field.
    pub fn from_bytes(key: B256, bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge { length: bytes.len() });
        }
        let version = cbor::version(bytes).ok_or(RecordError::Malformed)?;
        if version != RECORD_VERSION {
            return Err(RecordError::Version { version });
        }
        let mut channel: Self = cbor::from_slice(bytes).ok_or(RecordError::Malformed)?;
        if channel.to_bytes() != bytes {
            return Err(RecordError::Malformed);
        }
        let actual = channel.terms.channel_id();
        if actual != key {
            return Err(RecordError::WrongKey { key, actual });
        }
        channel.chain.replay(&channel.terms);
        Ok(channel)
    }
}
