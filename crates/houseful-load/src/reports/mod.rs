//! Prints a [`Summary`](crate::metrics::Summary) as vegeta prints its metrics.

pub mod json;
pub mod text;
