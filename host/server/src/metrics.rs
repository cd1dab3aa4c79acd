//! Metrics for Prometheus, collected for each request. `docs/reference/metrics.md` is made from [`METRICS`].

mod exposition;
mod metric;
mod reference;
mod render;
mod snapshot;

pub(crate) use exposition::ExpositionFormat;
pub use metric::{METRICS, Metric, MetricType};
pub use reference::reference;
pub(crate) use render::render;
