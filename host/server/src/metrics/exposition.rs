//! The two text formats that Prometheus reads: its own, version 0.0.4, and OpenMetrics 1.0.0. Ours, and no crate's, since
//! those there are write one of the two.

use std::fmt::{self, Display, Write};

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use super::MetricType;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpositionFormat {
    /// Prometheus's own: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
    Text,
    /// OpenMetrics: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
    OpenMetrics,
}

/// A media range of an `Accept` header, how much it is wanted, and how exactly it names a format.
struct MediaRange {
    quality: f32,
    specificity: u8,
}

impl ExpositionFormat {
    /// The one that a request prefers by its `Accept` (RFC 9110 §12.5.1). OpenMetrics only where it is named, as
    /// Prometheus's own libraries have it; the text format where neither is wanted.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let ranges: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        let wanted = |format: Self| {
            let fitting = ranges.iter().filter_map(|range| format.match_range(range));
            fitting.max_by_key(|wanted| wanted.specificity)
        };
        match wanted(Self::OpenMetrics) {
            Some(MediaRange { quality, specificity: EXACT_MATCH }) if quality > 0.0 => {
                let text = wanted(Self::Text).map_or(0.0, |wanted| wanted.quality);
                if quality >= text { Self::OpenMetrics } else { Self::Text }
            }
            _ => Self::Text,
        }
    }

    /// How much a media range wants this format, if it fits it.
    fn match_range(self, range: &str) -> Option<MediaRange> {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next()?.to_ascii_lowercase();
        let (own, own_version) = match self {
            Self::Text => ("text/plain", "0.0.4"),
            Self::OpenMetrics => ("application/openmetrics-text", "1.0.0"),
        };
        let (main, _) = own.split_once('/')?;
        let specificity = match &*media {
            "*/*" => 0,
            media if media == own => EXACT_MATCH,
            media if media.strip_suffix("/*") == Some(main) => 1,
            _ => return None,
        };
        let mut quality = 1.0;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match &*name.trim().to_ascii_lowercase() {
                "q" => quality = value.parse().unwrap_or(0.0),
                "version" if value != own_version => return None,
                _ => {}
            }
        }
        Some(MediaRange { quality, specificity })
    }

    /// Its media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A range that names a format, and does not only include it.
const EXACT_MATCH: u8 = 2;

/// Units that a name may end with, which OpenMetrics wants told.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// Writes families of metrics.
pub(super) struct MetricsEncoder {
    format: ExpositionFormat,
    text: String,
}

impl MetricsEncoder {
    pub(super) const fn new(format: ExpositionFormat) -> Self {
        Self { format, text: String::new() }
    }

    /// Begins a family; all its samples follow.
    pub(super) fn write_family(&mut self, name: &str, kind: MetricType, help: &str) -> fmt::Result {
        // OpenMetrics leaves `_total` to the samples of a counter; for the text format it is a part of the name.
        let total = if kind == MetricType::Counter && self.format == ExpositionFormat::Text {
            "_total"
        } else {
            ""
        };
        let word = match kind {
            MetricType::Gauge => "gauge",
            MetricType::Counter => "counter",
            MetricType::Histogram => "histogram",
        };
        writeln!(self.text, "# TYPE {name}{total} {word}")?;
        if self.format == ExpositionFormat::OpenMetrics
            && let Some(unit) = UNITS.iter().find(|unit| has_unit(name, unit))
        {
            writeln!(self.text, "# UNIT {name} {unit}")?;
        }
        let mut escaped = help.replace('\\', "\\\\").replace('\n', "\\n");
        if self.format == ExpositionFormat::OpenMetrics {
            escaped = escaped.replace('"', "\\\"");
        }
        writeln!(self.text, "# HELP {name}{total} {escaped}")
    }

    /// Writes one sample.
    pub(super) fn write_sample<'a>(
        &mut self,
        name: &str,
        suffix: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        value: impl Display,
    ) -> fmt::Result {
        write!(self.text, "{name}{suffix}")?;
        let mut before = '{';
        for (label, value) in labels {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(self.text, "{before}{label}=\"{value}\"")?;
            before = ',';
        }
        let end = if before == ',' { "}" } else { "" };
        writeln!(self.text, "{end} {value}")
    }

    /// All that was written.
    pub(super) fn finish(mut self) -> String {
        if self.format == ExpositionFormat::OpenMetrics {
            self.text += "# EOF\n";
        }
        self.text
    }
}

