//! The checks of one case.

use super::fields::{Fields, address, boolean, bytes, list, number, number_to, word};
use super::{Keys, Problem, Report};
use millstream_core::crypto::{Signature, Signer, eip191_digest};
use millstream_core::nitro::{
    Allocation, AllocationType, AssetType, FixedPart, Guarantee, MAX_UINT48, SingleAssetExit, VariablePart,
    challenge_digest, challenge_hash, encode_outcome, outcome_hash, state_hash, virtual_payment,
};
use millstream_core::{Address, B256};
use serde_json::Value;

/// Compares a result in the file with what the core computes.
fn same(case: &Fields<'_>, name: &str, got: impl AsRef<[u8]>) -> Result<(), Problem> {
    let value = case.required(name, Ok).map_err(Problem::Unusable)?;
    let expected = bytes(value).map_err(Problem::Unusable)?;
    if *expected == *got.as_ref() { Ok(()) } else { Err(differs(&expected, got)) }
}

fn differs(expected: impl AsRef<[u8]>, got: impl AsRef<[u8]>) -> Problem {
    let hex = alloy_primitives::hex::encode_prefixed::<&[u8]>;
    Problem::Differs { expected: hex(expected.as_ref()), got: hex(got.as_ref()) }
}

pub(super) fn check_guarantee(value: &Value, report: &mut Report) {
    let place = "guaranteeMetadata";
    let parsed = Fields::of(value).and_then(|case| {
        let (left, right) = (case.required("left", word)?, case.required("right", word)?);
        Ok((Guarantee { left, right }, case))
    });
    match parsed {
        Ok((guarantee, case)) => {
            report.check(&format!("{place}: encoded"), same(&case, "encoded", guarantee.encode()));
        }
        Err(why) => report.unusable(place, why),
    }
}

pub(super) fn check_state(place: &str, value: &Value, keys: &Keys, report: &mut Report) {
    let parsed = Fields::of(value).and_then(|case| Ok((case.required("state", parse_state)?, case)));
    let ((fixed, variable), case) = match parsed {
        Ok(parsed) => parsed,
        Err(why) => return report.unusable(place, why),
    };
    let channel_id = fixed.channel_id();
    let hash = state_hash(channel_id, &variable);
    let mut compare = |name: &str, got: &[u8]| {
        report.check(&format!("{place}: {name}"), same(&case, name, got));
    };
    compare("channelId", channel_id.as_ref());
    compare("encodedOutcome", &encode_outcome(&variable.outcome));
    compare("outcomeHash", outcome_hash(&variable.outcome).as_ref());
    compare("stateHash", hash.as_ref());
    if case.optional("challengeHash").is_some() {
        compare("challengeHash", challenge_hash(hash).as_ref());
    }

    match case.optional("sigs") {
        None => {}
        Some(Value::Array(sigs)) => {
            for (index, sig) in sigs.iter().enumerate() {
                let place = format!("{place}: sigs[{index}]");
                report.check(&place, check_state_signature(sig, hash, &fixed, keys));
            }
        }
        Some(_) => report.unusable(&format!("{place}: sigs"), "should be a list".to_owned()),
    }
    if let Some(sig) = case.optional("challengeSig") {
        let place = format!("{place}: challengeSig");
        report.check(&place, check_challenge_signature(sig, hash, &fixed, keys));
    }
}

fn check_state_signature(value: &Value, state_hash: B256, fixed: &FixedPart, keys: &Keys) -> Result<(), Problem> {
    let case = Fields::of(value).map_err(Problem::Unusable)?;
    let signer = case.required("signer", address).map_err(Problem::Unusable)?;
    let given = case.required("sig", bytes).map_err(Problem::Unusable)?;
    check_signature(&given, &eip191_digest(state_hash), signer, keys)?;
    if !fixed.participants.contains(&signer) {
        return Err(Problem::Unusable(format!("the signer {signer} is not a participant")));
    }
    Ok(())
}

/// The file does not say who challenges: whoever is recovered must be a participant.
fn check_challenge_signature(value: &Value, state_hash: B256, fixed: &FixedPart, keys: &Keys) -> Result<(), Problem> {
    let given = bytes(value).map_err(Problem::Unusable)?;
    let digest = challenge_digest(state_hash);
    let challenger = parse_signature(&given)?.recover(&digest).map_err(|error| Problem::Unusable(error.to_string()))?;
    if !fixed.participants.contains(&challenger) {
        return Err(Problem::Differs {
            expected: "the signature of a participant".to_owned(),
            got: format!("one that recovers to {challenger}"),
        });
    }
    check_signature(&given, &digest, challenger, keys).map(|_| ())
}

