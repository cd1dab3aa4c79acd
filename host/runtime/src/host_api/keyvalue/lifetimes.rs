//! `narrowboat:consumer/keyvalue`: times to live, and keys by their prefix.

use std::time::Duration;

use wasmtime::component::Resource;

use super::WitKeyvalueResult;
use crate::bindings::grantable_world::narrowboat::consumer::keyvalue::{Host, TimeToLive};
use crate::bindings::grantable_world::wasi::keyvalue::store::KeyResponse;
use crate::store::GuestState;
use narrowboat_keyvalue::{Bucket, KeyTtl, OperationSubject};

impl From<KeyTtl> for TimeToLive {
    fn from(ttl: KeyTtl) -> Self {
        match ttl {
            KeyTtl::Missing => Self::Missing,
            KeyTtl::Never => Self::Unlimited,
            KeyTtl::Remaining(left) => Self::Remaining(milliseconds_of(left)),
        }
    }
}

/// Rounds up, so that a key that is there has some time left.
fn milliseconds_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}

impl Host for GuestState {
    fn set_with_ttl(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
        ttl_ms: u64,
    ) -> WitKeyvalueResult<()> {
        let ttl = Duration::from_millis(ttl_ms);
        self.write_bucket(&bucket, OperationSubject::Key(&key), async |services, own| {
            services.keyvalue.set_with_ttl(own, &key, value, ttl, &services.quota).await
        })
    }

    fn set_ttl(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        ttl_ms: Option<u64>,
    ) -> WitKeyvalueResult<bool> {
        let ttl = ttl_ms.map(Duration::from_millis);
        self.write_bucket(&bucket, OperationSubject::Key(&key), async |services, own| {
            services.keyvalue.set_ttl(own, &key, ttl).await
        })
    }

    fn ttl(&mut self, bucket: Resource<Bucket>, key: String) -> WitKeyvalueResult<TimeToLive> {
        let ttl = self.read_bucket(&bucket, OperationSubject::Key(&key), async |services, own| {
            services.keyvalue.ttl(own, &key).await
        });
        Ok(ttl?.map(TimeToLive::from))
    }

    fn list_by_prefix(
        &mut self,
        bucket: Resource<Bucket>,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> WitKeyvalueResult<KeyResponse> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let subject = OperationSubject::Prefix(&prefix);
        let page = self.read_bucket(&bucket, subject, async |services, own| {
            services.keyvalue.list(own, &prefix, cursor.as_deref(), limit).await
        });
        Ok(page?.map(KeyResponse::from))
    }
}
