//! The authorization of requests: a token with the scope that a route requires.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use serde::Deserialize;

use super::admin_state::AdminState;
use super::api_error::ApiError;
use super::request_origin::check_host_and_origin;
use crate::auth::ApiToken;
use crate::tenants::TenantRuntime;
use narrowboat_config::TokenScope;
use narrowboat_core::name::Tenant;
use narrowboat_core::sha256_digest::Sha256Digest;

/// Extracts the token of a request, which has the scope `S`.
#[derive(Debug)]
pub(super) struct Authorized<S> {
    /// The name of the token.
    pub(super) token_name: Arc<str>,
    /// The tenant that the request is about: the token's own, or the one that the operator names. `None` means all
    /// tenants.
    pub(super) tenant: Option<Tenant>,
    /// Whether the token belongs to a tenant.
    is_tenant_token: bool,
    scope: PhantomData<S>,
}

impl<S> Authorized<S> {
    /// The tenant that the token belongs to; `None` for an operator's token.
    pub(super) fn token_tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref().filter(|_| self.is_tenant_token)
    }

    /// The tenant that the request is about, or else the tenant `default`.
    ///
    /// # Errors
    /// 404 if the tenant does not exist any more.
    pub(super) fn tenant_runtime(
        &self,
        admin: &AdminState,
    ) -> Result<Arc<TenantRuntime>, ApiError> {
        let tenant = self.tenant.clone().unwrap_or_default();
        let runtime = admin.server.host.tenants().get(&tenant);
        runtime.ok_or_else(|| ApiError::not_found(format!("there is no tenant {tenant}")))
    }

    /// Whether the request is about this tenant, possibly among others.
    pub(super) fn covers(&self, tenant: &Tenant) -> bool {
        self.tenant.as_ref().is_none_or(|requested| requested == tenant)
    }

    /// Checks that a tenant that the request is about has a plugin of this name.
    ///
    /// # Errors
    /// 404 if no tenant has it.
    pub(super) fn require_plugin(&self, admin: &AdminState, plugin: &str) -> Result<(), ApiError> {
        let config = admin.server.host.config();
        let names = || {
            let covered = config.tenants.iter().filter(|(tenant, _)| self.covers(tenant));
            covered.flat_map(|(_, own)| own.plugins.keys().map(String::as_str))
        };
        match names().any(|name| name == plugin) {
            true => Ok(()),
            false => Err(ApiError::unknown_name("plugin", plugin, names())),
        }
    }

    /// Rejects a tenant's token, because the request concerns all tenants.
    ///
    /// # Errors
    /// 403 if the token belongs to a tenant.
    pub(super) fn require_operator(&self) -> Result<(), ApiError> {
        if self.is_tenant_token { Err(ApiError::wrong_tenant(&self.token_name)) } else { Ok(()) }
    }
}

/// The query parameter that names a tenant.
#[derive(Deserialize)]
struct TenantQuery {
    tenant: Option<String>,
}

/// A scope as a type, for [`Authorized`].
pub(super) trait RequiredScope: Send {
    /// The scope.
    const SCOPE: TokenScope;
}

macro_rules! required_scopes {
    ($($name:ident: $scope:ident),*) => {
        $(
            #[derive(Debug)]
            pub(super) enum $name {}

            impl RequiredScope for $name {
                const SCOPE: TokenScope = TokenScope::$scope;
            }
        )*
    };
}

required_scopes!(
    ReadScope: Read,
    PublishScope: Publish,
    DeployScope: Deploy,
    ApproveScope: Approve,
    AdminScope: Admin
);

impl<S: RequiredScope> FromRequestParts<Arc<AdminState>> for Authorized<S> {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        admin: &Arc<AdminState>,
    ) -> Result<Self, Self::Rejection> {
        check_host_and_origin(&parts.headers, &parts.uri, &admin.hosts)?;
        let secret = bearer_token(&parts.headers).ok_or_else(ApiError::missing_token)?;
        let (token, token_tenant) =
            find_token(admin, secret).ok_or_else(ApiError::unknown_token)?;
        if !token.scopes.iter().any(|scope| scope.allows(S::SCOPE)) {
            return Err(ApiError::missing_scope(&token.name, S::SCOPE));
        }
        let is_tenant_token = token_tenant.is_some();
        let tenant = match (token_tenant, named_tenant(parts)?) {
            (Some(own), Some(named)) if own != named => {
                return Err(ApiError::wrong_tenant(&token.name));
            }
            (own, named) => own.or(named),
        };
        if let Some(tenant) = &tenant
            && admin.server.host.tenants().get(tenant).is_none()
        {
            return Err(ApiError::not_found(format!("there is no tenant {tenant}")));
        }
        Ok(Self { token_name: token.name, tenant, is_tenant_token, scope: PhantomData })
    }
}

/// The tenant that the query names.
fn named_tenant(parts: &Parts) -> Result<Option<Tenant>, ApiError> {
    let Query(TenantQuery { tenant }) =
        Query::try_from_uri(&parts.uri).map_err(|error| ApiError::invalid(error.body_text()))?;
    let tenant = tenant.map(|name| name.parse::<Tenant>()).transpose();
    tenant.map_err(|error| ApiError::invalid(format!("tenant: {error}")))
}

/// The token with this text, and the tenant that it belongs to; `None` for the operator's. Takes the same time whether
/// or not the token exists, so that the time tells nothing.
fn find_token(admin: &AdminState, secret: &str) -> Option<(ApiToken, Option<Tenant>)> {
    let sha256 = Sha256Digest::of(secret.as_bytes());
    let operator_tokens = admin.server.host.operator_tokens().current();
    let token = operator_tokens.as_ref().and_then(|tokens| tokens.find_by_hash(sha256));
    let mut found = token.map(|token| (token.clone(), None));
    for (tenant, runtime) in &*admin.server.host.tenants().all() {
        let tokens = runtime.tokens.current();
        if let Some(token) = tokens.as_ref().and_then(|tokens| tokens.find_by_hash(sha256)) {
            found.get_or_insert_with(|| (token.clone(), Some(tenant.clone())));
        }
    }
    found
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
