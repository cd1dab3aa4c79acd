//! `wasi:keyvalue`: what is kept beyond an instance, written and read at once.

use std::time::Duration;

use wasmtime::component::Resource;

use crate::bindings::grantable_world::wasi::keyvalue::{atomics, store};
use crate::outside::{Hush, NoAnswer};
use crate::state::GuestState;
use narrowboat_keyvalue::{Bucket, KeyvalueError};

/// How long one operation may take.
const TIME: Duration = Duration::from_secs(2);

/// What an import answers, or a trap.
type Answer<T> = wasmtime::Result<Result<T, store::Error>>;

impl From<KeyvalueError> for store::Error {
    fn from(error: KeyvalueError) -> Self {
        match error {
            KeyvalueError::NoSuchStore => Self::NoSuchStore,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<NoAnswer> for store::Error {
    fn from(error: NoAnswer) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<Hush> for store::Error {
    fn from(hush: Hush) -> Self {
        Self::Other(hush.words().to_owned())
    }
}

/// Asks the store and waits for its answer.
macro_rules! asked {
    ($state:ident, $bucket:ident, |$beyond:ident, $own:ident| $work:expr) => {{
        let outside = $state.outside()?;
        let $own = outside.table.get(&$bucket)?;
        let $beyond = &outside.beyond;
        match outside.patience.wait(TIME, $work) {
            Ok(answer) => Ok(answer.map_err(store::Error::from)),
            Err(late) => Ok(Err(late.into())),
        }
    }};
}

/// The same for what changes something, which a trial may not.
macro_rules! changed {
    ($state:ident, $bucket:ident, |$beyond:ident, $own:ident| $work:expr) => {
        match $state.outside()?.hushed {
            Some(hush) => Ok(Err(hush.into())),
            None => asked!($state, $bucket, |$beyond, $own| $work),
        }
    };
}

impl store::Host for GuestState {
    fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        match Bucket::new(&self.around.tenant, identifier) {
            Ok(bucket) => Ok(Ok(self.outside()?.table.push(bucket)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl store::HostBucket for GuestState {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        asked!(self, bucket, |beyond, own| beyond.keyvalue.get(own, &key))
    }

    fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        changed!(self, bucket, |beyond, own| {
            beyond.keyvalue.set(own, &key, value, &beyond.allowance)
        })
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        changed!(self, bucket, |beyond, own| beyond.keyvalue.delete(own, &key))
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        asked!(self, bucket, |beyond, own| beyond.keyvalue.exists(own, &key))
    }

    fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<store::KeyResponse> {
        let page: Answer<_> =
            asked!(self, bucket, |beyond, own| beyond.keyvalue.keys(own, cursor.as_deref()));
        Ok(page?.map(|page| store::KeyResponse { keys: page.keys, cursor: page.cursor }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.outside()?.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for GuestState {
    fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Answer<i64> {
        changed!(self, bucket, |beyond, own| {
            beyond.keyvalue.increment(own, &key, delta, &beyond.allowance)
        })
    }
}
