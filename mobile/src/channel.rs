//! What a core says about its channels.

use millstream_core::channel::{self, Channel};

use crate::config::ChannelKind;
use crate::values::{Address, Amount, Bytes32};

/// Where a channel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ChannelStatus {
    /// Proposed; waits for the payee's signature.
    Initialized,
    /// Signed by both; waits for its deposits.
    Signed,
    /// Funded: money can move.
    Open,
    /// We may have forgotten what we signed: nothing is signed before the other side said what it has.
    Disconnected,
    /// There is proof of a newer state than ours: nothing is signed before we have it.
    Stale,
    /// A part is taken out and the rest goes on in a successor; nothing moves until then.
    Withdrawing,
    /// Being closed; no more payments.
    Closing,
    /// A challenge runs on chain.
    Challenged,
    /// Paid out.
    Closed,
    /// Given up before any deposit.
    Aborted,
    /// A status that this binding does not know.
    Unknown,
}

impl From<channel::Status> for ChannelStatus {
    fn from(status: channel::Status) -> Self {
        use channel::Status as From;
        match status {
            From::Initialized => Self::Initialized,
            From::Signed => Self::Signed,
            From::Open => Self::Open,
            From::Disconnected => Self::Disconnected,
            From::Stale => Self::Stale,
            From::Withdrawing => Self::Withdrawing,
            From::Closing => Self::Closing,
            From::Challenged => Self::Challenged,
            From::Closed => Self::Closed,
            From::Aborted => Self::Aborted,
            _ => Self::Unknown,
        }
    }
}

/// Which side of a channel a wallet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Role {
    /// Opens the channel, signs vouchers, proposes every new state.
    Payer,
    /// Collects vouchers, agrees to what is proposed.
    Payee,
    /// Stands between them in a virtual channel.
    Hub,
}

impl From<channel::Role> for Role {
    fn from(role: channel::Role) -> Self {
        match role {
            channel::Role::Payer => Self::Payer,
            channel::Role::Payee => Self::Payee,
            channel::Role::Hub => Self::Hub,
        }
    }
}

/// What is known about a channel. Amounts in base units.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ChannelInfo {
    /// The channel's id.
    pub id: Bytes32,
    /// Which side this wallet is.
    pub role: Role,
    /// What moves its money.
    pub kind: ChannelKind,
    /// Where it is in its life.
    pub status: ChannelStatus,
    /// The other side's channel key.
    pub peer: Address,
    /// The payer's channel key.
    pub payer: Address,
    /// The payee's channel key.
    pub payee: Address,
    /// Token contract, or zero for the native asset.
    pub asset: Address,
    /// What the payer puts in: its first deposit and every top up that both signed.
    pub deposit: Amount,
    /// What the payee deposits at the start.
    pub payee_deposit: Amount,
    /// What each side keeps until the close.
    pub reserve: Amount,
    /// How the money is split now.
    pub balances: Balances,
    /// What went from payer to payee since the channel was opened; zero in a ledger in which more came back.
    pub cumulative_amount: Amount,
    /// What the payer can still pay.
    pub remaining: Amount,
    /// Of the last voucher on the newest base; 0 before the first.
    pub serial: u32,
    /// How many of its ticks are paid.
    pub ticks: u8,
    /// The turn of the newest state signed by both that is not final; 0 before there is one.
    pub base_turn: u64,
    /// What the adjudicator holds for the channel, as far as confirmed.
    pub holdings: Amount,
    /// The highest turn on chain.
    pub turn_record: u64,
    /// The time to answer a challenge, in seconds.
    pub challenge_duration: u64,
    /// How many blocks deep an event must be.
    pub confirmations: u32,
    /// The final state that the payer proposed, if it did.
    pub closing: Option<Closing>,
    /// Whether a new split was proposed or asked for and is not agreed on.
    pub pending: bool,
    /// Whether this side decided to leave without the other.
    pub leaving: bool,
    /// What stands on chain against the channel.
    pub dispute: Option<Dispute>,
    /// What each side was paid out, once it was.
    pub payout: Option<Payout>,
    /// The channel that this one goes on from.
    pub predecessor: Option<Bytes32>,
    /// The channel that goes on with what a withdrawal leaves.
    pub successor: Option<Bytes32>,
    /// The block of the last chain event that was taken in. A host that starts again reports the chain from shortly before
    /// it on.
    pub seen_block: Option<u64>,
    /// Why the channel was given up: an error code.
    pub aborted: Option<String>,
}

impl ChannelInfo {
    pub(crate) fn of(id: Bytes32, channel: &Channel) -> Self {
        let (terms, facts, balances) = (&channel.terms, channel.facts(), channel.balances());
        Self {
            id,
            role: channel.role.into(),
            kind: terms.kind.into(),
            status: channel.status().into(),
            peer: channel.peer(),
            payer: terms.payer,
            payee: terms.payee,
            asset: terms.asset,
            deposit: channel.split().total().unwrap_or(u128::MAX).saturating_sub(terms.payee_deposit),
            payee_deposit: terms.payee_deposit,
            reserve: terms.reserve,
            balances: balances.into(),
            cumulative_amount: channel.paid(),
            remaining: channel.remaining(),
            serial: channel.last_serial(),
            ticks: channel.shown.map_or(0, |shown| shown.ticks),
            base_turn: channel.base.map_or(0, |base| base.turn),
            holdings: facts.holdings,
            turn_record: facts.turn_record,
            challenge_duration: terms.challenge_duration,
            confirmations: terms.confirmations,
            closing: channel
                .closing
                .map(|closing| Closing { claimed: closing.balances.payee, agreed: channel.is_final_signed() }),
            pending: !channel.proposals.is_empty() || channel.request.is_some(),
            leaving: channel.leaving,
            dispute: facts.dispute.as_ref().map(|dispute| Dispute {
                finalizes_at: dispute.finalizes_at,
                ours: dispute.ours,
                turn: dispute.turn,
            }),
            payout: facts.payout.map(|channel::Payout { paid, refunded, carried }| Payout { paid, refunded, carried }),
            predecessor: channel.predecessor,
            successor: channel.successor.map(|successor| successor.channel_id),
            seen_block: channel.seen_block(),
            aborted: channel.aborted.clone(),
        }
    }
}

/// What belongs to each side, in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Balances {
    /// The payer's part.
    pub payer: Amount,
    /// The payee's part.
    pub payee: Amount,
}

impl From<channel::Balances> for Balances {
    fn from(channel::Balances { payer, payee }: channel::Balances) -> Self {
        Self { payer, payee }
    }
}

/// A proposed final state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Closing {
    /// What it pays out to the payee, in base units.
    pub claimed: Amount,
    /// Whether both signed it.
    pub agreed: bool,
}

/// A challenge that stands on chain, or the outcome that was finalised there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Dispute {
    /// When it becomes final, in seconds of the chain's clock.
    pub finalizes_at: u64,
    /// Whether it is ours.
    pub ours: bool,
    /// The turn of the state on chain.
    pub turn: u64,
}

/// What was paid out, in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Payout {
    /// To the payee.
    pub paid: Amount,
    /// Back to the payer.
    pub refunded: Amount,
    /// On to the successor.
    pub carried: Amount,
}
