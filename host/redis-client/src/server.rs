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
const CONNECT: Duration = Duration::from_secs(1);

/// A host of the configuration, to be connected to as often as needed.
#[derive(Debug)]
pub struct Server {
    host: RedisHost,
    name: String,
}

impl Server {
    /// A client of `host`. It connects when it is asked to.
    pub fn new(host: RedisHost) -> Self {
        let name = match &host {
            RedisHost::Server(server) => address(&server.endpoint),
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
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(answer));
        let client = self.client().await?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A connection that is told what is published.
    pub async fn subscribe(&self) -> RedisResult<PubSub> {
        let client = self.client().await?;
        match tokio::time::timeout(CONNECT, client.get_async_pubsub()).await {
            Ok(connected) => connected,
            Err(_) => Err(timed_out()),
        }
    }

    async fn client(&self) -> RedisResult<Client> {
        match &self.host {
            RedisHost::Server(server) => client(server),
            RedisHost::Sentinel { sentinels, master_name, master } => {
                let mut client = sentinel(sentinels, master_name, master)?;
                match tokio::time::timeout(CONNECT, client.async_get_client()).await {
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

fn address(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(host, port) => format!("{host}:{port}"),
        Endpoint::Unix(path) => path.display().to_string(),
    }
}

fn client(server: &RedisServer) -> RedisResult<Client> {
    let info = server_address(server).into_connection_info()?;
    let info = info.set_redis_settings(settings(&server.access));
    match &server.access.tls {
        Some(tls) => with_tls(info, tls),
        None => Client::open(info),
    }
}

fn settings(access: &RedisAccess) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default().set_db(access.database);
    if let Some(username) = &access.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &access.password {
        settings = settings.set_password(password.reveal());
    }
    settings
}

fn server_address(server: &RedisServer) -> ConnectionAddr {
    match (&server.endpoint, &server.access.tls) {
        (Endpoint::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
        (Endpoint::Tcp(host, port), None) => ConnectionAddr::Tcp(host.clone(), *port),
        (Endpoint::Tcp(host, port), Some(tls)) => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: tls.unverified,
            tls_params: None,
        },
    }
}

fn with_tls(info: ConnectionInfo, tls: &RedisTls) -> RedisResult<Client> {
    Client::build_with_tls(info, certificates(tls)?)
}

/// The files are read anew each time, so that renewed ones are taken up.
fn certificates(tls: &RedisTls) -> RedisResult<TlsCertificates> {
    // Whoever was first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client_tls = match &tls.identity {
        Some((certificate, key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        None => None,
    };
    let root_cert = tls.authorities.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

fn read(file: &Path) -> RedisResult<Vec<u8>> {
    let named = |error| std::io::Error::other(format!("{}: {error}", file.display()));
    Ok(std::fs::read(file).map_err(named)?)
}

fn sentinel(
    sentinels: &[RedisServer],
    master_name: &str,
    master: &RedisAccess,
) -> RedisResult<SentinelClient> {
    let addresses = sentinels.iter().map(server_address);
    let mut builder =
        SentinelClientBuilder::new(addresses, master_name, SentinelServerType::Master)?
            .set_client_to_redis_db(master.database);
    if let Some(username) = &master.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &master.password {
        builder = builder.set_client_to_redis_password(password.reveal());
    }
    if let Some(tls) = &master.tls {
        builder = builder
            .set_client_to_redis_tls_mode(tls_mode(tls))
            .set_client_to_redis_certificates(certificates(tls)?);
    }
    // channels_redis has one `sentinel_kwargs` for all of them too.
    let Some(access) = sentinels.first().map(|sentinel| &sentinel.access) else {
        return builder.build();
    };
    if let Some(username) = &access.username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = &access.password {
        builder = builder.set_client_to_sentinel_password(password.reveal());
    }
    if let Some(tls) = &access.tls {
        builder = builder
            .set_client_to_sentinel_tls_mode(tls_mode(tls))
            .set_client_to_sentinel_certificates(certificates(tls)?);
    }
    builder.build()
}

fn tls_mode(tls: &RedisTls) -> TlsMode {
    if tls.unverified { TlsMode::Insecure } else { TlsMode::Secure }
}
