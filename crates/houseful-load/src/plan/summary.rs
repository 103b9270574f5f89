//! What a plan amounts to, in the words of the seed's generator.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::targets_file;
use crate::duration::Go;
use crate::targets::Format;

/// What a plan amounts to; displayed as the seed's generator printed it, and how to attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Badges in all houses.
    pub badges: u32,
    /// Pis in each house.
    pub pis: u32,
    /// How long, as planned.
    pub seconds: u32,
    /// Targets in all.
    pub emissions: u64,
    /// Distinct payloads: what a collector must store.
    pub payloads: u64,
    /// Targets of one advertising interval.
    pub emissions_per_interval: u64,
    /// As planned.
    pub advertising_interval: Duration,
    /// As planned.
    pub update_window: Duration,
    /// All advertising intervals together: how long to attack.
    pub duration: Duration,
    /// Where [`write`](super::write) wrote, if not into the working directory.
    pub directory: Option<PathBuf>,
    /// How the targets are written.
    pub format: Format,
}

impl Summary {
    /// The plan's rate as `-rate` takes it, exactly.
    pub fn rate(&self) -> String {
        if self.advertising_interval == Duration::from_secs(1) {
            self.emissions_per_interval.to_string()
        } else {
            format!("{}/{}", self.emissions_per_interval, Go(self.advertising_interval))
        }
    }

    /// How many emissions there are for each distinct payload, on average: one of them is new.
    pub fn emissions_per_payload(&self) -> Ratio {
        Ratio { numerator: self.emissions.into(), denominator: self.payloads.into() }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hits = Ratio::per_second(self.emissions_per_interval, self.advertising_interval);
        let writes = Ratio::per_second(self.payloads, self.duration);
        // `1m0s` would do as well; the seed says `60s`.
        let duration = match self.duration.subsec_nanos() {
            0 => format!("{}s", self.duration.as_secs()),
            _ => Go(self.duration).to_string(),
        };
        let file = targets_file(self.format);
        let format = match self.format {
            Format::Http => "",
            Format::Json => " -format=json",
        };
        let flags =
            format!("attack -targets={file}{format} -rate={} -duration={duration}", self.rate());
        writeln!(f, "{} emissions generated in {file}", self.emissions)?;
        writeln!(f, "  {} badges", self.badges)?;
        writeln!(f, "  {} pis", self.pis)?;
        writeln!(f, "  {} seconds", self.seconds)?;
        writeln!(f)?;
        writeln!(f, "  1 out of {} is unique", self.emissions_per_payload())?;
        writeln!(f)?;
        writeln!(f, "  {hits} API hits per second")?;
        writeln!(f, "  {writes} database writes per second")?;
        writeln!(f, "Invoke like this:")?;
        if let Some(directory) = &self.directory {
            writeln!(f, "cd {}", shell_word(directory))?;
        }
        writeln!(f, "vegeta {flags} | vegeta report")?;
        writeln!(f, "houseful load {flags} | houseful load report")
    }
}

/// A quotient, displayed as a whole number if it is one, else with two decimals.
#[derive(Debug, Clone, Copy)]
pub struct Ratio {
    /// What is divided.
    pub numerator: u128,
    /// By this; not 0.
    pub denominator: u128,
}

impl Ratio {
    fn per_second(count: u64, time: Duration) -> Ratio {
        let numerator = u128::from(count) * Duration::from_secs(1).as_nanos();
        Ratio { numerator, denominator: time.as_nanos() }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ratio { numerator, denominator } = *self;
        if numerator.is_multiple_of(denominator) {
            write!(f, "{}", numerator / denominator)
        } else {
            write!(f, "{:.2}", numerator as f64 / denominator as f64)
        }
    }
}

/// The path as a shell reads it back.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    // `cd` would take a leading dash for a flag.
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,@%=:".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;

    #[test]
    fn summary_prints_as_the_seed_does() {
        let expected = "\
24000 emissions generated in targets.txt
  100 badges
  4 pis
  60 seconds

  1 out of 20 is unique

  400 API hits per second
  20 database writes per second
Invoke like this:
vegeta attack -targets=targets.txt -rate=400 -duration=60s | vegeta report
houseful load attack -targets=targets.txt -rate=400 -duration=60s | houseful load report
";
        assert_eq!(Plan::default().summary().to_string(), expected);
    }

    #[test]
    fn summary_of_odd_plans_stays_exact() {
        let plan = Plan {
            badges: 7,
            pis: 3,
            seconds: 2,
            advertising_interval: Duration::from_millis(300),
            update_window: Duration::from_millis(900),
            ..Plan::default()
        };
        plan.check().unwrap();
        let text = plan.summary().to_string();
        for line in [
            "126 emissions generated in targets.txt",
            "  1 out of 9 is unique",
            "  70 API hits per second",
            "  7.78 database writes per second",
            "vegeta attack -targets=targets.txt -rate=21/300ms -duration=1.8s | vegeta report",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn summary_counts_windows_that_the_end_cuts_short() {
        for (seconds, unique, writes) in
            [(10, "20", "20"), (7, "14", "28.57"), (3, "12", "33.33"), (21, "16.80", "23.81")]
        {
            let text = Plan { seconds, ..Plan::default() }.summary().to_string();
            let unique = format!("\n  1 out of {unique} is unique\n");
            let writes = format!("\n  {writes} database writes per second\n");
            assert!(text.contains(&unique) && text.contains(&writes), "{text}");
        }
    }

    #[test]
    fn summary_says_where_to_invoke_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Zoë's houses");
        let small = Plan { badges: 3, pis: 2, seconds: 10, ..Plan::default() };
        let text = super::super::write(&path, &small, Format::Http, false).unwrap().to_string();
        let cd = format!("\ncd '{}'\nvegeta ", path.display().to_string().replace('\'', r"'\''"));
        assert!(text.contains(&cd), "{text}");
        assert_eq!(shell_word(Path::new("a/b_c-1.d")), "a/b_c-1.d");
        assert_eq!(shell_word(Path::new("-rf")), "./-rf");
    }
}
