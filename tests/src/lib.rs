//! What the tests of this crate share: the model of the chain, and the checker behind `npm run vectors`.

pub mod histories;
pub mod model;
pub mod pair;
pub mod random;
pub mod sim;
pub mod vectors;
