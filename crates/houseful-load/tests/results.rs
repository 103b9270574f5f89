//! Records through the three encodings: what is written is read, and what is broken is named.

use std::time::Duration;

use houseful_load::results::{Encoding, HeaderMap, Keep, ReadError, Reader, Record, Writer};
use jiff::Timestamp;
use proptest::prelude::*;

const ENCODINGS: [Encoding; 3] = [Encoding::Gob, Encoding::Json, Encoding::Csv];

fn write(records: &[Record], encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, encoding);
    records.iter().for_each(|record| writer.write(record).unwrap());
    writer.flush().unwrap();
    drop(writer);
    out
}

fn read(bytes: &[u8]) -> Result<Vec<Record>, ReadError> {
    Reader::new(bytes, "r").collect()
}

/// The record as it comes back: what an encoding cannot say is lost.
fn expected(mut record: Record, encoding: Encoding) -> Record {
    if encoding != Encoding::Json {
        record.body = record.body.filter(|body| !body.is_empty());
    }
    if encoding == Encoding::Csv {
        record.slip = None;
        record.queued = Duration::ZERO;
        if let Some(headers) = &mut record.headers {
            headers.retain(|_, values| !values.is_empty());
        }
    }
    record
}

/// As an HTTP client may have them: a value has no line break, and no space at its ends.
fn any_headers() -> impl Strategy<Value = Option<HeaderMap>> {
    let values = prop::collection::vec("([!-~]([ -~]{0,8}[!-~])?)?", 0..3);
    prop::option::of(prop::collection::btree_map("[!#-9;-~]{1,8}", values, 0..3))
}

fn any_record() -> impl Strategy<Value = Record> {
    let texts =
        ("\\PC{0,8}|[\\x00-\\x7f\u{2028}<>&]{0,8}", "[\\PC\"\n,]{0,8}", "[A-Z]{0,8}", "\\PC{0,8}");
    let ns = 0..=i64::MAX as u64;
    let numbers = (
        any::<u64>(),
        any::<u16>(),
        ns.clone(),
        any::<u64>(),
        any::<u64>(),
        prop::option::of(ns.clone()),
    );
    (texts, numbers, ns, any::<i64>(), any::<Option<Vec<u8>>>(), any_headers()).prop_map(
        |(
            (attack, error, method, url),
            (seq, code, latency, bytes_out, bytes_in, slip),
            queued,
            time_ns,
            body,
            headers,
        )| Record {
            attack,
            seq,
            code,
            timestamp: Timestamp::from_nanosecond(time_ns.into()).unwrap(),
            latency: Duration::from_nanos(latency),
            bytes_out,
            bytes_in,
            error,
            body,
            method,
            url,
            headers,
            slip: slip.map(Duration::from_nanos),
            queued: Duration::from_nanos(queued),
        },
    )
}

fn record(seq: u64) -> Record {
    Record {
        attack: "run".into(),
        seq,
        code: 409,
        timestamp: Timestamp::from_millisecond(1_795_552_140_123 + seq as i64).unwrap(),
        latency: Duration::from_nanos(1_234_567),
        bytes_out: 102,
        bytes_in: 24,
        error: "409 Conflict".into(),
        body: Some(b"{\"errors\"".to_vec()),
        method: "POST".into(),
        url: "http://localhost/".into(),
        headers: Some([("A".into(), vec!["1".into(), "2".into()])].into()),
        slip: Some(Duration::ZERO),
        queued: Duration::ZERO,
    }
}

proptest! {
    #[test]
    fn figures_are_the_same_without_body_and_headers(record in any_record()) {
        for encoding in ENCODINGS {
            let bytes = write(&[record.clone(), record.clone()], encoding);
            let reader = Reader::new(&bytes[..], "r").keep(Keep::Figures);
            let figures = Record { body: None, headers: None, ..expected(record.clone(), encoding) };
            let read = reader.collect::<Result<Vec<_>, _>>().unwrap();
            prop_assert_eq!(read, [figures.clone(), figures], "{:?}", encoding);
        }
    }

    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(any_record(), 0..5)) {
        for encoding in ENCODINGS {
            let back = read(&write(&records, encoding)).unwrap();
            let expected: Vec<_> =
                records.iter().map(|record| expected(record.clone(), encoding)).collect();
            prop_assert_eq!(back, expected, "{:?}", encoding);
        }
    }

    /// Nor does anything else happen than an error: no panic, no endless loop.
    #[test]
    fn whatever_is_broken_is_an_error_or_another_record(
        encoding in prop::sample::select(&ENCODINGS[..]), at in 0usize..1_000, byte in any::<u8>(),
    ) {
        let mut bytes = write(&[record(0), record(1)], encoding);
        let at = at % bytes.len();
        bytes[at] = byte;
        let read = Reader::new(&bytes[..], "r").take(10).count();
        prop_assert!(read <= 4, "{}", read);
    }
}

