//! The commands of compare-and-swap handles.

use narrowboat_guest::keyvalue::KeyValueError;

use crate::bindings::wasi::keyvalue::atomics::{Cas, CasError, swap};
use crate::bindings::wasi::keyvalue::store::{self, Error};

/// Runs a command. `None` if the command is another one.
pub(crate) fn run(
    bucket: &str,
    verb: &str,
    key: &str,
    value: &str,
) -> Option<Result<String, KeyValueError>> {
    let result = match verb {
        // compare KEY N: holds N handles of a key at the same time
        "compare" => store::open(bucket).and_then(|bucket| {
            let count = value.parse().unwrap_or_default();
            let handles: Result<Vec<_>, _> = (0..count).map(|_| Cas::new(&bucket, key)).collect();
            Ok(handles?.len().to_string())
        }),
        // stale KEY VALUE: swaps with the handle of an earlier value, and with the one that the host returns
        "stale" => store::open(bucket).and_then(|bucket| {
            let (first, second) = (Cas::new(&bucket, key)?, Cas::new(&bucket, key)?);
            swap(first, b"first").map_err(store_error)?;
            let latest = match swap(second, b"second") {
                Err(CasError::CasFailed(latest)) => latest,
                other => return Ok(format!("{other:?}")),
            };
            let current = latest.current()?.unwrap_or_default();
            swap(latest, value.as_bytes()).map_err(store_error)?;
            Ok(format!("stale, then {}", String::from_utf8_lossy(&current)))
        }),
        _ => return None,
    };
    Some(result.map_err(|error| match error {
        Error::NoSuchStore => KeyValueError::NoSuchStore(bucket.to_owned()),
        Error::AccessDenied => KeyValueError::AccessDenied,
        Error::Other(text) => KeyValueError::Other(text),
    }))
}

fn store_error(error: CasError) -> Error {
    match error {
        CasError::StoreError(error) => error,
        CasError::CasFailed(_) => Error::Other("the value has changed".to_owned()),
    }
}
