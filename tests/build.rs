//! Says whether anvil is installed, so that the tests that need it are skipped by name where it is not.

use std::path::PathBuf;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(anvil)");
    let modules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../node_modules/@foundry-rs");
    println!("cargo::rerun-if-changed={}", modules.display());
    let Ok(packages) = std::fs::read_dir(&modules) else { return };
    for package in packages.flatten() {
        let binary = package.path().join("bin/anvil");
        if binary.is_file() {
            println!("cargo::rustc-cfg=anvil");
            println!("cargo::rustc-env=ANVIL={}", binary.display());
        }
    }
}
