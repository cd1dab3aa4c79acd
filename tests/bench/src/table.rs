//! A text table: the first column is aligned left, the others right.

use std::fmt;

/// The rows, with the same number of cells each. The first row is the heading.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

/// The number of spaces between two columns.
const COLUMN_GAP: usize = 3;

impl Table {
    /// Creates a table with only a heading.
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned).into()] }
    }

    /// Creates a table with a heading from owned strings.
    pub(crate) fn with_heading(heading: Vec<String>) -> Self {
        Self { rows: vec![heading] }
    }

    /// Adds a row.
    pub(crate) fn push_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn column_width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let width = self.column_width(column);
                if column == 0 {
                    write!(f, "{cell:width$}")?;
                } else {
                    write!(f, "{:COLUMN_GAP$}{cell:>width$}", "")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let mut table = Table::new(["", "CPU, µs"]);
        table.push_row(["bare".to_owned(), "9 (8–10)".to_owned()]);
        table.push_row(["narrowboat".to_owned(), "10".to_owned()]);
        let expected = "              CPU, µs\nbare         9 (8–10)\nnarrowboat         10\n";
        assert_eq!(table.to_string(), expected);
    }
}
