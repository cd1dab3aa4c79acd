//! Who may ask what: tokens, and no web page of another site.

use std::fs::File;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{FromRequestParts, Query};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::AdminState;
use super::api_error::ApiError;
use crate::tenant_runtime::TenantRuntime;
use narrowboat_config::{AdminConfig, TokenConfig, TokenScope, TokenSecret};
use narrowboat_core::atomic_file;
use narrowboat_core::name::Tenant;
use narrowboat_core::sha256_digest::Sha256Digest;

/// Bytes of chance in a token that the host makes.
const TOKEN_RANDOM_BYTES: usize = 32;

/// A token's file is no longer than this, in bytes.
const MAX_TOKEN_FILE_BYTES: u64 = 4_096;

/// For this user alone.
const TOKEN_FILE_MODE: u32 = 0o600;

/// Whose the token is that the host makes.
const OPERATOR_TOKEN_NAME: &str = "operator";

/// The tokens that there are.
#[derive(Debug)]
pub(crate) struct ApiTokens(Vec<ApiToken>);

/// The tokens that the operator's interface takes, which change when the configuration is read again.
#[derive(Debug, Default)]
pub(crate) struct OperatorTokens(RwLock<Option<Arc<ApiTokens>>>);

impl OperatorTokens {
    /// Takes other tokens from now on.
    pub(crate) fn replace(&self, tokens: ApiTokens) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *now = Some(Arc::new(tokens));
    }

    /// Whether there is an interface that takes any.
    pub(crate) fn is_enabled(&self) -> bool {
        self.current().is_some()
    }

    fn current(&self) -> Option<Arc<ApiTokens>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Clone)]
struct ApiToken {
    name: Arc<str>,
    /// Of the token's text.
    sha256: Sha256Digest,
    scopes: Vec<TokenScope>,
}

/// Why there are no tokens.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file of a token cannot be read or made.
    #[error("{named_by}: {}: {source}", path.display())]
    Io {
        /// The key, or whatever else, that names it.
        named_by: String,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it.
    #[error("{named_by}: {} can be read by others; `chmod 600` takes that from them", path.display())]
    ReadableByOthers {
        /// The key, or whatever else, that names it.
        named_by: String,
        /// Which file.
        path: PathBuf,
    },
    /// There is no token in it.
    #[error("{named_by}: {} has no token in it; `openssl rand -hex 32` makes one", path.display())]
    Empty {
        /// The key, or whatever else, that names it.
        named_by: String,
        /// Which file.
        path: PathBuf,
    },
}

/// The key of the file of a token that may do everything.
pub const TOKEN_FILE_KEY: &str = "admin.token_file";

impl ApiTokens {
    /// Reads the tokens, and makes the operator's if there is none yet.
    pub(super) fn read_or_create(config: &AdminConfig) -> Result<Self, TokenError> {
        Self::with_operator(&read_or_create_token(&config.token_file)?, config)
    }

    /// Reads the tokens that there are.
    pub(crate) fn read(config: &AdminConfig) -> Result<Self, TokenError> {
        Self::with_operator(&read(&config.token_file, TOKEN_FILE_KEY)?, config)
    }

    fn with_operator(operator: &str, config: &AdminConfig) -> Result<Self, TokenError> {
        let mut tokens = vec![ApiToken {
            name: OPERATOR_TOKEN_NAME.into(),
            sha256: Sha256Digest::of(operator.as_bytes()),
            scopes: vec![TokenScope::Admin],
        }];
        tokens.extend(Self::read_list(&config.tokens, "admin.tokens")?.0);
        Ok(Self(tokens))
    }

    /// Reads the tokens of a list, which stands under `key`.
    pub(crate) fn read_list(list: &[TokenConfig], key: &str) -> Result<Self, TokenError> {
        let read = |token: &TokenConfig| {
            let sha256 = match &token.secret {
                TokenSecret::Sha256(sha256) => *sha256,
                TokenSecret::File(file) => {
                    let named_by = format!("{key}, {:?}", token.name);
                    Sha256Digest::of(read(file, &named_by)?.as_bytes())
                }
            };
            let (name, scopes) = (token.name.as_str().into(), token.scopes.clone());
            Ok(ApiToken { name, sha256, scopes })
        };
        list.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Which one has this hash. Takes as long for one that nobody has.
    fn find_by_hash(&self, sha256: Sha256Digest) -> Option<&ApiToken> {
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.sha256.as_bytes().ct_eq(sha256.as_bytes())) {
                found = Some(token);
            }
        }
        found
    }
}

