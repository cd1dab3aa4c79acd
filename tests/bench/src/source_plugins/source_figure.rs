//! A figure of source plugins.

use anyhow::Context;
use serde::Serialize;

use crate::spread::Spread;

/// A figure, and its aim if it has one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SourceFigure {
    /// The title in the report.
    pub(crate) title: String,
    /// The unit of the values.
    pub(crate) unit: &'static str,
    /// The value that counts.
    pub(crate) value: f64,
    /// All rounds.
    pub(crate) rounds: Spread,
    /// The largest value that meets the aim.
    pub(crate) aim: Option<f64>,
}

impl SourceFigure {
    /// A figure whose median counts.
    pub(super) fn median(
        title: impl Into<String>,
        unit: &'static str,
        rounds: impl IntoIterator<Item = f64>,
    ) -> anyhow::Result<Self> {
        let rounds = Spread::from_rounds(rounds).context("no rounds")?;
        Ok(Self { title: title.into(), unit, value: rounds.median, rounds, aim: None })
    }

    /// A figure whose least round counts. It is for times of the clock, which other processes lengthen.
    pub(super) fn best(
        title: impl Into<String>,
        unit: &'static str,
        rounds: impl IntoIterator<Item = f64>,
    ) -> anyhow::Result<Self> {
        let median = Self::median(title, unit, rounds)?;
        Ok(Self { value: median.rounds.min, ..median })
    }

    /// A figure of one round.
    pub(super) fn single(title: impl Into<String>, unit: &'static str, value: f64) -> Self {
        let rounds = Spread { median: value, min: value, max: value };
        Self { title: title.into(), unit, value, rounds, aim: None }
    }

    /// Puts the language before the title.
    #[must_use]
    pub(super) fn of(self, language: &str) -> Self {
        Self { title: format!("{language}: {}", self.title), ..self }
    }

    /// Sets the largest value that meets the aim.
    #[must_use]
    pub(super) fn at_most(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    /// Whether the figure meets its aim; `None` without an aim.
    pub(super) fn is_met(&self) -> Option<bool> {
        self.aim.map(|aim| self.value <= aim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_round_of_a_time_counts_and_the_median_of_others() {
        let rounds = [3.0, 1.0, 2.0];
        assert_eq!(SourceFigure::best("a time", "ms", rounds).unwrap().value, 1.0);
        assert_eq!(SourceFigure::median("a size", "KiB", rounds).unwrap().value, 2.0);
    }

    #[test]
    fn an_aim_is_met_up_to_its_value() {
        let figure = SourceFigure::single("a time", "ms", 2.0);
        assert_eq!(figure.is_met(), None);
        assert_eq!(figure.clone().at_most(2.0).is_met(), Some(true));
        assert_eq!(figure.at_most(1.9).is_met(), Some(false));
    }
}
