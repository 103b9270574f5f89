//! The words of Houseful: what a Pi sends (an [`Emission`]), what is stored (a
//! [`Reading`]), and how both stand on the wire. No I/O, no clock.
//!
//! ```
//! use houseful_model::{Millis, Reading, wire};
//!
//! let body = br#"{"badge_id": "badge_0", "pi_id": "32", "beacons": {"beacon_1": -57, "beacon_3": -33}}"#;
//! let emission = wire::parse(body)?;
//! assert_eq!(emission.beacons[0].id, "beacon_3");
//!
//! let arrival = Millis::parse_rfc3339("2026-11-24T20:29:00.123Z")?;
//! let heard_at = emission.heard.resolve(arrival)?;
//! let reading = Reading { id: 17, heard_at, emission: emission.into_owned() };
//! assert!(reading.to_json().starts_with(br#"{"id":17,"badge_id":"badge_0","#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod emission;
pub mod reading;
pub mod show;
pub mod time;
pub mod wire;

pub use emission::{Beacon, Emission, Heard, HeardFault, IdFault};
pub use reading::Reading;
pub use time::Millis;
pub use wire::WireError;
