//! The load of a number of houses, as pure data and as vegeta's files.
//!
//! A badge advertises once an advertising interval; every Pi of its house hears it and reports
//! it. Its payload changes once an update window. So with the defaults (5 s, 1 s, 4 Pis) one
//! emission out of 20 is new, and the others are copies that a collector must recognise.
//!
//! Emissions stand in the order of real time: interval by interval, in each badge by badge, a
//! badge's Pis one after the other. Attacked at the plan's rate, the last copies come 4.0 s after
//! their original, as Pis would send them.
//!
//! Twenty badges share a house and its Pis. There is one file per distinct payload, which holds
//! it as the first Pi of the badge's house reports it; the targets of the other Pis name the same
//! file, so a collector that let `pi_id` make a difference would not be caught by this plan.
//!
//! The same plan gives the same bytes, on any machine.

mod files;
mod memory;
mod summary;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use self::files::{StreamError, stream, write};
pub use self::summary::{Ratio, Summary};
use crate::duration::Go;
use crate::splitmix::SplitMix64;
use crate::targets::{Format, HttpUrl};

/// The file of targets, inside the plan's folder.
pub const TARGETS_FILE: &str = "targets.txt";
/// The file of targets as JSON, inside the plan's folder.
pub const TARGETS_JSON_FILE: &str = "targets.json";
/// The folder of bodies, inside the plan's folder.
pub const BODIES_DIR: &str = "vegeta_data";

/// Badges that share a house and its Pis, if nothing else is planned.
pub const BADGES_PER_HOUSE: u32 = 20;
/// A badge reports the five beacons it hears best.
const BEACONS_MAX: u32 = 5;
/// More would be 10 GB of targets, and days of a collector's work.
const EMISSIONS_MAX: u64 = 100_000_000;
/// The levels that beacons are heard at, in dBm: two digits, so all bodies of a badge are of one length.
const RSSI_DBM_MIN: i64 = -98;
const RSSI_DBM_LEVELS: u64 = 68;

/// What is to be sent. [`Plan::default`] is five houses for a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Badges in all houses together.
    pub badges: u32,
    /// Badges that share a house and its Pis: [`BADGES_PER_HOUSE`].
    pub badges_per_house: u32,
    /// Pis in each house.
    pub pis: u32,
    /// How long the badges advertise, in seconds.
    pub seconds: u32,
    /// How often a badge's payload changes; a multiple of the advertising interval.
    pub update_window: Duration,
    /// How often a badge advertises.
    pub advertising_interval: Duration,
    /// Beacons in each payload, 1 to 5.
    pub beacons: u32,
    /// Another seed, other payloads.
    pub seed: u64,
    /// Where the emissions are posted.
    pub url: HttpUrl,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            badges: 100,
            badges_per_house: BADGES_PER_HOUSE,
            pis: 4,
            seconds: 60,
            update_window: Duration::from_secs(5),
            advertising_interval: Duration::from_secs(1),
            beacons: 3,
            seed: 0,
            url: "http://localhost:8080/rssi_readings".parse().expect("the default is a URL"),
        }
    }
}

