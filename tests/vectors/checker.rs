//! `vectors::check` on the files as they were generated, and with one value changed.

use millstream_core::U256;
use millstream_core::crypto::{LocalSigner, Signer};
use millstream_core::nitro::sign_state;
use millstream_tests::vectors::{Problem, Report, check};
use proptest::prelude::*;
use serde_json::{Value, json};

const NITRO: &str = include_str!("nitro.json");
const EDGES: &str = include_str!("edges.json");

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn run(file: &Value) -> Report {
    check(&file.to_string()).unwrap()
}

fn messages(report: &Report) -> Vec<String> {
    report.failures.iter().map(ToString::to_string).collect()
}

/// How many results a file holds, counted without the checker.
fn results_in(file: &Value) -> usize {
    let count = |case: &Value, names: &[&str]| names.iter().filter(|n| case.get(n).is_some()).count();
    let states = file["states"].as_array().unwrap().iter().map(|state| {
        let names = ["channelId", "encodedOutcome", "outcomeHash", "stateHash", "challengeHash", "challengeSig"];
        count(state, &names) + state["sigs"].as_array().unwrap().len()
    });
    let vouchers = file["vouchers"].as_array().unwrap().iter();
    let vouchers = vouchers.map(|v| count(v, &["hash", "signature", "redemptionAppData"]));
    1 + states.sum::<usize>() + vouchers.sum::<usize>()
}

/// Where a result stands in the file, and the place that a failure must name.
fn results(file: &Value) -> Vec<(String, String)> {
    let mut found = vec![("/guaranteeMetadata/encoded".to_owned(), "guaranteeMetadata: encoded".to_owned())];
    for (i, state) in file["states"].as_array().unwrap().iter().enumerate() {
        let place = format!("states[{i}] {}", state["name"]);
        for name in ["channelId", "encodedOutcome", "outcomeHash", "stateHash", "challengeHash", "challengeSig"] {
            found.push((format!("/states/{i}/{name}"), format!("{place}: {name}")));
        }
        for j in 0..state["sigs"].as_array().unwrap().len() {
            found.push((format!("/states/{i}/sigs/{j}/sig"), format!("{place}: sigs[{j}]")));
        }
    }
    for i in 0..file["vouchers"].as_array().unwrap().len() {
        for name in ["hash", "signature", "redemptionAppData"] {
            found.push((format!("/vouchers/{i}/{name}"), format!("vouchers[{i}]: {name}")));
        }
    }
    found
}

/// The paths of all values that are neither objects nor lists.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), found));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| leaves(value, &format!("{path}/{i}"), found));
        }
        _ => found.push(path.to_owned()),
    }
}

fn with(file: &Value, path: &str, value: Value) -> Value {
    let mut changed = file.clone();
    *changed.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
    changed
}

/// The text with its last hexadecimal digit changed, or the one `from_end` digits before.
fn other_digit(value: &Value, from_end: usize) -> Value {
    let mut text: Vec<char> = value.as_str().unwrap().chars().collect();
    let at = text.len() - 1 - from_end;
    text[at] = if text[at] == '0' { '1' } else { '0' };
    json!(text.into_iter().collect::<String>())
}

#[test]
fn the_generated_files_pass() {
    for text in [NITRO, EDGES] {
        let report = check(text).unwrap();
        assert_eq!(messages(&report), Vec::<String>::new());
        assert_eq!(report.passed, results_in(&parse(text)));
    }
}

#[test]
fn each_wrong_result_is_one_failure_in_its_place() {
    for text in [NITRO, EDGES] {
        let file = parse(text);
        let (total, results) = (results_in(&file), results(&file));
        assert_eq!(results.len(), total);
        for (path, place) in results {
            // In the s of a signature, or anywhere in a hash.
            let wrong = other_digit(file.pointer(&path).unwrap(), 3);
            let report = run(&with(&file, &path, wrong));
            assert_eq!(report.passed, total - 1, "{path}: {:?}", messages(&report));
            assert_eq!(report.failures.len(), 1, "{path}: {:?}", messages(&report));
            assert_eq!(report.failures[0].place, place, "{path}");
        }
    }
}

