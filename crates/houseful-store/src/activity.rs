//! Who was heard when, by whom.

mod bounded;
mod ring;

pub use bounded::Bounded;
pub use ring::Ring;