#[test]
fn a_stream_that_was_cut_off_says_where_and_gives_what_came_before() {
    for encoding in ENCODINGS {
        let one = write(&[record(0)], encoding).len();
        let two = write(&[record(0), record(1)], encoding);
        let place = if encoding == Encoding::Gob { format!("byte {one}") } else { "2".into() };
        for keep in [Keep::All, Keep::Figures] {
            let read = |len: usize| {
                Reader::new(&two[..len], "r").keep(keep).collect::<Vec<Result<_, _>>>()
            };
            let whole = read(two.len());
            for len in one + 1..two.len() - 1 {
                let read = read(len);
                assert_eq!(read[0].as_ref().unwrap(), whole[0].as_ref().unwrap());
                match &read[1..] {
                    [Err(ReadError::Cut { before: 1, at, .. })] => {
                        assert_eq!(at.to_string(), place, "{encoding:?} after {len} bytes");
                    }
                    other => panic!("{encoding:?} after {len} bytes: {other:?}"),
                }
            }
            // A line needs no line end to be whole.
            if encoding != Encoding::Gob {
                let read = read(two.len() - 1);
                assert_eq!(read[1].as_ref().unwrap(), whole[1].as_ref().unwrap(), "{encoding:?}");
            }
        }
    }
}

/// Without them nothing but the line end tells that none were cut off.
#[test]
fn the_last_row_of_csv_needs_its_line_end_if_it_has_no_headers() {
    let bare = |seq| Record { headers: None, ..record(seq) };
    let rows = write(&[bare(0), bare(1)], Encoding::Csv);
    let read = |bytes: &[u8]| {
        // A byte at a time: where a buffer ends is no end.
        let source = std::io::BufReader::with_capacity(1, bytes);
        Reader::new(source, "r").collect::<Vec<_>>()
    };
    let whole: Vec<_> = read(&rows).into_iter().map(Result::unwrap).collect();
    assert_eq!(whole, [0, 1].map(|seq| expected(bare(seq), Encoding::Csv)));
    let cut = read(&rows[..rows.len() - 1]);
    assert!(matches!(cut[..], [Ok(_), Err(ReadError::Cut { before: 1, .. })]), "{cut:?}");
    let cr_lf = String::from_utf8(rows).unwrap().replace('\n', "\r\n");
    for len in [cr_lf.len(), cr_lf.len() - 1] {
        assert!(read(&cr_lf.as_bytes()[..len]).iter().all(Result::is_ok), "{len}");
    }
}

#[test]
fn a_fault_in_csv_is_told_with_its_line_however_lines_end() {
    let records = [record(0), Record { error: "a\nb".to_owned(), ..record(1) }, record(2)];
    let rows = String::from_utf8(write(&records, Encoding::Csv)).unwrap() + "x\n";
    for text in [rows.clone(), rows.replace('\n', "\r\n")] {
        let last = Reader::new(text.as_bytes(), "r").last().unwrap().unwrap_err().to_string();
        // The second has two.
        assert!(last.starts_with("r:5: expected a result as CSV: "), "{last}");
    }
}

#[test]
fn headers_in_csv_end_in_an_empty_line() {
    let rows = String::from_utf8(write(&[record(0), record(1)], Encoding::Csv)).unwrap();
    let (start, headers) = rows.lines().next().unwrap().rsplit_once(',').unwrap();
    let rest = rows.split_once('\n').unwrap().1;
    // Each of them good base64.
    for len in (4..headers.len()).step_by(4) {
        let read: Vec<_> =
            Reader::new(format!("{start},{}\n{rest}", &headers[..len]).as_bytes(), "r").collect();
        let error = read[0].as_ref().unwrap_err().to_string();
        let reason = "headers: expected an empty line at their end";
        assert_eq!(error, format!("r:1: expected a result as CSV: {reason}"));
        assert!(matches!(read[1..], [Ok(_)]), "{read:?}");
    }
}

/// `tests/fixtures/vegeta/README.md` has the commands that wrote them.
fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/fixtures/vegeta/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

#[test]
fn what_vegeta_wrote_is_read() {
    let json = fixture("results.json");
    let records = read(&json).unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(records[2].seq, u64::MAX);
    assert_eq!(records[2].timestamp.as_nanosecond(), -1);
    assert_eq!(write(&records, Encoding::Json), json);
    for (name, encoding) in [("results.gob", Encoding::Gob), ("results.csv", Encoding::Csv)] {
        let expected: Vec<_> =
            records.iter().map(|record| expected(record.clone(), encoding)).collect();
        assert_eq!(read(&fixture(name)).unwrap(), expected, "{name}");
    }
    assert_eq!(write(&records, Encoding::Csv), fixture("results.csv"));
}