/// Why a plan cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Nothing would be sent.
    #[error("--{0}: expected at least 1, found 0")]
    Zero(&'static str),
    /// More beacons than a badge reports.
    #[error("--beacons: expected 1 to {BEACONS_MAX}, found {0}")]
    Beacons(u32),
    /// An interval of no time.
    #[error("--advertising-interval: expected a duration longer than zero, found 0s")]
    NoInterval,
    /// A payload would change between two advertisements.
    #[error("--update-window: expected a multiple of the advertising interval {}, found {}", Go(*advertising_interval), Go(*update_window))]
    UpdateWindow {
        /// As planned.
        update_window: Duration,
        /// As planned.
        advertising_interval: Duration,
    },
    /// The plan ends before the first advertisement.
    #[error("--seconds: expected at least one advertising interval {}, found {seconds}", Go(*advertising_interval))]
    TooShort {
        /// As planned.
        seconds: u32,
        /// As planned.
        advertising_interval: Duration,
    },
    /// More than anyone can mean.
    #[error(
        "expected at most {EMISSIONS_MAX} emissions, found {emissions}: {badges} badges × {pis} Pis × {intervals} advertising intervals"
    )]
    TooMany {
        /// Of the whole plan.
        emissions: u128,
        /// As planned.
        badges: u32,
        /// As planned.
        pis: u32,
        /// In the planned seconds.
        intervals: u64,
    },
    /// Something of an earlier plan is there.
    #[error("`{}` exists: replace it with --force, or choose another --directory", .0.display())]
    Exists(PathBuf),
    /// The folder of bodies is a link or a file; to write through it would write elsewhere.
    #[error("expected `{}` to be a folder of its own", .0.display())]
    NotAFolder(PathBuf),
    /// The disk refuses.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which file or folder.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

/// One Pi's report of one advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission {
    /// When it is due, counted in advertising intervals from 0.
    pub interval: u64,
    /// Which badge, from 0.
    pub badge: u32,
    /// Which of the Pis of the badge's house, from 0.
    pub pi: u32,
    /// Which update window of the badge, from 0.
    pub window: u64,
}

