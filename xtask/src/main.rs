//! Generates the JavaScript bindings of a WebAssembly module that was compiled with `wasm-bindgen`.
//!
//! ```text
//! xtask <input.wasm> <out_dir>
//! ```
//!
//! Writes `millstream_wasm.js`, `millstream_wasm.d.ts`, `millstream_wasm_bg.wasm` and `millstream_wasm_bg.wasm.d.ts`
//! into `out_dir`, which is created if missing. The output is the `web` flavour: an ES module without top-level await,
//! whose `init()` fetches the module from `new URL("millstream_wasm_bg.wasm", import.meta.url)` unless it is given one.
//! Bundlers follow that URL, and Node passes the bytes, so one flavour serves every platform.
//!
//! The generator is a cargo dependency pinned to the version of `wasm-bindgen` itself, so the two cannot drift apart
//! and nothing is downloaded beside crates.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

/// Stem of every generated file; the TypeScript package imports it by this name.
const OUT_NAME: &str = "millstream_wasm";

const USAGE: &str = "usage: xtask <input.wasm> <out_dir>";

/// Why no bindings were written.
#[derive(Debug)]
enum BindingsError {
    /// Not exactly two arguments.
    Usage { given: usize },
    /// The module could not be read.
    Unreadable { input: PathBuf, source: std::io::Error },
    /// The generator refused the module or could not write its output.
    Generator { input: PathBuf, chain: String },
}

impl fmt::Display for BindingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { given } => write!(f, "expected 2 arguments, got {given}; {USAGE}"),
            Self::Unreadable { input, source } => {
                write!(f, "cannot read {}: {source}", input.display())
            }
            Self::Generator { input, chain } => {
                write!(f, "no bindings for {}: {chain}", input.display())
            }
        }
    }
}

/// Generates the bindings of `input` into `out_dir`.
///
/// # Errors
///
/// [`BindingsError::Unreadable`] if `input` cannot be read; [`BindingsError::Generator`] if it is not a module compiled
/// with the pinned `wasm-bindgen`, or if `out_dir` cannot be written.
fn generate(input: &Path, out_dir: &Path) -> Result<(), BindingsError> {
    let bytes = std::fs::read(input).map_err(|source| BindingsError::Unreadable { input: input.to_owned(), source })?;
    let refused =
        |error: &dyn fmt::Display| BindingsError::Generator { input: input.to_owned(), chain: error.to_string() };

    let mut bindgen = Bindgen::new();
    bindgen
        .input_bytes(OUT_NAME, bytes)
        .out_name(OUT_NAME)
        .typescript(true)
        // Without it `init()` has no default location for the module, and bundlers no URL to follow.
        .omit_default_module_path(false)
        .remove_producers_section(true)
        .remove_name_section(true);
    bindgen.web(true).map_err(|e| refused(&format_args!("{e:#}")))?;
    bindgen.generate(out_dir).map_err(|e| refused(&format_args!("{e:#}")))
}

fn run(args: &[OsString]) -> Result<(), BindingsError> {
    match args {
        [input, out_dir] => generate(Path::new(input), Path::new(out_dir)),
        _ => Err(BindingsError::Usage { given: args.len() }),
    }
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
