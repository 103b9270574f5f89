//! Figures as text: vegeta's reports, and what it has not.

pub(crate) mod columns;
pub mod hdrplot;
pub mod hgrm;
pub mod hist;
pub mod json;
pub mod markdown;
pub mod text;
