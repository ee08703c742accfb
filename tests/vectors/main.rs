//! The vectors of this folder: the core against the published package, and the checker behind `npm run vectors` against
//! files that are right, wrong and broken.

mod adjudicator;
mod checker;
mod program;
