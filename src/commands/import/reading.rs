//! The file is read on a thread of its own: what is parsed there is decided here
//! meanwhile, and an interrupt is not kept waiting by a silent pipe.

use std::sync::mpsc::{self, Receiver, SyncSender};

use anyhow::Context;
use houseful_store::wall_clock;

use super::entry::Entry;
use super::source::Source;

/// Entries that are handed over at once.
const CHUNK: usize = 512;

/// Chunks that may wait to be taken.
const CHUNKS_WAITING_MAX: usize = 4;

/// Some entries.
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    /// How much was read by then.
    pub(super) done: u64,
    /// Nothing follows.
    pub(super) is_last: bool,
}

/// Reads to the end, or until nobody takes it any more.
pub(super) fn begin(mut source: Source) -> anyhow::Result<Receiver<anyhow::Result<Chunk>>> {
    let (sender, receiver) = mpsc::sync_channel(CHUNKS_WAITING_MAX);
    std::thread::Builder::new()
        .name("read".to_owned())
        .spawn(move || read(&mut source, &sender))
        .context("cannot begin to read")?;
    Ok(receiver)
}

fn read(source: &mut Source, sender: &SyncSender<anyhow::Result<Chunk>>) {
    loop {
        let chunk = read_chunk(source);
        let is_last = chunk.as_ref().map_or(true, |chunk| chunk.is_last);
        if sender.send(chunk).is_err() || is_last {
            return;
        }
    }
}

fn read_chunk(source: &mut Source) -> anyhow::Result<Chunk> {
    let now = wall_clock();
    let mut entries = Vec::with_capacity(CHUNK);
    while entries.len() < CHUNK {
        match source.next(now)? {
            Some(entry) => entries.push(entry),
            None => return Ok(Chunk { entries, done: source.done(), is_last: true }),
        }
    }
    Ok(Chunk { entries, done: source.done(), is_last: false })
}