/// Reads a token, and makes one if there is no file.
fn read_or_create_token(path: &Path) -> Result<String, TokenError> {
    match read(path, TOKEN_FILE_KEY) {
        Err(TokenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        token => return token,
    }
    match create_token(path) {
        // Another host was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path, TOKEN_FILE_KEY),
        made => made.map_err(|source| {
            let (named_by, path) = (TOKEN_FILE_KEY.to_owned(), path.to_owned());
            TokenError::Io { named_by, path, source }
        }),
    }
}

/// Makes a token in a file that only this user can read.
fn create_token(path: &Path) -> io::Result<String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_RANDOM_BYTES]>());
    atomic_file::write_new(path, TOKEN_FILE_MODE, format!("{token}\n").as_bytes())?;
    Ok(token)
}

/// Reads a token from a file that `named_by` names, refusing one that others can read.
pub fn read(path: &Path, named_by: &str) -> Result<String, TokenError> {
    let (owned, named_by) = (|| path.to_owned(), || named_by.to_owned());
    let system = |source| TokenError::Io { named_by: named_by(), path: owned(), source };
    let file = File::open(path).map_err(system)?;
    if file.metadata().map_err(system)?.permissions().mode() & 0o077 != 0 {
        return Err(TokenError::ReadableByOthers { named_by: named_by(), path: owned() });
    }
    let mut text = String::new();
    file.take(MAX_TOKEN_FILE_BYTES).read_to_string(&mut text).map_err(system)?;
    match text.trim() {
        "" => Err(TokenError::Empty { named_by: named_by(), path: owned() }),
        token => Ok(token.to_owned()),
    }
}

/// Whoever asks has a token that allows what `S` says.
#[derive(Debug)]
pub(super) struct Authorized<S> {
    /// The name of the token.
    pub(super) token_name: Arc<str>,
    /// The tenant that is asked about: the token's own, or the one that the operator names; all, if it names none.
    pub(super) tenant: Option<Tenant>,
    /// The token is a tenant's.
    is_tenant_token: bool,
    scope: PhantomData<S>,
}

impl<S> Authorized<S> {
    /// Whose token it is, if it is a tenant's.
    pub(super) fn token_tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref().filter(|_| self.is_tenant_token)
    }

    /// The world that is asked about; where none is named, the tenant's that there is without any.
    pub(super) fn tenant_runtime(
        &self,
        admin: &AdminState,
    ) -> Result<Arc<TenantRuntime>, ApiError> {
        let tenant = self.tenant.clone().unwrap_or_default();
        let world = admin.server.host.tenants().get(&tenant);
        world.ok_or_else(|| ApiError::not_found(format!("there is no tenant {tenant}")))
    }

    /// Whether it is asked about a tenant.
    pub(super) fn covers(&self, tenant: &Tenant) -> bool {
        self.tenant.as_ref().is_none_or(|about| about == tenant)
    }

    /// Whether what concerns all tenants may be asked for.
    pub(super) fn require_operator(&self) -> Result<(), ApiError> {
        if self.is_tenant_token { Err(ApiError::wrong_tenant(&self.token_name)) } else { Ok(()) }
    }
}

/// The tenant that a request names.
#[derive(Deserialize)]
struct TenantQuery {
    tenant: Option<String>,
}

