//! The log, and the export of traces.

#[cfg(feature = "traces")]
mod trace_exporter;

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use narrowboat_config::TracesConfig;
use narrowboat_core::log_target::TRACE;
use narrowboat_server::background_writer::BackgroundWriter;
use narrowboat_server::log_buffer::LogBuffer;
#[cfg(feature = "traces")]
use trace_exporter::TraceExporter;

/// The log and the export of traces. Dropping it sends the last traces.
pub(super) struct Telemetry {
    pub(super) log_buffer: LogBuffer,
    #[cfg(feature = "traces")]
    _trace_exporter: Option<TraceExporter>,
}

impl Telemetry {
    /// Starts the log, and the export of traces if it is configured. `level` applies unless `NARROWBOAT_LOG` is set. Lines go
    /// to standard error.
    pub(super) fn start(
        level: &str,
        traces: Option<&TracesConfig>,
        stderr: BackgroundWriter,
    ) -> anyhow::Result<Self> {
        let level = log_level(level)?;
        check_log_format()?;
        let log_buffer = LogBuffer::default();
        #[cfg(feature = "traces")]
        let trace_exporter = traces.map(TraceExporter::start).transpose()?;
        #[cfg(not(feature = "traces"))]
        traces.map_or(Ok(()), refuse_traces)?;
        // A list of the present layers: an absent layer would still create every span.
        #[cfg_attr(not(feature = "traces"), expect(unused_mut, reason = "only traces add a layer"))]
        let mut layers = vec![
            stderr_layer(stderr).with_filter(log_filter(&level)).boxed(),
            log_buffer.layer().with_filter(log_filter(&level)).boxed(),
        ];
        #[cfg(feature = "traces")]
        layers.extend(trace_exporter.as_ref().map(TraceExporter::layer));
        tracing_subscriber::registry().with(layers).init();
        Ok(Self {
            log_buffer,
            #[cfg(feature = "traces")]
            _trace_exporter: trace_exporter,
        })
    }
}

/// Refuses the configuration of traces.
#[cfg(not(feature = "traces"))]
fn refuse_traces(_: &TracesConfig) -> anyhow::Result<()> {
    anyhow::bail!(
        "[traces] is set, but this program cannot export traces; remove [traces], or install narrowboat with its \
         default features"
    )
}

/// Returns the level in `NARROWBOAT_LOG`, or else the default. Filters of targets, such as `guest=debug`, work too.
fn log_level(default: &str) -> anyhow::Result<String> {
    let Ok(level) = std::env::var("NARROWBOAT_LOG") else { return Ok(default.to_owned()) };
    let is_level = level.parse::<LevelFilter>().is_ok() && !level.is_empty();
    let is_filter = level.contains('=') && EnvFilter::try_new(&level).is_ok();
    anyhow::ensure!(
        is_level || is_filter,
        "NARROWBOAT_LOG: {level:?} is not a level; set error, warn, info, debug or trace"
    );
    Ok(level)
}

/// Checks the value of `NARROWBOAT_LOG_FORMAT`.
fn check_log_format() -> anyhow::Result<()> {
    match std::env::var("NARROWBOAT_LOG_FORMAT") {
        Ok(format) if format != "json" && format != "text" => {
            anyhow::bail!("NARROWBOAT_LOG_FORMAT: {format:?} is not a format; set json or text")
        }
        _ => Ok(()),
    }
}

fn log_filter(level: &str) -> EnvFilter {
    let filter = EnvFilter::new(level);
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
