//! The table of all figures of plugins in Python.

use std::fmt;

use serde::Serialize;

use super::python_figure::PythonFigure;
use crate::table::Table;

/// The figures of plugins in Python.
#[derive(Serialize)]
pub(crate) struct PythonReport {
    figures: Vec<PythonFigure>,
}

impl PythonReport {
    /// Creates a report.
    pub(super) fn new(figures: Vec<PythonFigure>) -> Self {
        Self { figures }
    }
}

impl fmt::Display for PythonReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Plugins in Python: the best round of a time of the clock, the median of other figures; (median, \
             least–most).\n"
        )?;
        let mut table = Table::new(["", "", "rounds", "aim", ""]);
        for figure in &self.figures {
            let PythonFigure { title, unit, value, rounds, aim } = figure;
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
