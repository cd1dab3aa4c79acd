use crate::{
    keyvalue::KeyValueError,
    testing::native::{
        current_instance::{OUTSIDE, with_host},
        key_value_store::KeyValueStore,
    },
};

type KeyValueResult<T> = Result<T, KeyValueError>;

fn outside() -> KeyValueError {
    KeyValueError::Other(OUTSIDE.to_owned())
}

/// Checks that a host runs the code that calls this.
pub(crate) fn check_host() -> KeyValueResult<()> {
    with_host(|_, _| ()).ok_or_else(outside)
}

/// Reads the buckets.
pub(crate) fn read<R>(work: impl FnOnce(&KeyValueStore) -> R) -> KeyValueResult<R> {
    with_host(|host, _| work(host.keyvalue())).ok_or_else(outside)
}

/// Changes the buckets. Fails while the plugin saves its state, and while a version is on trial.
pub(crate) fn write<R>(
    work: impl FnOnce(&mut KeyValueStore) -> KeyValueResult<R>,
) -> KeyValueResult<R> {
    with_host(|host, _| match host.suppressed {
        Some(reason) => Err(KeyValueError::Other(format!("nothing can be written {reason}"))),
        None => work(host.keyvalue()),
    })
    .unwrap_or_else(|| Err(outside()))
}
