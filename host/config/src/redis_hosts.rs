//! `hosts` of a layer: every form that channels_redis takes, read as redis-py reads it.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use toml::{Table, Value};
use url::Url;

use super::error::closest_match;
use super::layer_backend::{Endpoint, RedisAccess, RedisHost, RedisServer, RedisTls, Secret};

/// A key below `hosts`, such as `[1].port`, and what is wrong with it.
pub(super) type RedisHostError = (String, String);

/// What redis-py takes when nothing is said.
const DEFAULT_PORT: u16 = 6379;
const DEFAULT_SENTINEL_PORT: u16 = 26379;
const EXPECTED_FORMS: &str = "a host is \"redis://HOST:6379/0\", \"rediss://…\", \"unix:///PATH\", [\"HOST\", 6379], \
    { address = \"redis://…\" }, { host = \"HOST\", port = 6379 } or \
    { sentinels = [[\"HOST\", 26379]], master_name = \"…\" }";

/// Arguments of a server that redis-py knows and so does this host.
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

/// What belongs to a sentinel beside the arguments of its servers.
const SENTINEL_KEYS: [&str; 3] = ["sentinels", "master_name", "sentinel_kwargs"];

/// Reads the list; files are relative to `folder`.
pub(super) fn parse_redis_hosts(
    hosts: &Value,
    folder: &Path,
) -> Result<Vec<RedisHost>, RedisHostError> {
    let Value::Array(list) = hosts else {
        return Err((String::new(), format!("expected a list of hosts; {EXPECTED_FORMS}")));
    };
    if list.is_empty() {
        return Err((String::new(), "needs at least one host".to_owned()));
    }
    let read = |(at, value): (usize, &Value)| {
        RedisHostParser { path: format!("[{at}]"), folder }.parse_host(value)
    };
    list.iter().enumerate().map(read).collect()
}

/// Reads one value, and knows where it stands.
struct RedisHostParser<'a> {
    path: String,
    folder: &'a Path,
}

