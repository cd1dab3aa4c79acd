//! The reference of limits: `docs/reference/limits.md` is made from these rows, and a test compares them with the keys
//! that the host reads.

mod fixed_limits;
mod host_rows;
mod inherited_rows;
mod limit_row;
mod limits_page;
mod quota_rows;
mod rows;

pub use limit_row::{LimitRow, TenantLimit};
pub use limits_page::limits_reference;
pub use rows::limit_rows;
