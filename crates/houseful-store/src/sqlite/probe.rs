//! What is stored near an emission: the question that decides about copies.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use houseful_model::{Emission, Millis};
use rusqlite::{Connection, OptionalExtension};

use super::lock::refuse_foreign_wal;
use super::read::open_to_read;
use super::schema::MINUTE_MS;
use super::{pack, queries};
use crate::decide::{Near, Question, Verdict, decide, window_ms};
use crate::{Fingerprint, HOUSE_DEFAULT, OpenError, ReadError};

/// The times of the stored readings of this badge and these beacons that are
/// less than a window away from `t`, looked for in each minute that the window
/// touches.
pub(super) fn times_near(
    db: &Connection,
    badge: i64,
    beacons: &[u8],
    t: Millis,
    window_ms: u64,
) -> rusqlite::Result<Vec<Millis>> {
    let reach = i64::try_from(window_ms).unwrap_or(i64::MAX);
    let (after, before) = (t.0.saturating_sub(reach), t.0.saturating_add(reach));
    let mut times = Vec::new();
    let mut probe = db.prepare_cached(queries::PROBE)?;
    for minute in after / MINUTE_MS..=before / MINUTE_MS {
        let mut found = probe.query((minute, badge, after, before))?;
        while let Some(reading) = found.next()? {
            if reading.get_ref(1)?.as_blob()? == beacons {
                times.push(Millis(reading.get(0)?));
            }
        }
    }
    Ok(times)
}

/// A store of which is only asked whether it holds an original. Each question is
/// a read of its own, so a `serve` may go on.
#[derive(Debug)]
pub(crate) struct Originals {
    db: Connection,
    badges: Numbers,
    beacons: Numbers,
}

/// The numbers of names that were looked up. A name keeps its number for ever;
/// one that has none may get one from a collector, so that is not remembered.
#[derive(Debug)]
struct Numbers {
    select: &'static str,
    known: HashMap<Box<str>, i64>,
}

/// Past this many remembered names, a memory starts over.
const REMEMBERED_MAX: usize = 50_000;

impl Numbers {
    fn new(select: &'static str) -> Numbers {
        Numbers { select, known: HashMap::new() }
    }

    fn find(&mut self, db: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.known.get(name) {
            return Ok(Some(*number));
        }
        let mut select = db.prepare_cached(self.select)?;
        let number = select.query_row((HOUSE_DEFAULT, name), |row| row.get(0)).optional()?;
        if let Some(number) = number {
            if self.known.len() >= REMEMBERED_MAX {
                self.known.clear();
            }
            self.known.insert(name.into(), number);
        }
        Ok(number)
    }
}

impl Originals {
    /// Opens a store for reading; `None` if there is none yet.
    ///
    /// # Errors
    /// Those for which a writer would not open or make it, but that it is in use.
    pub(crate) fn open(path: &Path) -> Result<Option<Originals>, OpenError> {
        let failed = |source| OpenError::File { path: path.to_owned(), source };
        let metadata = match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                std::fs::metadata(directory.unwrap_or(Path::new("."))).map_err(failed)?;
                refuse_foreign_wal(path, path, 0)?;
                return Ok(None);
            }
            metadata => metadata.map_err(failed)?,
        };
        if !metadata.is_file() {
            let found = "it is not a regular file".to_owned();
            return Err(OpenError::Foreign { path: path.to_owned(), found });
        }
        if metadata.nlink() > 1 {
            return Err(OpenError::HardLinks { path: path.to_owned(), links: metadata.nlink() });
        }
        let real = path.canonicalize().map_err(failed)?;
        refuse_foreign_wal(path, &real, metadata.len())?;

        let db = open_to_read(&real, path)?;
        Ok(db.map(|db| Originals {
            db,
            badges: Numbers::new(queries::BADGE),
            beacons: Numbers::new(queries::BEACON),
        }))
    }

    /// Whether a timed emission is a copy of something stored, by the same rule
    /// as the writer's.
    pub(crate) fn has_original_of(
        &mut self,
        emission: &Emission<'_>,
        t: Millis,
        window: Duration,
    ) -> Result<bool, ReadError> {
        let Some((badge, beacons)) = self.packed(emission)? else { return Ok(false) };
        // One question, and `packed` has looked to the identity: any one will do.
        let identity = Fingerprint(0);
        let question = Question { identity, t, arrived_mono_ms: None };
        let verdicts = decide(&[question], window, |_| {
            let times = times_near(&self.db, badge, &beacons, t, window_ms(window))?;
            Ok::<_, ReadError>(Near { times, arrived_mono_ms: None })
        })?;
        Ok(verdicts == [Verdict::Copy])
    }

    /// The badge and the beacons by their numbers; `None` if one of them has
    /// none, and so nothing is stored of it.
    fn packed(&mut self, emission: &Emission<'_>) -> Result<Option<(i64, Vec<u8>)>, ReadError> {
        let Originals { db, badges, beacons } = self;
        let Some(badge) = badges.find(db, &emission.badge_id)? else { return Ok(None) };
        let mut packed = Vec::with_capacity(3 * emission.beacons.len());
        for heard in &emission.beacons {
            let Some(beacon) = beacons.find(db, &heard.id)? else { return Ok(None) };
            pack::push(&mut packed, beacon, heard.rssi_dbm)
                .map_err(|number| rusqlite::Error::IntegralValueOutOfRange(0, number))?;
        }
        Ok(Some((badge, packed)))
    }
}
