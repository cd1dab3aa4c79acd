//! The log line about consumers that get no `disconnect`.

use narrowboat_runtime::Sha256Digest;

/// Logs how many consumers end with their instance, so that the host cannot call their `disconnect`.
pub(super) fn log_skipped_disconnects(
    plugin: &str,
    version: Option<Sha256Digest>,
    consumers: usize,
) {
    let version = version.as_ref().map(Sha256Digest::short_hex);
    tracing::warn!(
        plugin,
        version,
        consumers,
        "the instance failed; its consumers end without `disconnect`"
    );
}