impl Plan {
    /// Checks that the plan can be made.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub fn check(&self) -> Result<(), PlanError> {
        let Plan { badges, pis, seconds, beacons, update_window, advertising_interval, .. } = *self;
        let houses = [("badges", badges), ("badges", self.badges_per_house), ("pis", pis)];
        for (name, value) in houses.into_iter().chain([("seconds", seconds)]) {
            if value == 0 {
                return Err(PlanError::Zero(name));
            }
        }
        if !(1..=BEACONS_MAX).contains(&beacons) {
            return Err(PlanError::Beacons(beacons));
        }
        if advertising_interval.is_zero() {
            return Err(PlanError::NoInterval);
        }
        if update_window.is_zero()
            || !update_window.as_nanos().is_multiple_of(advertising_interval.as_nanos())
        {
            return Err(PlanError::UpdateWindow { update_window, advertising_interval });
        }
        if self.intervals() == 0 {
            return Err(PlanError::TooShort { seconds, advertising_interval });
        }
        let intervals = self.intervals();
        let emissions = u128::from(badges) * u128::from(pis) * u128::from(intervals);
        if emissions > EMISSIONS_MAX.into() {
            return Err(PlanError::TooMany { emissions, badges, pis, intervals });
        }
        Ok(())
    }

    /// All emissions in the order of real time. The plan must have passed [`Plan::check`].
    pub fn emissions(&self) -> impl Iterator<Item = Emission> + use<> {
        let intervals = self.intervals();
        self.emissions_without_end().take_while(move |emission| emission.interval < intervals)
    }

    /// As [`Plan::emissions`], as if the plan went on for ever.
    pub fn emissions_without_end(&self) -> impl Iterator<Item = Emission> + use<> {
        let (badges, pis, per_window) = (self.badges, self.pis, self.intervals_per_window());
        (0..).flat_map(move |interval| {
            (0..badges).flat_map(move |badge| {
                (0..pis).map(move |pi| Emission {
                    interval,
                    badge,
                    pi,
                    window: interval / per_window,
                })
            })
        })
    }

    /// How many emissions there are in an update window.
    pub fn emissions_per_window(&self) -> u64 {
        self.intervals_per_window() * self.emissions_per_interval()
    }

    /// How many emissions an advertising interval has.
    pub fn emissions_per_interval(&self) -> u64 {
        u64::from(self.badges) * u64::from(self.pis)
    }

    /// The JSON that a badge's payload in one update window is posted as.
    pub fn body(&self, badge: u32, window: u64) -> String {
        let first_pi = u64::from(badge / self.badges_per_house) * u64::from(self.pis);
        let mut random = SplitMix64::of(self.seed, [badge.into(), window]);
        let mut body =
            format!(r#"{{"badge_id": "badge_{badge}", "pi_id": "{first_pi}", "beacons": {{"#);
        for beacon in 1..=self.beacons {
            let mut level = random.next() % RSSI_DBM_LEVELS;
            if beacon == 1 {
                // Even in even windows, odd in odd ones: neighbouring payloads always differ.
                level = level / 2 * 2 + window % 2;
            }
            let rssi_dbm = RSSI_DBM_MIN + level as i64;
            let comma = if beacon == 1 { "" } else { ", " };
            body.push_str(&format!(r#"{comma}"beacon_{beacon}": {rssi_dbm}"#));
        }
        body.push_str("}}");
        body
    }

    /// What the plan amounts to. The plan must have passed [`Plan::check`].
    pub fn summary(&self) -> Summary {
        let per_interval = self.emissions_per_interval();
        Summary {
            badges: self.badges,
            pis: self.pis,
            seconds: self.seconds,
            emissions: self.intervals() * per_interval,
            payloads: self.windows() * u64::from(self.badges),
            emissions_per_interval: per_interval,
            advertising_interval: self.advertising_interval,
            update_window: self.update_window,
            duration: Duration::from_nanos_u128(
                self.advertising_interval.as_nanos() * u128::from(self.intervals()),
            ),
            directory: None,
            format: Format::Http,
        }
    }

    fn intervals(&self) -> u64 {
        (Duration::from_secs(self.seconds.into()).as_nanos() / self.advertising_interval.as_nanos())
            as u64
    }

    fn intervals_per_window(&self) -> u64 {
        (self.update_window.as_nanos() / self.advertising_interval.as_nanos()) as u64
    }

    fn windows(&self) -> u64 {
        self.intervals().div_ceil(self.intervals_per_window())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::targets::{self, Target};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, HashMap, HashSet};

    fn small() -> Plan {
        Plan { badges: 3, pis: 2, seconds: 10, ..Plan::default() }
    }

    /// Reads a written plan back, with its bodies, from anywhere.
    fn read_back(dir: &Path) -> Vec<Target> {
        let text = fs::read_to_string(dir.join(TARGETS_FILE)).unwrap();
        let text = text.replace("@vegeta_data", &format!("@{}/vegeta_data", dir.display()));
        targets::http::read(text.as_bytes(), "targets.txt", &targets::Defaults::default()).unwrap()
    }

    fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.append(&mut files(&path));
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
        found
    }

    #[test]
    fn json_targets_are_the_same_and_hold_their_bodies() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &small(), Format::Http, false).unwrap();
        let http = read_back(dir.path());
        let summary = write(dir.path(), &small(), Format::Json, false).unwrap();
        let text = fs::read(dir.path().join(TARGETS_JSON_FILE)).unwrap();
        let json = targets::json::read(&text[..], "t", &targets::Defaults::default()).unwrap();
        assert_eq!(json, http);
        assert!(summary.to_string().contains("attack -targets=targets.json -format=json -rate="));
        let error = write(dir.path(), &small(), Format::Json, false).unwrap_err().to_string();
        assert!(error.contains("targets.json` exists"), "{error}");
        write(dir.path(), &small(), Format::Json, true).unwrap();
    }

    #[test]
    fn a_stream_begins_with_the_plan_and_goes_on() {
        struct Full(Vec<u8>);
        impl io::Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if self.0.len() > 100_000 {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                self.0.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &small(), Format::Json, false).unwrap();
        let plan = fs::read(dir.path().join(TARGETS_JSON_FILE)).unwrap();
        let mut out = Full(Vec::new());
        let error = stream(&mut out, &small()).unwrap_err();
        assert!(
            matches!(&error, StreamError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
        );
        assert!(out.0.starts_with(&plan) && out.0.len() > 100_000 && plan.len() < 20_000);
        let error = stream(&mut out, &Plan { pis: 0, ..small() }).unwrap_err();
        assert_eq!(error.to_string(), "--pis: expected at least 1, found 0");
    }

    #[test]
    fn writes_the_seeds_run() {
        let dir = tempfile::tempdir().unwrap();
        let summary = write(dir.path(), &Plan::default(), Format::Http, false).unwrap();
        assert_eq!((summary.emissions, summary.payloads), (24_000, 1_200));
        assert_eq!(fs::read_dir(dir.path().join(BODIES_DIR)).unwrap().count(), 1_200);

        let targets = read_back(dir.path());
        assert_eq!(targets.len(), 24_000);
        let mut seen: HashMap<&[u8], (usize, usize)> = HashMap::new();
        for (at, target) in targets.iter().enumerate() {
            let (first, count) = seen.entry(&target.body).or_insert((at, 0));
            *count += 1;
            // 4 s of 400 a second, and the three other Pis: inside the dedup window of 4.5 s.
            assert!(
                at - *first <= 4 * 400 + 3,
                "a copy {} requests after its original",
                at - *first
            );
        }
        assert_eq!(seen.len(), 1_200);
        assert!(seen.values().all(|(_, count)| *count == 20));

        let bytes: usize = targets.iter().map(|target| target.body.len()).sum();
        assert_eq!(bytes as f64 / 24_000.0, 102.3);
        assert_eq!(targets[0].method, "POST");
        assert_eq!(targets[0].headers[0].to_string(), "Content-Type: application/json");
    }

    #[test]
    fn body_is_the_wires_form() {
        let plan = Plan { beacons: 1, ..Plan::default() };
        let body = plan.body(45, 7);
        let level = body
            .strip_prefix(r#"{"badge_id": "badge_45", "pi_id": "8", "beacons": {"beacon_1": "#)
            .expect(&body);
        let level: i64 = level.strip_suffix("}}").expect(&body).parse().unwrap();
        assert!((-98..=-31).contains(&level), "{level}");
    }

    #[test]
    fn emissions_stand_in_the_order_of_real_time() {
        let order: Vec<_> = small().emissions().map(|e| (e.interval, e.badge, e.pi)).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(order, sorted);
        assert_eq!(order.len(), 60);
        assert!(small().emissions().all(|e| e.window == e.interval / 5));
    }

    #[test]
    fn same_seed_same_bytes() {
        let write_files = |seed| {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), &Plan { seed, ..small() }, Format::Http, false).unwrap();
            let strip = |(path, bytes): (PathBuf, _)| {
                (path.strip_prefix(dir.path()).unwrap().to_owned(), bytes)
            };
            files(dir.path()).into_iter().map(strip).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(write_files(1), write_files(1));
        assert_ne!(write_files(1), write_files(2));
    }

    #[test]
    fn refuses_impossible_plans() {
        for (plan, error) in [
            (Plan { badges: 0, ..small() }, "--badges: expected at least 1, found 0"),
            (Plan { pis: 0, ..small() }, "--pis: expected at least 1, found 0"),
            (Plan { seconds: 0, ..small() }, "--seconds: expected at least 1, found 0"),
            (Plan { beacons: 6, ..small() }, "--beacons: expected 1 to 5, found 6"),
            (
                Plan { advertising_interval: Duration::ZERO, ..small() },
                "--advertising-interval: expected a duration longer than zero, found 0s",
            ),
            (
                Plan { update_window: Duration::from_millis(4_500), ..small() },
                "--update-window: expected a multiple of the advertising interval 1s, found 4.5s",
            ),
            (
                Plan { update_window: Duration::ZERO, ..small() },
                "--update-window: expected a multiple of the advertising interval 1s, found 0s",
            ),
            (
                Plan {
                    seconds: 1,
                    advertising_interval: Duration::from_secs(2),
                    update_window: Duration::from_secs(4),
                    ..small()
                },
                "--seconds: expected at least one advertising interval 2s, found 1",
            ),
            (
                Plan { badges: 100_000, pis: 4, seconds: 251, ..small() },
                "expected at most 100000000 emissions, found 100400000: 100000 badges × 4 Pis × 251 advertising intervals",
            ),
            (
                Plan {
                    badges: u32::MAX,
                    pis: u32::MAX,
                    seconds: u32::MAX,
                    advertising_interval: Duration::from_nanos(1),
                    ..small()
                },
                "expected at most 100000000 emissions, found 79228162458924105385300197375000000000: 4294967295 badges × 4294967295 Pis × 4294967295000000000 advertising intervals",
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            assert_eq!(
                write(dir.path(), &plan, Format::Http, true).expect_err(error).to_string(),
                error
            );
            assert_eq!(files(dir.path()), BTreeMap::new());
        }
    }

    #[test]
    fn keeps_what_is_there_unless_forced() {
        for there in [TARGETS_FILE, "vegeta_data/notes.txt"] {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("vegeta_data")).unwrap();
            fs::write(dir.path().join(there), "precious").unwrap();
            let before = files(dir.path());
            let error = write(dir.path(), &small(), Format::Http, false).unwrap_err();
            assert!(matches!(error, PlanError::Exists(_)), "{error}");
            assert_eq!(files(dir.path()), before);
        }
    }

    #[test]
    fn force_replaces_a_plan_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &Plan { badges: 9, ..small() }, Format::Http, false).unwrap();
        fs::write(dir.path().join("vegeta_data/notes.txt"), "precious").unwrap();
        write(dir.path(), &small(), Format::Http, true).unwrap();
        assert_eq!(read_back(dir.path()).len(), 60);
        assert_eq!(files(dir.path()).len(), 1 + 6 + 1);
        assert_eq!(
            fs::read_to_string(dir.path().join("vegeta_data/notes.txt")).unwrap(),
            "precious"
        );
    }

    #[cfg(unix)]
    #[test]
    fn writes_nothing_outside_its_folder() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), dir.path().join(BODIES_DIR)).unwrap();
        let error = write(dir.path(), &small(), Format::Http, true).unwrap_err();
        assert!(matches!(error, PlanError::NotAFolder(_)), "{error}");

        fs::remove_file(dir.path().join(BODIES_DIR)).unwrap();
        fs::write(outside.path().join("mine"), "precious").unwrap();
        std::os::unix::fs::symlink(outside.path().join("mine"), dir.path().join(TARGETS_FILE))
            .unwrap();
        let unfinished = dir.path().join(format!(".{TARGETS_FILE}.unfinished"));
        std::os::unix::fs::symlink(outside.path().join("mine"), unfinished).unwrap();
        write(dir.path(), &small(), Format::Http, true).unwrap();
        assert_eq!(fs::read_to_string(outside.path().join("mine")).unwrap(), "precious");
        assert!(dir.path().join(TARGETS_FILE).symlink_metadata().unwrap().is_file());
    }

    proptest! {
        #[test]
        fn neighbouring_payloads_differ(seed: u64, badge: u32, window in 0u64..1 << 40, beacons in 1u32..=5) {
            let plan = Plan { seed, beacons, ..Plan::default() };
            prop_assert_ne!(plan.body(badge, window), plan.body(badge, window + 1));
        }

        #[test]
        fn counts_are_those_of_the_emissions(badges in 1u32..30, pis in 1u32..5, seconds in 1u32..12, per_window in 1u32..6) {
            let plan = Plan {
                badges, pis, seconds, update_window: Duration::from_secs(per_window.into()), ..Plan::default()
            };
            let summary = plan.summary();
            prop_assert_eq!(plan.emissions().count() as u64, summary.emissions);
            let payloads: HashSet<_> = plan.emissions().map(|e| (e.badge, e.window)).collect();
            prop_assert_eq!(payloads.len() as u64, summary.payloads);
        }
    }
}
