//! `hosts` of a layer: every form that channels_redis accepts, with the meaning that redis-py gives it.

mod references;

use std::path::{Path, PathBuf};

use toml::{Table, Value};
use url::Url;

use super::error::SECRET_FORMS;
use super::error::closest_match;
use super::layer_backend::{RedisAccess, RedisHost, RedisServer, RedisTls};
use super::redis_endpoint::{DEFAULT_PORT, Endpoint};
use super::redis_login::percent_decode;
use super::secret::{Secret, SecretSource, SecretStore};

/// A key below `hosts`, such as `[1].port`, and the problem with its value.
pub(super) type RedisHostError = (String, String);

/// The port of a sentinel that does not set one, as in redis-py.
const DEFAULT_SENTINEL_PORT: u16 = 26379;
/// The forms of a host, for error messages.
const EXPECTED_FORMS: &str = "a host is \"redis://HOST:6379/0\", \"rediss://…\", \"unix:///PATH\", [\"HOST\", 6379], \
    { address = \"redis://…\" }, { host = \"HOST\", port = 6379 }, { env = \"NAME\" } or { file = \"PATH\" } with a URL, or \
    { sentinels = [[\"HOST\", 26379]], master_name = \"…\" }";

/// The arguments of redis-py for a server that this host supports.
const SERVER_KEYS: [&str; 12] = [
    "address",
    "host",
    "port",
    "db",
    "username",
    "password",
    "unix_socket_path",
    "ssl",
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_cert_reqs",
];

/// The keys of a host with sentinels, beside the arguments of the master.
const SENTINEL_KEYS: [&str; 3] = ["sentinels", "master_name", "sentinel_kwargs"];

/// Parses the list of hosts. Files are relative to `folder`.
pub(super) fn parse_redis_hosts(
    hosts: &Value,
    folder: &Path,
    secrets: &SecretStore,
) -> Result<Vec<RedisHost>, RedisHostError> {
    let Value::Array(list) = hosts else {
        return Err((String::new(), format!("must be a list of hosts; {EXPECTED_FORMS}")));
    };
    if list.is_empty() {
        return Err((
            String::new(),
            "must have at least one host; remove the key for [\"redis://localhost:6379\"]"
                .to_owned(),
        ));
    }
    let parse = |(index, value): (usize, &Value)| {
        RedisHostParser { path: format!("[{index}]"), folder, secrets }.parse_host(value)
    };
    list.iter().enumerate().map(parse).collect()
}

/// Parses one value of `hosts`.
struct RedisHostParser<'a> {
    /// The path of the value below `hosts`, such as `[1]`.
    path: String,
    /// The folder that files are relative to.
    folder: &'a Path,
    /// The secrets that values refer to.
    secrets: &'a SecretStore,
}

