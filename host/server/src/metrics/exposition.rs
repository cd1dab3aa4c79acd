//! The two text formats that Prometheus reads: its own, version 0.0.4, and OpenMetrics 1.0.0. Not from a crate, because each
//! crate writes only one of the two.

use std::fmt::{self, Display, Write};

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use super::metric::MetricType;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpositionFormat {
    /// Prometheus's own: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
    Text,
    /// OpenMetrics: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
    OpenMetrics,
}

/// How a media range of an `Accept` header matches a format: its weight, and how exactly it names the format.
struct MediaRange {
    quality: f32,
    specificity: u8,
}

impl ExpositionFormat {
    /// The format that a request prefers by its `Accept` (RFC 9110, section 12.5.1). OpenMetrics only if it is named, as in
    /// Prometheus's own libraries; the text format if neither is accepted.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let ranges: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        let preference = |format: Self| {
            let matches = ranges.iter().filter_map(|range| format.match_range(range));
            matches.max_by_key(|range| range.specificity)
        };
        match preference(Self::OpenMetrics) {
            Some(MediaRange { quality, specificity: EXACT_MATCH }) if quality > 0.0 => {
                let text = preference(Self::Text).map_or(0.0, |range| range.quality);
                if quality >= text { Self::OpenMetrics } else { Self::Text }
            }
            _ => Self::Text,
        }
    }

    /// How a media range matches this format; `None` if it does not.
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

    /// The media type of the format.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The specificity of a range that names the format, and does not only include it.
const EXACT_MATCH: u8 = 2;

/// The units that names end with. OpenMetrics requires a line for them.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// Encodes metrics as text.
pub(super) struct MetricsEncoder {
    format: ExpositionFormat,
    text: String,
}

impl MetricsEncoder {
    /// An encoder of this format.
    pub(super) const fn new(format: ExpositionFormat) -> Self {
        Self { format, text: String::new() }
    }

    /// Writes the head of a metric family. All its samples must follow.
    pub(super) fn write_family(&mut self, name: &str, kind: MetricType, help: &str) -> fmt::Result {
        // In OpenMetrics only the samples of a counter end with `_total`; in the text format the family does too.
        let total = if kind == MetricType::Counter && self.format == ExpositionFormat::Text {
            "_total"
        } else {
            ""
        };
        let type_name = match kind {
            MetricType::Gauge => "gauge",
            MetricType::Counter => "counter",
            MetricType::Histogram => "histogram",
        };
        writeln!(self.text, "# TYPE {name}{total} {type_name}")?;
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
        let mut separator = '{';
        for (label, value) in labels {
            write!(self.text, "{separator}{label}=\"")?;
            self.write_escaped(value);
            self.text.push('"');
            separator = ',';
        }
        let end = if separator == ',' { "}" } else { "" };
        writeln!(self.text, "{end} {value}")
    }

    /// Writes the value of a label.
    fn write_escaped(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                other => self.text.push(other),
            }
        }
    }

    /// Returns the text.
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

/// A number in the canonical form of OpenMetrics, which is that of Go and Python.
pub(super) fn format_number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:?}");
    match text.split_once('e') {
        // The exponent has a sign and at least two digits.
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

    fn negotiated(accept: &[&str]) -> ExpositionFormat {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(ACCEPT, line.parse().unwrap());
        }
        ExpositionFormat::negotiate(&headers)
    }

    #[test]
    fn prometheus_gets_openmetrics_and_a_request_that_names_no_format_gets_the_text_format() {
        // The headers of Prometheus 2 and 3.
        let of_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                    text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let of_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                    application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                    text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(negotiated(&[of_2]), ExpositionFormat::OpenMetrics);
        assert_eq!(negotiated(&[of_3]), ExpositionFormat::OpenMetrics);
        assert_eq!(negotiated(&["application/openmetrics-text"]), ExpositionFormat::OpenMetrics);
        for other in
            ["*/*", "application/*", "text/plain;version=0.0.4;q=1,*/*;q=0.1", "image/png", ""]
        {
            assert_eq!(negotiated(&[other]), ExpositionFormat::Text, "{other}");
        }
        assert_eq!(negotiated(&[]), ExpositionFormat::Text);
    }

    #[test]
    fn weights_and_versions_count_on_one_accept_line_or_several() {
        let open = "application/openmetrics-text; version=\"1.0.0\"; q=0.4";
        assert_eq!(negotiated(&["text/plain;q=0.5", open]), ExpositionFormat::Text);
        assert_eq!(negotiated(&["TEXT/PLAIN ; Q=0.3", open]), ExpositionFormat::OpenMetrics);
        assert_eq!(
            negotiated(&["application/openmetrics-text;version=2.0.0"]),
            ExpositionFormat::Text
        );
        assert_eq!(negotiated(&["application/openmetrics-text;q=0, */*"]), ExpositionFormat::Text);
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
    fn help_and_labels_are_escaped_by_the_rules_of_each_format() {
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
