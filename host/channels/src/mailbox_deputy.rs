//! A second reader of a mailbox, which reads while the first one rests.

use std::sync::Weak;

use super::Delivery;
use super::mailbox_source::MailboxSource;

/// Reads a mailbox in place of its reader, while the reader rests. It may read only after
/// [`DeliverySink::try_take_over`](crate::DeliverySink::try_take_over), until the mailbox is empty or handed back.
pub struct MailboxDeputy(Weak<dyn MailboxSource>);

impl MailboxDeputy {
    pub(super) fn new(source: Weak<dyn MailboxSource>) -> Self {
        Self(source)
    }

    /// Takes the next delivery. `None` means that the mailbox is empty or dropped: the reader reads again, and the next
    /// message asks the sink again.
    #[must_use]
    pub fn take_next(&self) -> Option<Delivery> {
        self.0.upgrade()?.take_for_deputy()
    }

    /// Lets the reader read again, and wakes it if a delivery waits.
    pub fn hand_back(&self) {
        if let Some(source) = self.0.upgrade() {
            source.hand_back();
        }
    }
}
