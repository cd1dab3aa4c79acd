//! The operations that Redis refuses, and the log lines about them.

use std::sync::atomic::{AtomicU32, Ordering};

use ::redis::RedisError;

use super::operation::KeyvalueOperation;
use narrowboat_core::warn_limiter::WarnLimiter;
use narrowboat_redis_client::ErrorClass;

/// The bit for a server that does not respond, beside the bits of the operations.
const UNREACHABLE_BIT: u32 = 1 << 31;

/// The operations that the server currently refuses. The log has a line when a server begins to refuse an operation,
/// and one when it stops.
#[derive(Debug, Default)]
pub(super) struct OperationHealth {
    /// A bit for each operation that fails, and one for a server that does not respond.
    failing_bits: AtomicU32,
    other_errors: WarnLimiter,
}

impl OperationHealth {
    /// Records that an operation succeeded: the server responds and accepts this operation. Other operations may still
    /// fail.
    pub(super) fn record_success(&self, operation: KeyvalueOperation, server: &str) {
        let recovered = UNREACHABLE_BIT | operation.bit();
        // Usually nothing fails, so this avoids a write.
        if self.failing_bits.load(Ordering::Relaxed) & recovered == 0 {
            return;
        }
        let before = self.failing_bits.fetch_and(!recovered, Ordering::Relaxed);
        if before & UNREACHABLE_BIT != 0 {
            tracing::info!(server, "keyvalue: Redis responds again");
        }
        if before & operation.bit() != 0 {
            let operation = operation.name();
            tracing::info!(server, operation, "keyvalue: Redis accepts the operation again");
        }
    }

    /// Records that an operation failed.
    pub(super) fn record_failure(
        &self,
        operation: KeyvalueOperation,
        server: &str,
        error: &RedisError,
    ) {
        match ErrorClass::of(error) {
            ErrorClass::Connection => {
                if self.mark_failing(UNREACHABLE_BIT) {
                    tracing::warn!(server, %error, "keyvalue: Redis does not respond");
                }
            }
            class if class.is_persistent() => {
                if self.mark_failing(operation.bit()) {
                    let operation = operation.name();
                    tracing::warn!(server, operation, %error, "keyvalue: Redis refuses the operation");
                }
            }
            _ => {
                if self.other_errors.try_acquire("other").is_some() {
                    tracing::warn!(server, %error, "keyvalue: Redis returns an error");
                }
            }
        }
    }

    /// Sets a bit. Returns whether it was not set before.
    fn mark_failing(&self, bit: u32) -> bool {
        self.failing_bits.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}