#[test]
fn a_failure_tells_what_was_expected_and_what_came_out() {
    let file = parse(NITRO);
    let right = file["states"][0]["stateHash"].as_str().unwrap();
    let wrong = format!("0x{}", "12".repeat(32));
    let report = run(&with(&file, "/states/0/stateHash", json!(wrong)));
    assert_eq!(messages(&report), [format!("states[0] \"ledger-simple\": stateHash: expected {wrong}, got {right}")]);
}

#[test]
fn malformed_results_are_one_failure_in_words() {
    let file = parse(NITRO);
    let total = results_in(&file);
    for (path, place) in results(&file) {
        for malformed in [json!("0xzz"), json!("0x0"), json!("00"), json!(""), json!(7), json!([]), json!({})] {
            let report = run(&with(&file, &path, malformed.clone()));
            assert_eq!(report.passed, total - 1, "{path} {malformed}: {:?}", messages(&report));
            assert_eq!(report.failures.len(), 1, "{path} {malformed}: {:?}", messages(&report));
            assert_eq!(report.failures[0].place, place);
            assert!(matches!(report.failures[0].problem, Problem::Unusable(_)), "{path} {malformed}");
        }
    }
}

#[test]
fn changed_inputs_fail() {
    for text in [NITRO, EDGES] {
        let file = parse(text);
        let mut inputs = Vec::new();
        leaves(&file, "", &mut inputs);
        inputs.retain(|path| {
            path.contains("/state/")
                || ["/signer", "/left", "/right", "/amount", "/payer"].iter().any(|end| path.ends_with(end))
                || path.starts_with("/vouchers/") && path.ends_with("/channelId")
        });
        assert!(inputs.len() > 50);
        for path in inputs {
            let changed = match file.pointer(&path).unwrap() {
                Value::Bool(value) => json!(!value),
                Value::Number(number) if number.as_u64() == Some(0) => json!(1),
                Value::Number(_) => json!(0),
                Value::String(text) if text == "0x" => json!("0x00"),
                value => other_digit(value, 0),
            };
            assert!(!run(&with(&file, &path, changed)).failures.is_empty(), "{path}");
        }
    }
}

#[test]
fn malformed_and_missing_inputs_are_a_failure_in_words() {
    let file = parse(NITRO);
    let mut paths = Vec::new();
    leaves(&file["states"][2]["state"], "/states/2/state", &mut paths);
    for name in ["channelId", "amount", "payer"] {
        paths.push(format!("/vouchers/1/{name}"));
    }
    for path in paths {
        for malformed in [json!("0xzz"), json!(-1), json!(1.5), json!([1]), json!(null)] {
            let report = run(&with(&file, &path, malformed.clone()));
            assert_eq!(report.failures.len(), 1, "{path} {malformed}: {:?}", messages(&report));
            let failure = &report.failures[0];
            assert!(matches!(failure.problem, Problem::Unusable(_)), "{path} {malformed}: {failure}");
            let name = path.rsplit('/').find(|part| part.parse::<u32>().is_err()).unwrap();
            assert!(failure.to_string().contains(name), "{path} {malformed}: {failure}");
        }
    }
    for (case, name) in [("/states/0", "state"), ("/states/0", "stateHash"), ("/states/0/state", "turnNum")] {
        let mut missing = file.clone();
        missing.pointer_mut(case).unwrap().as_object_mut().unwrap().remove(name);
        let report = run(&missing);
        assert_eq!(report.failures.len(), 1, "{case}/{name}");
        assert!(messages(&report)[0].contains(&format!("{name:?} is missing")), "{:?}", messages(&report));
    }
    for case in ["/states/1", "/vouchers/2", "/states/1/sigs/0", "/guaranteeMetadata"] {
        let report = run(&with(&file, case, json!("nothing")));
        assert_eq!(report.failures.len(), 1, "{case}: {:?}", messages(&report));
    }
}

