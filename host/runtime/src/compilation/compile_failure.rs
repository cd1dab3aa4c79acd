//! How a process that compiles a component fails.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use super::compile_error::CompileError;
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_quota::{CompileLimits, LimitKind, QuotaChain};

/// The beginning of the standard library's last words if there is no memory.
const NO_MEMORY: &str = "memory allocation of";

/// How a process that compiles a component fails.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CompileFailure {
    /// The component does not compile, for this reason.
    Refused(String),
    /// It has used up its processor time.
    OutOfTime,
    /// It has used up its memory.
    OutOfMemory,
    /// It was ended after this time, although it had not used up its processor time.
    TooSlow(Duration),
    /// It was ended because the load is cancelled.
    Cancelled,
    /// It has crashed, or something else has ended it.
    Ended { status: String, last_words: String },
}

impl CompileFailure {
    /// The failure of a process that has ended without a response.
    pub(super) fn from_end(status: Option<ExitStatus>, last_words: &str) -> Self {
        let signal = status.and_then(|status| status.signal());
        if signal == Some(Signal::XCPU.as_raw()) {
            return Self::OutOfTime;
        }
        if signal == Some(Signal::ABORT.as_raw()) && last_words.contains(NO_MEMORY) {
            return Self::OutOfMemory;
        }
        let status = status.map_or_else(|| "an unknown status".to_owned(), |it| it.to_string());
        Self::Ended { status, last_words: sanitize_log_line(last_words.trim()) }
    }

    /// The error of the component. Counts a limit that it has reached.
    pub(super) fn into_error(self, quota: &QuotaChain, limits: CompileLimits) -> CompileError {
        let limit = |kind: LimitKind, amount: u64| CompileError::Limit {
            kind,
            max: kind.format_amount(amount),
            owner: quota.record_compile_limit_hit(kind).name(),
        };
        match self {
            Self::Refused(problem) => CompileError::Refused(problem),
            Self::OutOfTime => {
                let nanos = limits.time.unwrap_or_default().as_nanos();
                limit(LimitKind::CompileTime, u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            Self::OutOfMemory => limit(LimitKind::CompileMemory, limits.memory.unwrap_or(u64::MAX)),
            Self::TooSlow(time) => CompileError::TooSlow(time),
            Self::Cancelled => CompileError::Cancelled,
            Self::Ended { status, last_words } => CompileError::Ended { status, last_words },
        }
    }
}

#[cfg(test)]
mod tests;
