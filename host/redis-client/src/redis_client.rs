//! Connecting to one host of Redis.

use std::path::Path;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode,
};

use narrowboat_config::{Endpoint, RedisAccess, RedisHost, RedisServer, RedisTls};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A host of the configuration, to be connected to as often as needed.
#[derive(Debug)]
pub struct RedisClient {
    host: RedisHost,
    name: String,
}

impl RedisClient {
    /// A client of `host`. It connects when it is asked to.
    pub fn new(host: RedisHost) -> Self {
        let name = match &host {
            RedisHost::Server(server) => format_endpoint(&server.endpoint),
            RedisHost::Sentinel { master_name, .. } => format!("sentinel's {master_name}"),
        };
        Self { host, name }
    }

    /// What people call it; without secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection on which an answer may take so long.
    pub async fn connect(&self, answer: Duration) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(answer));
        let client = self.open_client().await?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A connection that is told what is published.
    pub async fn connect_pubsub(&self) -> RedisResult<PubSub> {
        let client = self.open_client().await?;
        match tokio::time::timeout(CONNECT_TIMEOUT, client.get_async_pubsub()).await {
            Ok(connected) => connected,
            Err(_) => Err(timed_out()),
        }
    }

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
    let info = info.set_redis_settings(connection_settings(&server.access));
    match &server.access.tls {
        Some(tls) => tls_client(info, tls),
        None => Client::open(info),
    }
}

fn connection_settings(access: &RedisAccess) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default().set_db(access.database);
    if let Some(username) = &access.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &access.password {
        settings = settings.set_password(password.expose());
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

/// The files are read anew each time, so that renewed ones are taken up.
fn load_certificates(tls: &RedisTls) -> RedisResult<TlsCertificates> {
    // Whoever was first is as good.
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
    let named = |error| std::io::Error::other(format!("{}: {error}", file.display()));
    Ok(std::fs::read(file).map_err(named)?)
}

fn sentinel_client(
    sentinels: &[RedisServer],
    master_name: &str,
    master: &RedisAccess,
) -> RedisResult<SentinelClient> {
    let addresses = sentinels.iter().map(connection_addr);
    let mut builder =
        SentinelClientBuilder::new(addresses, master_name, SentinelServerType::Master)?
            .set_client_to_redis_db(master.database);
    if let Some(username) = &master.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &master.password {
        builder = builder.set_client_to_redis_password(password.expose());
    }
    if let Some(tls) = &master.tls {
        builder = builder
            .set_client_to_redis_tls_mode(tls_mode(tls))
            .set_client_to_redis_certificates(load_certificates(tls)?);
    }
    // channels_redis has one `sentinel_kwargs` for all of them too.
    let Some(access) = sentinels.first().map(|sentinel| &sentinel.access) else {
        return builder.build();
    };
    if let Some(username) = &access.username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = &access.password {
        builder = builder.set_client_to_sentinel_password(password.expose());
    }
    if let Some(tls) = &access.tls {
        builder = builder
            .set_client_to_sentinel_tls_mode(tls_mode(tls))
            .set_client_to_sentinel_certificates(load_certificates(tls)?);
    }
    builder.build()
}

fn tls_mode(tls: &RedisTls) -> TlsMode {
    if tls.skip_verify { TlsMode::Insecure } else { TlsMode::Secure }
}