#[test]
fn numbers_out_of_range_fail_and_all_spellings_pass() {
    let file = parse(EDGES);
    let largest = 1;
    assert_eq!(file["states"][largest]["state"]["turnNum"], json!(281_474_976_710_655_u64));
    let at = |name: &str| format!("/states/{largest}/state/{name}");
    for (name, value) in [
        ("turnNum", json!(1_u64 << 48)),
        ("challengeDuration", json!("281474976710656")),
        ("channelNonce", json!("18446744073709551616")),
        ("outcome/0/allocations/0/allocationType", json!(3)),
        ("outcome/0/allocations/0/allocationType", json!(256)),
        ("outcome/0/assetMetadata/assetType", json!(4)),
    ] {
        let report = run(&with(&file, &at(name), value));
        assert_eq!(report.failures.len(), 1, "{name}: {:?}", messages(&report));
    }
    let amount = at("outcome/0/allocations/0/amount");
    let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let literal: Value = serde_json::from_str(max).unwrap();
    for (path, value) in [
        (amount.clone(), json!(max)),
        (amount, literal),
        (at("channelNonce"), json!(u64::MAX)),
        (at("channelNonce"), json!("0xffffffffffffffff")),
        (at("turnNum"), json!("281474976710655")),
        (at("turnNum"), json!("0xffffffffffff")),
    ] {
        let report = run(&with(&file, &path, value.clone()));
        assert_eq!(messages(&report), Vec::<String>::new(), "{path} {value}");
    }
}

#[test]
fn without_keys_signatures_are_checked_by_recovery() {
    let mut file = parse(NITRO);
    let total = results_in(&file);
    file.as_object_mut().unwrap().remove("keys");
    assert_eq!(run(&file).passed, total);
    assert!(run(&file).failures.is_empty());

    // The other participant's signature is valid, but not his who is named.
    let other = file["states"][0]["sigs"][1]["sig"].clone();
    let report = run(&with(&file, "/states/0/sigs/0/sig", other));
    assert_eq!(report.failures.len(), 1);
    assert!(messages(&report)[0].contains("expected a signature by"), "{:?}", messages(&report));
    // A challenge may be by any participant, and by nobody else.
    let state_signature = file["states"][0]["sigs"][0]["sig"].clone();
    let report = run(&with(&file, "/states/0/challengeSig", state_signature));
    assert_eq!(report.failures.len(), 1);
    assert!(messages(&report)[0].contains("expected the signature of a participant"));
}

#[test]
fn a_valid_signature_that_is_not_the_deterministic_one_fails_where_the_key_is_known() {
    let other = &parse(include_str!("signatures.json"))["otherNonce"];
    let vouchers = json!([other["voucher"]]);
    let report = run(&json!({ "keys": { "A": other["key"] }, "vouchers": vouchers }));
    assert_eq!((report.passed, report.failures.len()), (1, 1), "{:?}", messages(&report));
    assert_eq!(report.failures[0].place, "vouchers[0]: signature");
    let report = run(&json!({ "vouchers": vouchers }));
    assert_eq!((report.passed, report.failures.len()), (2, 0), "{:?}", messages(&report));
}

#[test]
fn a_high_s_fails() {
    let mut file = parse(NITRO);
    file.as_object_mut().unwrap().remove("keys");
    let sig = file["states"][0]["sigs"][0]["sig"].as_str().unwrap();
    let order: U256 = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse().unwrap();
    let s: U256 = format!("0x{}", &sig[66..130]).parse().unwrap();
    let v = if sig.ends_with("1b") { "1c" } else { "1b" };
    let twin = format!("{}{:064x}{v}", &sig[..66], order - s);
    let report = run(&with(&file, "/states/0/sigs/0/sig", json!(twin)));
    assert_eq!(report.failures.len(), 1);
    assert!(messages(&report)[0].contains("SIGNATURE_HIGH_S"), "{:?}", messages(&report));
}

