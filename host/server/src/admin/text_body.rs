//! The body of a long text, compressed if the client allows that.

use std::io::Write as _;

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The body of a long text. Metrics are so repetitive that the fastest level makes a twentieth of them.
pub(super) enum TextBody {
    Plain(String),
    Gzip(Vec<u8>),
}

impl TextBody {
    /// Compresses a text with gzip if the headers of the request allow that (RFC 9110, section 12.5.3).
    pub(super) fn encode(text: String, headers: &HeaderMap) -> Self {
        if !accepts_gzip(headers) {
            return Self::Plain(text);
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        match encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()) {
            Ok(bytes) => Self::Gzip(bytes),
            Err(_) => Self::Plain(text),
        }
    }
}

impl IntoResponse for TextBody {
    fn into_response(self) -> Response {
        match self {
            Self::Plain(text) => text.into_response(),
            Self::Gzip(bytes) => ([(CONTENT_ENCODING, "gzip")], bytes).into_response(),
        }
    }
}

/// Whether `Accept-Encoding` names gzip with a weight above 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let mut codings = lines.flat_map(|line| line.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight, Some(Ok(0.0) | Err(_)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_if_the_client_names_it() {
        let accepts = |line: &str| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, line.parse().unwrap())]);
            accepts_gzip(&headers)
        };
        for line in ["gzip", "GZIP", "deflate, gzip;q=0.5", "br,gzip ; q=1"] {
            assert!(accepts(line), "{line:?}");
        }
        for line in ["", "identity", "gzip;q=0", "gzip;q=0.0, br", "*;q=0.5"] {
            assert!(!accepts(line), "{line:?}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
