//! A part of a plan as targets in memory.

use std::ops::Range;
use std::sync::Arc;

use super::Plan;
use super::files::content_type;
use crate::targets::{Header, Target};

impl Plan {
    /// The targets of these emissions, counted from 0 in the order of real time, as if the plan had
    /// no end; `headers` come before their own. The plan must have passed [`Plan::check`].
    ///
    /// Emissions of one payload share its bytes; a target is some 300 bytes beside them.
    pub fn targets(&self, emissions: Range<u64>, headers: &[Header]) -> Vec<Target> {
        let (pis, per_interval) = (u64::from(self.pis), self.emissions_per_interval());
        let headers = [headers, &[content_type()]].concat();
        // Of the window that is being written.
        let mut bodies: Vec<Option<Arc<[u8]>>> = Vec::new();
        let mut bodies_window = None;
        let target = |index: u64| {
            let badge = (index % per_interval / pis) as u32;
            let window = index / self.emissions_per_window();
            if bodies_window != Some(window) {
                bodies = vec![None; self.badges as usize];
                bodies_window = Some(window);
            }
            let body = bodies[badge as usize]
                .get_or_insert_with(|| self.body(badge, window).into_bytes().into());
            Target {
                method: "POST".to_owned(),
                url: self.url.clone(),
                headers: headers.clone(),
                body: Arc::clone(body),
            }
        };
        emissions.map(target).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::write;
    use crate::targets::{Defaults, Format, json};

    #[test]
    fn are_those_of_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let plan =
            Plan { badges: 45, badges_per_house: 10, pis: 3, seconds: 12, ..Plan::default() };
        let summary = write(dir.path(), &plan, Format::Json, false).unwrap();
        let written = std::fs::read(dir.path().join(crate::plan::TARGETS_JSON_FILE)).unwrap();
        let written = json::read(&written[..], "t", &Defaults::default()).unwrap();
        assert_eq!(plan.targets(0..summary.emissions, &[]), written);
        // From the middle of an interval, over the end of a window.
        assert_eq!(plan.targets(637..1_000, &[]), written[637..1_000]);
        assert_eq!(plan.emissions_per_window(), 5 * 45 * 3);
        let header: Header = "X-Key: 1".parse().unwrap();
        let keyed = &plan.targets(7..8, std::slice::from_ref(&header))[0];
        assert_eq!(keyed.headers, [header, content_type()]);
    }

    #[test]
    fn emissions_of_one_payload_share_its_bytes() {
        let plan = Plan { badges: 2, pis: 2, ..Plan::default() };
        let targets = plan.targets(0..24, &[]);
        let is_shared = |a: usize, b: usize| Arc::ptr_eq(&targets[a].body, &targets[b].body);
        assert!(is_shared(0, 1) && is_shared(0, 17) && !is_shared(0, 2) && !is_shared(0, 20));
    }
}