#[test]
fn a_valid_signature_of_someone_who_takes_no_part_fails() {
    let mut file = parse(NITRO);
    let bytes = |value: &Value| alloy_primitives::hex::decode_to_array(value.as_str().unwrap()).unwrap();
    let stranger = LocalSigner::from_secret_bytes(&bytes(&file["keys"]["B"])).unwrap();
    let signature = sign_state(&stranger, bytes(&file["states"][0]["stateHash"]).into()).unwrap();
    let sig = alloy_primitives::hex::encode_prefixed(signature.to_bytes());
    let sigs = file["states"][0]["sigs"].as_array_mut().unwrap();
    sigs.push(json!({ "signer": stranger.address().to_string(), "sig": sig }));
    let report = run(&file);
    assert_eq!(report.failures.len(), 1, "{:?}", messages(&report));
    assert!(messages(&report)[0].contains("is not a participant"), "{:?}", messages(&report));
}

#[test]
fn optional_parts_may_be_left_out() {
    let file = parse(NITRO);
    let remove = |file: &mut Value, path: &str, name: &str| {
        file.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(name).unwrap()
    };
    for part in ["generator", "keys", "guaranteeMetadata", "vouchers", "states"] {
        let mut without = file.clone();
        remove(&mut without, "", part);
        let report = run(&without);
        assert!(report.failures.is_empty() && report.passed > 0, "{part}: {:?}", messages(&report));
    }
    for part in ["name", "sigs", "challengeHash", "challengeSig"] {
        let mut without = file.clone();
        remove(&mut without, "/states/3", part);
        assert!(run(&without).failures.is_empty(), "{part}");
    }
    let mut without = file.clone();
    remove(&mut without, "/vouchers/0", "redemptionAppData");
    assert_eq!(run(&without).passed, results_in(&file) - 1);
}

#[test]
fn keys_that_are_none_fail() {
    let file = parse(NITRO);
    for wrong in [json!("0x00"), json!(format!("0x{}", "00".repeat(32))), json!(5)] {
        let report = run(&with(&file, "/keys/A", wrong));
        assert_eq!(report.failures.len(), 1, "{:?}", messages(&report));
        assert_eq!(report.failures[0].place, "keys \"A\"");
    }
}

#[test]
fn files_of_another_shape_are_refused_in_words() {
    for (text, part) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "should be an object"),
        ("7", "should be an object"),
        ("{}", "nothing to check"),
        (r#"{"states": [], "vouchers": []}"#, "nothing to check"),
        (r#"{"keccak": [{"input": "0x"}]}"#, "nothing to check"),
        (r#"{"states": {}}"#, "\"states\" should be a list"),
        (r#"{"vouchers": "none"}"#, "\"vouchers\" should be a list"),
        (r#"{"keys": [], "states": []}"#, "\"keys\" should be names"),
    ] {
        let why = check(text).unwrap_err();
        assert!(why.contains(part), "{text}: {why}");
    }
    let deep = "[".repeat(100_000);
    assert!(check(&deep).unwrap_err().contains("not JSON"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in whatever place, the checker answers.
    #[test]
    fn anything_anywhere_is_answered(place in any::<prop::sample::Index>(), value in prop_oneof![
        any::<u64>().prop_map(|n| json!(n)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        any::<bool>().prop_map(|b| json!(b)),
        "(0x)?[0-9a-fxX ]{0,140}".prop_map(|text| json!(text)),
        ".{0,40}".prop_map(|text| json!(text)),
        Just(json!({ "0x": [[], {}] })),
    ]) {
        let file = parse(NITRO);
        let mut paths = Vec::new();
        leaves(&file, "", &mut paths);
        let path = place.get(&paths);
        let report = run(&with(&file, path, value));
        prop_assert!(report.passed > 0);
        prop_assert!(report.passed + report.failures.len() <= results_in(&file) + 1);
    }
}
