//! Says whether anvil is installed, so that the tests that need it are skipped by name where it is not.

use std::path::PathBuf;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(anvil)");
    let modules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../node_modules/@foundry-rs");
    let packages = std::fs::read_dir(&modules).into_iter().flatten().flatten();
    let binary = packages.map(|package| package.path().join("bin/anvil")).find(|binary| binary.is_file());
    // A file that does not exist is looked for before every build.
    let watched = binary.clone().unwrap_or_else(|| modules.join("anvil-is-not-installed"));
    println!("cargo::rerun-if-changed={}", watched.display());
    if let Some(binary) = binary {
        println!("cargo::rustc-cfg=anvil");
        println!("cargo::rustc-env=ANVIL={}", binary.display());
    }
}
