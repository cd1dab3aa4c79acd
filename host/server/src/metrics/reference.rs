//! The reference page of the metrics.

use super::metric::{METRICS, Metric, MetricType};

/// The page `docs/reference/metrics.md`.
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\nThe metrics that `/metrics` on the listener of `[admin]` returns, in OpenMetrics or, to clients that do \
         not ask for that, in Prometheus's text format 0.0.4. Made from \
         `host/server/src/metrics/metric.rs` by `narrowboat reference metrics`.\n\n\
         A plugin that has not been used since the host started has its deploys and the gauges `connections`, \
         `version_pending`, `instances` and `guest_memory_bytes` alone. Its other metrics begin, with 0, at its first \
         handshake or message, or when it reaches a limit. The answer is compressed with gzip if `Accept-Encoding` allows \
         that.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for Metric { name, kind, labels, help } in METRICS {
        let total = if *kind == MetricType::Counter { "_total" } else { "" };
        let kind = format!("{kind:?}").to_lowercase();
        let labels = labels.join(", ");
        page += &format!("| `narrowboat_{name}{total}` | {kind} | {labels} | {help} |\n");
    }
    page
}
