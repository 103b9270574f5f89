//! The test's hand on `faultfs.c`: a disk that can be counted, slowed, filled,
//! broken and cut off.
//!
//! The library is built once per run and preloaded into a process. Settings and
//! counters are 64-bit words of a file that the library has mapped; reading and
//! writing that file is coherent with the mapping on Linux, so no `unsafe` is
//! needed here, and they work while the process lives.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use super::rng::Rng;

/// Bytes of the control file: ten settings, six spare, eight counters, the journal's two, rounded up.
const CONTROL_LEN: u64 = 8 * 32;
/// Room for records, in bytes. The file is sparse: only what was written takes space.
const JOURNAL_CAPACITY: u64 = 4 << 30;
/// A disk writes sectors of this many bytes whole or not at all.
const SECTOR_LEN: u64 = 512;
/// "Input/output error": what Linux answers when a sync failed.
const EIO: u64 = 5;

/// The words of `struct control` in `faultfs.c`.
#[derive(Clone, Copy)]
enum Word {
    JournalOn = 0,
    SyncDelayMs = 1,
    SyncFailErrno = 2,
    SyncFailAfter = 3,
    SyncFailTimes = 4,
    SyncFailFile = 5,
    DiskFull = 6,
    KillMoment = 7,
    KillAfter = 8,
    KillFile = 9,
    SyncsBegun = 16,
    SyncsDone = 17,
    WalSyncsBegun = 18,
    WalSyncsDone = 19,
    SyncsFailed = 20,
    Writes = 21,
    Bytes = 22,
    WritesRefused = 23,
    Tail = 25,
}

/// Which files a fault is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// Every file below the root, and the directories.
    Any = 0,
    /// SQLite's write-ahead log: the name ends in `-wal`.
    Wal = 1,
    /// All but the write-ahead log.
    NotWal = 2,
}

/// A moment in the life of a write or a sync at which the process can be killed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// Nothing of the write has happened.
    BeforeWrite = 1,
    /// The kernel has it, the disk perhaps not.
    AfterWrite = 2,
    /// The sync was asked for and not begun.
    BeforeSync = 3,
    /// The disk has it, the process has not heard of it.
    AfterSync = 4,
}

/// What of the unsynced changes a power cut takes away.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// All of them: the disk had written nothing without being told to.
    All,
    /// Each by the toss of a coin with this seed; some survive in their first sectors only.
    Some(u64),
}

/// What a power cut did, in changes (writes and truncations).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Changes that were taken back.
    pub(crate) lost: usize,
    /// Changes that had not been synced and survived whole.
    pub(crate) survived: usize,
    /// Changes that had not been synced and survived in part.
    pub(crate) torn: usize,
}

/// A directory tree on a faulty disk.
///
/// Processes started with [`FaultFs::env`] live on it, one after the other;
/// what one wrote and did not sync is still unsynced for the next.
pub(crate) struct FaultFs {
    steering: TempDir,
    root: PathBuf,
    control: File,
}

impl FaultFs {
    /// Puts a faulty disk under `root`, a directory that exists.
    ///
    /// It has no faults yet and keeps no journal: see [`FaultFs::keep_journal`].
    pub(crate) fn new(root: &Path) -> Self {
        let steering =
            tempfile::tempdir_in(super::scratch_dir()).expect("make the steering directory");
        let file = |name: &str, len: u64| {
            let path = steering.path().join(name);
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
            let file = file.expect("make a steering file");
            file.set_len(len).expect("size a steering file");
            file
        };
        let control = file("control", CONTROL_LEN);
        file("journal", JOURNAL_CAPACITY);
        let root = root.canonicalize().expect("the root exists");
        Self { steering, root, control }
    }

    /// As [`FaultFs::new`], with the journal that [`FaultFs::power_cut`] needs.
    pub(crate) fn with_journal(root: &Path) -> Self {
        let faults = Self::new(root);
        faults.set(Word::JournalOn, 1);
        faults
    }

