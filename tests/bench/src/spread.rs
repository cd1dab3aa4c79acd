//! A metric over several rounds.

use std::fmt;

use serde::Serialize;

/// The median and the extremes of the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The minimum.
    pub(crate) min: f64,
    /// The maximum.
    pub(crate) max: f64,
}

impl Spread {
    /// Computes the spread. Returns `None` without rounds.
    pub(crate) fn from_rounds(rounds: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        let (&min, &max) = (rounds.first()?, rounds.last()?);
        let middle = rounds.len() / 2;
        let median = if rounds.len() % 2 == 1 {
            rounds[middle]
        } else {
            f64::midpoint(rounds[middle - 1], rounds[middle])
        };
        Some(Self { median, min, max })
    }
}

/// Formats as `median (min–max)`, with the decimals of the format's precision.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        let Self { median, min, max } = self;
        write!(f, "{median:.decimals$} ({min:.decimals$}–{max:.decimals$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_however_the_rounds_came() {
        let odd = Spread::from_rounds([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(Spread::from_rounds([4.0, 1.0, 2.0, 3.0]).map(|even| even.median), Some(2.5));
        assert_eq!(Spread::from_rounds([]), None);
    }

    #[test]
    fn it_is_printed_with_its_extremes() {
        let spread = Spread { median: 9.06, min: 8.5, max: 10.0 };
        assert_eq!(format!("{spread:.1}"), "9.1 (8.5–10.0)");
    }
}
