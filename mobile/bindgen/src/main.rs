//! Generates the Kotlin or Swift sources of the compiled library `millstream-mobile`.
//!
//! ```text
//! millstream-bindgen kotlin|swift <library> <out_dir>
//! ```
//!
//! `library` is what cargo built: `libmillstream_mobile.so`, `.dylib`, `.dll` or `.a`. The sources are written into
//! `out_dir`, which is created if missing. Run it inside the repository: `mobile/uniffi.toml` is found through cargo.
//!
//! The generator is a cargo dependency pinned to the version of `uniffi` itself, so the two cannot drift apart and no
//! tool has to be installed.

use std::process::ExitCode;

use camino::Utf8PathBuf;
use uniffi::{GenerateOptions, TargetLanguage};

const USAGE: &str = "usage: millstream-bindgen kotlin|swift <library> <out_dir>";

fn options(args: &[String]) -> Option<GenerateOptions> {
    let [language, library, out_dir] = args else { return None };
    let language = match language.as_str() {
        "kotlin" => TargetLanguage::Kotlin,
        "swift" => TargetLanguage::Swift,
        _ => return None,
    };
    Some(GenerateOptions {
        languages: vec![language],
        source: Utf8PathBuf::from(library),
        out_dir: Utf8PathBuf::from(out_dir),
        metadata_no_deps: true,
        ..GenerateOptions::default()
    })
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = options(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match uniffi::generate(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millstream-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}
