//! What the tests of this crate share, and the checker behind `npm run vectors`.

pub mod vectors;
