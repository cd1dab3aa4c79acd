use std::path::Path;
use std::sync::Arc;

use super::*;

fn config(port: u16) -> Config {
    let text = format!("listen = \"127.0.0.1:{port}\"\n[limits]\nmax_connections = 4\n");
    let mut config = Config::parse(&text, Path::new("narrowboat.toml")).unwrap();
    config.cache = None;
    config
}

fn host() -> Arc<Host> {
    let (runtimes, compiler) = (LanguageRuntimes::default(), ComponentCompiler::InProcess);
    let host = Host::load(config(8001), HostMode::Serve, runtimes, compiler, |_| {});
    Arc::new(host.unwrap())
}

#[tokio::test]
async fn a_host_that_stops_applies_no_other_configuration() {
    let host = host();
    host.apply_config(config(8002)).await.unwrap();
    let before = host.tenants.all();
    host.stop_rollouts();
    assert!(matches!(host.apply_config(config(8003)).await, Err(HostError::Stopping)));
    assert!(Arc::ptr_eq(&before, &host.tenants.all()));
    assert_eq!(host.config().listen.port(), 8002);
}

#[tokio::test]
async fn a_configuration_that_is_prepared_when_the_host_stops_is_not_applied() {
    let host = host();
    let before = host.tenants.all();
    let config = Arc::new(config(8002));
    let (prepared, tokens) = host.prepare(&config).await.unwrap();
    let ready = prepared.hold_versions().await.unwrap();
    host.stop_rollouts();
    let committed = host.commit(ready, tokens, config).await;
    assert!(matches!(committed, Err(HostError::Stopping)));
    assert!(Arc::ptr_eq(&before, &host.tenants.all()));
    assert_eq!(host.config().listen.port(), 8001);
}
