//! `[tenants.NAME]`: tenants, whose plugins and channels no other tenant can reach. The tables at the top of the file
//! belong to the tenant `default`.

mod raw_tenant;
mod tenant_config;
mod tenant_matcher;
mod tenant_tls;

pub use tenant_config::TenantConfig;
pub use tenant_matcher::{MatchSpecificity, TenantMatcher};
pub use tenant_tls::TenantTlsConfig;

pub(super) use raw_tenant::{RawTenant, RawTenantTables, TenantCheckContext, check_all};