pub(super) fn check_voucher(place: &str, value: &Value, keys: &Keys, report: &mut Report) {
    let parsed = Fields::of(value).and_then(|case| {
        let channel_id = case.required("channelId", word)?;
        let amount = case.required("amount", number)?;
        Ok((channel_id, amount, case.required("payer", address)?, case))
    });
    let (channel_id, amount, payer, case) = match parsed {
        Ok(parsed) => parsed,
        Err(why) => return report.unusable(place, why),
    };
    let hash = virtual_payment::voucher_hash(channel_id, amount);
    report.check(&format!("{place}: hash"), same(&case, "hash", hash));

    let digest = eip191_digest(hash);
    let given = case.required("signature", bytes).map_err(Problem::Unusable);
    let signature = given.clone().and_then(|given| check_signature(&given, &digest, payer, keys));
    report.check(&format!("{place}: signature"), signature.map(|_| ()));

    if case.optional("redemptionAppData").is_none() {
        return;
    }
    // From our own signature where the key is known, and else from any of the payer's that the file has, so that a wrong
    // one elsewhere is one failure and not two.
    let signature = match keys.get(&payer) {
        Some(key) => key.sign_digest(&digest).map_err(|e| Problem::Unusable(e.to_string())),
        None => given.and_then(|given| check_signature(&given, &digest, payer, keys)).or_else(|why| {
            let inside = case.required("redemptionAppData", bytes).ok();
            inside
                .and_then(|data| signature_inside(&data))
                .filter(|signature| signature.verify(&digest, payer).is_ok())
                .ok_or(why)
        }),
    };
    let result = signature.and_then(|signature| {
        let app_data = virtual_payment::redemption_app_data(amount, &signature);
        same(&case, "redemptionAppData", app_data)
    });
    report.check(&format!("{place}: redemptionAppData"), result);
}

/// Reads the signature in the `appData` of a redemption: the words amount, v, r and s.
fn signature_inside(app_data: &[u8]) -> Option<Signature> {
    let [_, v, r, s] = app_data.as_chunks::<32>().0 else {
        return None;
    };
    Signature::from_bytes(&[r.as_slice(), s, &v[31..]].concat()).ok()
}

fn parse_signature(given: &[u8]) -> Result<Signature, Problem> {
    Signature::from_bytes(given).map_err(|error| Problem::Unusable(format!("{error} ({})", error.code())))
}

/// Checks a signature by recovery and, where the signer's key is known, by signing again; returns it parsed.
fn check_signature(given: &[u8], digest: &B256, signer: Address, keys: &Keys) -> Result<Signature, Problem> {
    if let Some(key) = keys.get(&signer) {
        let again = key.sign_digest(digest).map_err(|e| Problem::Unusable(e.to_string()))?;
        if again.to_bytes() != given {
            return Err(differs(given, again.to_bytes()));
        }
    }
    let signature = parse_signature(given)?;
    let recovered = signature.recover(digest).map_err(|error| Problem::Unusable(error.to_string()))?;
    if recovered != signer {
        return Err(Problem::Differs {
            expected: format!("a signature by {signer}"),
            got: format!("one that recovers to {recovered}"),
        });
    }
    Ok(signature)
}

/// Reads the inputs of a state, as they stand under `state` in a vector file.
///
/// # Errors
///
/// What is missing or malformed, in words.
pub fn parse_state(value: &Value) -> Result<(FixedPart, VariablePart), String> {
    let state = Fields::of(value)?;
    let uint48 = |value: &Value| number_to(MAX_UINT48, value);
    let fixed = FixedPart {
        participants: state.required("participants", |value| list(value, address))?,
        channel_nonce: state.required("channelNonce", |value| number_to(u64::MAX, value))?,
        app_definition: state.required("appDefinition", address)?,
        challenge_duration: state.required("challengeDuration", uint48)?,
    };
    let variable = VariablePart {
        outcome: state.required("outcome", |value| list(value, parse_exit))?,
        app_data: state.required("appData", bytes)?,
        turn_num: state.required("turnNum", uint48)?,
        is_final: state.required("isFinal", boolean)?,
    };
    Ok((fixed, variable))
}

fn parse_exit(value: &Value) -> Result<SingleAssetExit, String> {
    let exit = Fields::of(value)?;
    let (asset_type, asset_metadata) = exit.required("assetMetadata", |value| {
        let metadata = Fields::of(value)?;
        let asset_type = metadata
            .required("assetType", |value| AssetType::try_from(uint8(value)?).map_err(|error| error.to_string()))?;
        Ok((asset_type, metadata.required("metadata", bytes)?))
    })?;
    Ok(SingleAssetExit {
        asset: exit.required("asset", address)?,
        asset_type,
        asset_metadata,
        allocations: exit.required("allocations", |value| list(value, parse_allocation))?,
    })
}

fn parse_allocation(value: &Value) -> Result<Allocation, String> {
    let allocation = Fields::of(value)?;
    Ok(Allocation {
        destination: allocation.required("destination", word)?,
        amount: allocation.required("amount", number)?,
        allocation_type: allocation.required("allocationType", |value| {
            AllocationType::try_from(uint8(value)?).map_err(|error| error.to_string())
        })?,
        metadata: allocation.required("metadata", bytes)?,
    })
}

fn uint8(value: &Value) -> Result<u8, String> {
    let number = number_to(255, value)?;
    u8::try_from(number).map_err(|error| error.to_string())
}
