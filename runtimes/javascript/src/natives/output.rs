//! Log lines and random numbers.

use rquickjs::prelude::Func;
use rquickjs::{Object, Result};

use super::values::{Bytes, Text};

use crate::bindings::wasi::logging::logging::{self, Level};

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("log", Func::from(log))?;
    natives.set("randomBytes", Func::from(random_bytes))?;
    Ok(())
}

/// Writes a log line. `level` is 0 for trace to 4 for error.
fn log(level: u8, context: Text, text: Text) {
    let level = match level {
        0 => Level::Trace,
        1 => Level::Debug,
        2 => Level::Info,
        3 => Level::Warn,
        _ => Level::Error,
    };
    logging::log(level, &context.0, &text.0);
}

/// Returns random bytes.
fn random_bytes(count: usize) -> Bytes {
    let mut bytes = vec![0; count];
    narrowboat_guest::random::fill(&mut bytes);
    Bytes(bytes)
}
