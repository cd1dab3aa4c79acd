//! The host of one test.

mod buckets;
mod connections;
mod swaps;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::config_changes;
use crate::fake_web::FakeWeb;
use crate::idle_watch::IdleWatch;
use crate::log_capture::LogCapture;
use crate::reply::{LogReply, Reply};
use crate::request::{Data, Request};
use crate::test_channel::TestChannels;
use crate::test_plugin::TestPlugin;
use crate::virtual_clock::VirtualClock;
use connections::Connections;
use narrowboat_channels::{ChannelLayer, LayerError};
use narrowboat_core::fault::CONTINUATION;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};
use narrowboat_schedule::WallClock;
use narrowboat_server::InMemoryServer;
use swaps::Swaps;

/// The host of one test. After each request, it runs until nothing is left to do.
pub(crate) struct SimulatedHost {
    server: InMemoryServer,
    plugin: Arc<TestPlugin>,
    layer: Arc<dyn ChannelLayer>,
    clock: VirtualClock,
    wall_clock: WallClock,
    idle: Arc<IdleWatch>,
    web: FakeWeb,
    logs: LogCapture,
    connections: Connections,
    channels: TestChannels,
    swaps: Swaps,
}

/// The parts that a host under test is made of.
pub(crate) struct SimulatedHostParts {
    pub(crate) plugin: Arc<TestPlugin>,
    pub(crate) idle: Arc<IdleWatch>,
    pub(crate) web: FakeWeb,
    pub(crate) logs: LogCapture,
    pub(crate) clock: WallClock,
    /// The bytes of the first version.
    pub(crate) component: Vec<u8>,
}

