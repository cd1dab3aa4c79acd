//! A store that a test takes away.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use narrowboat_keyvalue::KeyvalueError;
use narrowboat_schedule::ScheduleStore;

/// A store in memory, which a test takes away or makes lose answers.
#[derive(Default)]
pub(crate) struct TestStore {
    values: Mutex<HashMap<String, Vec<u8>>>,
    is_away: AtomicBool,
    lost_answers: AtomicUsize,
}

impl TestStore {
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// Makes the next replacements happen without an answer.
    pub(crate) fn lose_next_answers(&self, count: usize) {
        self.lost_answers.store(count, Ordering::Relaxed);
    }

    /// Takes as long as a server does, so that operations of hosts mix.
    async fn answer(&self) -> Result<(), KeyvalueError> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(KeyvalueError::Unavailable("away".to_owned())),
            false => Ok(()),
        }
    }
}

impl ScheduleStore for TestStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyvalueError> {
        self.answer().await?;
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
    ) -> Result<bool, KeyvalueError> {
        self.answer().await?;
        {
            let mut values = self.values.lock().unwrap();
            if values.get(key).map(Vec::as_slice) != expected {
                return Ok(false);
            }
            values.insert(key.to_owned(), value);
        }
        let lost = self.lost_answers.load(Ordering::Relaxed);
        if lost > 0 {
            self.lost_answers.store(lost - 1, Ordering::Relaxed);
            return Err(KeyvalueError::Unavailable("no answer".to_owned()));
        }
        Ok(true)
    }

    async fn set_ttl(&self, _key: &str, _ttl: Duration) -> Result<(), KeyvalueError> {
        self.answer().await
    }
}
