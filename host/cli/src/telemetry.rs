//! The log, and the export of traces.

use std::io::IsTerminal;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use narrowboat_config::TracesConfig;
use narrowboat_core::log_target::TRACE;
use narrowboat_server::background_writer::BackgroundWriter;
use narrowboat_server::log_buffer::LogBuffer;

/// The log and the export of traces. Dropping it sends the last traces.
pub(super) struct Telemetry {
    pub(super) log_buffer: LogBuffer,
    tracer_provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts the log, and the export of traces if it is configured. `level` applies unless `NARROWBOAT_LOG` is set. Lines go
    /// to standard error.
    pub(super) fn start(
        level: &str,
        traces: Option<&TracesConfig>,
        stderr: BackgroundWriter,
    ) -> anyhow::Result<Self> {
        let log_buffer = LogBuffer::default();
        let traces = traces.map(tracer_provider).transpose()?;
        // A list of the present layers: an absent layer would still create every span.
        let mut layers = vec![
            stderr_layer(stderr).with_filter(log_filter(level)).boxed(),
            log_buffer.layer().with_filter(log_filter(level)).boxed(),
        ];
        layers.extend(traces.as_ref().map(|traces| {
            let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("narrowboat"));
            let targets = Targets::new().with_target(TRACE, LevelFilter::TRACE);
            spans.with_filter(targets).boxed()
        }));
        tracing_subscriber::registry().with(layers).init();
        Ok(Self { log_buffer, tracer_provider: traces })
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = &self.tracer_provider
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!("last traces not sent: {error}");
        }
    }
}

fn log_filter(level: &str) -> EnvFilter {
    let filter = EnvFilter::try_from_env("NARROWBOAT_LOG").unwrap_or_else(|_| level.into());
    // Without this, each line would have the spans for traces.
    match format!("{TRACE}=off").parse() {
        Ok(off) => filter.add_directive(off),
        Err(_) => filter,
    }
}

fn stderr_layer(stderr: BackgroundWriter) -> Box<dyn Layer<Registry> + Send + Sync> {
    // Internal errors would go to standard error directly, and block if nobody reads it.
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(move || stderr.clone());
    if is_json_format() { lines.json().flatten_event(true).boxed() } else { lines.boxed() }
}

/// Whether `NARROWBOAT_LOG_FORMAT` asks for a JSON object on each line.
pub(super) fn is_json_format() -> bool {
    std::env::var("NARROWBOAT_LOG_FORMAT").is_ok_and(|format| format == "json")
}

/// Creates the provider that collects spans and sends them on its own thread.
fn tracer_provider(config: &TracesConfig) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(OtlpHttpClient(ureq::Agent::new_with_defaults()))
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(config.endpoint.as_str())
        .build()?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(Resource::builder().with_service_name("narrowboat").build())
        .build())
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
