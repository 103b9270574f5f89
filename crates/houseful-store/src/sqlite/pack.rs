//! Beacons as a BLOB: the order is the emission's one form, so equal beacons
//! are equal bytes.
//!
//! ```text
//! narrow entry  [ 0 | -rssi (7 bits) ] [ beacon, big-endian u16 ]     beacon < 2¹⁶
//! wide entry    [ 1 | -rssi (7 bits) ] [ beacon, big-endian u32 ]
//! ```
//!
//! Fixed widths instead of a varint, so that the view in `schema` can read it.

const WIDE: u8 = 0x80;

/// Appends one beacon by its number in the store.
///
/// # Errors
/// With the number, if it needs over 32 bits.
pub(crate) fn push(packed: &mut Vec<u8>, beacon: i64, rssi_dbm: i8) -> Result<(), i64> {
    debug_assert!(rssi_dbm < 0 && rssi_dbm > i8::MIN);
    let strength = rssi_dbm.unsigned_abs();
    if let Ok(narrow) = u16::try_from(beacon) {
        packed.push(strength);
        packed.extend_from_slice(&narrow.to_be_bytes());
    } else {
        let wide = u32::try_from(beacon).map_err(|_| beacon)?;
        packed.push(strength | WIDE);
        packed.extend_from_slice(&wide.to_be_bytes());
    }
    Ok(())
}

/// The beacons of a BLOB in their order: number in the store, RSSI in dBm.
/// `None` stands for the rest if that is not an entry.
pub(crate) fn entries(packed: &[u8]) -> impl Iterator<Item = Option<(i64, i8)>> {
    let mut rest = packed;
    std::iter::from_fn(move || {
        let (&head, tail) = rest.split_first()?;
        let rssi_dbm = -((head & !WIDE) as i8);
        let entry = if head & WIDE == 0 {
            tail.split_first_chunk()
                .map(|(beacon, tail)| (i64::from(u16::from_be_bytes(*beacon)), tail))
        } else {
            tail.split_first_chunk()
                .map(|(beacon, tail)| (i64::from(u32::from_be_bytes(*beacon)), tail))
        };
        rest = entry.map_or(&[], |(_, tail)| tail);
        Some(entry.map(|(beacon, _)| (beacon, rssi_dbm)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let beacons = [(1, -1), (65_535, -127), (65_536, -57), (4_294_967_295, -57), (0, -90)];
        let mut packed = Vec::new();
        for (beacon, rssi_dbm) in beacons {
            assert_eq!(push(&mut packed, beacon, rssi_dbm), Ok(()));
        }
        assert_eq!(packed.len(), 3 + 3 + 5 + 5 + 3);
        assert!(entries(&packed).eq(beacons.map(Some)));
    }

    #[test]
    fn a_number_over_32_bits_is_refused() {
        assert_eq!(push(&mut Vec::new(), 1 << 32, -1), Err(1 << 32));
    }

    #[test]
    fn a_cut_blob_is_seen() {
        let got: Vec<_> = entries(&[57, 0, 1, 57 | WIDE, 0, 0, 1]).collect();
        assert_eq!(got, [Some((1, -57)), None]);
    }
}
