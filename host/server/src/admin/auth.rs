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

use super::Admin;
use super::problem::Refusal;
use crate::world::World;
use narrowboat_config::{AdminConfig, Scope, TokenConfig, TokenSecret};
use narrowboat_core::atomic_file;
use narrowboat_core::hash::Hash;
use narrowboat_core::name::Tenant;

/// Bytes of chance in a token that the host makes.
const CHANCE: usize = 32;

/// A token's file is no longer than this, in bytes.
const LONGEST: u64 = 4_096;

/// For this user alone.
const TOKEN_MODE: u32 = 0o600;

/// Whose the token is that the host makes.
const OPERATOR: &str = "operator";

/// The tokens that there are.
#[derive(Debug)]
pub(crate) struct Tokens(Vec<Token>);

/// The tokens that the operator's interface takes, which change when the configuration is read again.
#[derive(Debug, Default)]
pub(crate) struct Operators(RwLock<Option<Arc<Tokens>>>);

impl Operators {
    /// Takes other tokens from now on.
    pub(crate) fn set(&self, tokens: Tokens) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *now = Some(Arc::new(tokens));
    }

    /// Whether there is an interface that takes any.
    pub(crate) fn is_asked(&self) -> bool {
        self.now().is_some()
    }

    fn now(&self) -> Option<Arc<Tokens>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Clone)]
struct Token {
    name: Arc<str>,
    /// Of the token's text.
    sha256: Hash,
    scopes: Vec<Scope>,
}

/// Why there are no tokens.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file of a token cannot be read or made.
    #[error("{named_by}: {}: {source}", path.display())]
    System {
        /// The key, or whatever else, that names it.
        named_by: String,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it.
    #[error("{named_by}: {} can be read by others; `chmod 600` takes that from them", path.display())]
    Readable {
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
pub const TOKEN_FILE: &str = "admin.token_file";

impl Tokens {
    /// Reads the tokens, and makes the operator's if there is none yet.
    pub(super) fn open(config: &AdminConfig) -> Result<Self, TokenError> {
        Self::with_operator(&read_or_make(&config.token_file)?, config)
    }

    /// Reads the tokens that there are.
    pub(crate) fn read(config: &AdminConfig) -> Result<Self, TokenError> {
        Self::with_operator(&read(&config.token_file, TOKEN_FILE)?, config)
    }

    fn with_operator(operator: &str, config: &AdminConfig) -> Result<Self, TokenError> {
        let mut tokens = vec![Token {
            name: OPERATOR.into(),
            sha256: Hash::of(operator.as_bytes()),
            scopes: vec![Scope::Admin],
        }];
        tokens.extend(Self::of(&config.tokens, "admin.tokens")?.0);
        Ok(Self(tokens))
    }

    /// Reads the tokens of a list, which stands under `key`.
    pub(crate) fn of(list: &[TokenConfig], key: &str) -> Result<Self, TokenError> {
        let read = |token: &TokenConfig| {
            let sha256 = match &token.secret {
                TokenSecret::Sha256(sha256) => *sha256,
                TokenSecret::File(file) => {
                    let named_by = format!("{key}, {:?}", token.name);
                    Hash::of(read(file, &named_by)?.as_bytes())
                }
            };
            let (name, scopes) = (token.name.as_str().into(), token.scopes.clone());
            Ok(Token { name, sha256, scopes })
        };
        list.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Which one has this hash. Takes as long for one that nobody has.
    fn find(&self, sha256: Hash) -> Option<&Token> {
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.sha256.bytes().ct_eq(sha256.bytes())) {
                found = Some(token);
            }
        }
        found
    }
}

/// Reads a token, and makes one if there is no file.
fn read_or_make(path: &Path) -> Result<String, TokenError> {
    match read(path, TOKEN_FILE) {
        Err(TokenError::System { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        token => return token,
    }
    match make(path) {
        // Another host was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path, TOKEN_FILE),
        made => made.map_err(|source| {
            let (named_by, path) = (TOKEN_FILE.to_owned(), path.to_owned());
            TokenError::System { named_by, path, source }
        }),
    }
}

/// Makes a token in a file that only this user can read.
fn make(path: &Path) -> io::Result<String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; CHANCE]>());
    atomic_file::write_new(path, TOKEN_MODE, format!("{token}\n").as_bytes())?;
    Ok(token)
}

