//! The key-value store of the host.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use narrowboat_config::{KeyvalueBackend, KeyvalueConfig};
use narrowboat_core::units::ByteSize;
use narrowboat_keyvalue::{Bucket, KeyvalueStore};
use narrowboat_quota::QuotaChain;
use tokio::runtime::Runtime;

use crate::{KEYS, Keys, Measured, PERIOD, READERS, VALUE_BYTES, WRITERS, key};

pub struct Narrowboat {
    store: Arc<KeyvalueStore>,
    bucket: Bucket,
    chain: Arc<QuotaChain>,
    runtime: Runtime,
}

impl Measured for Narrowboat {
    const NAME: &str = "Narrowboat, `backend = \"file\"`";

    fn open(folder: &Path) -> Self {
        let config = KeyvalueConfig {
            backend: KeyvalueBackend::File { folder: folder.join("store") },
            quota: ByteSize::mib(1_024),
            max_value: ByteSize::mib(1),
            max_key: ByteSize::kib(1),
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let measured = Self {
            store: Arc::new(KeyvalueStore::open(&config).expect("a store")),
            bucket: Bucket::new(&Default::default(), "bench".to_owned()).expect("a bucket"),
            chain: Arc::default(),
            runtime: runtime.expect("a runtime"),
        };
        measured.runtime.block_on(async {
            for at in (0..KEYS).step_by(1_000) {
                let entries = (at..at + 1_000).map(|at| (key(at), vec![7; VALUE_BYTES])).collect();
                measured
                    .store
                    .set_many(&measured.bucket, entries, &measured.chain)
                    .await
                    .expect("a write");
            }
        });
        measured
    }

    fn write(&self) -> usize {
        let end = Instant::now() + PERIOD;
        self.runtime.block_on(async {
            let tasks: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (store, bucket, chain) =
                        (Arc::clone(&self.store), self.bucket.clone(), Arc::clone(&self.chain));
                    tokio::spawn(async move {
                        let (mut keys, mut count) = (Keys::new(writer), 0);
                        while Instant::now() < end {
                            store
                                .set(&bucket, &keys.next(), vec![3; VALUE_BYTES], &chain)
                                .await
                                .expect("a write");
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            let mut count = 0;
            for task in tasks {
                count += task.await.expect("a task");
            }
            count
        })
    }

    fn read(&self) -> usize {
        let end = Instant::now() + PERIOD;
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS)
                .map(|reader| {
                    scope.spawn(move || {
                        self.runtime.block_on(async {
                            let (mut keys, mut count) = (Keys::new(reader), 0);
                            while Instant::now() < end {
                                let value = self
                                    .store
                                    .get(&self.bucket, &keys.next())
                                    .await
                                    .expect("a read");
                                count += value.expect("a value").len() / VALUE_BYTES;
                            }
                            count
                        })
                    })
                })
                .collect();
            readers.into_iter().map(|reader| reader.join().expect("a reader")).sum()
        })
    }
}
