//! What a Redis refuses, and what of that the log is told.

use std::sync::atomic::{AtomicU8, Ordering};

use ::redis::RedisError;

use narrowboat_core::warn_limiter::WarnLimiter;
use narrowboat_redis_client::ErrorClass;

/// What a plugin asks for. A server may refuse one and take another.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyvalueOperation {
    Get,
    Exists,
    Set,
    Delete,
    Keys,
    Increment,
}

impl KeyvalueOperation {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Exists => "exists",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Keys => "keys",
            Self::Increment => "increment",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The bit of a server that does not answer, beside those of the operations.
const UNREACHABLE_BIT: u8 = 1 << 7;

/// What the server refused when it was last asked for it. Each is told when it begins and when it ends.
#[derive(Debug, Default)]
pub(super) struct OperationHealth {
    /// A bit for each operation that is refused, and one for a server that does not answer.
    failing_bits: AtomicU8,
    other_errors: WarnLimiter,
}

impl OperationHealth {
    /// An operation has passed: it is no longer refused, and the server answers. Of the others this says nothing.
    pub(super) fn record_success(&self, operation: KeyvalueOperation, server: &str) {
        let ended = UNREACHABLE_BIT | operation.bit();
        // Nearly always nothing is refused, and nothing is to be written.
        if self.failing_bits.load(Ordering::Relaxed) & ended == 0 {
            return;
        }
        let before = self.failing_bits.fetch_and(!ended, Ordering::Relaxed);
        if before & UNREACHABLE_BIT != 0 {
            tracing::info!("keyvalue: Redis at {server} is back");
        }
        if before & operation.bit() != 0 {
            tracing::info!("keyvalue: Redis at {server} takes {} again", operation.name());
        }
    }

    /// An operation was refused, or not answered.
    pub(super) fn record_failure(
        &self,
        operation: KeyvalueOperation,
        server: &str,
        error: &RedisError,
    ) {
        match ErrorClass::of(error) {
            ErrorClass::Connection => {
                if self.mark_failing(UNREACHABLE_BIT) {
                    tracing::warn!("keyvalue: Redis at {server}: {error}");
                }
            }
            class if class.is_persistent() => {
                if self.mark_failing(operation.bit()) {
                    let name = operation.name();
                    tracing::warn!("keyvalue: Redis at {server} refuses {name}: {error}");
                }
            }
            _ => {
                if self.other_errors.try_acquire("other").is_some() {
                    tracing::warn!("keyvalue: Redis at {server}: {error}");
                }
            }
        }
    }

    fn mark_failing(&self, bit: u8) -> bool {
        self.failing_bits.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}
