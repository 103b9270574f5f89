//! What holds for every file of results, whatever its bytes. Shared by the fuzz
//! targets `results_gob`, `results_json` and `results_csv`, and by the corpus test
//! of houseful-load, which runs on stable.

use houseful_load::metrics::Metrics;
use houseful_load::results::{Encoding, ReadError, Reader, Record, Writer};

/// For what the reader takes these bytes, by the first that says something.
pub(crate) fn encoding(bytes: &[u8]) -> Option<Encoding> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf");
    let begin = text.unwrap_or(bytes);
    let blank_len = begin.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    match begin[blank_len..] {
        // UTF-16.
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..=0x7f, 0, ..] | [..=0x7f, 0, ..] => None,
        [b'{', ..] => Some(Encoding::Json),
        [b'-' | b'0'..=b'9' | b'"', ..] => Some(Encoding::Csv),
        [0xf8..=0xff, ..] if text.is_none() => Some(Encoding::Gob),
        _ => None,
    }
}

/// Reads results and panics if the outcome breaks a promise.
pub(crate) fn check(bytes: &[u8]) {
    let records = read(bytes);
    let mut metrics = Metrics::new();
    records.iter().for_each(|record| metrics.add(record));
    assert_eq!(metrics.summary().requests, records.len() as u64);
    for encoding in [Encoding::Gob, Encoding::Json, Encoding::Csv] {
        let written = write(&records, encoding);
        let again = read(&written);
        assert_eq!(again.len(), records.len(), "{encoding:?}");
        if encoding != Encoding::Csv {
            // What cannot be said was lost the first time. (A header's value with a line break,
            // which no server can send, is two headers in CSV.)
            assert_eq!(write(&again, encoding), written, "{encoding:?}");
        }
    }
}

/// All records up to the first error, which says where it is.
fn read(bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    for read in Reader::new(bytes, "results") {
        match read {
            Ok(record) => records.push(record),
            Err(error) => {
                assert!(!matches!(error, ReadError::Read { .. }), "{error}");
                assert!(error.to_string().starts_with("results"), "{error}");
                let is_unknown = matches!(error, ReadError::Unrecognised { .. });
                assert_eq!(is_unknown, encoding(bytes).is_none(), "{error}");
                break;
            }
        }
    }
    records
}

fn write(records: &[Record], encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, encoding);
    for record in records {
        writer.write(record).expect("memory takes everything");
    }
    writer.flush().expect("memory takes everything");
    drop(writer);
    out
}