    /// The environment that puts a process onto this disk.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().expect("test paths are UTF-8").to_owned();
        vec![
            ("LD_PRELOAD".to_owned(), text(library())),
            ("FAULTFS_DIR".to_owned(), text(self.steering.path())),
            ("FAULTFS_ROOT".to_owned(), text(&self.root)),
        ]
    }

    /// Makes each sync wait this long before it begins; zero ends that. Milliseconds count.
    pub(crate) fn slow_syncs(&self, delay: Duration) {
        self.set(Word::SyncDelayMs, u64::try_from(delay.as_millis()).expect("a short delay"));
    }

    /// Lets `after` more syncs pass, then fails `times` of them with EIO, undone.
    ///
    /// What such a sync should have covered never gets to the disk, even if a
    /// later sync succeeds: Linux forgets the pages once it has told of the error.
    pub(crate) fn fail_syncs(&self, which: Which, after: u64, times: u64) {
        self.set(Word::SyncFailErrno, 0);
        self.set(Word::SyncFailFile, which as u64);
        self.set(Word::SyncFailAfter, after);
        self.set(Word::SyncFailTimes, times);
        self.set(Word::SyncFailErrno, EIO);
    }

    /// Fills the disk (a write that would make a file longer fails with ENOSPC) or frees it.
    pub(crate) fn set_full(&self, full: bool) {
        self.set(Word::DiskFull, u64::from(full));
    }

    /// Kills the process at a moment, after `after` such moments have passed.
    ///
    /// A process that comes back would die there again: see [`FaultFs::disarm`].
    pub(crate) fn kill_at(&self, moment: Moment, which: Which, after: u64) {
        self.disarm();
        self.set(Word::KillAfter, after);
        self.set(Word::KillFile, which as u64);
        self.set(Word::KillMoment, moment as u64);
    }

    /// Takes [`FaultFs::kill_at`] back.
    pub(crate) fn disarm(&self) {
        self.set(Word::KillMoment, 0);
    }

    /// Syncs that were asked for.
    pub(crate) fn syncs_begun(&self) -> u64 {
        self.get(Word::SyncsBegun)
    }

    /// Syncs that succeeded.
    pub(crate) fn syncs(&self) -> u64 {
        self.get(Word::SyncsDone)
    }

    /// Syncs of a write-ahead log that were asked for.
    pub(crate) fn wal_syncs_begun(&self) -> u64 {
        self.get(Word::WalSyncsBegun)
    }

    /// Syncs of a write-ahead log that succeeded.
    pub(crate) fn wal_syncs(&self) -> u64 {
        self.get(Word::WalSyncsDone)
    }

    /// Syncs that [`FaultFs::fail_syncs`] failed.
    pub(crate) fn syncs_failed(&self) -> u64 {
        self.get(Word::SyncsFailed)
    }

    /// Writes that reached the kernel.
    pub(crate) fn writes(&self) -> u64 {
        self.get(Word::Writes)
    }

    /// Bytes that those writes wrote.
    pub(crate) fn bytes(&self) -> u64 {
        self.get(Word::Bytes)
    }

    /// Writes that found the disk full.
    pub(crate) fn writes_refused(&self) -> u64 {
        self.get(Word::WritesRefused)
    }

    /// Cuts the power: takes back what no sync made durable.
    ///
    /// For dead processes only. Names (create, unlink, rename) are durable at
    /// once. Afterwards everything that is left counts as synced.
    ///
    /// # Panics
    ///
    /// If no journal was kept, or a file of the journal is not what it was.
    pub(crate) fn power_cut(&self, loss: Loss) -> Cut {
        assert_eq!(self.get(Word::JournalOn), 1, "a power cut needs `FaultFs::with_journal`");
        let path = self.steering.path().join("journal");
        let journal =
            OpenOptions::new().read(true).write(true).open(path).expect("open the journal");
        let mut records =
            vec![0; usize::try_from(self.get(Word::Tail)).expect("it fits in memory")];
        journal.read_exact_at(&mut records, 0).expect("read the journal");

        let mut toss = match loss {
            Loss::All => None,
            Loss::Some(seed) => Some(Rng::new(seed)),
        };
        let mut cut = Cut::default();
        for (id, history) in histories(&records) {
            history.rewrite(id, &mut toss, &mut cut);
        }

        journal.set_len(0).expect("empty the journal");
        journal.set_len(JOURNAL_CAPACITY).expect("size the journal");
        self.set(Word::Tail, 0);
        cut
    }

    fn set(&self, word: Word, value: u64) {
        self.control.write_all_at(&value.to_ne_bytes(), word as u64 * 8).expect("write a setting");
    }

    fn get(&self, word: Word) -> u64 {
        let mut value = [0; 8];
        self.control.read_exact_at(&mut value, word as u64 * 8).expect("read a counter");
        u64::from_ne_bytes(value)
    }
}

