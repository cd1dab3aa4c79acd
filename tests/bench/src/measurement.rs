//! The measurement of one round of a load on one server.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cpu::CpuTime;

/// The result of a measurement.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// The number of messages echoed or delivered, or of connections opened and closed.
    pub(crate) messages: u64,
    /// The duration of the measurement.
    pub(crate) elapsed: Duration,
    /// The CPU time of the server's process.
    pub(crate) cpu: CpuTime,
    /// The latency of replies, if it was measured.
    pub(crate) latency: Option<LatencyQuantiles>,
}

/// Quantiles of the latency, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct LatencyQuantiles {
    p50: f64,
    p99: f64,
    p999: f64,
}

/// A metric of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BenchMetric {
    /// CPU time for each message, in microseconds.
    Cpu,
    /// Messages per second.
    Rate,
    /// The median latency, in microseconds.
    P50,
    /// The 99th percentile of the latency, in microseconds.
    P99,
    /// The 99.9th percentile of the latency, in microseconds.
    P999,
}

impl LatencyQuantiles {
    /// Computes the quantiles of latencies in nanoseconds. Returns `None` if there are none.
    pub(crate) fn from_nanos(mut all: Vec<u64>) -> Option<Self> {
        all.sort_unstable();
        let last = all.len().checked_sub(1)?;
        let at = |per_mille: usize| all[(all.len() * per_mille / 1_000).min(last)] as f64 / 1e3;
        Some(Self { p50: at(500), p99: at(990), p999: at(999) })
    }
}

impl Measurement {
    /// Returns a metric, if it was measured.
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
    /// The title in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU, µs",
            Self::Rate => "a second",
            Self::P50 => "p50, µs",
            Self::P99 => "p99, µs",
            Self::P999 => "p99.9, µs",
        }
    }

    /// Whether a higher value is better.
    pub(crate) fn is_higher_better(self) -> bool {
        self == Self::Rate
    }

    /// The number of significant decimals.
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
