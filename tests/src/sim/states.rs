//! The states of a channel as its parties sign them, built once more from docs/protocol.md.

use alloy_primitives::{B256, Bytes, U256};
use millstream_core::channel::{Balances, Base, Change, Channel, Closing, Guarantee, Role, Successor, Terms};
use millstream_core::crypto::eip191_digest;
use millstream_core::nitro::{
    Allocation, AllocationType, AssetType, Outcome, SignedVariablePart, SingleAssetExit, VariablePart, state_hash,
};
use millstream_core::payment::{Claim, Shown, SignedVoucher};

use super::signer::Key;

fn outcome(terms: &Terms, parts: &[(B256, u128)]) -> Outcome {
    let allocation_type = if terms.is_virtual() { AllocationType::Guarantee } else { AllocationType::Simple };
    let allocations = parts.iter().map(|&(destination, amount)| Allocation {
        destination,
        amount: U256::from(amount),
        allocation_type,
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

/// A base that sets nothing aside.
pub fn base(terms: &Terms, turn_num: u64, balances: Balances) -> VariablePart {
    ledger(terms, turn_num, balances, &[])
}

/// A base of a ledger: what it sets aside comes first, in the order of the channels' ids.
pub fn ledger(terms: &Terms, turn_num: u64, balances: Balances, guarantees: &[Guarantee]) -> VariablePart {
    let mut outcome = both(terms, balances);
    let mut sorted = guarantees.to_vec();
    sorted.sort_by_key(|guarantee| guarantee.channel_id);
    let allocations = sorted.iter().map(|guarantee| {
        let (left, right) = match guarantee.payer {
            Role::Payer => (terms.payee_destination, terms.payer_destination),
            _ => (terms.payer_destination, terms.payee_destination),
        };
        Allocation {
            destination: guarantee.channel_id,
            amount: U256::from(guarantee.amount),
            allocation_type: AllocationType::Guarantee,
            metadata: [left, right].concat().into(),
        }
    });
    outcome[0].allocations.splice(0..0, allocations);
    VariablePart { outcome, app_data: Bytes::new(), turn_num, is_final: false }
}

/// What a record sets aside in its base, and in each of the states that are to follow.
pub fn set_aside(record: &Channel) -> Vec<(u64, Balances, Vec<Guarantee>)> {
    let mut guarantees = record.guarantees.clone();
    let mut all: Vec<_> = record.base.iter().map(|base| (base.turn, base.balances, guarantees.clone())).collect();
    for proposal in &record.proposals {
        match proposal.change {
            Some(Change::Add { guarantee, .. }) => guarantees.push(guarantee),
            Some(Change::Remove { channel_id, .. }) => guarantees.retain(|one| one.channel_id != channel_id),
            None => {}
        }
        all.push((proposal.base.turn, proposal.base.balances, guarantees.clone()));
    }
    all
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
pub fn signed_base(terms: &Terms, state: &Base, guarantees: &[Guarantee]) -> Option<SignedVariablePart> {
    let signatures = state.signatures.both()?.to_vec();
    Some(SignedVariablePart { variable_part: ledger(terms, state.turn, state.balances, guarantees), signatures })
}

/// A state that one key signs.
pub fn signed_by(terms: &Terms, part: VariablePart, key: &Key) -> SignedVariablePart {
    let signatures = vec![key.sign(digest(terms, &part))];
    SignedVariablePart { variable_part: part, signatures }
}

/// The states of a virtual channel that everyone signed.
pub fn sheets(record: &Channel) -> Vec<SignedVariablePart> {
    let Some(passage) = &record.passage else { return Vec::new() };
    let terms = &record.terms;
    let state = |turn| base(terms, turn, terms.deposits());
    let last = record.closing.map(|final_state| closing(terms, &final_state, None));
    let forms = [(Some(state(0)), &passage.prefund), (Some(state(1)), &passage.postfund), (last, &passage.last)];
    let signed = forms.into_iter().filter_map(|(variable_part, sheet)| {
        Some(SignedVariablePart { variable_part: variable_part?, signatures: sheet.complete()? })
    });
    signed.collect()
}