fn has_unit(name: &str, unit: &str) -> bool {
    name.strip_suffix(unit).is_some_and(|name| name.ends_with('_'))
}

/// A number in the form that OpenMetrics calls canonical, which is that of Go and Python.
pub(super) fn format_number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:?}");
    match text.split_once('e') {
        // Two digits at least, and a sign.
        Some((digits, power)) => {
            let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &[&str]) -> ExpositionFormat {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(ACCEPT, line.parse().unwrap());
        }
        ExpositionFormat::negotiate(&headers)
    }

    #[test]
    fn prometheus_gets_open_metrics_and_who_names_nothing_the_text_format() {
        // As Prometheus 2 and 3 ask.
        let of_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                    text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let of_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                    application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                    text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(accepted(&[of_2]), ExpositionFormat::OpenMetrics);
        assert_eq!(accepted(&[of_3]), ExpositionFormat::OpenMetrics);
        assert_eq!(accepted(&["application/openmetrics-text"]), ExpositionFormat::OpenMetrics);
        for other in
            ["*/*", "application/*", "text/plain;version=0.0.4;q=1,*/*;q=0.1", "image/png", ""]
        {
            assert_eq!(accepted(&[other]), ExpositionFormat::Text, "{other}");
        }
        assert_eq!(accepted(&[]), ExpositionFormat::Text);
    }

    #[test]
    fn weights_and_versions_of_accept_decide_on_one_line_or_several() {
        let open = "application/openmetrics-text; version=\"1.0.0\"; q=0.4";
        assert_eq!(accepted(&["text/plain;q=0.5", open]), ExpositionFormat::Text);
        assert_eq!(accepted(&["TEXT/PLAIN ; Q=0.3", open]), ExpositionFormat::OpenMetrics);
        assert_eq!(
            accepted(&["application/openmetrics-text;version=2.0.0"]),
            ExpositionFormat::Text
        );
        assert_eq!(accepted(&["application/openmetrics-text;q=0, */*"]), ExpositionFormat::Text);
    }

    fn encoded(format: ExpositionFormat) -> String {
        let mut encoder = MetricsEncoder::new(format);
        encoder.write_family("a_seconds", MetricType::Gauge, "\"How\" \\ long\nit took").unwrap();
        encoder.write_sample("a_seconds", "", [("name", "a\"b\\c\nd"), ("other", "")], 1).unwrap();
        encoder.write_family("b", MetricType::Counter, "Counted").unwrap();
        encoder.write_sample("b", "_total", [], 2).unwrap();
        encoder.finish()
    }

    #[test]
    fn help_and_labels_are_escaped_as_each_format_has_it() {
        let text = "# TYPE a_seconds gauge\n# HELP a_seconds \"How\" \\\\ long\\nit took\n\
                    a_seconds{name=\"a\\\"b\\\\c\\nd\",other=\"\"} 1\n\
                    # TYPE b_total counter\n# HELP b_total Counted\nb_total 2\n";
        assert_eq!(encoded(ExpositionFormat::Text), text);
        let open = "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n\
                    # HELP a_seconds \\\"How\\\" \\\\ long\\nit took\n\
                    a_seconds{name=\"a\\\"b\\\\c\\nd\",other=\"\"} 1\n\
                    # TYPE b counter\n# HELP b Counted\nb_total 2\n# EOF\n";
        assert_eq!(encoded(ExpositionFormat::OpenMetrics), open);
    }

    #[test]
    fn numbers_are_canonical() {
        let numbers = [5e-6, 2.5e-5, 0.0001, 0.5, 1.0, 1e16, f64::INFINITY, f64::NEG_INFINITY];
        let written = ["5e-06", "2.5e-05", "0.0001", "0.5", "1.0", "1e+16", "+Inf", "-Inf"];
        assert_eq!(numbers.map(format_number), written);
        assert_eq!(format_number(f64::NAN), "NaN");
    }
}
