use serde::de::DeserializeOwned;

use crate::error::Error;

/// The handler of the messages of named channels, without a connection. In Django Channels: a consumer under
/// `runworker`.
///
/// `[[workers]]` in the host's configuration binds it to channels. An instance has one worker, which handles one
/// message at a time. Its fields live as long as the instance, which ends with a panic and with its version. Store
/// longer-lived data elsewhere, such as in [`keyvalue`](crate::keyvalue). Send replies through the
/// [`ChannelLayer`](crate::ChannelLayer).
///
/// ```
/// use narrowboat_guest::prelude::*;
///
/// #[derive(Default)]
/// struct Sums;
///
/// #[derive(Deserialize)]
/// #[serde(tag = "type")]
/// enum Job {
///     #[serde(rename = "sum.ask")]
///     Ask { numbers: Vec<i64>, reply_to: String },
///     /// The host sends it periodically if `every` is set in the configuration.
///     #[serde(rename = "worker.tick")]
///     Tick,
/// }
///
/// #[derive(Serialize)]
/// #[serde(tag = "type", rename = "sum.answer")]
/// struct Answer {
///     sum: i64,
/// }
///
/// impl Worker for Sums {
///     type Message = Job;
///
///     fn handle(&mut self, _channel: &str, job: Job) -> Result<(), Error> {
///         match job {
///             Job::Ask { numbers, reply_to } => {
///                 ChannelLayer::send(&reply_to, &Answer { sum: numbers.iter().sum() })?;
///             }
///             Job::Tick => info!("still here"),
///         }
///         Ok(())
///     }
/// }
///
/// narrowboat_guest::export_worker!(Sums);
/// ```
pub trait Worker: Default + 'static {
    /// The messages of its channels: an enum with `#[serde(tag = "type")]` that has one variant for each type, renamed
    /// to the type ("sum.ask"). The host ignores and counts messages of other types, as with
    /// [`Consumer::Message`](crate::Consumer::Message).
    type Message: DeserializeOwned;

    /// Handles a message of `channel`. Its effects take place when it returns.
    ///
    /// # Errors
    /// An [`Error`] goes to the host's log, and the message is lost. A message of a known type that lacks a field of
    /// that type does not reach this method and is lost too. Both count as faults of the plugin, even if the error
    /// blames a client, because a worker has no client.
    fn handle(&mut self, channel: &str, message: Self::Message) -> Result<(), Error>;
}
