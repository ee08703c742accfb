//! The program `vectors`: what it prints and how it exits.

use std::process::{Command, Output};

fn vectors(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vectors")).args(arguments).output().unwrap()
}

fn temporary(name: &str, content: &[u8]) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

const NITRO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/nitro.json");

#[test]
fn a_right_file_passes() {
    let output = vectors(&[NITRO]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "42 passed, 0 failed\n");
}

#[test]
fn a_wrong_value_is_printed_and_fails() {
    let right = std::fs::read_to_string(NITRO).unwrap();
    let wrong = right.replacen("\"stateHash\": \"0x24a7", "\"stateHash\": \"0x24a8", 1);
    assert_ne!(right, wrong);
    let output = vectors(&[&temporary("wrong.json", wrong.as_bytes())]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = printed.lines().collect();
    let [failure, summary] = lines.as_slice() else { panic!("{printed}") };
    assert!(failure.starts_with("FAILED states[0] \"ledger-simple\": stateHash: expected 0x24a8"));
    assert!(failure.contains(", got 0x24a7"));
    assert_eq!(*summary, "41 passed, 1 failed");
}

#[test]
fn what_cannot_be_checked_is_said_in_words() {
    let directory = env!("CARGO_MANIFEST_DIR");
    for (arguments, part) in [
        (&[][..], "usage"),
        (&[NITRO, NITRO], "usage"),
        (&["no-such-file.json"], "cannot read no-such-file.json"),
        (&[directory], "cannot read"),
        (&[&temporary("empty.json", b"")], "not JSON"),
        (&[&temporary("other.json", b"{}")], "nothing to check"),
        (&[&temporary("bytes.json", &[0xff, 0xfe])], "cannot read"),
    ] {
        let output = vectors(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains(part), "{arguments:?}: {words}");
    }
}