#[test]
fn bytes_that_are_no_utf_8_are_replaced_as_in_vegetas_json() {
    let wanted = read(&fixture("latin1.json")).unwrap();
    assert_eq!((wanted.len(), wanted[0].error.as_str()), (1, "500 B\u{fffd}d"));
    for name in ["latin1.gob", "latin1.csv"] {
        let bytes = fixture(name);
        assert!(std::str::from_utf8(&bytes).is_err(), "{name}");
        let records = read(&bytes).unwrap();
        assert_eq!(records, wanted, "{name}");
        for encoding in ENCODINGS {
            assert_eq!(read(&write(&records, encoding)).unwrap().len(), 1, "{name}, {encoding:?}");
        }
    }
}

/// Gob has no rule against it, and of the two one must not take the other's place.
#[test]
fn names_of_headers_that_become_the_same_keep_the_values_of_both() {
    let headers = [("A?".into(), vec!["1".into()]), ("B?".into(), vec!["2".into()])].into();
    let mut bytes = write(&[Record { headers: Some(headers), ..record(0) }], Encoding::Gob);
    for (at, from) in [b"A?", b"B?"].into_iter().enumerate() {
        let place = bytes.windows(2).position(|two| two == from).unwrap();
        bytes[place..place + 2].copy_from_slice(&[0xe8 + at as u8, b'?']);
    }
    let read = read(&bytes).unwrap();
    assert_eq!(read[0].headers.as_ref().unwrap()["\u{fffd}?"], ["1", "2"]);
}

#[test]
fn streams_in_a_row_are_one() {
    for encoding in ENCODINGS {
        let both =
            [write(&[record(0)], encoding), write(&[record(1), record(2)], encoding)].concat();
        let seqs: Vec<_> = read(&both).unwrap().iter().map(|record| record.seq).collect();
        assert_eq!(seqs, [0, 1, 2], "{encoding:?}");
    }
}

#[test]
fn nothing_is_no_record_and_rubbish_is_named() {
    assert_eq!(read(b"").unwrap(), []);
    assert_eq!(read(b"\n\n").unwrap(), []);
    for (bytes, message) in [
        (&b"hello\n"[..], "r: expected results as gob, JSON or CSV: they begin with `h`"),
        (b"1,2\n", "r:1: expected a result as CSV: 2 columns, which are 12"),
        (b"x1", "r: expected results as gob, JSON or CSV: they begin with `x`"),
        (
            b"{\"seq\":1}\n",
            "r:1: expected a result as a JSON object: missing field `code` at column 9",
        ),
        (
            b"\xf8\x7f\xff\xff\xff\xff\xff\xff\xff",
            "r:byte 0: expected a result as gob: a message of 9223372036854775807 bytes; at most 67108864 are read",
        ),
    ] {
        assert_eq!(read(bytes).unwrap_err().to_string(), message);
    }
}

#[test]
fn what_other_programs_made_of_results_is_read_or_named() {
    // As Windows saves UTF-8.
    for encoding in [Encoding::Json, Encoding::Csv] {
        let marked = [b"\xef\xbb\xbf", &write(&[record(0), record(1)], encoding)[..]].concat();
        assert_eq!(read(&marked).unwrap().len(), 2, "{encoding:?}");
        // However it comes.
        let slowly = std::io::BufReader::with_capacity(1, &marked[..]);
        assert_eq!(Reader::new(slowly, "r").map(Result::unwrap).count(), 2, "{encoding:?}");
    }
    assert_eq!(read(b"\xef\xbb\xbf\r\n").unwrap(), []);
    let json = String::from_utf8(write(&[record(0)], Encoding::Json)).unwrap();
    let utf16 = |of: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{json}").encode_utf16().flat_map(of).collect()
    };
    let is_utf16 = "they are in UTF-16; save the file as UTF-8";
    let marked_gob = [b"\xef\xbb\xbf", &write(&[record(0)], Encoding::Gob)[..]].concat();
    for (bytes, reason) in [
        (utf16(u16::to_le_bytes, "\u{feff}"), is_utf16),
        (utf16(u16::to_be_bytes, "\u{feff}"), is_utf16),
        (utf16(u16::to_le_bytes, ""), is_utf16),
        (utf16(u16::to_be_bytes, ""), is_utf16),
        (b"\x1f\x8b\x08\x00".to_vec(), "they are packed with gzip; unpack them first"),
        (b"\x28\xb5\x2f\xfd\x04".to_vec(), "they are packed with zstd; unpack them first"),
        (b"\xef\xbb{".to_vec(), "they begin with `\\xef`"),
        (marked_gob, "they begin with `\\xff`"),
    ] {
        let expected = format!("r: expected results as gob, JSON or CSV: {reason}");
        assert_eq!(read(&bytes).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_row_without_end_is_refused_in_bounded_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b'1'));
    let error = Reader::new(endless, "r").next().unwrap().unwrap_err();
    let ReadError::Read { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("a row is longer than"), "{source}");
}
