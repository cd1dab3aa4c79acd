//! Whose keys and values they are.

use crate::KeyvalueError;
use narrowboat_core::name::{GroupName, Tenant};

/// Keys and values of one name, for all plugins of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    tenant: Tenant,
    /// The rule for its name is that for a group's.
    name: GroupName,
}

/// Some keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys, in no order.
    pub keys: Vec<String>,
    /// Where to go on, if there is more.
    pub cursor: Option<String>,
}

impl Bucket {
    /// The bucket of this name, which is there once it is named.
    ///
    /// # Errors
    /// When no bucket can have the name.
    pub fn new(tenant: &Tenant, name: String) -> Result<Self, KeyvalueError> {
        let name = GroupName::try_from(name).map_err(|_| KeyvalueError::InvalidBucketName)?;
        Ok(Self { tenant: tenant.clone(), name })
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }
}
