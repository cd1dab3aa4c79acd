//! Limits of plugins, tenants and the host, and the usage that counts against them.
//!
//! A [`QuotaNode`] has the limits and the usage of one owner. A [`QuotaChain`] joins the three nodes that apply to a
//! plugin: its own, its tenant's and the host's.

mod compile_limit_node;
mod compile_limits;
mod connection_permit;
mod limit_hit_counters;
mod limit_kind;
mod limit_usage;
mod nanoseconds;
mod per_address_limit;
mod quota_chain;
mod quota_node;
mod quota_owner;
mod quota_resource;
mod rate_limiter;
mod rate_limits;
mod reservation;

pub use compile_limits::CompileLimits;
pub use connection_permit::ConnectionPermit;
pub use limit_kind::{LIMIT_KINDS, LimitKind};
pub use limit_usage::LimitUsage;
pub use per_address_limit::PerAddressLimit;
pub use quota_chain::QuotaChain;
pub use quota_node::QuotaNode;
pub use quota_owner::QuotaOwner;
pub use quota_resource::QuotaResource;
pub use reservation::Reservation;
