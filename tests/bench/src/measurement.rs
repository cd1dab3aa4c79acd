//! What one round of a load on one server gave.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cpu::CpuTime;

/// What the server did during the measurement.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// Messages echoed or delivered, or connections opened and closed.
    pub(crate) messages: u64,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// What the server's process took of the processors.
    pub(crate) cpu: CpuTime,
    /// How long an answer took, where that was the question.
    pub(crate) latency: Option<LatencyQuantiles>,
}

/// Quantiles of the time to an answer, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct LatencyQuantiles {
    p50: f64,
    p99: f64,
    p999: f64,
}

/// One figure of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BenchMetric {
    /// Microseconds of processor time a message.
    Cpu,
    /// Messages a second.
    Rate,
    /// Half of the answers are there by then, in microseconds.
    P50,
    /// 99 of 100.
    P99,
    /// 999 of 1,000.
    P999,
}

impl LatencyQuantiles {
    /// Of all answers, in nanoseconds. `None` if there are none.
    pub(crate) fn from_nanos(mut all: Vec<u64>) -> Option<Self> {
        all.sort_unstable();
        let last = all.len().checked_sub(1)?;
        let at = |per_mille: usize| all[(all.len() * per_mille / 1_000).min(last)] as f64 / 1e3;
        Some(Self { p50: at(500), p99: at(990), p999: at(999) })
    }
}

impl Measurement {
    /// A figure of it, if it was measured.
    pub(crate) fn metric(&self, figure: BenchMetric) -> Option<f64> {
        let cpu = self.cpu.total().as_secs_f64() * 1e6 / self.messages as f64;
        match figure {
            BenchMetric::Cpu => Some(cpu),
            BenchMetric::Rate => Some(self.messages as f64 / self.elapsed.as_secs_f64()),
            BenchMetric::P50 => Some(self.latency?.p50),
            BenchMetric::P99 => Some(self.latency?.p99),
            BenchMetric::P999 => Some(self.latency?.p999),
        }
    }
}

impl BenchMetric {
    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU, µs",
            Self::Rate => "a second",
            Self::P50 => "p50, µs",
            Self::P99 => "p99, µs",
            Self::P999 => "p99.9, µs",
        }
    }

    /// Whether more is better.
    pub(crate) fn is_higher_better(self) -> bool {
        self == Self::Rate
    }

    /// Decimals that mean something.
    pub(crate) fn decimals(self) -> usize {
        if self == Self::Cpu { 1 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let latency =
            LatencyQuantiles::from_nanos((1..=1_000).rev().map(|us| us * 1_000).collect()).unwrap();
        assert_eq!((latency.p50, latency.p99, latency.p999), (501.0, 991.0, 1_000.0));
        assert!(LatencyQuantiles::from_nanos(Vec::new()).is_none());
    }
}
