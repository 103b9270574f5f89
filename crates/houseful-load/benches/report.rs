//! What a report of a million results costs in each encoding, with vegeta's beside it.
//!
//! `cargo bench -p houseful-load`. The results are copies with their headers and 24 bytes of body, as
//! a collector answers 19 of 20 emissions. Rounds alternate; the median of five is printed. Ratios of
//! times hold on any machine, the absolute figures on none but this. Our CPU time is what the time
//! would be on a machine that has nothing else to do.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use houseful_load::metrics::Metrics;
use houseful_load::results::{Encoding, Keep, Reader, Record, Writer};

const RESULTS: u64 = 1_000_000;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    println!(
        "{:8} {:>8} {:>10} {:>12} {:>12} {:>8}",
        "", "MiB", "CPU, s", "ours, s", "vegeta, s", "ratio"
    );
    for (name, encoding) in
        [("gob", Encoding::Gob), ("json", Encoding::Json), ("csv", Encoding::Csv)]
    {
        let path = dir.path().join(name);
        write(&path, encoding)?;
        let (mut ours, mut cpu, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let before = cpu_time();
            ours.push(read(&path)?);
            cpu.push(cpu_time() - before);
            theirs.extend(vegeta(&path));
        }
        let mib = std::fs::metadata(&path)?.len() as f64 / f64::from(1 << 20);
        let ours = median(&mut ours).as_secs_f64();
        let cpu = median(&mut cpu).as_secs_f64();
        print!("{name:8} {mib:8.0} {cpu:10.2} {ours:12.2} ");
        if theirs.is_empty() {
            println!("{:>12} {:>8}", "missing", "");
        } else {
            let theirs = median(&mut theirs).as_secs_f64();
            println!("{theirs:12.2} {:8.2}", ours / theirs);
        }
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn write(path: &Path, encoding: Encoding) -> std::io::Result<()> {
    let headers = [
        ("Content-Length", "24"),
        ("Content-Type", "application/json"),
        ("Date", "Tue, 24 Nov 2026 20:29:00 GMT"),
    ];
    let headers = headers.map(|(key, value)| (key.to_owned(), vec![value.to_owned()]));
    let mut record = Record {
        code: 409,
        bytes_out: 102,
        bytes_in: 24,
        error: "409 Conflict".into(),
        body: Some(br#"{"errors":["duplicate"]}"#.to_vec()),
        method: "POST".into(),
        url: "http://127.0.0.1:6540/rssi_readings".into(),
        headers: Some(headers.into()),
        slip: Some(Duration::from_nanos(61_234)),
        ..Record::default()
    };
    let mut writer = Writer::new(BufWriter::new(File::create(path)?), encoding);
    for seq in 0..RESULTS {
        record.seq = seq;
        record.timestamp = jiff::Timestamp::from_nanosecond(
            1_795_552_140_000_000_000 + i128::from(seq) * 2_500_123,
        )
        .expect("it is a time");
        record.latency = Duration::from_nanos(200_000 + seq.wrapping_mul(0x9e37_79b9) % 3_000_000);
        writer.write(&record)?;
    }
    writer.flush()
}

/// As `houseful load report` reads.
fn read(path: &Path) -> Result<Duration, Box<dyn std::error::Error>> {
    let start = Instant::now();
    let source = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut reader = Reader::new(source, "results").keep(Keep::Figures);
    let (mut metrics, mut record) = (Metrics::new(), Record::default());
    while reader.read_into(&mut record)? {
        metrics.add(&record);
    }
    assert_eq!(metrics.summary().requests, RESULTS);
    Ok(start.elapsed())
}

/// Of this thread so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// `None` where there is no vegeta.
fn vegeta(path: &Path) -> Option<Duration> {
    let start = Instant::now();
    let status =
        Command::new("vegeta").arg("report").arg(path).stdout(Stdio::null()).status().ok()?;
    status.success().then(|| start.elapsed())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
