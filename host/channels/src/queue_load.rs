//! The load of a queue: deliveries and bytes.

/// A number of deliveries, and the bytes of their payloads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLoad {
    /// The number of deliveries.
    pub count: usize,
    /// The bytes of their payloads together.
    pub bytes: usize,
}

impl QueueLoad {
    /// Returns this load with one more delivery of `len` bytes.
    #[must_use]
    pub fn with_item(self, len: usize) -> Self {
        Self { count: self.count.saturating_add(1), bytes: self.bytes.saturating_add(len) }
    }
}
