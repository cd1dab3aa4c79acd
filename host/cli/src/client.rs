//! Asking a running host.

use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
use ureq::typestate::WithBody;
use ureq::{Agent, RequestBuilder};

use super::arguments::HostArgs;
use super::deploy::encode_path_segment;
use super::output::print_line;
use super::{CliError, EXIT_NOT_ALLOWED, EXIT_NOT_FOUND, EXIT_PENDING, EXIT_REFUSED};
use narrowboat_config::Config;
use narrowboat_config::signature::Signature;
use narrowboat_egress::root_certificates::tls_config_for;
use narrowboat_server::api::{Problem, ProblemKind, SIGNATURE_HEADER};
use narrowboat_server::{TOKEN_FILE_KEY, read_token};

/// How long a host may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// A running host, and a token for it.
pub(super) struct AdminClient {
    agent: Agent,
    url: String,
    token: String,
    /// Whose it is that is asked for.
    tenant: Option<String>,
}

impl AdminClient {
    /// Finds out where the host listens and what the token is.
    pub(super) fn new(arguments: &HostArgs) -> Result<Self, CliError> {
        let config = match (&arguments.admin, &arguments.token_file) {
            (Some(_), Some(_)) => None,
            _ => Some(Config::read(&arguments.config).map_err(CliError::usage)?),
        };
        let admin = config.and_then(|config| config.admin);
        let missing = |what: &str| {
            let file = arguments.config.display();
            CliError::usage(anyhow!("{file} has no [admin] table, and nothing else says {what}"))
        };
        let url = match (&arguments.admin, &admin) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(admin)) if admin.listen.port() == 0 => {
                let problem = "[admin] listens on a free port; say which one with --admin URL";
                return Err(CliError::usage(anyhow!(problem)));
            }
            (None, Some(admin)) => {
                let listen = admin.listen.resolve();
                let listen = listen.map_err(|error| CliError::runtime(anyhow!(error)))?;
                format!("http://{}", connectable_address(listen))
            }
            (None, None) => return Err(missing("where the host listens; --admin URL does")),
        };
        let (file, named_by): (PathBuf, _) = match (&arguments.token_file, admin) {
            (Some(file), _) => (file.clone(), "--token-file"),
            (None, Some(admin)) => (admin.token_file, TOKEN_FILE_KEY),
            (None, None) => return Err(missing("what the token is; --token-file FILE does")),
        };
        let token = read_token(&file, named_by)
            .map_err(|error| CliError::with_code(EXIT_NOT_ALLOWED, error))?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let problem = "is not a URL; write it as `--admin http://HOST:PORT`";
            return Err(CliError::usage(anyhow!("--admin {url}: {problem}")));
        }
        let tls =
            tls_config_for(&url).map_err(|error| CliError::usage(anyhow!("{url}: {error}")))?;
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .build();
        Ok(Self { agent: agent.into(), url, token, tenant: arguments.tenant.clone() })
    }

    /// The same for a plugin, which may be named as the log and `status` name a tenant's: `TENANT/PLUGIN_LABELS`. Returns its
    /// own name as well.
    pub(super) fn for_plugin<'a>(
        arguments: &HostArgs,
        plugin: &'a str,
    ) -> Result<(Self, &'a str), CliError> {
        let mut client = Self::new(arguments)?;
        let Some((tenant, name)) = plugin.split_once('/') else { return Ok((client, plugin)) };
        if let Some(other) = client.tenant.as_ref().filter(|other| *other != tenant) {
            return Err(CliError::usage(anyhow!(
                "{plugin} is a plugin of the tenant {tenant}, and --tenant says {other}"
            )));
        }
        client.tenant = Some(tenant.to_owned());
        Ok((client, name))
    }

    /// Asks for something.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.read_json(self.send_get(path)?)
    }

    /// Asks for lines, which come as long as there are any. An error is the last of them.
    pub(super) fn stream_lines(
        &self,
        path: &str,
    ) -> Result<impl Iterator<Item = Result<String, CliError>> + use<>, CliError> {
        let answer = self.send_get(path)?;
        let url = self.url.clone();
        let broken = move |error: io::Error| {
            CliError::runtime(anyhow!("the answer of {url} broke off: {error}"))
        };
        let lines = BufReader::new(answer.into_body().into_reader()).lines();
        Ok(lines.map(move |line| line.map_err(&broken)))
    }

    /// Asks for something to be done.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        given: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = serde_json::to_vec(given).map_err(CliError::runtime)?;
        self.read_json(self.send_post(path, "application/json", &body)?)
    }

    /// The same where nothing is answered.
    pub(super) fn post_without_reply(
        &self,
        path: &str,
        given: &impl Serialize,
    ) -> Result<(), CliError> {
        let body = serde_json::to_vec(given).map_err(CliError::runtime)?;
        self.send_post(path, "application/json", &body).map(drop)
    }

    /// Uploads a component, and its signature if there is one.
    pub(super) fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
        signature: Option<&Signature>,
    ) -> Result<T, CliError> {
        let mut request = self.post_request(path, "application/wasm");
        if let Some(signature) = signature {
            request = request.header(SIGNATURE_HEADER, signature.to_base64());
        }
        self.read_json(self.check_status(request.send(body))?)
    }

    fn send_get(&self, path: &str) -> Result<Response<ureq::Body>, CliError> {
        let request =
            self.agent.get(self.url_of(path)).header("authorization", self.authorization());
        self.check_status(request.call())
    }

    fn send_post(
        &self,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> Result<Response<ureq::Body>, CliError> {
        self.check_status(self.post_request(path, kind).send(body))
    }

    /// A request that something is sent with.
    fn post_request(&self, path: &str, kind: &str) -> RequestBuilder<WithBody> {
        let request =
            self.agent.post(self.url_of(path)).header("authorization", self.authorization());
        // A host that wants nothing of it says so before it is sent, and not while.
        request.header("content-type", kind).header("expect", "100-continue")
    }

    fn url_of(&self, path: &str) -> String {
        let Some(tenant) = &self.tenant else { return format!("{}{path}", self.url) };
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{}{path}{joint}tenant={}", self.url, encode_path_segment(tenant))
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn check_status(
        &self,
        answer: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<Response<ureq::Body>, CliError> {
        let mut answer = answer.map_err(|error| {
            let url = &self.url;
            CliError::runtime(anyhow!("no answer from {url}: {error}; does the host run?"))
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem = answer.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec();
        let problem = problem.ok().and_then(|body| serde_json::from_slice(&body).ok());
        Err(error_of_problem(&self.url, status, problem))
    }

    fn read_json<T: DeserializeOwned>(
        &self,
        mut answer: Response<ureq::Body>,
    ) -> Result<T, CliError> {
        let body = answer.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec();
        let body = body.map_err(CliError::runtime)?;
        serde_json::from_slice(&body).map_err(|error| {
            let url = &self.url;
            CliError::runtime(anyhow!("{url} answers what this program does not know: {error}"))
        })
    }
}

/// A host that listens everywhere is reached at this machine's own address.
fn connectable_address(listen: std::net::SocketAddr) -> std::net::SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn error_of_problem(url: &str, status: StatusCode, problem: Option<Problem>) -> CliError {
    let Some(Problem { kind, error }) = problem else {
        return CliError::runtime(anyhow!(
            "{url} answers {status}; is a host of Narrowboat there?"
        ));
    };
    let error = anyhow!(error);
    match kind {
        ProblemKind::Unauthorized | ProblemKind::Forbidden => {
            CliError::with_code(EXIT_NOT_ALLOWED, error)
        }
        ProblemKind::NotFound => CliError::with_code(EXIT_NOT_FOUND, error),
        ProblemKind::Pending => CliError::with_code(EXIT_PENDING, error),
        ProblemKind::Refused | ProblemKind::Superseded => CliError::with_code(EXIT_REFUSED, error),
        ProblemKind::Invalid | ProblemKind::TooLarge => CliError::usage(error),
        ProblemKind::MethodNotAllowed | ProblemKind::Unavailable => CliError::runtime(error),
    }
}

/// Prints what was answered, for machines.
pub(super) fn print_json(answer: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(answer).map_err(CliError::runtime)?;
    print_line(text)
}