/// What a route asks for.
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
        let given = bearer_token(&parts.headers).ok_or_else(ApiError::missing_token)?;
        let (token, own) = find_token(admin, given).ok_or_else(ApiError::unknown_token)?;
        if !token.scopes.iter().any(|scope| scope.allows(S::SCOPE)) {
            return Err(ApiError::missing_scope(&token.name, S::SCOPE));
        }
        let Query(TenantQuery { tenant }) = Query::try_from_uri(&parts.uri)
            .map_err(|error| ApiError::invalid(error.body_text()))?;
        let named = tenant.map(|name| name.parse::<Tenant>()).transpose();
        let named = named.map_err(|error| ApiError::invalid(format!("tenant: {error}")))?;
        let of_tenant = own.is_some();
        let about = match (own, named) {
            (Some(own), Some(named)) if own != named => {
                return Err(ApiError::wrong_tenant(&token.name));
            }
            (own, named) => own.or(named),
        };
        if let Some(tenant) = &about
            && admin.server.host.tenants().get(tenant).is_none()
        {
            return Err(ApiError::not_found(format!("there is no tenant {tenant}")));
        }
        Ok(Self {
            token_name: token.name,
            tenant: about,
            is_tenant_token: of_tenant,
            scope: PhantomData,
        })
    }
}

/// The token that somebody has, and the tenant whose it is; the operator's are no tenant's. Takes as long for a token
/// that nobody has.
fn find_token(admin: &AdminState, token: &str) -> Option<(ApiToken, Option<Tenant>)> {
    let sha256 = Sha256Digest::of(token.as_bytes());
    let operators = admin.server.host.operator_tokens().current();
    let token = operators.as_ref().and_then(|tokens| tokens.find_by_hash(sha256));
    let mut found = token.map(|token| (token.clone(), None));
    for (tenant, world) in &*admin.server.host.tenants().all() {
        if let Some(token) = world.tokens.find_by_hash(sha256) {
            found.get_or_insert_with(|| (token.clone(), Some(tenant.clone())));
        }
    }
    found
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses what a web page of another site could ask: under a name that it made lead here, or as another origin.
pub(super) fn check_host_and_origin(
    headers: &HeaderMap,
    uri: &Uri,
    hosts: &[String],
) -> Result<(), ApiError> {
    // RFC 9112, section 3.2: the target's counts before the field's, of which there is one.
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(ApiError::invalid("the request names two hosts"));
    }
    let host = uri.authority().map(Authority::as_str);
    let host = host.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()));
    let host = host.unwrap_or_default().to_ascii_lowercase();
    if !is_own_host(&host, hosts) {
        return Err(ApiError::foreign_host(&host));
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if own != Some(&*host) {
            return Err(ApiError::foreign_origin(&origin));
        }
    }
    Ok(())
}

/// Whether this is a name that nobody else can make lead here: an address, this machine's own, or one that the
/// operator has said.
fn is_own_host(host: &str, hosts: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost"
        || address.parse::<IpAddr>().is_ok()
        || hosts.iter().any(|own| own == name || own == host)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn asked(target: &str, fields: &[(HeaderName, &'static str)]) -> bool {
        let fields = fields.iter().cloned();
        let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        check_host_and_origin(&headers, &target.parse().unwrap(), &[]).is_ok()
    }

    #[test]
    fn rfc_9112_3_2_a_request_names_one_host_and_an_absolute_target_counts_before_it() {
        let (own, other) = ((HOST, "localhost"), (HOST, "evil.example"));
        assert!(asked("/", std::slice::from_ref(&own)));
        for fields in [&[own.clone(), own.clone()], &[own.clone(), other.clone()]] {
            assert!(!asked("/", fields));
        }
        assert!(asked("http://localhost/", &[other]));
        assert!(!asked("http://evil.example/", &[own]));
    }

    #[test]
    fn each_origin_that_a_request_names_has_to_be_this_host() {
        let own = (ORIGIN, "http://localhost");
        let other = (ORIGIN, "http://evil.example");
        assert!(asked("/", &[(HOST, "localhost"), own.clone()]));
        assert!(!asked("/", &[(HOST, "localhost"), own, other]));
    }

    #[test]
    fn only_names_that_lead_nowhere_else_are_ours() {
        let hosts = ["admin.example.com".to_owned()];
        for own in ["localhost", "localhost:8001", "127.0.0.1:8001", "[::1]:8001", "[::1]"] {
            assert!(is_own_host(own, &[]), "{own}");
        }
        assert!(
            is_own_host("admin.example.com", &hosts)
                && is_own_host("admin.example.com:443", &hosts)
        );
        for other in ["", "evil.example", "evil.example:8001", "localhost.evil.example", "[::1"] {
            assert!(!is_own_host(other, &hosts), "{other}");
        }
    }
}
