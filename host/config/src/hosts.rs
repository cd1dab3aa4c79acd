//! `hosts` of a layer: every form that channels_redis takes, read as redis-py reads it.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use toml::{Table, Value};
use url::Url;

use super::backend::{Endpoint, RedisAccess, RedisHost, RedisServer, RedisTls, Secret};
use super::error::closest;

/// A key below `hosts`, such as `[1].port`, and what is wrong with it.
pub(super) type Wrong = (String, String);

/// What redis-py takes when nothing is said.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const FORMS: &str = "a host is \"redis://HOST:6379/0\", \"rediss://…\", \"unix:///PATH\", [\"HOST\", 6379], \
    { address = \"redis://…\" }, { host = \"HOST\", port = 6379 } or \
    { sentinels = [[\"HOST\", 26379]], master_name = \"…\" }";

/// Arguments of a server that redis-py knows and so does this host.
const ARGUMENTS: [&str; 12] = [
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
const SENTINEL: [&str; 3] = ["sentinels", "master_name", "sentinel_kwargs"];

/// Reads the list; files are relative to `folder`.
pub(super) fn read(hosts: &Value, folder: &Path) -> Result<Vec<RedisHost>, Wrong> {
    let Value::Array(list) = hosts else {
        return Err((String::new(), format!("expected a list of hosts; {FORMS}")));
    };
    if list.is_empty() {
        return Err((String::new(), "needs at least one host".to_owned()));
    }
    let read =
        |(at, value): (usize, &Value)| Reader { path: format!("[{at}]"), folder }.host(value);
    list.iter().enumerate().map(read).collect()
}

/// Reads one value, and knows where it stands.
struct Reader<'a> {
    path: String,
    folder: &'a Path,
}

impl Reader<'_> {
    fn wrong<T>(&self, key: &str, problem: impl Into<String>) -> Result<T, Wrong> {
        let key = if key.is_empty() { String::new() } else { format!(".{key}") };
        Err((format!("{}{key}", self.path), problem.into()))
    }

    fn host(&self, value: &Value) -> Result<RedisHost, Wrong> {
        match value {
            Value::String(url) => self.url(url).map(RedisHost::Server),
            Value::Array(pair) => self.pair(pair, PORT).map(RedisHost::Server),
            Value::Table(table) if table.contains_key("sentinels") => self.sentinel(table),
            Value::Table(table) => self.server(table).map(RedisHost::Server),
            _ => self.wrong("", FORMS),
        }
    }

    /// `["10.0.0.5", 6379]`
    fn pair(&self, pair: &[Value], port: u16) -> Result<RedisServer, Wrong> {
        let (host, port) = match pair {
            [Value::String(host)] => (host, port),
            [Value::String(host), port] => (host, self.port("", port)?),
            _ => return self.wrong("", "expected a host and a port such as [\"10.0.0.5\", 6379]"),
        };
        Ok(RedisServer {
            endpoint: Endpoint::Tcp(self.host_name("", host)?, port),
            access: RedisAccess::default(),
        })
    }

    fn host_name(&self, key: &str, host: &str) -> Result<String, Wrong> {
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return self.wrong(key, "expected a host's name or address");
        }
        Ok(host.to_owned())
    }

    fn port(&self, key: &str, value: &Value) -> Result<u16, Wrong> {
        let port = value.as_integer().and_then(|port| u16::try_from(port).ok());
        match port {
            Some(port) if port > 0 => Ok(port),
            _ => self.wrong(key, "a port is a number from 1 to 65535"),
        }
    }

    /// As redis-py's `parse_url` has it.
    fn url(&self, text: &str) -> Result<RedisServer, Wrong> {
        // What a wrong URL says may hold a password, so it is not repeated.
        let Ok(url) = Url::parse(text) else { return self.wrong("", FORMS) };
        let mut access = RedisAccess {
            username: decoded(url.username()),
            password: url.password().and_then(decoded).map(Secret::from),
            ..RedisAccess::default()
        };
        let endpoint = match url.scheme() {
            "redis" | "rediss" => {
                if url.scheme() == "rediss" {
                    access.tls = Some(RedisTls::default());
                }
                let database = url.path().trim_start_matches('/');
                if !database.is_empty() {
                    access.database = self.database("", database)?;
                }
                let host = url.host_str().unwrap_or_default();
                let host = if host.is_empty() { "localhost" } else { host };
                let host = host.trim_start_matches('[').trim_end_matches(']');
                Endpoint::Tcp(host.to_owned(), url.port().unwrap_or(PORT))
            }
            "unix" => {
                let path = decoded(url.path()).unwrap_or_default();
                if path.is_empty() {
                    return self.wrong("", "a socket is \"unix:///PATH\"");
                }
                Endpoint::Unix(self.folder.join(path))
            }
            other => {
                let problem = format!("there is no {other}:// to Redis; {FORMS}");
                return self.wrong("", problem);
            }
        };
        for (name, value) in url.query_pairs() {
            match &*name {
                "db" => access.database = self.database("", &value)?,
                "password" => access.password = Some(Secret::from(value.into_owned())),
                "username" => access.username = Some(value.into_owned()),
                _ if name.starts_with("ssl_") && access.tls.is_some() => {
                    let value = Value::String(value.into_owned());
                    let mut tls = access.tls.take().unwrap_or_default();
                    self.tls_argument(&mut tls, &name, &value)?;
                    access.tls = Some(tls);
                }
                other => {
                    let problem = format!("the URL says {other:?}, which is not known here");
                    return self.wrong("", problem);
                }
            }
        }
        Ok(RedisServer { endpoint, access: self.checked_tls(access)? })
    }

    fn database(&self, key: &str, text: &str) -> Result<i64, Wrong> {
        match text.parse() {
            Ok(number) if number >= 0 => Ok(number),
            _ => self.wrong(key, "a database is a number, 0 or more"),
        }
    }

    /// `{ address = "redis://…", … }` or `{ host = "…", … }`
    fn server(&self, table: &Table) -> Result<RedisServer, Wrong> {
        self.only(table, &[&ARGUMENTS])?;
        let mut server = match table.get("address") {
            Some(Value::String(url)) => {
                Reader { path: format!("{}.address", self.path), folder: self.folder }.url(url)?
            }
            Some(_) => {
                return self.wrong("address", "expected a URL such as \"redis://HOST:6379\"");
            }
            None => RedisServer::default(),
        };
        if let Some(host) = self.text(table, "host")? {
            let port = if let Endpoint::Tcp(_, port) = server.endpoint { port } else { PORT };
            server.endpoint = Endpoint::Tcp(self.host_name("host", host)?, port);
        }
        if let Some(port) = table.get("port") {
            let port = self.port("port", port)?;
            if let Endpoint::Tcp(_, of_endpoint) = &mut server.endpoint {
                *of_endpoint = port;
            }
        }
        if let Some(path) = self.text(table, "unix_socket_path")? {
            server.endpoint = Endpoint::Unix(self.folder.join(path));
        }
        server.access = self.access(server.access, table)?;
        Ok(server)
    }

    /// `{ sentinels = […], master_name = "…", … }`
    fn sentinel(&self, table: &Table) -> Result<RedisHost, Wrong> {
        self.only(table, &[&SENTINEL, &ARGUMENTS[3..6], &ARGUMENTS[7..]])?;
        let Some(master_name) = self.text(table, "master_name")? else {
            return self.wrong("master_name", "needs the name the sentinels know the master by");
        };
        let access = match table.get("sentinel_kwargs") {
            None => RedisAccess::default(),
            Some(Value::Table(arguments)) => {
                let path = format!("{}.sentinel_kwargs", self.path);
                let reader = Reader { path, folder: self.folder };
                reader.only(arguments, &[&ARGUMENTS[3..6], &ARGUMENTS[7..]])?;
                reader.access(RedisAccess::default(), arguments)?
            }
            Some(_) => return self.wrong("sentinel_kwargs", "expected { password = \"…\" }"),
        };
        let Some(Value::Array(list)) = table.get("sentinels") else {
            return self.wrong("sentinels", "expected a list such as [[\"10.0.0.5\", 26379]]");
        };
        if list.is_empty() {
            return self.wrong("sentinels", "needs at least one sentinel");
        }
        let sentinels = list.iter().enumerate().map(|(at, value)| {
            let path = format!("{}.sentinels[{at}]", self.path);
            let reader = Reader { path, folder: self.folder };
            let Value::Array(pair) = value else {
                return reader
                    .wrong("", "expected a host and a port such as [\"10.0.0.5\", 26379]");
            };
            let server = reader.pair(pair, SENTINEL_PORT)?;
            Ok(RedisServer { access: access.clone(), ..server })
        });
        Ok(RedisHost::Sentinel {
            sentinels: sentinels.collect::<Result<_, _>>()?,
            master_name: master_name.to_owned(),
            master: self.access(RedisAccess::default(), table)?,
        })
    }

    fn access(&self, mut access: RedisAccess, table: &Table) -> Result<RedisAccess, Wrong> {
        if let Some(database) = table.get("db") {
            match database.as_integer() {
                Some(number) if number >= 0 => access.database = number,
                _ => return self.wrong("db", "a database is a number, 0 or more"),
            }
        }
        if let Some(username) = self.text(table, "username")? {
            access.username = Some(username.to_owned());
        }
        if let Some(password) = self.text(table, "password")? {
            access.password = Some(Secret::from(password.to_owned()));
        }
        match table.get("ssl") {
            None => {}
            Some(Value::Boolean(true)) => access.tls = access.tls.or(Some(RedisTls::default())),
            Some(Value::Boolean(false)) => access.tls = None,
            Some(_) => return self.wrong("ssl", "expected true or false"),
        }
        for (name, value) in table.iter().filter(|(name, _)| name.starts_with("ssl_")) {
            let Some(tls) = &mut access.tls else {
                return self.wrong(
                    name,
                    "there is no TLS: the address is not rediss:// and `ssl` is not true",
                );
            };
            self.tls_argument(tls, name, value)?;
        }
        self.checked_tls(access)
    }

    fn tls_argument(&self, tls: &mut RedisTls, name: &str, value: &Value) -> Result<(), Wrong> {
        let Value::String(text) = value else {
            return self.wrong(name, "expected text in quotes");
        };
        let file = || self.folder.join(text);
        match name {
            "ssl_ca_certs" => tls.authorities = Some(file()),
            "ssl_certfile" => tls.identity.get_or_insert_default().0 = file(),
            "ssl_keyfile" => tls.identity.get_or_insert_default().1 = file(),
            "ssl_cert_reqs" => match text.as_str() {
                "required" => tls.unverified = false,
                "none" => tls.unverified = true,
                _ => return self.wrong(name, "expected \"required\" or \"none\""),
            },
            other => return self.wrong("", unknown(other, &[&ARGUMENTS[8..]])),
        }
        Ok(())
    }

    fn checked_tls(&self, access: RedisAccess) -> Result<RedisAccess, Wrong> {
        let identity = access.tls.as_ref().and_then(|tls| tls.identity.as_ref());
        if let Some((certificate, key)) = identity {
            let empty = PathBuf::new();
            if *certificate == empty || *key == empty {
                return self.wrong("", "ssl_certfile and ssl_keyfile go together");
            }
        }
        Ok(access)
    }

    fn text<'t>(&self, table: &'t Table, key: &str) -> Result<Option<&'t str>, Wrong> {
        match table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.wrong(key, "expected text in quotes"),
        }
    }

    fn only(&self, table: &Table, known: &[&[&str]]) -> Result<(), Wrong> {
        let is_known = |key: &String| known.iter().any(|names| names.contains(&key.as_str()));
        match table.keys().find(|key| !is_known(key)) {
            Some(key) => self.wrong("", unknown(key, known)),
            None => Ok(()),
        }
    }
}

fn unknown(key: &str, known: &[&[&str]]) -> String {
    let names = || known.iter().copied().flatten().copied();
    match closest(key, names()) {
        Some(name) => format!("unknown key `{key}`; did you mean `{name}`?"),
        None => format!(
            "unknown key `{key}`, expected one of `{}`",
            names().collect::<Vec<_>>().join("`, `")
        ),
    }
}

fn decoded(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8_lossy().into_owned();
    (!decoded.is_empty()).then_some(decoded)
}
