//! `vectors FILE.json`: checks a file of Nitro test vectors and prints `N passed, N failed`.
//!
//! Exits with 0 if all passed, 1 if any failed, 2 if the file cannot be read or has nothing to check.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [path] = arguments.as_slice() else {
        eprintln!("usage: vectors FILE.json");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("cannot read {}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    match millstream_tests::vectors::check(&text) {
        Ok(report) => {
            for failure in &report.failures {
                println!("FAILED {failure}");
            }
            println!("{} passed, {} failed", report.passed, report.failures.len());
            ExitCode::from(u8::from(!report.failures.is_empty()))
        }
        Err(why) => {
            eprintln!("{}: {why}", path.display());
            ExitCode::from(2)
        }
    }
}
