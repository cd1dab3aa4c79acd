//! The table of all figures of source plugins.

use std::fmt;

use serde::Serialize;

use super::source_figure::SourceFigure;
use crate::table::Table;

/// The figures of source plugins.
#[derive(Serialize)]
pub(crate) struct SourceReport {
    figures: Vec<SourceFigure>,
}

impl SourceReport {
    /// Creates a report.
    pub(super) fn new(figures: Vec<SourceFigure>) -> Self {
        Self { figures }
    }
}

impl fmt::Display for SourceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Source plugins: the best round of a time of the clock, the median of other figures; (median, \
             least–most).\n"
        )?;
        let mut table = Table::new(["", "", "rounds", "aim", ""]);
        for figure in &self.figures {
            let SourceFigure { title, unit, value, rounds, aim } = figure;
            let rounds =
                if rounds.min == rounds.max { String::new() } else { format!("{rounds:.1}") };
            table.push_row([
                format!("  {title}"),
                format!("{value:.1} {unit}"),
                rounds,
                aim.map_or_else(String::new, |aim| format!("≤ {aim}")),
                match figure.is_met() {
                    Some(true) => "met".to_owned(),
                    Some(false) => "missed".to_owned(),
                    None => String::new(),
                },
            ]);
        }
        write!(f, "{table}")
    }
}
