//! What the operator's tools ask on a listener of its own: whether the host lives, whether it is ready, and figures.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Server, rest};
use crate::answer::Rejection;
use crate::handshake::{self, Decision, Document, Opening};
use crate::layer::LayerStatus;

/// Who may ask at once.
const CONNECTIONS: usize = 32;

/// The media type of the text that Prometheus reads, as OpenMetrics names it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers until it is dropped.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                rest(&error).await;
                continue;
            }
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let decide = |opening: Opening| std::future::ready(server.asked(&opening));
            if let Err(error) = handshake::accept(stream, server.handshake, decide).await {
                tracing::debug!("{error}");
            }
            drop(permit);
        });
    }
}

impl Server {
    fn asked(&self, opening: &Opening) -> Decision<()> {
        if !opening.wants_document() {
            return Decision::Reject(Rejection::plain(400, "GET a path, and name a host\n"));
        }
        match opening.raw_path() {
            "/healthz" => Decision::Show(Document::new("text/plain; charset=utf-8", "alive\n")),
            "/readyz" => self.ready(),
            "/metrics" => self.metrics(),
            _ => {
                let paths = "there are /healthz, /readyz and /metrics\n";
                Decision::Reject(Rejection::plain(404, paths))
            }
        }
    }

    /// Ready is a host that takes connections and reaches its layers.
    fn ready(&self) -> Decision<()> {
        let mut missing = String::new();
        if self.stopping.load(Ordering::Relaxed) {
            missing.push_str("stopping\n");
        }
        for (name, status) in self.host.layers() {
            if !status.connected {
                missing.push_str(&format!("layer {name:?} is away\n"));
            }
        }
        if missing.is_empty() {
            Decision::Show(Document::new("text/plain; charset=utf-8", "ready\n"))
        } else {
            Decision::Reject(Rejection::plain(503, missing))
        }
    }

    fn metrics(&self) -> Decision<()> {
        let mut registry = Registry::with_prefix("narrowboat");
        let layers = self.host.layers().map(|(name, status)| (name.to_owned(), status));
        registry.register_collector(Box::new(Layers(layers.collect())));
        let mut body = String::new();
        match text::encode(&mut body, &registry) {
            Ok(()) => Decision::Show(Document::new(OPEN_METRICS, body)),
            Err(_) => Decision::Reject(Rejection::plain(500, "the figures cannot be written\n")),
        }
    }
}

/// How each layer fares.
#[derive(Debug)]
struct Layers(Vec<(String, LayerStatus)>);

impl Collector for Layers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        type Figure = (&'static str, &'static str, fn(&LayerStatus) -> u64);
        let gauges: [Figure; 2] = [
            ("layer_connected", "Whether all of a layer's backend is reached", |status| {
                u64::from(status.connected)
            }),
            ("layer_waiting", "Operations that wait to leave for a layer's backend", |status| {
                status.waiting as u64
            }),
        ];
        let counters: [Figure; 3] = [
            ("layer_dropped", "Deliveries for which a channel had no room", |status| {
                status.dropped
            }),
            ("layer_lost", "Messages lost because a layer's backend was away", |status| {
                status.lost
            }),
            ("layer_foreign", "What was read from a backend and is no message", |status| {
                status.foreign
            }),
        ];
        for (name, help, figure) in gauges {
            let kind = prometheus_client::metrics::MetricType::Gauge;
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (layer, status) in &self.0 {
                let gauge = ConstGauge::new(i64::try_from(figure(status)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("layer", layer.as_str())])?)?;
            }
        }
        for (name, help, figure) in counters {
            let kind = prometheus_client::metrics::MetricType::Counter;
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (layer, status) in &self.0 {
                let counter = ConstCounter::new(figure(status));
                counter.encode(family.encode_family(&[("layer", layer.as_str())])?)?;
            }
        }
        Ok(())
    }
}
