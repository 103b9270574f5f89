//! `/metrics`, read as a scraper does.

use std::collections::BTreeMap;

use super::houseful::Houseful;

/// Samples by name and labels, as they are written: `x_total{why="a"}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scrape {
    /// The page itself.
    pub(crate) text: String,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    /// Asks for the page.
    ///
    /// # Panics
    ///
    /// If it is not the text format, or says a sample twice.
    pub(crate) fn of(houseful: &Houseful) -> Scrape {
        let response = houseful.client().get("/metrics").unwrap();
        assert_eq!(response.status, 200, "{}", response.text());
        let media_type = response.header("content-type");
        assert_eq!(media_type, Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = response.text();
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("`{line}`"));
            let value = value.parse().unwrap_or_else(|_| panic!("`{line}`"));
            assert_eq!(samples.insert(name.to_owned(), value), None, "twice: `{line}`");
        }
        Scrape { text, samples }
    }

    /// The sample.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn get(&self, name: &str) -> f64 {
        *self.samples.get(name).unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }

    /// The sum of a family's samples, whatever their labels.
    pub(crate) fn sum(&self, family: &str) -> f64 {
        let of_family = |name: &str| name.split('{').next() == Some(family);
        self.samples.iter().filter(|(name, _)| of_family(name)).map(|(_, value)| value).sum()
    }

    /// Each histogram, by its name and labels without `le`: its buckets in order.
    pub(crate) fn histograms(&self) -> BTreeMap<(String, String), Vec<(f64, f64)>> {
        let mut histograms: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
        for (name, count) in &self.samples {
            let Some((family, labels)) = name.split_once("_bucket{") else { continue };
            let (labels, le) = labels.rsplit_once("le=\"").unwrap();
            let bound = match le.strip_suffix("\"}").unwrap() {
                "+Inf" => f64::INFINITY,
                bound => bound.parse().unwrap(),
            };
            let labels = labels.trim_end_matches(',').to_owned();
            histograms.entry((family.to_owned(), labels)).or_default().push((bound, *count));
        }
        for buckets in histograms.values_mut() {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        histograms
    }
}
