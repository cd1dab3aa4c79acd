//! The client of the admin API of a running host.

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
use super::cli_error::CliError;
use super::cli_exit_code::CliExitCode;
use narrowboat_config::Config;
use narrowboat_config::signature::Signature;
use narrowboat_core::plugin_file::PluginFileKind;
use narrowboat_egress::root_certificates::tls_config_for;
use narrowboat_server::api::{Problem, ProblemKind, SIGNATURE_HEADER};
use narrowboat_server::{TOKEN_FILE_KEY, read_token};

/// The longest time for a connection to the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest response body that is read, in bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// A client of the admin API of one host, with a token.
pub(super) struct AdminClient {
    agent: Agent,
    url: String,
    token: String,
    /// The tenant that the requests are about, if it is not the token's own.
    tenant: Option<String>,
}

impl AdminClient {
    /// Creates a client from the options, and from `[admin]` of the configuration where an option is missing.
    ///
    /// # Errors
    /// When the address or the token is missing or wrong.
    pub(super) fn new(arguments: &HostArgs) -> Result<Self, CliError> {
        let config = match (&arguments.admin, &arguments.token_file) {
            (Some(_), Some(_)) => None,
            _ => Some(Config::read(&arguments.config).map_err(CliError::usage)?),
        };
        let admin = config.and_then(|config| config.admin);
        let missing = |what: &str| {
            let file = arguments.config.display();
            CliError::usage(anyhow!("{file} has no [admin] table; give {what}"))
        };
        let url = match (&arguments.admin, &admin) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(admin)) if admin.listen.port() == 0 => {
                let problem = "[admin] listens on a free port; give the address with --admin URL";
                return Err(CliError::usage(anyhow!(problem)));
            }
            (None, Some(admin)) => {
                let listen = admin.listen.resolve();
                let listen = listen.map_err(|error| CliError::runtime(anyhow!(error)))?;
                format!("http://{}", connectable_address(listen))
            }
            (None, None) => return Err(missing("the address of the host with --admin URL")),
        };
        let (file, named_by): (PathBuf, _) = match (&arguments.token_file, admin) {
            (Some(file), _) => (file.clone(), "--token-file"),
            (None, Some(admin)) => (admin.token_file, TOKEN_FILE_KEY),
            (None, None) => return Err(missing("the token file with --token-file FILE")),
        };
        let token = read_token(&file, named_by)
            .map_err(|error| CliError::with_code(CliExitCode::NotAllowed, error))?;
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

    /// Creates a client for requests about a plugin. `plugin` is a plugin's name, or `TENANT/PLUGIN`. Returns the plugin's
    /// name without the tenant too.
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

    /// Sends a GET request, and parses the JSON response.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.read_json(self.send_get(path)?)
    }

    /// Sends a GET request, and returns the lines of the response as they arrive. After an error there are no more lines.
    pub(super) fn stream_lines(
        &self,
        path: &str,
    ) -> Result<impl Iterator<Item = Result<String, CliError>> + use<>, CliError> {
        let response = self.send_get(path)?;
        let url = self.url.clone();
        let broken = move |error: io::Error| {
            CliError::runtime(anyhow!("the response of {url} broke off: {error}"))
        };
        let lines = BufReader::new(response.into_body().into_reader()).lines();
        Ok(lines.map(move |line| line.map_err(&broken)))
    }

    /// Sends a POST request with a JSON body, and parses the JSON response.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = serde_json::to_vec(request).map_err(CliError::runtime)?;
        self.read_json(self.send_post(path, "application/json", &body)?)
    }

    /// Sends a POST request with a JSON body, and ignores the body of the response.
    pub(super) fn post_without_reply(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<(), CliError> {
        let body = serde_json::to_vec(request).map_err(CliError::runtime)?;
        self.send_post(path, "application/json", &body).map(drop)
    }

    /// Uploads a component or a source bundle with its signature, and parses the JSON response.
    pub(super) fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
        signature: Option<&Signature>,
    ) -> Result<T, CliError> {
        let mut request = self.post_request(path, PluginFileKind::of(body).media_type());
        if let Some(signature) = signature {
            request = request.header(SIGNATURE_HEADER, signature.to_base64());
        }
        self.read_json(self.check_status(request.send(body))?)
    }

    /// Sends a GET request, and returns the response, whose body is not read yet.
    pub(super) fn get_response(&self, path: &str) -> Result<Response<ureq::Body>, CliError> {
        self.send_get(path)
    }

    /// Sends a PUT request with bytes.
    pub(super) fn put(&self, path: &str, body: &[u8]) -> Result<(), CliError> {
        let request =
            self.agent.put(self.url_of(path)).header("authorization", self.authorization());
        let request = request.header("content-type", "application/octet-stream");
        self.check_status(request.send(body)).map(drop)
    }

    /// Sends a DELETE request.
    pub(super) fn delete(&self, path: &str) -> Result<(), CliError> {
        let request =
            self.agent.delete(self.url_of(path)).header("authorization", self.authorization());
        self.check_status(request.call()).map(drop)
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

    /// Creates a POST request.
    fn post_request(&self, path: &str, kind: &str) -> RequestBuilder<WithBody> {
        let request =
            self.agent.post(self.url_of(path)).header("authorization", self.authorization());
        // With `expect`, a host that refuses the body does so before the body is sent.
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
        response: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<Response<ureq::Body>, CliError> {
        let mut response = response.map_err(|error| {
            let url = &self.url;
            CliError::runtime(anyhow!("no response from {url}: {error}; does the host run?"))
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem = response.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec();
        let problem = problem.ok().and_then(|body| serde_json::from_slice(&body).ok());
        Err(error_of_problem(&self.url, status, problem))
    }

    fn read_json<T: DeserializeOwned>(
        &self,
        mut response: Response<ureq::Body>,
    ) -> Result<T, CliError> {
        let body = response.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec();
        let body = body.map_err(CliError::runtime)?;
        serde_json::from_slice(&body).map_err(|error| {
            let url = &self.url;
            CliError::runtime(anyhow!(
                "unexpected response of {url}: {error}; do the versions of host and program match?"
            ))
        })
    }
}

/// Returns an address to connect to: the loopback address for a host that listens on an unspecified one.
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
            "{url} responded with {status}; is a Narrowboat host there?"
        ));
    };
    let error = anyhow!(error);
    match kind {
        ProblemKind::Unauthorized | ProblemKind::Forbidden => {
            CliError::with_code(CliExitCode::NotAllowed, error)
        }
        ProblemKind::NotFound => CliError::with_code(CliExitCode::NotFound, error),
        ProblemKind::Pending => CliError::with_code(CliExitCode::Pending, error),
        ProblemKind::Refused | ProblemKind::Superseded => {
            CliError::with_code(CliExitCode::Refused, error)
        }
        ProblemKind::Invalid | ProblemKind::TooLarge => CliError::usage(error),
        ProblemKind::MethodNotAllowed | ProblemKind::RateLimited | ProblemKind::Unavailable => {
            CliError::runtime(error)
        }
    }
}

/// Percent-encodes a name as a segment of a path.
pub(super) fn encode_path_segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
