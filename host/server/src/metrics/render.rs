//! The metrics as text.

use std::fmt;
use std::time::Duration;

use super::exposition::{ExpositionFormat, MetricsEncoder, format_number};
use super::metric::{METRICS, Metric};
use super::snapshot::{MetricsSnapshot, Sample, SampleValue};
use crate::background_writer::BackgroundWriter;
use crate::server::Server;
use narrowboat_core::histogram::{BUCKET_BOUNDS, HistogramSnapshot};
use narrowboat_core::name::Tenant;

/// Renders all metrics, or only those of `tenant`. `output_writers` are the writers of standard output and standard
/// error.
pub(crate) fn render(
    server: &Server,
    output_writers: &[BackgroundWriter],
    tenant: Option<&Tenant>,
    format: ExpositionFormat,
) -> Result<String, fmt::Error> {
    let mut encoder = MetricsEncoder::new(format);
    let snapshot = MetricsSnapshot::collect(server, output_writers, tenant);
    for (metric, samples) in METRICS.iter().zip(&snapshot.samples) {
        encode_metric(&mut encoder, metric, samples)?;
    }
    Ok(encoder.finish())
}

fn encode_metric(encoder: &mut MetricsEncoder, metric: &Metric, samples: &[Sample]) -> fmt::Result {
    let name = format!("narrowboat_{}", metric.name);
    encoder.write_family(&name, metric.kind, metric.help)?;
    for (label_values, value) in samples {
        let labels = labels(metric, label_values);
        match value {
            SampleValue::Gauge(value) => {
                encoder.write_sample(&name, "", labels, format_number(*value))?;
            }
            SampleValue::Counter(count) => encoder.write_sample(&name, "_total", labels, count)?,
            SampleValue::Histogram(histogram) => {
                encode_histogram(encoder, &name, labels, histogram)?;
            }
        }
    }
    Ok(())
}

/// The names and values of the labels of a sample.
fn labels<'a>(
    metric: &Metric,
    values: &'a [String],
) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
    metric.labels.iter().copied().zip(values.iter().map(String::as_str))
}

fn encode_histogram<'a>(
    encoder: &mut MetricsEncoder,
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    histogram: &HistogramSnapshot,
) -> fmt::Result {
    let mut count = 0;
    let bounds = BUCKET_BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
    for (bound, bucket_count) in bounds.zip(histogram.bucket_counts) {
        count += bucket_count;
        let bound = format_number(bound);
        let mut bucket_labels: Vec<(&str, &str)> = labels.clone().collect();
        bucket_labels.push(("le", &bound));
        encoder.write_sample(name, "_bucket", bucket_labels, count)?;
    }
    let sum = format_number(histogram.sum.as_secs_f64());
    encoder.write_sample(name, "_sum", labels.clone(), sum)?;
    encoder.write_sample(name, "_count", labels, count)
}
