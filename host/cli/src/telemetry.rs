//! Where the log goes, and traces.

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

/// The log, as long as it is written.
pub(super) struct Log {
    pub(super) log_buffer: LogBuffer,
    tracer_provider: Option<SdkTracerProvider>,
}

impl Log {
    /// Starts the log, at a level unless the environment names another, and traces where they are wanted.
    /// Its lines go to standard error.
    pub(super) fn start(
        level: &str,
        traces: Option<&TracesConfig>,
        stderr: BackgroundWriter,
    ) -> anyhow::Result<Self> {
        let journal = LogBuffer::default();
        let traces = traces.map(tracer_provider).transpose()?;
        // A list of those there are: an absent layer would have every span made, and seen by nobody.
        let mut layers = vec![
            stderr_layer(stderr).with_filter(log_filter(level)).boxed(),
            journal.layer().with_filter(log_filter(level)).boxed(),
        ];
        layers.extend(traces.as_ref().map(|traces| {
            let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("narrowboat"));
            let targets = Targets::new().with_target(TRACE, LevelFilter::TRACE);
            spans.with_filter(targets).boxed()
        }));
        tracing_subscriber::registry().with(layers).init();
        Ok(Self { log_buffer: journal, tracer_provider: traces })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(traces) = &self.tracer_provider
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!("the last traces were not sent: {error}");
        }
    }
}

fn log_filter(level: &str) -> EnvFilter {
    let filter = EnvFilter::try_from_env("NARROWBOAT_LOG").unwrap_or_else(|_| level.into());
    // Spans for traces would stand in every line.
    match format!("{TRACE}=off").parse() {
        Ok(off) => filter.add_directive(off),
        Err(_) => filter,
    }
}

fn stderr_layer(stderr: BackgroundWriter) -> Box<dyn Layer<Registry> + Send + Sync> {
    // Its own complaints would go to standard error directly, and wait for whoever reads that.
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(move || stderr.clone());
    if is_json_format() { lines.json().flatten_event(true).boxed() } else { lines.boxed() }
}

/// Whether each line is to be an object.
pub(super) fn is_json_format() -> bool {
    std::env::var("NARROWBOAT_LOG_FORMAT").is_ok_and(|format| format == "json")
}

/// What gathers spans and sends them, on a thread of its own.
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

/// Sends what the exporter made.
#[derive(Debug)]
struct OtlpHttpClient(ureq::Agent);

#[async_trait]
impl HttpClient for OtlpHttpClient {
    // The thread it runs on does nothing else.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut answer = self.0.run(request.map(Vec::from))?;
        let body = Bytes::from(answer.body_mut().read_to_vec()?);
        Ok(answer.map(|_| body))
    }
}
