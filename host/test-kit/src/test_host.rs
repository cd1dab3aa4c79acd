//! The host of one test, on a thread of its own.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc as async_mpsc, oneshot};

use crate::fake_web::FakeWeb;
use crate::idle_watch::IdleWatch;
use crate::log_capture::LogCapture;
use crate::reply::encode;
use crate::request::Request;
use crate::simulated_host::{SimulatedHost, SimulatedHostParts};
use crate::test_plugin::TestPlugin;
use crate::virtual_clock::WALL_CLOCK_START;
use narrowboat_config::Config;
use narrowboat_runtime::THREAD_STACK_BYTES;
use narrowboat_schedule::WallClock;
use narrowboat_server::{Host, HostEngine, HostError, InMemoryServer};

/// The longest time until nothing is left to do after a request. Only a plugin that never comes to rest takes longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the guests of a host may still run after its test.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(100);

/// The settings that the hosts of all tests of a plugin have in common.
#[derive(Clone)]
pub(crate) struct TestHostSettings {
    pub(crate) plugin: Arc<TestPlugin>,
    pub(crate) config: Config,
    pub(crate) engine: HostEngine,
    pub(crate) logs: LogCapture,
    /// The wall clock, which begins anew with each test.
    pub(crate) clock: WallClock,
    /// The bytes of the plugin.
    pub(crate) component: Arc<Vec<u8>>,
}

/// The host of one test, on a thread of its own. Dropping it ends the host.
pub struct TestHost {
    requests: async_mpsc::Sender<HostCall>,
    /// Ends the host when it is dropped, even if the host never comes to rest. `None` once the host ends.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request, and where its response goes.
struct HostCall {
    request: Vec<u8>,
    response: mpsc::Sender<Vec<u8>>,
}

impl TestHost {
    /// Loads the plugin and starts the host. Blocks.
    ///
    /// # Errors
    /// If the plugin cannot be loaded.
    pub(crate) fn start(settings: TestHostSettings) -> Result<Self, HostError> {
        let (requests, received) = async_mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        let (started, has_started) = mpsc::channel();
        let run = move || match load(settings) {
            Ok(loaded) => {
                let _ = started.send(Ok(()));
                loaded.run(received, ended);
            }
            Err(error) => drop(started.send(Err(error))),
        };
        let thread = std::thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn(run);
        let thread = thread.map_err(|_| HostError::NoThread)?;
        has_started.recv().unwrap_or(Err(HostError::NoThread))?;
        Ok(Self { requests, end: Some(end), thread: Some(thread) })
    }

    /// Carries out a request, and returns the response. Blocks until nothing is left to do. `None` if the host has ended.
    pub fn call(&self, request: Vec<u8>) -> Option<Vec<u8>> {
        let (response, responded) = mpsc::channel();
        self.requests.blocking_send(HostCall { request, response }).ok()?;
        match responded.recv_timeout(REQUEST_TIMEOUT) {
            Ok(response) => Some(response),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => Some(encode(Err(format!(
                "the plugin has not come to rest within {} s",
                REQUEST_TIMEOUT.as_secs()
            )))),
        }
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the host has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// A loaded host and its runtime.
struct LoadedHost {
    runtime: Runtime,
    host: Host,
    parts: SimulatedHostParts,
}

/// Loads the plugin.
fn load(settings: TestHostSettings) -> Result<LoadedHost, HostError> {
    let TestHostSettings { plugin, config, engine, logs, clock, component } = settings;
    let web = FakeWeb::default();
    let egress = web.egress(config.requests);
    let host = Host::load_for_test(config, engine, egress, clock.clone())?;
    let idle = Arc::<IdleWatch>::default();
    let runtime = new_runtime(Arc::clone(&idle)).map_err(|_| HostError::NoThread)?;
    let component = component.to_vec();
    Ok(LoadedHost {
        runtime,
        host,
        parts: SimulatedHostParts { plugin, idle, web, logs, clock, component },
    })
}

/// A runtime with one thread, whose clock stands still.
fn new_runtime(idle: Arc<IdleWatch>) -> io::Result<Runtime> {
    Builder::new_current_thread()
        .thread_stack_size(THREAD_STACK_BYTES)
        .enable_all()
        .start_paused(true)
        .on_thread_park(move || idle.on_thread_park())
        .build()
}

impl LoadedHost {
    /// Carries out requests until the test has ended.
    fn run(self, calls: async_mpsc::Receiver<HostCall>, ended: oneshot::Receiver<()>) {
        let Self { runtime, host, parts } = self;
        runtime.block_on(async {
            // Schedules begin with the server.
            parts.clock.set(WALL_CLOCK_START);
            let server = InMemoryServer::start(host);
            tokio::select! {
                () = carry_out(calls, server, parts) => {}
                _ = ended => {}
            }
        });
        runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    }
}

/// Carries out requests until there are no more.
async fn carry_out(
    mut calls: async_mpsc::Receiver<HostCall>,
    server: InMemoryServer,
    parts: SimulatedHostParts,
) {
    let Some(mut host) = SimulatedHost::start(server, parts).await else { return };
    while let Some(HostCall { request, response }) = calls.recv().await {
        let reply = match Request::parse(&request) {
            Ok(request) => host.handle(request).await,
            Err(error) => Err(error),
        };
        // The test may have ended meanwhile.
        let _ = response.send(encode(reply));
    }
}