/// Reads a token from a file that `named_by` names, refusing one that others can read.
pub fn read(path: &Path, named_by: &str) -> Result<String, TokenError> {
    let (owned, named_by) = (|| path.to_owned(), || named_by.to_owned());
    let system = |source| TokenError::System { named_by: named_by(), path: owned(), source };
    let file = File::open(path).map_err(system)?;
    if file.metadata().map_err(system)?.permissions().mode() & 0o077 != 0 {
        return Err(TokenError::Readable { named_by: named_by(), path: owned() });
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(system)?;
    match text.trim() {
        "" => Err(TokenError::Empty { named_by: named_by(), path: owned() }),
        token => Ok(token.to_owned()),
    }
}

/// Whoever asks has a token that allows what `S` says.
#[derive(Debug)]
pub(super) struct May<S> {
    /// The name of the token.
    pub(super) name: Arc<str>,
    /// The tenant that is asked about: the token's own, or the one that the operator names; all, if it names none.
    pub(super) about: Option<Tenant>,
    /// The token is a tenant's.
    of_tenant: bool,
    scope: PhantomData<S>,
}

impl<S> May<S> {
    /// Whose token it is, if it is a tenant's.
    pub(super) fn owner(&self) -> Option<&Tenant> {
        self.about.as_ref().filter(|_| self.of_tenant)
    }

    /// The world that is asked about; where none is named, the tenant's that there is without any.
    pub(super) fn world(&self, admin: &Admin) -> Result<Arc<World>, Refusal> {
        let tenant = self.about.clone().unwrap_or_default();
        let world = admin.server.host.worlds().of(&tenant);
        world.ok_or_else(|| Refusal::not_found(format!("there is no tenant {tenant}")))
    }

    /// Whether it is asked about a tenant.
    pub(super) fn is_about(&self, tenant: &Tenant) -> bool {
        self.about.as_ref().is_none_or(|about| about == tenant)
    }

    /// Whether what concerns all tenants may be asked for.
    pub(super) fn check_operator(&self) -> Result<(), Refusal> {
        if self.of_tenant { Err(Refusal::of_tenant(&self.name)) } else { Ok(()) }
    }
}

/// The tenant that a request names.
#[derive(Deserialize)]
struct Named {
    tenant: Option<String>,
}

/// What a route asks for.
pub(super) trait Wanted: Send {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! wanted {
    ($($name:ident: $scope:ident),*) => {
        $(
            #[derive(Debug)]
            pub(super) enum $name {}

            impl Wanted for $name {
                const SCOPE: Scope = Scope::$scope;
            }
        )*
    };
}

wanted!(
    ToRead: Read,
    ToPublish: Publish,
    ToDeploy: Deploy,
    ToApprove: Approve,
    ToAdminister: Admin
);

impl<S: Wanted> FromRequestParts<Arc<Admin>> for May<S> {
    type Rejection = Refusal;

    async fn from_request_parts(
        parts: &mut Parts,
        admin: &Arc<Admin>,
    ) -> Result<Self, Self::Rejection> {
        check_site(&parts.headers, &parts.uri, &admin.hosts)?;
        let given = bearer(&parts.headers).ok_or_else(Refusal::without_token)?;
        let (token, own) = find(admin, given).ok_or_else(Refusal::unknown_token)?;
        if !token.scopes.iter().any(|scope| scope.allows(S::SCOPE)) {
            return Err(Refusal::scope(&token.name, S::SCOPE));
        }
        let Query(Named { tenant }) =
            Query::try_from_uri(&parts.uri).map_err(|error| Refusal::invalid(error.body_text()))?;
        let named = tenant.map(|name| name.parse::<Tenant>()).transpose();
        let named = named.map_err(|error| Refusal::invalid(format!("tenant: {error}")))?;
        let of_tenant = own.is_some();
        let about = match (own, named) {
            (Some(own), Some(named)) if own != named => {
                return Err(Refusal::of_tenant(&token.name));
            }
            (own, named) => own.or(named),
        };
        if let Some(tenant) = &about
            && admin.server.host.worlds().of(tenant).is_none()
        {
            return Err(Refusal::not_found(format!("there is no tenant {tenant}")));
        }
        Ok(Self { name: token.name, about, of_tenant, scope: PhantomData })
    }
}

/// The token that somebody has, and the tenant whose it is; the operator's are no tenant's. Takes as long for a token
/// that nobody has.
fn find(admin: &Admin, token: &str) -> Option<(Token, Option<Tenant>)> {
    let sha256 = Hash::of(token.as_bytes());
    let operators = admin.server.host.operators().now();
    let token = operators.as_ref().and_then(|tokens| tokens.find(sha256));
    let mut found = token.map(|token| (token.clone(), None));
    for (tenant, world) in &*admin.server.host.worlds().all() {
        if let Some(token) = world.tokens.find(sha256) {
            found.get_or_insert_with(|| (token.clone(), Some(tenant.clone())));
        }
    }
    found
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses what a web page of another site could ask: under a name that it made lead here, or as another origin.
pub(super) fn check_site(headers: &HeaderMap, uri: &Uri, hosts: &[String]) -> Result<(), Refusal> {
    // RFC 9112, section 3.2: the target's counts before the field's, of which there is one.
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(Refusal::invalid("the request names two hosts"));
    }
    let host = uri.authority().map(Authority::as_str);
    let host = host.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()));
    let host = host.unwrap_or_default().to_ascii_lowercase();
    if !is_own(&host, hosts) {
        return Err(Refusal::host(&host));
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if own != Some(&*host) {
            return Err(Refusal::origin(&origin));
        }
    }
    Ok(())
}

/// Whether this is a name that nobody else can make lead here: an address, this machine's own, or one that the
/// operator has said.
fn is_own(host: &str, hosts: &[String]) -> bool {
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
        check_site(&headers, &target.parse().unwrap(), &[]).is_ok()
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
            assert!(is_own(own, &[]), "{own}");
        }
        assert!(is_own("admin.example.com", &hosts) && is_own("admin.example.com:443", &hosts));
        for other in ["", "evil.example", "evil.example:8001", "localhost.evil.example", "[::1"] {
            assert!(!is_own(other, &hosts), "{other}");
        }
    }
}