impl RedisHostParser<'_> {
    fn fail<T>(&self, key: &str, problem: impl Into<String>) -> Result<T, RedisHostError> {
        let key = if key.is_empty() { String::new() } else { format!(".{key}") };
        Err((format!("{}{key}", self.path), problem.into()))
    }

    fn parse_host(&self, value: &Value) -> Result<RedisHost, RedisHostError> {
        match value {
            Value::String(url) => self.parse_url(url).map(RedisHost::Server),
            Value::Array(pair) => self.parse_pair(pair, DEFAULT_PORT).map(RedisHost::Server),
            Value::Table(table) if table.contains_key("sentinels") => self.parse_sentinel(table),
            Value::Table(table) => self.parse_server(table).map(RedisHost::Server),
            _ => self.fail("", EXPECTED_FORMS),
        }
    }

    /// `["10.0.0.5", 6379]`
    fn parse_pair(&self, pair: &[Value], port: u16) -> Result<RedisServer, RedisHostError> {
        let (host, port) = match pair {
            [Value::String(host)] => (host, port),
            [Value::String(host), port] => (host, self.parse_port("", port)?),
            _ => return self.fail("", "expected a host and a port such as [\"10.0.0.5\", 6379]"),
        };
        Ok(RedisServer {
            endpoint: Endpoint::Tcp(self.check_host_name("", host)?, port),
            access: RedisAccess::default(),
        })
    }

    fn check_host_name(&self, key: &str, host: &str) -> Result<String, RedisHostError> {
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return self.fail(key, "expected a host's name or address");
        }
        Ok(host.to_owned())
    }

    fn parse_port(&self, key: &str, value: &Value) -> Result<u16, RedisHostError> {
        let port = value.as_integer().and_then(|port| u16::try_from(port).ok());
        match port {
            Some(port) if port > 0 => Ok(port),
            _ => self.fail(key, "a port is a number from 1 to 65535"),
        }
    }

    /// As redis-py's `parse_url` has it.
    fn parse_url(&self, text: &str) -> Result<RedisServer, RedisHostError> {
        // What a wrong URL says may hold a password, so it is not repeated.
        let Ok(url) = Url::parse(text) else { return self.fail("", EXPECTED_FORMS) };
        let mut access = RedisAccess {
            username: percent_decode(url.username()),
            password: url.password().and_then(percent_decode).map(Secret::from),
            ..RedisAccess::default()
        };
        let endpoint = match url.scheme() {
            "redis" | "rediss" => {
                if url.scheme() == "rediss" {
                    access.tls = Some(RedisTls::default());
                }
                let database = url.path().trim_start_matches('/');
                if !database.is_empty() {
                    access.database = self.parse_database("", database)?;
                }
                let host = url.host_str().unwrap_or_default();
                let host = if host.is_empty() { "localhost" } else { host };
                let host = host.trim_start_matches('[').trim_end_matches(']');
                Endpoint::Tcp(host.to_owned(), url.port().unwrap_or(DEFAULT_PORT))
            }
            "unix" => {
                let path = percent_decode(url.path()).unwrap_or_default();
                if path.is_empty() {
                    return self.fail("", "a socket is \"unix:///PATH\"");
                }
                Endpoint::Unix(self.folder.join(path))
            }
            other => {
                let problem = format!("there is no {other}:// to Redis; {EXPECTED_FORMS}");
                return self.fail("", problem);
            }
        };
        for (name, value) in url.query_pairs() {
            match &*name {
                "db" => access.database = self.parse_database("", &value)?,
                "password" => access.password = Some(Secret::from(value.into_owned())),
                "username" => access.username = Some(value.into_owned()),
                _ if name.starts_with("ssl_") && access.tls.is_some() => {
                    let value = Value::String(value.into_owned());
                    let mut tls = access.tls.take().unwrap_or_default();
                    self.apply_tls_argument(&mut tls, &name, &value)?;
                    access.tls = Some(tls);
                }
                other => {
                    let problem = format!("the URL says {other:?}, which is not known here");
                    return self.fail("", problem);
                }
            }
        }
        Ok(RedisServer { endpoint, access: self.check_tls(access)? })
    }

    fn parse_database(&self, key: &str, text: &str) -> Result<i64, RedisHostError> {
        match text.parse() {
            Ok(number) if number >= 0 => Ok(number),
            _ => self.fail(key, "a database is a number, 0 or more"),
        }
    }

    /// `{ address = "redis://…", … }` or `{ host = "…", … }`
    fn parse_server(&self, table: &Table) -> Result<RedisServer, RedisHostError> {
        self.check_known_keys(table, &[&SERVER_KEYS])?;
        let mut server = match table.get("address") {
            Some(Value::String(url)) => {
                RedisHostParser { path: format!("{}.address", self.path), folder: self.folder }
                    .parse_url(url)?
            }
            Some(_) => {
                return self.fail("address", "expected a URL such as \"redis://HOST:6379\"");
            }
            None => RedisServer::default(),
        };
        if let Some(host) = self.get_string(table, "host")? {
            let port =
                if let Endpoint::Tcp(_, port) = server.endpoint { port } else { DEFAULT_PORT };
            server.endpoint = Endpoint::Tcp(self.check_host_name("host", host)?, port);
        }
        if let Some(port) = table.get("port") {
            let port = self.parse_port("port", port)?;
            if let Endpoint::Tcp(_, of_endpoint) = &mut server.endpoint {
                *of_endpoint = port;
            }
        }
        if let Some(path) = self.get_string(table, "unix_socket_path")? {
            server.endpoint = Endpoint::Unix(self.folder.join(path));
        }
        server.access = self.parse_access(server.access, table)?;
        Ok(server)
    }

    /// `{ sentinels = […], master_name = "…", … }`
    fn parse_sentinel(&self, table: &Table) -> Result<RedisHost, RedisHostError> {
        self.check_known_keys(table, &[&SENTINEL_KEYS, &SERVER_KEYS[3..6], &SERVER_KEYS[7..]])?;
        let Some(master_name) = self.get_string(table, "master_name")? else {
            return self.fail("master_name", "needs the name the sentinels know the master by");
        };
        let access = match table.get("sentinel_kwargs") {
            None => RedisAccess::default(),
            Some(Value::Table(arguments)) => {
                let path = format!("{}.sentinel_kwargs", self.path);
                let reader = RedisHostParser { path, folder: self.folder };
                reader.check_known_keys(arguments, &[&SERVER_KEYS[3..6], &SERVER_KEYS[7..]])?;
                reader.parse_access(RedisAccess::default(), arguments)?
            }
            Some(_) => return self.fail("sentinel_kwargs", "expected { password = \"…\" }"),
        };
        let Some(Value::Array(list)) = table.get("sentinels") else {
            return self.fail("sentinels", "expected a list such as [[\"10.0.0.5\", 26379]]");
        };
        if list.is_empty() {
            return self.fail("sentinels", "needs at least one sentinel");
        }
        let sentinels = list.iter().enumerate().map(|(at, value)| {
            let path = format!("{}.sentinels[{at}]", self.path);
            let reader = RedisHostParser { path, folder: self.folder };
            let Value::Array(pair) = value else {
                return reader.fail("", "expected a host and a port such as [\"10.0.0.5\", 26379]");
            };
            let server = reader.parse_pair(pair, DEFAULT_SENTINEL_PORT)?;
            Ok(RedisServer { access: access.clone(), ..server })
        });
        Ok(RedisHost::Sentinel {
            sentinels: sentinels.collect::<Result<_, _>>()?,
            master_name: master_name.to_owned(),
            master: self.parse_access(RedisAccess::default(), table)?,
        })
    }

    fn parse_access(
        &self,
        mut access: RedisAccess,
        table: &Table,
    ) -> Result<RedisAccess, RedisHostError> {
        if let Some(database) = table.get("db") {
            match database.as_integer() {
                Some(number) if number >= 0 => access.database = number,
                _ => return self.fail("db", "a database is a number, 0 or more"),
            }
        }
        if let Some(username) = self.get_string(table, "username")? {
            access.username = Some(username.to_owned());
        }
        if let Some(password) = self.get_string(table, "password")? {
            access.password = Some(Secret::from(password.to_owned()));
        }
        match table.get("ssl") {
            None => {}
            Some(Value::Boolean(true)) => access.tls = access.tls.or(Some(RedisTls::default())),
            Some(Value::Boolean(false)) => access.tls = None,
            Some(_) => return self.fail("ssl", "expected true or false"),
        }
        for (name, value) in table.iter().filter(|(name, _)| name.starts_with("ssl_")) {
            let Some(tls) = &mut access.tls else {
                return self.fail(
                    name,
                    "there is no TLS: the address is not rediss:// and `ssl` is not true",
                );
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
            return self.fail(name, "expected text in quotes");
        };
        let file = || self.folder.join(text);
        match name {
            "ssl_ca_certs" => tls.ca_file = Some(file()),
            "ssl_certfile" => tls.identity.get_or_insert_default().0 = file(),
            "ssl_keyfile" => tls.identity.get_or_insert_default().1 = file(),
            "ssl_cert_reqs" => match text.as_str() {
                "required" => tls.skip_verify = false,
                "none" => tls.skip_verify = true,
                _ => return self.fail(name, "expected \"required\" or \"none\""),
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
                return self.fail("", "ssl_certfile and ssl_keyfile go together");
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
            Some(_) => self.fail(key, "expected text in quotes"),
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

fn percent_decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8_lossy().into_owned();
    (!decoded.is_empty()).then_some(decoded)
}
