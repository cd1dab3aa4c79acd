//! What the host's pages for browsers have in common.

/// Nothing but the page's own files and this host's own sockets and answers, and text only as text.
pub(super) const CSP_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The media type of scripts.
pub(super) const JAVASCRIPT_MEDIA_TYPE: &str = "text/javascript; charset=utf-8";
