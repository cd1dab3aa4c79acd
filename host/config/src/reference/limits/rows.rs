//! The rows of all tables.

use super::host_rows::HOST_ROWS;
use super::inherited_rows::INHERITED_ROWS;
use super::limit_row::LimitRow;
use super::quota_rows::QUOTA_ROWS;

/// Returns every limit that the operator may set, in the order of the reference page.
pub fn limit_rows() -> impl Iterator<Item = &'static LimitRow> {
    HOST_ROWS.iter().chain(INHERITED_ROWS).chain(QUOTA_ROWS)
}
