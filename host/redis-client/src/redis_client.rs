//! Connections to one host of Redis.

use std::path::Path;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode,
};

use narrowboat_config::{Endpoint, RedisAccess, RedisHost, RedisLogin, RedisServer, RedisTls};

/// The longest time for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A host of the configuration, and how to connect to it.
#[derive(Debug)]
pub struct RedisClient {
    host: RedisHost,
    name: String,
}

impl RedisClient {
    /// Creates a client of `host`, without connecting.
    pub fn new(host: RedisHost) -> Self {
        let name = match &host {
            RedisHost::Server(server) => format_endpoint(&server.endpoint),
            RedisHost::Sentinel { master_name, .. } => format!("sentinel's {master_name}"),
        };
        Self { host, name }
    }

    /// Returns the name of the host for log lines, without secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects. A command on the connection fails if its reply takes longer than `response_timeout`.
    ///
    /// # Errors
    /// If the server, or the sentinels, cannot be reached in time or refuse the login.
    pub async fn connect(&self, response_timeout: Duration) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(response_timeout));
        let client = self.open_client().await?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Connects for subscriptions.
    ///
    /// # Errors
    /// As [`RedisClient::connect`].
    pub async fn connect_pubsub(&self) -> RedisResult<PubSub> {
        let client = self.open_client().await?;
        match tokio::time::timeout(CONNECT_TIMEOUT, client.get_async_pubsub()).await {
            Ok(connected) => connected,
            Err(_) => Err(timed_out()),
        }
    }

    /// Returns a client of the server. For sentinels it is the server that they name as the master.
    async fn open_client(&self) -> RedisResult<Client> {
        match &self.host {
            RedisHost::Server(server) => server_client(server),
            RedisHost::Sentinel { sentinels, master_name, master } => {
                let mut client = sentinel_client(sentinels, master_name, master)?;
                match tokio::time::timeout(CONNECT_TIMEOUT, client.async_get_client()).await {
                    Ok(found) => found,
                    Err(_) => Err(timed_out()),
                }
            }
        }
    }
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

fn format_endpoint(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(host, port) => format!("{host}:{port}"),
        Endpoint::Unix(path) => path.display().to_string(),
    }
}

fn server_client(server: &RedisServer) -> RedisResult<Client> {
    let info = connection_addr(server).into_connection_info()?;
    let info = info.set_redis_settings(connection_settings(server));
    match &server.access.tls {
        Some(tls) => tls_client(info, tls),
        None => Client::open(info),
    }
}

/// Returns the database and the login. The login is read for each connection, so that a new password is used.
fn connection_settings(server: &RedisServer) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default().set_db(server.access.database);
    let RedisLogin { username, password } = server.access.login(Some(&server.endpoint));
    if let Some(username) = username {
        settings = settings.set_username(username);
    }
    if let Some(password) = password {
        settings = settings.set_password(&*password);
    }
    settings
}

fn connection_addr(server: &RedisServer) -> ConnectionAddr {
    match (&server.endpoint, &server.access.tls) {
        (Endpoint::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
        (Endpoint::Tcp(host, port), None) => ConnectionAddr::Tcp(host.clone(), *port),
        (Endpoint::Tcp(host, port), Some(tls)) => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: tls.skip_verify,
            tls_params: None,
        },
    }
}

fn tls_client(info: ConnectionInfo, tls: &RedisTls) -> RedisResult<Client> {
    Client::build_with_tls(info, load_certificates(tls)?)
}

/// Reads the certificates. They are read for each connection, so that renewed files are used.
fn load_certificates(tls: &RedisTls) -> RedisResult<TlsCertificates> {
    // An error means that a provider is installed already, which is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client_tls = match &tls.identity {
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: read_file(certificate)?,
            client_key: read_file(key)?,
        }),
        None => None,
    };
    let root_cert = tls.ca_file.as_deref().map(read_file).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

fn read_file(file: &Path) -> RedisResult<Vec<u8>> {
    let with_name = |error| std::io::Error::other(format!("{}: {error}", file.display()));
    Ok(std::fs::read(file).map_err(with_name)?)
}

fn sentinel_client(
    sentinels: &[RedisServer],
    master_name: &str,
    master: &RedisAccess,
) -> RedisResult<SentinelClient> {
    let addresses = sentinels.iter().map(connection_addr);
    let kind = SentinelServerType::Master;
    let builder = SentinelClientBuilder::new(addresses, master_name, kind)?;
    let builder = set_master_access(builder, master)?;
    // All sentinels have the same login, as in channels_redis, which has one `sentinel_kwargs`.
    match sentinels.first() {
        Some(sentinel) => set_sentinel_access(builder, &sentinel.access)?.build(),
        None => builder.build(),
    }
}

/// Sets login, database and TLS of the master.
fn set_master_access(
    builder: SentinelClientBuilder,
    access: &RedisAccess,
) -> RedisResult<SentinelClientBuilder> {
    let mut builder = builder.set_client_to_redis_db(access.database);
    let RedisLogin { username, password } = access.login(None);
    if let Some(username) = username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = password {
        builder = builder.set_client_to_redis_password(&*password);
    }
    if let Some(tls) = &access.tls {
        builder = builder
            .set_client_to_redis_tls_mode(tls_mode(tls))
            .set_client_to_redis_certificates(load_certificates(tls)?);
    }
    Ok(builder)
}

/// Sets login and TLS of the sentinels.
fn set_sentinel_access(
    mut builder: SentinelClientBuilder,
    access: &RedisAccess,
) -> RedisResult<SentinelClientBuilder> {
    let RedisLogin { username, password } = access.login(None);
    if let Some(username) = username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = password {
        builder = builder.set_client_to_sentinel_password(&*password);
    }
    if let Some(tls) = &access.tls {
        builder = builder
            .set_client_to_sentinel_tls_mode(tls_mode(tls))
            .set_client_to_sentinel_certificates(load_certificates(tls)?);
    }
    Ok(builder)
}

fn tls_mode(tls: &RedisTls) -> TlsMode {
    if tls.skip_verify { TlsMode::Insecure } else { TlsMode::Secure }
}
