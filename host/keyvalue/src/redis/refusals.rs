//! What a Redis refuses, and what of that the log is told.

use std::sync::atomic::{AtomicU8, Ordering};

use ::redis::RedisError;

use narrowboat_redis_client::{ErrorClass, WarnLimiter};

/// What a plugin asks for. A server may refuse one and take another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Get,
    Exists,
    Set,
    Delete,
    Keys,
    Increment,
}

impl Operation {
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
const AWAY: u8 = 1 << 7;

/// What the server refused when it was last asked for it. Each is told when it begins and when it ends.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// A bit for each operation that is refused, and one for a server that does not answer.
    refused: AtomicU8,
    others: WarnLimiter,
}

impl Refusals {
    /// An operation has passed: it is no longer refused, and the server answers. Of the others this says nothing.
    pub(super) fn passed(&self, operation: Operation, server: &str) {
        let ended = AWAY | operation.bit();
        // Nearly always nothing is refused, and nothing is to be written.
        if self.refused.load(Ordering::Relaxed) & ended == 0 {
            return;
        }
        let before = self.refused.fetch_and(!ended, Ordering::Relaxed);
        if before & AWAY != 0 {
            tracing::info!("keyvalue: Redis at {server} is back");
        }
        if before & operation.bit() != 0 {
            tracing::info!("keyvalue: Redis at {server} takes {} again", operation.name());
        }
    }

    /// An operation was refused, or not answered.
    pub(super) fn failed(&self, operation: Operation, server: &str, error: &RedisError) {
        match ErrorClass::of(error) {
            ErrorClass::Connection => {
                if self.is_news(AWAY) {
                    tracing::warn!("keyvalue: Redis at {server}: {error}");
                }
            }
            class if class.is_lasting() => {
                if self.is_news(operation.bit()) {
                    let name = operation.name();
                    tracing::warn!("keyvalue: Redis at {server} refuses {name}: {error}");
                }
            }
            _ => {
                if self.others.admit("other").is_some() {
                    tracing::warn!("keyvalue: Redis at {server}: {error}");
                }
            }
        }
    }

    fn is_news(&self, bit: u8) -> bool {
        self.refused.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}
