//! `houseful serve`, and how often it syncs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::support::server::{Server, mortal};

const HOUSEFUL: &str = env!("CARGO_BIN_EXE_houseful");

/// `houseful serve` with a new store in `directory`.
pub(crate) fn houseful(directory: &Path, environment: &[(&str, &Path)]) -> anyhow::Result<Server> {
    let store = format!("sqlite:{}", directory.join("houseful.db").display());
    let log = directory.join("houseful.log");
    let mut command = mortal(HOUSEFUL);
    command.args(["serve", "--listen", "127.0.0.1:0", "--store", &store]);
    command.envs(environment.iter().copied());
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server::start("houseful", &mut command, &log, address)?;
    server.address = server.wait(&log, || {
        let said = fs::read_to_string(&log).ok()?;
        said.lines().find_map(|line| line.strip_prefix("listening on http://")?.parse().ok())
    })?;
    Ok(server)
}

/// Counts the syncs of a houseful by the library that its end-to-end tests preload.
pub(crate) struct SyncCounter {
    directory: PathBuf,
    library: PathBuf,
}

impl SyncCounter {
    /// Words of the library's control file; see `tests/e2e/support/faultfs.c`.
    const SYNCS: usize = 17;
    const WAL_SYNCS: usize = 19;

    /// Builds the library in `directory`.
    pub(crate) fn new(directory: &Path) -> anyhow::Result<SyncCounter> {
        let library = directory.join("libfaultfs.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/support/faultfs.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-pthread", "-o"]).arg(&library).arg(source);
        if !cc.status().context("cannot run cc")?.success() {
            bail!("cannot build `{source}`");
        }
        for file in ["control", "journal"] {
            fs::write(directory.join(file), [0; 4_096])?;
        }
        Ok(SyncCounter { directory: directory.to_owned(), library })
    }

    /// What a houseful with its store in `root` is started with.
    pub(crate) fn environment<'a>(&'a self, root: &'a Path) -> [(&'static str, &'a Path); 3] {
        [("LD_PRELOAD", &self.library), ("FAULTFS_DIR", &self.directory), ("FAULTFS_ROOT", root)]
    }

    /// Syncs so far: of any file, and of the write-ahead log, which is one for each commit.
    pub(crate) fn read(&self) -> anyhow::Result<(u64, u64)> {
        let control = fs::read(self.directory.join("control"))?;
        let word = |at: usize| {
            let bytes = control.get(at * 8..at * 8 + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u64::from_ne_bytes).context("expected counters in the control file")
        };
        Ok((word(Self::SYNCS)?, word(Self::WAL_SYNCS)?))
    }
}
