//! Rows and columns of text.

use std::fmt;

pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Table {
        Table { rows: vec![columns.iter().copied().map(String::from).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            for (at, cell) in row.iter().enumerate() {
                if at + 1 == row.len() {
                    writeln!(f, "{cell}")?;
                    break;
                }
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                let width = cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + 2;
                write!(f, "{cell:width$}")?;
            }
        }
        Ok(())
    }
}
