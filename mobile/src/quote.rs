//! Quotes: what a payee signs about a thing for sale, and what a payer reads of it.

use millstream_core::payment::{self, QuoteError};
use millstream_core::wallet;

use crate::values::{Address, Amount, Bytes32};

/// What the price of a quote is for. Not `Unit`, which Kotlin has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum QuoteUnit {
    /// One chunk of the content, the last one included even if it is shorter.
    Chunk,
    /// One byte.
    Byte,
    /// One second of play time.
    Second,
}

impl From<QuoteUnit> for payment::Unit {
    fn from(unit: QuoteUnit) -> Self {
        match unit {
            QuoteUnit::Chunk => Self::Chunk,
            QuoteUnit::Byte => Self::Byte,
            QuoteUnit::Second => Self::Second,
        }
    }
}

impl TryFrom<payment::Unit> for QuoteUnit {
    type Error = QuoteError;

    fn try_from(unit: payment::Unit) -> Result<Self, QuoteError> {
        match unit {
            payment::Unit::Chunk => Ok(Self::Chunk),
            payment::Unit::Byte => Ok(Self::Byte),
            payment::Unit::Second => Ok(Self::Second),
            _ => Err(QuoteError::Impossible),
        }
    }
}

/// What a seller puts into a quote; the key and the destination are its wallet's.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct QuoteTerms {
    /// SHA-256 of the manifest, which names the SHA-256 of every chunk.
    pub content_root: Bytes32,
    /// Length of the content in bytes.
    pub length: u64,
    /// Length of every chunk but the last, in bytes; zero for a folder, whose chunks are its files.
    pub chunk_size: u32,
    /// How many chunks the content has.
    pub chunks: u32,
    /// What the price is for.
    pub unit: QuoteUnit,
    /// How many units the whole content costs.
    pub units: u64,
    /// Price of one unit, in base units.
    pub price: Amount,
    /// How much the seller serves ahead of payment on a channel, in base units.
    pub credit: Amount,
    /// Token contract, or zero for the native asset.
    pub asset: Address,
    /// The challenge duration that the seller asks of a channel, in seconds.
    pub challenge_duration: u64,
    /// How many blocks deep the deposit must be.
    pub confirmations: u32,
    /// Until when the quote holds, in seconds since 1970.
    pub expires_at: u64,
    /// SHA-256 of the list of hubs that is sent beside the quote; zero if there is none.
    pub hubs: Bytes32,
}

impl QuoteTerms {
    /// The quote that `wallet` gives on these terms.
    pub(crate) fn of(self, wallet: &wallet::Wallet) -> payment::Quote {
        payment::Quote {
            content_root: self.content_root,
            length: self.length,
            chunk_size: self.chunk_size,
            chunks: self.chunks,
            unit: self.unit.into(),
            units: self.units,
            price: self.price,
            credit: self.credit,
            asset: self.asset,
            payee: wallet.address(),
            payee_destination: wallet.config().destination,
            challenge_duration: self.challenge_duration,
            confirmations: self.confirmations,
            expires_at: self.expires_at,
            hubs: self.hubs,
        }
    }
}

/// A quote whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Quote {
    /// The EIP-712 hash: the memo of the payments for it.
    pub hash: Bytes32,
    /// SHA-256 of the manifest, which names the SHA-256 of every chunk.
    pub content_root: Bytes32,
    /// Length of the content in bytes.
    pub length: u64,
    /// Length of every chunk but the last, in bytes; zero for a folder, whose chunks are its files.
    pub chunk_size: u32,
    /// How many chunks the content has.
    pub chunks: u32,
    /// What the price is for.
    pub unit: QuoteUnit,
    /// How many units the whole content costs.
    pub units: u64,
    /// Price of one unit, in base units.
    pub price: Amount,
    /// How much the seller serves ahead of payment on a channel, in base units.
    pub credit: Amount,
    /// Token contract, or zero for the native asset.
    pub asset: Address,
    /// The seller's channel key, which signed.
    pub payee: Address,
    /// Where the seller is paid out.
    pub payee_destination: Address,
    /// The challenge duration that the seller asks of a channel, in seconds.
    pub challenge_duration: u64,
    /// How many blocks deep the deposit must be.
    pub confirmations: u32,
    /// Until when the quote holds, in seconds since 1970.
    pub expires_at: u64,
    /// SHA-256 of the list of hubs that is sent beside the quote; zero if there is none.
    pub hubs: Bytes32,
    /// The price of the whole content, in base units.
    pub total: Amount,
}

impl TryFrom<payment::Quote> for Quote {
    type Error = QuoteError;

    fn try_from(quote: payment::Quote) -> Result<Self, QuoteError> {
        Ok(Self {
            hash: quote.hash(),
            content_root: quote.content_root,
            length: quote.length,
            chunk_size: quote.chunk_size,
            chunks: quote.chunks,
            unit: quote.unit.try_into()?,
            units: quote.units,
            price: quote.price,
            credit: quote.credit,
            asset: quote.asset,
            payee: quote.payee,
            payee_destination: quote.payout_address()?,
            challenge_duration: quote.challenge_duration,
            confirmations: quote.confirmations,
            expires_at: quote.expires_at,
            hubs: quote.hubs,
            total: quote.total().ok_or(QuoteError::Impossible)?,
        })
    }
}
