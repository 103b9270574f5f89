//! How much load a server holds.
//!
//! ```text
//! search says how much ─▶ source makes targets ─▶ attack ─▶ measure folds, conditions judge ─▶ search …
//! ```

pub mod search;
