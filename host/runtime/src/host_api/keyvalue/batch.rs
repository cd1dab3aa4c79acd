//! `wasi:keyvalue/batch`: several keys at once. The store limits their number and bytes.

use wasmtime::component::Resource;

use super::WitKeyvalueResult;
use crate::bindings::grantable_world::wasi::keyvalue::batch::Host;
use crate::store::GuestState;
use narrowboat_keyvalue::{Bucket, OperationSubject};

impl Host for GuestState {
    fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> WitKeyvalueResult<Vec<(String, Option<Vec<u8>>)>> {
        let subject = OperationSubject::of_batch(&keys);
        let values = self.read_bucket(&bucket, subject, async |services, own| {
            services.keyvalue.get_many(own, &keys).await
        });
        Ok(values?.map(|values| keys.into_iter().zip(values).collect()))
    }

    fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> WitKeyvalueResult<()> {
        let first = entries.first().map(|(key, _)| key.clone()).unwrap_or_default();
        let subject = OperationSubject::Keys { first: &first, count: entries.len() };
        self.write_bucket(&bucket, subject, async |services, own| {
            services.keyvalue.set_many(own, entries, &services.quota).await
        })
    }

    fn delete_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> WitKeyvalueResult<()> {
        let subject = OperationSubject::of_batch(&keys);
        self.write_bucket(&bucket, subject, async |services, own| {
            services.keyvalue.delete_many(own, &keys).await
        })
    }
}
