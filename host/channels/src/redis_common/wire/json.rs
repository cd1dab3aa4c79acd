//! Messages in JSON, as Python's `json` module writes and reads them.

mod reader;
mod writer;

pub(crate) use reader::JsonError;
pub(super) use reader::read;
pub(super) use writer::write;