/// Builds the library, once per run, and returns its path.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/support/faultfs.c");
        let built = dir.join(format!("libfaultfs.{}.so", std::process::id()));
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
            .args([&built, &source])
            .output()
            .expect("run cc");
        assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        // Renamed into place: another run may have the old one loaded.
        let path = dir.join("libfaultfs.so");
        std::fs::rename(&built, &path).expect("put the library in place");
        path
    })
}

/// A file by device and inode, which a rename does not change.
type FileId = (u64, u64);

/// Whether a change reached the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// No sync since: it may have.
    Open,
    /// A sync covered it.
    Durable,
    /// A sync that covered it failed: it never will.
    Lost,
}

enum Deed {
    Write { offset: u64, before: Vec<u8>, after: Vec<u8> },
    Resize { size: u64, before: Vec<u8> },
}

struct Change {
    number: u64,
    size_before: u64,
    deed: Deed,
    fate: Fate,
}

/// What happened to a file since it was last known to be on disk as it was.
struct History {
    path: PathBuf,
    changes: Vec<Change>,
}

/// Reads the journal; the layout is `struct record` in `faultfs.c`.
fn histories(mut journal: &[u8]) -> HashMap<FileId, History> {
    let mut files: HashMap<FileId, History> = HashMap::new();
    while !journal.is_empty() {
        let word = |at: usize| {
            let bytes = journal[at * 8..][..8].try_into().expect("eight bytes");
            u64::from_ne_bytes(bytes)
        };
        let len = |at: usize| usize::try_from(word(at)).expect("a length in memory");
        let [size, path_len, before_len, after_len] = [0, 8, 9, 10].map(len);
        let [kind, number, dev, ino, offset, length, size_before] = [1, 2, 3, 4, 5, 6, 7].map(word);
        let body = &journal[11 * 8..size];
        let (path, images) = body.split_at(path_len);
        let (before, after) = images.split_at(before_len);
        let [before, after] = [before.to_vec(), after[..after_len].to_vec()];
        journal = &journal[size..];

        let path = std::str::from_utf8(path).expect("test paths are UTF-8");
        let id = (dev, ino);
        let change = |deed| Change { number, size_before, deed, fate: Fate::Open };
        let file = files
            .entry(id)
            .or_insert_with(|| History { path: PathBuf::from(path), changes: Vec::new() });
        match kind {
            1 => file.changes.push(change(Deed::Write { offset, before, after })),
            2 => file.changes.push(change(Deed::Resize { size: offset, before })),
            3 => file.settle(offset, Fate::Durable),
            4 => file.settle(offset, Fate::Lost),
            5 => {
                files.remove(&id);
            }
            6 => file.path = PathBuf::from(path),
            7 => file.shorten(offset, length),
            other => panic!("a journal record of the unknown kind {other}"),
        }
    }
    // A file that was removed while open is written to under a name of its own.
    let removed = |file: &History| file.path.to_string_lossy().ends_with(" (deleted)");
    files.retain(|_, file| !file.changes.is_empty() && !removed(file));
    files
}

