use serde::de::DeserializeOwned;

use crate::error::Error;

/// Takes the messages of named channels, without a socket: Channels' `runworker`.
///
/// The host binds it to channels in its configuration. An instance has one worker, which takes one message at a time;
/// its fields last as long as the instance, which ends with a panic and with its version. What is to last longer goes
/// where it lasts, and what is to be answered goes through the [`ChannelLayer`](crate::ChannelLayer).
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
///     /// Once a period, where the configuration says `every`.
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
    /// What its channels bring: an enum with `#[serde(tag = "type")]` and a variant a type, renamed to it
    /// ("sum.ask"), or "sum_ask". A message of any other type is ignored and counted, as with
    /// [`Consumer::Message`](crate::Consumer::Message).
    type Message: DeserializeOwned;

    /// A message came on `channel`. What it does takes effect when it returns.
    ///
    /// # Errors
    /// An error goes to the host's log, and the message is gone. So is, before it comes here, a message of a known
    /// type without that type's fields. Both count as faults of the plugin, also where the error blames a client: a
    /// worker has no client.
    fn handle(&mut self, channel: &str, message: Self::Message) -> Result<(), Error>;
}
