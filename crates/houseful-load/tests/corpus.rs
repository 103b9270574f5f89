//! The checks of the fuzz targets, on stable: over fixtures, whole and damaged.

#[path = "../../../fuzz/checks/results.rs"]
mod results;
#[path = "../../../fuzz/checks/targets.rs"]
mod targets;

use std::path::PathBuf;

use houseful_load::results::{Encoding, Reader, Writer};
use houseful_load::targets::Format;
use proptest::prelude::*;

fn fixtures(folder: &str) -> Vec<Vec<u8>> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|end| end != "md"));
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// What vegeta wrote, in each encoding.
fn results_corpus() -> Vec<Vec<u8>> {
    let mut corpus = fixtures("vegeta");
    for bytes in corpus.clone() {
        for encoding in [Encoding::Gob, Encoding::Json, Encoding::Csv] {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out, encoding);
            for record in Reader::new(&bytes[..], "fixture").take(5) {
                writer.write(&record.unwrap()).unwrap();
            }
            writer.flush().unwrap();
            drop(writer);
            corpus.push(out);
        }
    }
    corpus
}

/// A copy with some bytes changed, and its end cut off.
fn damaged(bytes: &[u8], cut: f64, changes: &[(f64, u8)]) -> Vec<u8> {
    let at = |share: f64| ((bytes.len() as f64 * share) as usize).min(bytes.len() - 1);
    let mut bytes = bytes.to_vec();
    for (share, change) in changes {
        bytes[at(*share)] ^= change;
    }
    bytes.truncate(at(cut) + 1);
    bytes
}

#[test]
fn fixtures_keep_the_promises() {
    results_corpus().iter().for_each(|bytes| results::check(bytes));
    for bytes in fixtures("targets") {
        targets::check(&bytes, Format::Http);
        targets::check(&bytes, Format::Json);
    }
}

proptest! {
    #[test]
    fn damaged_files_keep_the_promises(
        which: prop::sample::Index,
        cut in 0.0f64..=1.0,
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..5),
        noise: Vec<u8>,
    ) {
        let corpus = results_corpus();
        results::check(&damaged(&which.get(&corpus)[..], cut, &changes));
        results::check(&noise);
        let corpus = fixtures("targets");
        for format in [Format::Http, Format::Json] {
            targets::check(&damaged(&which.get(&corpus)[..], cut, &changes), format);
            targets::check(&noise, format);
        }
    }
}
