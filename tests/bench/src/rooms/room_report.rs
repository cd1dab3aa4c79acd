//! The report of a run.

use std::fmt;

use crate::table::Table;

/// A figure, and its aim if it has one.
pub(super) struct RoomRow {
    title: &'static str,
    unit: &'static str,
    value: f64,
    at_most: Option<f64>,
}

/// The figures of a run.
#[derive(Default)]
pub(super) struct RoomReport {
    rows: Vec<RoomRow>,
}

impl RoomRow {
    pub(super) fn figure(title: &'static str, unit: &'static str, value: f64) -> Self {
        Self { title, unit, value, at_most: None }
    }

    pub(super) fn aim(title: &'static str, unit: &'static str, value: f64, at_most: f64) -> Self {
        Self { title, unit, value, at_most: Some(at_most) }
    }

    fn cells(&self) -> [String; 3] {
        let Self { title, unit, value, at_most } = self;
        let decimals = if *value < 100.0 { 2 } else { 0 };
        let aim = at_most.map_or(String::new(), |most| {
            let verdict = if *value <= most { "met" } else { "missed" };
            format!("≤ {most} {unit}: {verdict}")
        });
        [(*title).to_owned(), format!("{value:.decimals$} {unit}"), aim]
    }
}

impl RoomReport {
    pub(super) fn push(&mut self, row: RoomRow) {
        self.rows.push(row);
    }

    pub(super) fn extend(&mut self, rows: Vec<RoomRow>) {
        self.rows.extend(rows);
    }
}

impl fmt::Display for RoomReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["", "measured", "aim"]);
        self.rows.iter().for_each(|row| table.push_row(row.cells()));
        table.fmt(f)
    }
}
