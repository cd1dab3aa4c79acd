//! A bucket of a tenant.

use crate::KeyvalueError;
use narrowboat_core::name::{GroupName, Tenant};

/// The name of a bucket, whose keys and values all plugins of one tenant share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    tenant: Tenant,
    /// The rule for names of buckets is the one for names of groups.
    name: GroupName,
}

impl Bucket {
    /// Returns the bucket of this name. A bucket exists as soon as it is named.
    ///
    /// # Errors
    /// If the name is not valid.
    pub fn new(tenant: &Tenant, name: String) -> Result<Self, KeyvalueError> {
        let name = GroupName::try_from(name).map_err(|_| KeyvalueError::InvalidBucketName)?;
        Ok(Self { tenant: tenant.clone(), name })
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_str()
    }
}