impl History {
    fn settle(&mut self, up_to: u64, fate: Fate) {
        for change in &mut self.changes {
            if change.number <= up_to && change.fate == Fate::Open {
                change.fate = fate;
            }
        }
        // What is durable and has nothing doubtful below it needs no second look.
        let settled = self.changes.iter().take_while(|change| change.fate == Fate::Durable).count();
        self.changes.drain(..settled);
    }

    /// Of change `number` only `length` bytes happened; of a failed one none.
    fn shorten(&mut self, number: u64, length: u64) {
        let length = usize::try_from(length).expect("a length in memory");
        let Some(at) = self.changes.iter().position(|change| change.number == number) else {
            return;
        };
        match &mut self.changes[at].deed {
            Deed::Write { before, after, .. } if length > 0 => {
                before.truncate(length);
                after.truncate(length);
            }
            Deed::Write { .. } | Deed::Resize { .. } => {
                self.changes.remove(at);
            }
        }
    }

    /// Goes back to the state that was surely on disk, then does again what survives.
    fn rewrite(&self, id: FileId, toss: &mut Option<Rng>, cut: &mut Cut) {
        let path = self.path.display();
        let file = OpenOptions::new().read(true).write(true).open(&self.path);
        let file = file.unwrap_or_else(|error| panic!("open `{path}` to cut its power: {error}"));
        let meta = file.metadata().expect("look at the file");
        assert_eq!((meta.dev(), meta.ino()), id, "`{path}` is another file than in the journal");

        for change in self.changes.iter().rev() {
            let (offset, before) = match &change.deed {
                Deed::Write { offset, before, .. } => (*offset, before),
                Deed::Resize { size, before } => (*size, before),
            };
            file.set_len(change.size_before).expect("undo a change of size");
            file.write_all_at(before, offset).expect("undo a change");
        }
        for change in &self.changes {
            let kept = match (change.fate, &mut *toss) {
                (Fate::Durable, _) => Kept::Whole,
                (Fate::Lost, _) | (Fate::Open, None) => Kept::Nothing,
                (Fate::Open, Some(toss)) => Kept::by_chance(&change.deed, toss),
            };
            if change.fate != Fate::Durable {
                match kept {
                    Kept::Nothing => cut.lost += 1,
                    Kept::Whole => cut.survived += 1,
                    Kept::Prefix(_) => cut.torn += 1,
                }
            }
            match (&change.deed, kept) {
                (_, Kept::Nothing) => {}
                (Deed::Resize { size, .. }, _) => {
                    file.set_len(*size).expect("redo a change of size")
                }
                (Deed::Write { offset, after, .. }, Kept::Whole) => {
                    file.write_all_at(after, *offset).expect("redo a write");
                }
                (Deed::Write { offset, after, .. }, Kept::Prefix(length)) => {
                    file.write_all_at(&after[..length], *offset).expect("redo half a write");
                }
            }
        }
    }
}

/// How much of a change survives.
enum Kept {
    Nothing,
    Whole,
    /// So many bytes of a write, up to a sector's edge.
    Prefix(usize),
}

impl Kept {
    fn by_chance(deed: &Deed, toss: &mut Rng) -> Self {
        let torn = match deed {
            Deed::Write { offset, after, .. } => {
                let end = offset + toss.below(after.len() as u64);
                (end / SECTOR_LEN * SECTOR_LEN).saturating_sub(*offset)
            }
            Deed::Resize { .. } => 0,
        };
        match toss.below(5) {
            0 | 1 => Self::Nothing,
            2 | 3 => Self::Whole,
            _ if torn == 0 => Self::Nothing,
            _ => Self::Prefix(usize::try_from(torn).expect("within the write")),
        }
    }
}
