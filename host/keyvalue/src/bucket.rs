//! A bucket of a tenant, or of the host itself.

use crate::KeyvalueError;
use narrowboat_core::name::{GroupName, Tenant};

/// The name of the bucket with the state of rooms. A plugin cannot name it, since no group has this name.
const ROOMS: &str = "rooms!";

/// The name of a bucket, whose keys and values all plugins of one tenant share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    owner: BucketOwner,
    /// The rule for names of buckets is the one for names of groups.
    name: BucketName,
}

/// The owner of a bucket. Each owner has names of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BucketOwner {
    /// The host. No plugin can name a bucket of the host, and no quota counts it.
    Host,
    /// A tenant.
    Tenant(Tenant),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum BucketName {
    Static(&'static str),
    Checked(GroupName),
}

impl Bucket {
    /// Returns the bucket of this name. A bucket exists as soon as it is named.
    ///
    /// # Errors
    /// If the name is not valid.
    pub fn new(tenant: &Tenant, name: String) -> Result<Self, KeyvalueError> {
        let name = GroupName::try_from(name).map_err(|_| KeyvalueError::InvalidBucketName)?;
        Ok(Self { owner: BucketOwner::Tenant(tenant.clone()), name: BucketName::Checked(name) })
    }

    /// Returns a bucket of the host. No plugin can name it, and its entries count in no quota. `name` follows the rule
    /// for names of buckets.
    #[must_use]
    pub fn system(name: &'static str) -> Self {
        Self { owner: BucketOwner::Host, name: BucketName::Static(name) }
    }

    /// Returns the bucket with the state of a tenant's rooms. No plugin can name it. Its entries count in the tenant's
    /// quota.
    #[must_use]
    pub fn rooms(tenant: &Tenant) -> Self {
        Self { owner: BucketOwner::Tenant(tenant.clone()), name: BucketName::Static(ROOMS) }
    }

    pub(crate) fn owner(&self) -> &BucketOwner {
        &self.owner
    }

    /// Returns whether the bucket is the host's own.
    pub(crate) fn is_system(&self) -> bool {
        self.owner == BucketOwner::Host
    }

    /// Returns whether the host writes the keys and values, so that the operator's limits for plugins do not apply.
    pub(crate) fn is_written_by_host(&self) -> bool {
        matches!(self.name, BucketName::Static(_))
    }

    pub(crate) fn name(&self) -> &str {
        match &self.name {
            BucketName::Static(name) => name,
            BucketName::Checked(name) => name.as_str(),
        }
    }
}
