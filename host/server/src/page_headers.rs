//! Headers of the pages for browsers: the demo page and the dashboard.

/// The Content-Security-Policy: a page loads its own files and connects to this host only, and no text becomes HTML or
/// script.
pub(crate) const CSP_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The media type of JavaScript files.
pub(crate) const JAVASCRIPT_MEDIA_TYPE: &str = "text/javascript; charset=utf-8";
