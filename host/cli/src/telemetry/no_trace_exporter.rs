//! The export of traces in a program without the feature `traces`.

use std::convert::Infallible;

use tracing_subscriber::{Layer, Registry};

use narrowboat_config::TracesConfig;

/// An exporter that cannot be started.
pub(super) struct TraceExporter(Infallible);

impl TraceExporter {
    /// Refuses the configuration.
    pub(super) fn start(_: &TracesConfig) -> anyhow::Result<Self> {
        anyhow::bail!(
            "[traces] is set, but this program cannot export traces; remove [traces], or install narrowboat with \
             its default features"
        )
    }

    pub(super) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        match self.0 {}
    }
}
