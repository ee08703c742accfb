//! The room `nitro` against hostile bytes, and against the adjudicator's interface as its contracts declare it.
//!
//! Expected values from the published package are compared in the crate `millstream-tests`.

mod hostile;
mod interface;
mod rules;
mod strategies;