impl RedisHostParser<'_> {
    /// Returns a parser for a value below this one.
    fn at(&self, sub_path: &str) -> Self {
        let path = format!("{}{sub_path}", self.path);
        Self { path, folder: self.folder, secrets: self.secrets }
    }

    fn fail<T>(&self, key: &str, problem: impl Into<String>) -> Result<T, RedisHostError> {
        let key = if key.is_empty() { String::new() } else { format!(".{key}") };
        Err((format!("{}{key}", self.path), problem.into()))
    }

    fn parse_host(&self, value: &Value) -> Result<RedisHost, RedisHostError> {
        match value {
            Value::String(url) => self.parse_url(url).map(RedisHost::Server),
            Value::Array(pair) => self.parse_pair(pair, DEFAULT_PORT).map(RedisHost::Server),
            Value::Table(table) if table.contains_key("sentinels") => self.parse_sentinel(table),
            Value::Table(table) if let Some(source) = SecretSource::parse(table, self.folder) => {
                self.parse_url_secret("", source).map(RedisHost::Server)
            }
            Value::Table(table) => self.parse_server(table).map(RedisHost::Server),
            _ => self.fail("", EXPECTED_FORMS),
        }
    }

    /// Parses `["10.0.0.5", 6379]`.
    fn parse_pair(&self, pair: &[Value], port: u16) -> Result<RedisServer, RedisHostError> {
        let (host, port) = match pair {
            [Value::String(host)] => (host, port),
            [Value::String(host), port] => (host, self.parse_port("", port)?),
            _ => return self.fail("", "must be a host and a port such as [\"10.0.0.5\", 6379]"),
        };
        Ok(RedisServer {
            endpoint: Endpoint::Tcp(self.check_host_name("", host)?, port),
            access: RedisAccess::default(),
        })
    }

    fn check_host_name(&self, key: &str, host: &str) -> Result<String, RedisHostError> {
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return self
                .fail(key, "must be a host name or an IP address, without a scheme, user or path");
        }
        Ok(host.to_owned())
    }

    fn parse_port(&self, key: &str, value: &Value) -> Result<u16, RedisHostError> {
        let port = value.as_integer().and_then(|port| u16::try_from(port).ok());
        match port {
            Some(port) if port > 0 => Ok(port),
            _ => self.fail(key, "must be a port, which is a number from 1 to 65535"),
        }
    }

    /// Parses a URL as `parse_url` of redis-py does.
    fn parse_url(&self, text: &str) -> Result<RedisServer, RedisHostError> {
        // The error does not repeat a wrong URL, since it may hold a password.
        let Ok(url) = Url::parse(text) else { return self.fail("", EXPECTED_FORMS) };
        let mut access = RedisAccess {
            username: percent_decode(url.username()),
            password: url.password().and_then(percent_decode).map(Secret::from),
            ..RedisAccess::default()
        };
        let endpoint = match url.scheme() {
            "redis" | "rediss" => {
                access.tls = (url.scheme() == "rediss").then(RedisTls::default);
                let database = url.path().trim_start_matches('/');
                if !database.is_empty() {
                    access.database = self.parse_database("", database)?;
                }
                Endpoint::of_tcp_url(&url)
            }
            "unix" => match percent_decode(url.path()) {
                Some(path) => Endpoint::Unix(self.folder.join(path)),
                None => return self.fail("", "must have the path of a socket: \"unix:///PATH\""),
            },
            other => {
                let problem = format!("{other}:// is not a scheme of Redis; {EXPECTED_FORMS}");
                return self.fail("", problem);
            }
        };
        let access = self.apply_query(access, &url)?;
        Ok(RedisServer { endpoint, access })
    }

    /// Applies the query parameters of a URL.
    fn apply_query(
        &self,
        mut access: RedisAccess,
        url: &Url,
    ) -> Result<RedisAccess, RedisHostError> {
        for (name, value) in url.query_pairs() {
            match (&*name, &mut access.tls) {
                ("db", _) => access.database = self.parse_database("", &value)?,
                ("password", _) => access.password = Some(Secret::from(value.into_owned())),
                ("username", _) => access.username = Some(value.into_owned()),
                (_, Some(tls)) if name.starts_with("ssl_") => {
                    self.apply_tls_argument(tls, &name, &Value::String(value.into_owned()))?;
                }
                (other, _) => {
                    let problem = format!(
                        "the URL has the parameter {other:?}, which is not supported; remove it"
                    );
                    return self.fail("", problem);
                }
            }
        }
        self.check_tls(access)
    }

    fn parse_database(&self, key: &str, text: &str) -> Result<i64, RedisHostError> {
        match text.parse() {
            Ok(number) if number >= 0 => Ok(number),
            _ => self.fail(key, "must be a database, which is a whole number, 0 or more"),
        }
    }

    /// Parses `{ address = "redis://…", … }` or `{ host = "…", … }`.
    fn parse_server(&self, table: &Table) -> Result<RedisServer, RedisHostError> {
        self.check_known_keys(table, &[&SERVER_KEYS])?;
        let mut server = match table.get("address") {
            Some(Value::String(url)) => self.at(".address").parse_url(url)?,
            Some(value) => match self.parse_reference(value) {
                Some(source) => self.parse_url_secret("address", source)?,
                None => {
                    return self.fail("address", "must be a URL such as \"redis://HOST:6379\"");
                }
            },
            None => RedisServer::default(),
        };
        if let Some(host) = self.get_string(table, "host")? {
            let port =
                if let Endpoint::Tcp(_, port) = server.endpoint { port } else { DEFAULT_PORT };
            server.endpoint = Endpoint::Tcp(self.check_host_name("host", host)?, port);
        }
        if let Some(port) = table.get("port") {
            let port = self.parse_port("port", port)?;
            if let Endpoint::Tcp(_, endpoint_port) = &mut server.endpoint {
                *endpoint_port = port;
            }
        }
        if let Some(path) = self.get_string(table, "unix_socket_path")? {
            server.endpoint = Endpoint::Unix(self.folder.join(path));
        }
        server.access = self.parse_access(server.access, table)?;
        Ok(server)
    }

    /// Parses `{ sentinels = […], master_name = "…", … }`.
    fn parse_sentinel(&self, table: &Table) -> Result<RedisHost, RedisHostError> {
        self.check_known_keys(table, &[&SENTINEL_KEYS, &SERVER_KEYS[3..6], &SERVER_KEYS[7..]])?;
        let Some(master_name) = self.get_string(table, "master_name")? else {
            let problem = "is missing; write the name that the sentinels have for the master";
            return self.fail("master_name", problem);
        };
        let access = self.parse_sentinel_access(table.get("sentinel_kwargs"))?;
        Ok(RedisHost::Sentinel {
            sentinels: self.parse_sentinel_list(table.get("sentinels"), &access)?,
            master_name: master_name.to_owned(),
            master: self.parse_access(RedisAccess::default(), table)?,
        })
    }

    /// Parses `sentinel_kwargs`.
    fn parse_sentinel_access(&self, value: Option<&Value>) -> Result<RedisAccess, RedisHostError> {
        match value {
            None => Ok(RedisAccess::default()),
            Some(Value::Table(arguments)) => {
                let parser = self.at(".sentinel_kwargs");
                parser.check_known_keys(arguments, &[&SERVER_KEYS[3..6], &SERVER_KEYS[7..]])?;
                parser.parse_access(RedisAccess::default(), arguments)
            }
            Some(_) => {
                let problem = "must be a table of arguments such as { password = \"…\" }";
                self.fail("sentinel_kwargs", problem)
            }
        }
    }

    /// Parses `sentinels`.
    fn parse_sentinel_list(
        &self,
        value: Option<&Value>,
        access: &RedisAccess,
    ) -> Result<Vec<RedisServer>, RedisHostError> {
        let Some(Value::Array(list)) = value else {
            return self.fail("sentinels", "must be a list such as [[\"10.0.0.5\", 26379]]");
        };
        if list.is_empty() {
            let problem = "must have at least one sentinel such as [\"10.0.0.5\", 26379]";
            return self.fail("sentinels", problem);
        }
        let sentinels = list.iter().enumerate().map(|(index, value)| {
            let parser = self.at(&format!(".sentinels[{index}]"));
            let Value::Array(pair) = value else {
                return parser.fail("", "must be a host and a port such as [\"10.0.0.5\", 26379]");
            };
            let server = parser.parse_pair(pair, DEFAULT_SENTINEL_PORT)?;
            Ok(RedisServer { access: access.clone(), ..server })
        });
        sentinels.collect()
    }

    fn parse_access(
        &self,
        mut access: RedisAccess,
        table: &Table,
    ) -> Result<RedisAccess, RedisHostError> {
        if let Some(database) = table.get("db") {
            match database.as_integer() {
                Some(number) if number >= 0 => access.database = number,
                _ => {
                    return self
                        .fail("db", "must be a database, which is a whole number, 0 or more");
                }
            }
        }
        if let Some(username) = self.get_string(table, "username")? {
            access.username = Some(username.to_owned());
        }
        match table.get("password") {
            None => {}
            Some(Value::String(password)) => {
                access.password = Some(Secret::from(password.clone()));
            }
            Some(value) => match self.parse_reference(value) {
                Some(source) => access.password = Some(self.read_secret("password", source)?),
                None => return self.fail("password", format!("must be {SECRET_FORMS}")),
            },
        }
        match table.get("ssl") {
            None => {}
            Some(Value::Boolean(true)) => access.tls = access.tls.or(Some(RedisTls::default())),
            Some(Value::Boolean(false)) => access.tls = None,
            Some(_) => return self.fail("ssl", "must be true or false"),
        }
        for (name, value) in table.iter().filter(|(name, _)| name.starts_with("ssl_")) {
            let Some(tls) = &mut access.tls else {
                return self
                    .fail(name, "needs TLS; write the address as rediss://, or add `ssl = true`");
            };
            self.apply_tls_argument(tls, name, value)?;
        }
        self.check_tls(access)
    }

    fn apply_tls_argument(
        &self,
        tls: &mut RedisTls,
        name: &str,
        value: &Value,
    ) -> Result<(), RedisHostError> {
        let Value::String(text) = value else {
            return self.fail(name, "must be a text in quotes");
        };
        let file = || self.folder.join(text);
        match name {
            "ssl_ca_certs" => tls.ca_file = Some(file()),
            "ssl_certfile" => tls.identity.get_or_insert_default().0 = file(),
            "ssl_keyfile" => tls.identity.get_or_insert_default().1 = file(),
            "ssl_cert_reqs" => match text.as_str() {
                "required" => tls.skip_verify = false,
                "none" => tls.skip_verify = true,
                _ => return self.fail(name, "must be \"required\" or \"none\""),
            },
            other => return self.fail("", unknown_key_message(other, &[&SERVER_KEYS[8..]])),
        }
        Ok(())
    }

    fn check_tls(&self, access: RedisAccess) -> Result<RedisAccess, RedisHostError> {
        let identity = access.tls.as_ref().and_then(|tls| tls.identity.as_ref());
        if let Some((certificate, key)) = identity {
            let empty = PathBuf::new();
            if *certificate == empty || *key == empty {
                return self.fail("", "has one of ssl_certfile and ssl_keyfile; add the other one");
            }
        }
        Ok(access)
    }

    fn get_string<'t>(
        &self,
        table: &'t Table,
        key: &str,
    ) -> Result<Option<&'t str>, RedisHostError> {
        match table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.fail(key, "must be a text in quotes"),
        }
    }

    fn check_known_keys(&self, table: &Table, known: &[&[&str]]) -> Result<(), RedisHostError> {
        let is_known = |key: &String| known.iter().any(|names| names.contains(&key.as_str()));
        match table.keys().find(|key| !is_known(key)) {
            Some(key) => self.fail("", unknown_key_message(key, known)),
            None => Ok(()),
        }
    }
}

/// The error for an unknown key, with the key that was probably meant.
fn unknown_key_message(key: &str, known: &[&[&str]]) -> String {
    let names = || known.iter().copied().flatten().copied();
    match closest_match(key, names()) {
        Some(name) => format!("unknown key `{key}`; did you mean `{name}`?"),
        None => format!(
            "unknown key `{key}`, expected one of `{}`",
            names().collect::<Vec<_>>().join("`, `")
        ),
    }
}
