//! How much load a server holds: the same load again and again, grown and halved, each step judged.
//!
//! ```text
//! search: how much next? ─▶ source: targets ─▶ attack ─▶ measure folds, conditions judge ─┐
//!   ▲                                                                                    │
//!   └──────────────────────────── held, failed, or void ◀────────────────────────────────┘
//! ```
//!
//! A step in which the generator was the limit is void: it says nothing of the server, neither that
//! it holds the load nor that it does not. So the answer is a figure of the server or, where the
//! generator ended first, "at least" one.

mod conditions;
mod json;
mod measure;
mod report;
pub mod search;
mod source;

pub use conditions::{Conditions, ErrorsMax, ErrorsMaxError, Finding};
pub use measure::{Fold, Step};
pub use report::{Kind, Report, Row, header};
pub use search::{Next, Resolution, ResolutionError, Search, Trial, Verdict};
pub use source::{Lengths, Salvo, Source, SourceError, Steps, Unit, UpdateWindow};
