//! Flushes whose time counts as CPU time of a plugin.

use std::sync::Arc;
use std::time::Instant;

use narrowboat_core::deferred_flush::FlushList;
use narrowboat_quota::QuotaChain;

/// Writes the frames that a plugin has sent to resting connections, and hands many connections over to other tasks. The
/// time counts as CPU time of the plugin that sent the frames.
pub(super) fn flush_charged(quota: &Arc<QuotaChain>, list: FlushList) {
    charge(quota, || {
        list.flush_in_pieces(|piece| {
            let quota = Arc::clone(quota);
            tokio::spawn(async move { charge(&quota, || piece.flush()) });
        });
    });
}

/// Does some work. Its time counts as CPU time of a plugin, if that is limited.
pub(super) fn charge(quota: &QuotaChain, work: impl FnOnce()) {
    let start = quota.has_cpu_limit().then(Instant::now);
    work();
    if let Some(start) = start {
        quota.record_cpu_time(start.elapsed());
    }
}
