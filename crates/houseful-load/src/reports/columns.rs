//! Cells under one another, as Go's `text/tabwriter` puts them for vegeta.

use std::io::{self, Write};

/// Writes rows: each cell but the last of a row is as wide as the widest of its column, and two spaces.
pub(crate) fn write<const N: usize>(out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default() + 2
    };
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            if at + 1 < N {
                write!(out, "{cell:0$}", widths[at])?;
            } else {
                writeln!(out, "{cell}")?;
            }
        }
    }
    Ok(())
}
