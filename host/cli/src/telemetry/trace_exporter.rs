//! The export of traces over OTLP.

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Layer, Registry};

use narrowboat_config::TracesConfig;
use narrowboat_core::log_target::TRACE;

/// Collects spans and sends them on its own thread. Dropping it sends the last ones.
pub(super) struct TraceExporter(SdkTracerProvider);

impl TraceExporter {
    /// Starts the thread of the exporter.
    pub(super) fn start(config: &TracesConfig) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OtlpHttpClient(ureq::Agent::new_with_defaults()))
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(config.endpoint.as_str())
            .build()?;
        let sampler = Sampler::TraceIdRatioBased(config.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(Resource::builder().with_service_name("narrowboat").build())
            .build();
        Ok(Self(provider))
    }

    /// Returns the subscriber layer that collects the spans.
    pub(super) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let spans = tracing_opentelemetry::layer().with_tracer(self.0.tracer("narrowboat"));
        spans.with_filter(Targets::new().with_target(TRACE, LevelFilter::TRACE)).boxed()
    }
}

impl Drop for TraceExporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "last traces not sent");
        }
    }
}

/// The HTTP client of the exporter.
#[derive(Debug)]
struct OtlpHttpClient(ureq::Agent);

#[async_trait]
impl HttpClient for OtlpHttpClient {
    // Blocking is fine: the exporter has its own thread.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut response = self.0.run(request.map(Vec::from))?;
        let body = Bytes::from(response.body_mut().read_to_vec()?);
        Ok(response.map(|_| body))
    }
}