impl SimulatedHost {
    /// Starts the host of a test on the current runtime. `None` if the host does not serve the plugin.
    pub(crate) async fn start(server: InMemoryServer, parts: SimulatedHostParts) -> Option<Self> {
        let SimulatedHostParts { plugin, idle, web, logs, clock, component } = parts;
        idle.watch_guests(server.guest_threads().clone());
        let layer = server.layer(&plugin.name)?;
        let host = Self {
            server,
            layer,
            clock: VirtualClock::start(),
            wall_clock: clock,
            idle,
            web,
            logs,
            connections: Connections::default(),
            channels: TestChannels::default(),
            swaps: Swaps::new(component),
            plugin,
        };
        host.idle.wait().await;
        Some(host)
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// The problem, for the author of the test.
    pub(crate) async fn handle(&mut self, request: Request) -> Result<Reply, String> {
        match request {
            Request::Connect(connect) => {
                let connection = self.connections.open(&self.server, connect)?;
                self.idle.wait().await;
                self.connections.handshake(&self.server, connection)
            }
            Request::Handshake { connection } => {
                self.connections.handshake(&self.server, connection)
            }
            Request::Send { connection, data } => {
                self.connections.get(connection)?.send(into_frame(data))?;
                self.settle().await
            }
            Request::Receive { connection } => self.connections.receive(connection),
            Request::Disconnect { connection, code, reason } => {
                self.connections.close(connection, code, &reason)?;
                self.settle().await
            }
            Request::Abort { connection } => {
                self.connections.abort(connection)?;
                self.settle().await
            }
            Request::OpenChannel => {
                let mailbox = self.layer.new_channel(&Tenant::default_tenant()).await;
                let mailbox = mailbox.map_err(|error| error.to_string())?;
                Ok(Reply::Channel { channel: self.channels.add(mailbox) })
            }
            Request::ChannelReceive { channel } => self.channels.receive(&channel).await,
            Request::Advance { milliseconds } => {
                self.clock.advance(Duration::from_millis(milliseconds)).await;
                self.settle().await
            }
            Request::SetTime { timestamp } => {
                let time = Duration::try_from_secs_f64(timestamp)
                    .map_err(|_| format!("{timestamp} is no time after 1970"))?;
                self.wall_clock.set(time);
                self.settle().await
            }
            Request::Respond(respond) => self.web.respond(respond).map(|()| Reply::Nothing),
            Request::Fail { method, url, error, times } => {
                self.web.fail(method, url, times, error);
                Ok(Reply::Nothing)
            }
            Request::Requests => Ok(Reply::Requests(self.web.requests())),
            Request::Swap { files, component } => {
                let build = self.swaps.build(&self.plugin, files, component)?;
                let reply = swaps::deploy(&self.server, &self.plugin.name, build).await?;
                self.idle.wait().await;
                Ok(reply)
            }
            Request::ReadFile { path } => swaps::read_file(&self.plugin, &path),
            Request::Logs => Ok(Reply::Logs(self.log_lines())),
            Request::Faults => Ok(Reply::Texts(self.logs.faults_of(&self.plugin.name))),
            other => self.handle_layer(other).await,
        }
    }

    /// Carries out a request about groups and channels.
    async fn handle_layer(&mut self, request: Request) -> Result<Reply, String> {
        let (tenant, layer) = (Tenant::default_tenant(), Arc::clone(&self.layer));
        match request {
            Request::GroupAdd { group, channel } => {
                let (group, channel) = (parse_group(group)?, parse_channel(channel)?);
                self.settle_layer(layer.group_add(&tenant, &group, &channel)).await
            }
            Request::GroupDiscard { group, channel } => {
                let (group, channel) = (parse_group(group)?, parse_channel(channel)?);
                self.settle_layer(layer.group_discard(&tenant, &group, &channel)).await
            }
            Request::LayerSend { channel, message } => {
                let (channel, message) = (parse_channel(channel)?, parse_message(&message)?);
                self.settle_layer(layer.send(&tenant, &channel, message)).await
            }
            Request::GroupSend { group, message } => {
                let (group, message) = (parse_group(group)?, parse_message(&message)?);
                self.settle_layer(layer.group_send(&tenant, &group, message)).await
            }
            Request::GroupSendFrame { group, data } => {
                let (group, frame) = (parse_group(group)?, into_frame(data));
                self.settle_layer(layer.group_send_frame(&tenant, &group, frame)).await
            }
            // Boxed, because the operations of the store are deep.
            config_or_keyvalue => Box::pin(self.handle_config(config_or_keyvalue)).await,
        }
    }

    /// Carries out a request about the configuration, or about keys and values.
    async fn handle_config(&mut self, request: Request) -> Result<Reply, String> {
        let settings = self.server.settings(&self.plugin.name);
        let settings = settings.ok_or("the host does not serve the plugin")?;
        match request {
            Request::SetConfig { changes } => {
                let values = config_changes::apply(&settings.snapshot(), changes)?;
                self.server.replace_settings(&self.plugin.name, values).await;
                self.settle().await
            }
            Request::Config => Ok(Reply::Config(BTreeMap::clone(&settings.snapshot()))),
            keyvalue => buckets::handle(self.server.keyvalue(), keyvalue).await,
        }
    }

    /// Waits until nothing is left to do.
    async fn settle(&self) -> Result<Reply, String> {
        self.idle.wait().await;
        Ok(Reply::Nothing)
    }

    /// Carries out an operation of the layer, and waits until nothing is left to do.
    async fn settle_layer(
        &self,
        operation: impl Future<Output = Result<(), LayerError>>,
    ) -> Result<Reply, String> {
        operation.await.map_err(|error| error.to_string())?;
        self.settle().await
    }

    fn log_lines(&self) -> Vec<LogReply> {
        let lines = self.logs.lines_of(&self.plugin.name).into_iter();
        lines
            .map(|line| LogReply {
                level: line.level.to_lowercase(),
                message: line.message.replace(CONTINUATION, "\n"),
                context: line.context,
            })
            .collect()
    }
}

fn into_frame(data: Data) -> Frame {
    match data {
        Data::Text(text) => Frame::Text(text.into()),
        Data::Binary(bytes) => Frame::Binary(bytes.into()),
    }
}

fn parse_group(name: String) -> Result<GroupName, String> {
    GroupName::try_from(name).map_err(|error| error.to_string())
}

fn parse_channel(name: String) -> Result<ChannelName, String> {
    ChannelName::try_from(name).map_err(|error| error.to_string())
}

fn parse_message(value: &rmpv::Value) -> Result<Message, String> {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = rmpv::encode::write_value(&mut bytes, value);
    Message::parse(bytes.into(), usize::MAX).map_err(|error| error.to_string())
}
