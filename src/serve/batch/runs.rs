//! What became of each line, as runs of lines with the same fate: a byte or two
//! for most of them, since a batch is answered only when it has been read.
//!
//! ```text
//! run  [ varint: length × 8 + code of the fate ]  and for stored ones, whose ids go up by one,
//!      [ varint, zigzag: the first id less the one after the last run's ]
//! ```

/// What became of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Blank: it is not answered.
    Blank,
    /// On disk, with this id.
    Stored(i64),
    /// Its original is on disk.
    Duplicate,
    /// Never to be stored.
    Invalid,
    /// Longer than a line may be.
    TooLong,
    /// Not acknowledged.
    Unavailable,
}

impl Fate {
    fn code(self) -> u8 {
        match self {
            Fate::Blank => 0,
            Fate::Stored(_) => 1,
            Fate::Duplicate => 2,
            Fate::Invalid => 3,
            Fate::TooLong => 4,
            Fate::Unavailable => 5,
        }
    }

    /// With the first id of a run, if they have one.
    fn from_code(code: u8, id: i64) -> Option<Fate> {
        Some(match code {
            0 => Fate::Blank,
            1 => Fate::Stored(id),
            2 => Fate::Duplicate,
            3 => Fate::Invalid,
            4 => Fate::TooLong,
            5 => Fate::Unavailable,
            _ => return None,
        })
    }

    /// The same fate, so many lines on.
    fn plus(self, lines: u64) -> Fate {
        match self {
            Fate::Stored(id) => Fate::Stored(id.wrapping_add_unsigned(lines)),
            other => other,
        }
    }
}

/// Lines from 1 on.
#[derive(Debug, Default)]
pub(super) struct Runs {
    encoded: Vec<u8>,
    /// The last run, which may grow: its first line's fate, and its length.
    last: Option<(Fate, u64)>,
    /// Lines so far.
    lines: u64,
    /// One more than the last encoded id.
    next_id: i64,
}

impl Runs {
    /// Notes a line; those that were left out since the last one were blank.
    pub(super) fn push(&mut self, line: u64, fate: Fate) {
        let blank = line.saturating_sub(self.lines + 1);
        if blank > 0 {
            self.extend(Fate::Blank, blank);
        }
        self.extend(fate, 1);
    }

    /// How many bytes they are. They take at most twice as many, and no more than
    /// the next power of two.
    pub(super) fn bytes(&self) -> usize {
        self.encoded.len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.encoded.capacity()
    }

    /// Each line with its fate, in order, without the blank ones.
    pub(super) fn into_lines(mut self) -> IntoLines {
        self.encode_last();
        IntoLines { encoded: self.encoded, at: 0, next_id: 0, run: None, line: 0 }
    }

    fn extend(&mut self, fate: Fate, lines: u64) {
        self.lines += lines;
        match &mut self.last {
            Some((first, len)) if first.plus(*len) == fate => *len += lines,
            _ => {
                self.encode_last();
                self.last = Some((fate, lines));
            }
        }
    }

    fn encode_last(&mut self) {
        let Some((fate, len)) = self.last.take() else {
            return;
        };
        push_varint(&mut self.encoded, len << 3 | u64::from(fate.code()));
        if let Fate::Stored(id) = fate {
            push_varint(&mut self.encoded, zigzag(id.wrapping_sub(self.next_id)));
            self.next_id = id.wrapping_add_unsigned(len);
        }
    }
}

/// Reads runs back, line by line.
#[derive(Debug)]
pub(super) struct IntoLines {
    encoded: Vec<u8>,
    at: usize,
    next_id: i64,
    /// The fate of the next line, and how many are left of its run.
    run: Option<(Fate, u64)>,
    line: u64,
}

impl Iterator for IntoLines {
    type Item = (u64, Fate);

    fn next(&mut self) -> Option<(u64, Fate)> {
        let (fate, left) = loop {
            match self.run.take() {
                None | Some((_, 0)) => self.run = Some(self.next_run()?),
                Some((Fate::Blank, left)) => self.line += left,
                Some(run) => break run,
            }
        };
        self.run = Some((fate.plus(1), left - 1));
        self.line += 1;
        Some((self.line, fate))
    }
}

impl IntoLines {
    fn next_run(&mut self) -> Option<(Fate, u64)> {
        let head = self.varint()?;
        let code = (head & 7) as u8;
        let len = head >> 3;
        if code == Fate::Stored(0).code() {
            let id = self.next_id.wrapping_add(unzigzag(self.varint()?));
            self.next_id = id.wrapping_add_unsigned(len);
            return Some((Fate::Stored(id), len));
        }
        Fate::from_code(code, 0).map(|fate| (fate, len))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.encoded.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

fn push_varint(encoded: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        encoded.push(number as u8 | 0x80);
        number >>= 7;
    }
    encoded.push(number as u8);
}

fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![
            4 => Just(Fate::Duplicate),
            1 => Just(Fate::Invalid),
            1 => Just(Fate::TooLong),
            1 => Just(Fate::Unavailable),
            2 => (1_i64..20).prop_map(Fate::Stored),
            1 => any::<i64>().prop_map(Fate::Stored),
        ]
    }

    proptest! {
        #[test]
        fn lines_come_back_as_they_were_noted(fates in proptest::collection::vec((0_u64..3, fate()), 0..200)) {
            let mut runs = Runs::default();
            let mut want = Vec::new();
            for (blank, fate) in fates {
                want.extend((0..blank).map(|_| Fate::Blank));
                want.push(fate);
                runs.push(want.len() as u64, fate);
            }
            let got: Vec<_> = runs.into_lines().collect();
            let want = (1..).zip(want).filter(|(_, fate)| *fate != Fate::Blank);
            let want: Vec<_> = want.collect();
            prop_assert_eq!(got, want);
        }
    }

    #[test]
    fn a_usual_line_takes_a_fraction_of_a_byte() {
        let mut runs = Runs::default();
        for line in 1..=300_000_u64 {
            let is_new = line % 20 == 0;
            runs.push(
                line,
                if is_new { Fate::Stored((line / 20 * 3).cast_signed()) } else { Fate::Duplicate },
            );
        }
        assert!(runs.encoded.capacity() < 200_000, "{} bytes", runs.bytes());
        assert_eq!(runs.into_lines().count(), 300_000);
    }
}
