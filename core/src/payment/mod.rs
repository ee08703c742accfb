//! What is paid with: vouchers, ticks, claims and quotes, and the rules of the contract that honours them.
//!
//! Everything here is a value or a pure check over values; which voucher to sign, keep or redeem is decided by
//! [`crate::protocol`]. Hosts call it to read quotes and to check claims offline.

pub mod claim;
pub mod quote;
pub mod receipt;
pub mod stream_app;
pub mod ticks;
pub mod voucher;

pub use claim::{Claim, ClaimError, RawSignature};
pub use quote::{MAX_QUOTE_BYTES, Quote, QuoteError, SignedQuote, Unit};
pub use receipt::{MAX_RECEIPT_BYTES, Receipt, ReceiptError, SignedReceipt};
pub use stream_app::StreamAppError;
pub use ticks::{Shown, TickChain};
pub use voucher::{SignedVoucher, Voucher, VoucherDomain};
