//! The file on the disk.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The file on the disk, which tests replace by one that fails.
pub(super) trait DiskFile: Debug + Send + Sync {
    /// Returns the length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Reads bytes at an offset, all of them.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes bytes at an offset, all of them.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Changes the length.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Waits until all that was written is on the disk.
    fn sync(&self) -> io::Result<()>;
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
