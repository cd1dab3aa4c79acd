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
use super::deploy::encoded;
use super::output::print_line;
use super::{Failure, NOT_ALLOWED, NOT_FOUND, PENDING, REFUSED};
use narrowboat_config::Config;
use narrowboat_config::signature::Signature;
use narrowboat_egress::authorities::tls_for;
use narrowboat_server::api::{Problem, ProblemKind, SIGNATURE};
use narrowboat_server::{TOKEN_FILE, read_token};

/// How long a host may take to be reached.
const CONNECT: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const ANSWER: u64 = 64 * 1024 * 1024;

/// A running host, and a token for it.
pub(super) struct Client {
    agent: Agent,
    url: String,
    token: String,
    /// Whose it is that is asked for.
    tenant: Option<String>,
}

impl Client {
    /// Finds out where the host listens and what the token is.
    pub(super) fn new(arguments: &HostArgs) -> Result<Self, Failure> {
        let config = match (&arguments.admin, &arguments.token_file) {
            (Some(_), Some(_)) => None,
            _ => Some(Config::read(&arguments.config).map_err(Failure::usage)?),
        };
        let admin = config.and_then(|config| config.admin);
        let missing = |what: &str| {
            let file = arguments.config.display();
            Failure::usage(anyhow!("{file} has no [admin] table, and nothing else says {what}"))
        };
        let url = match (&arguments.admin, &admin) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(admin)) if admin.listen.port() == 0 => {
                let problem = "[admin] listens on a free port; say which one with --admin URL";
                return Err(Failure::usage(anyhow!(problem)));
            }
            (None, Some(admin)) => {
                let listen = admin.listen.resolve();
                let listen = listen.map_err(|error| Failure::at_run_time(anyhow!(error)))?;
                format!("http://{}", reachable(listen))
            }
            (None, None) => return Err(missing("where the host listens; --admin URL does")),
        };
        let (file, named_by): (PathBuf, _) = match (&arguments.token_file, admin) {
            (Some(file), _) => (file.clone(), "--token-file"),
            (None, Some(admin)) => (admin.token_file, TOKEN_FILE),
            (None, None) => return Err(missing("what the token is; --token-file FILE does")),
        };
        let token =
            read_token(&file, named_by).map_err(|error| Failure::with_code(NOT_ALLOWED, error))?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let problem = "is not a URL; write it as `--admin http://HOST:PORT`";
            return Err(Failure::usage(anyhow!("--admin {url}: {problem}")));
        }
        let tls = tls_for(&url).map_err(|error| Failure::usage(anyhow!("{url}: {error}")))?;
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .build();
        Ok(Self { agent: agent.into(), url, token, tenant: arguments.tenant.clone() })
    }

    /// The same for a plugin, which may be named as the log and `status` name a tenant's: `TENANT/PLUGIN`. Returns its
    /// own name as well.
    pub(super) fn of_plugin<'a>(
        arguments: &HostArgs,
        plugin: &'a str,
    ) -> Result<(Self, &'a str), Failure> {
        let mut client = Self::new(arguments)?;
        let Some((tenant, name)) = plugin.split_once('/') else { return Ok((client, plugin)) };
        if let Some(other) = client.tenant.as_ref().filter(|other| *other != tenant) {
            return Err(Failure::usage(anyhow!(
                "{plugin} is a plugin of the tenant {tenant}, and --tenant says {other}"
            )));
        }
        client.tenant = Some(tenant.to_owned());
        Ok((client, name))
    }

    /// Asks for something.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.ask(path)?)
    }

    /// Asks for lines, which come as long as there are any. An error is the last of them.
    pub(super) fn lines(
        &self,
        path: &str,
    ) -> Result<impl Iterator<Item = Result<String, Failure>> + use<>, Failure> {
        let answer = self.ask(path)?;
        let url = self.url.clone();
        let broken = move |error: io::Error| {
            Failure::at_run_time(anyhow!("the answer of {url} broke off: {error}"))
        };
        let lines = BufReader::new(answer.into_body().into_reader()).lines();
        Ok(lines.map(move |line| line.map_err(&broken)))
    }

    /// Asks for something to be done.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        given: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(given).map_err(Failure::at_run_time)?;
        self.read(self.send(path, "application/json", &body)?)
    }

    /// The same where nothing is answered.
    pub(super) fn tell(&self, path: &str, given: &impl Serialize) -> Result<(), Failure> {
        let body = serde_json::to_vec(given).map_err(Failure::at_run_time)?;
        self.send(path, "application/json", &body).map(drop)
    }

    /// Uploads a component, and its signature if there is one.
    pub(super) fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
        signature: Option<&Signature>,
    ) -> Result<T, Failure> {
        let mut request = self.request(path, "application/wasm");
        if let Some(signature) = signature {
            request = request.header(SIGNATURE, signature.to_base64());
        }
        self.read(self.check(request.send(body))?)
    }

    fn ask(&self, path: &str) -> Result<Response<ureq::Body>, Failure> {
        let request = self.agent.get(self.address(path)).header("authorization", self.bearer());
        self.check(request.call())
    }

    fn send(&self, path: &str, kind: &str, body: &[u8]) -> Result<Response<ureq::Body>, Failure> {
        self.check(self.request(path, kind).send(body))
    }

    /// A request that something is sent with.
    fn request(&self, path: &str, kind: &str) -> RequestBuilder<WithBody> {
        let request = self.agent.post(self.address(path)).header("authorization", self.bearer());
        // A host that wants nothing of it says so before it is sent, and not while.
        request.header("content-type", kind).header("expect", "100-continue")
    }

    fn address(&self, path: &str) -> String {
        let Some(tenant) = &self.tenant else { return format!("{}{path}", self.url) };
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{}{path}{joint}tenant={}", self.url, encoded(tenant))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn check(
        &self,
        answer: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<Response<ureq::Body>, Failure> {
        let mut answer = answer.map_err(|error| {
            let url = &self.url;
            Failure::at_run_time(anyhow!("no answer from {url}: {error}; does the host run?"))
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem = answer.body_mut().with_config().limit(ANSWER).read_to_vec();
        let problem = problem.ok().and_then(|body| serde_json::from_slice(&body).ok());
        Err(failure(&self.url, status, problem))
    }

    fn read<T: DeserializeOwned>(&self, mut answer: Response<ureq::Body>) -> Result<T, Failure> {
        let body = answer.body_mut().with_config().limit(ANSWER).read_to_vec();
        let body = body.map_err(Failure::at_run_time)?;
        serde_json::from_slice(&body).map_err(|error| {
            let url = &self.url;
            Failure::at_run_time(anyhow!("{url} answers what this program does not know: {error}"))
        })
    }
}

/// A host that listens everywhere is reached at this machine's own address.
fn reachable(listen: std::net::SocketAddr) -> std::net::SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn failure(url: &str, status: StatusCode, problem: Option<Problem>) -> Failure {
    let Some(Problem { kind, error }) = problem else {
        return Failure::at_run_time(anyhow!(
            "{url} answers {status}; is a host of Narrowboat there?"
        ));
    };
    let error = anyhow!(error);
    match kind {
        ProblemKind::Unauthorised | ProblemKind::Forbidden => {
            Failure::with_code(NOT_ALLOWED, error)
        }
        ProblemKind::NotFound => Failure::with_code(NOT_FOUND, error),
        ProblemKind::Pending => Failure::with_code(PENDING, error),
        ProblemKind::Refused | ProblemKind::Superseded => Failure::with_code(REFUSED, error),
        ProblemKind::Invalid | ProblemKind::TooLarge => Failure::usage(error),
        ProblemKind::MethodNotAllowed | ProblemKind::Unavailable => Failure::at_run_time(error),
    }
}

/// Prints what was answered, for machines.
pub(super) fn print_json(answer: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(answer).map_err(Failure::at_run_time)?;
    print_line(text)
}
