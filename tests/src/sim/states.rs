//! The states of a channel as its parties sign them, built once more from docs/protocol.md.

use alloy_primitives::{B256, Bytes, U256};
use millstream_core::channel::{Balances, Base, Closing, Role, Successor, Terms};
use millstream_core::crypto::eip191_digest;
use millstream_core::nitro::{
    Allocation, AllocationType, AssetType, Outcome, SignedVariablePart, SingleAssetExit, VariablePart, state_hash,
};
use millstream_core::payment::{Claim, Shown, SignedVoucher};

use super::signer::Key;

fn outcome(terms: &Terms, parts: &[(B256, u128)]) -> Outcome {
    let allocations = parts.iter().map(|&(destination, amount)| Allocation {
        destination,
        amount: U256::from(amount),
        allocation_type: AllocationType::Simple,
        metadata: Bytes::new(),
    });
    vec![SingleAssetExit {
        asset: terms.asset,
        asset_type: AssetType::Default,
        asset_metadata: Bytes::new(),
        allocations: allocations.collect(),
    }]
}

fn both(terms: &Terms, balances: Balances) -> Outcome {
    outcome(terms, &[(terms.payee_destination, balances.payee), (terms.payer_destination, balances.payer)])
}

/// A base.
pub fn base(terms: &Terms, turn_num: u64, balances: Balances) -> VariablePart {
    VariablePart { outcome: both(terms, balances), app_data: Bytes::new(), turn_num, is_final: false }
}

/// A final state.
pub fn closing(terms: &Terms, closing: &Closing, successor: Option<&Successor>) -> VariablePart {
    let outcome = match successor {
        None => both(terms, closing.balances),
        Some(next) => {
            let rest = next.balances.payer.saturating_add(next.balances.payee);
            let mut parts = vec![
                (terms.payee_destination, closing.balances.payee),
                (next.channel_id, rest),
                (terms.payer_destination, closing.balances.payer),
            ];
            parts.retain(|&(destination, amount)| destination == next.channel_id || amount > 0);
            outcome(terms, &parts)
        }
    };
    VariablePart { outcome, app_data: Bytes::new(), turn_num: closing.turn, is_final: true }
}

/// The redemption of a voucher and the ticks shown for it; `None` if it claims more than there is.
pub fn redemption(terms: &Terms, base: &Base, voucher: &SignedVoucher, shown: Option<Shown>) -> Option<VariablePart> {
    let claimed = voucher.voucher.amount_with(shown.map_or(0, |shown| shown.ticks));
    let balances = base.balances.pay(Role::Payer, claimed)?;
    let claim = Claim::new(voucher, shown);
    Some(VariablePart {
        outcome: both(terms, balances),
        app_data: claim.to_app_data(),
        turn_num: claim.turn(),
        is_final: false,
    })
}

/// What a participant signs of a state.
pub fn digest(terms: &Terms, part: &VariablePart) -> B256 {
    eip191_digest(state_hash(terms.channel_id(), part))
}

/// A base with both signatures.
pub fn signed_base(terms: &Terms, state: &Base) -> Option<SignedVariablePart> {
    let signatures = state.signatures.both()?.to_vec();
    Some(SignedVariablePart { variable_part: base(terms, state.turn, state.balances), signatures })
}

/// A state that one key signs.
pub fn signed_by(terms: &Terms, part: VariablePart, key: &Key) -> SignedVariablePart {
    let signatures = vec![key.sign(digest(terms, &part))];
    SignedVariablePart { variable_part: part, signatures }
}
