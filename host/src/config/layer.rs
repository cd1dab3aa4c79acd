//! `[layer]`: which channel layer, and its bounds.

use serde::Deserialize;
use toml::Spanned;

use super::backend::Backend;
use super::error::{ConfigError, Location};
use crate::units::{ByteSize, Span};

/// The channel layer's settings, after Channels' `CHANNEL_LAYERS`.
#[derive(Debug, Clone)]
pub struct LayerConfig {
    /// What carries the messages.
    pub backend: Backend,
    /// Messages a channel holds unless a rule of `channel_capacity` says otherwise.
    pub capacity: usize,
    /// First match on the channel's name wins.
    pub channel_capacity: Vec<CapacityRule>,
    /// How long a message waits for its reader.
    pub expiry: Span,
    /// How long a channel without a live mailbox stays in a group.
    pub group_expiry: Span,
    /// Bytes a channel holds.
    pub mailbox_bytes: ByteSize,
    /// The largest message.
    pub max_message: ByteSize,
}

/// Another capacity for the channels whose names match a glob.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityRule {
    /// With `*`, `?`, `[abc]` and `[!abc]`, as Python's `fnmatch`.
    pub pattern: String,
    /// Messages such a channel holds.
    pub capacity: usize,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawBackend {
    Memory,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// Read to be checked against the list of backends.
    backend: RawBackend,
    capacity: Spanned<usize>,
    channel_capacity: Vec<Spanned<CapacityRule>>,
    expiry: Spanned<Span>,
    group_expiry: Spanned<Span>,
    mailbox_bytes: Spanned<ByteSize>,
    max_message: Spanned<ByteSize>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            backend: RawBackend::Memory,
            capacity: Spanned::new(0..0, 100),
            channel_capacity: Vec::new(),
            expiry: Spanned::new(0..0, Span::seconds(60)),
            group_expiry: Spanned::new(0..0, Span::seconds(86_400)),
            mailbox_bytes: Spanned::new(0..0, ByteSize::mib(1)),
            max_message: Spanned::new(0..0, ByteSize::mib(1)),
        }
    }
}

impl Raw {
    pub(super) fn check(self, location: &Location<'_>) -> Result<LayerConfig, ConfigError> {
        if *self.capacity.get_ref() == 0 {
            let problem = "a channel must hold at least 1 message";
            return Err(location.invalid(self.capacity.span(), "layer.capacity", problem));
        }
        let spans = [("expiry", &self.expiry), ("group_expiry", &self.group_expiry)];
        for (key, span) in spans {
            if *span.get_ref() < Span::millis(1) {
                let key = format!("layer.{key}");
                return Err(location.invalid(span.span(), &key, "must be at least 1ms"));
            }
        }
        let sizes = [("mailbox_bytes", &self.mailbox_bytes), ("max_message", &self.max_message)];
        for (key, size) in sizes {
            if size.get_ref().bytes() == 0 {
                let key = format!("layer.{key}");
                return Err(location.invalid(size.span(), &key, "must be more than 0 bytes"));
            }
        }
        for rule in &self.channel_capacity {
            let key = "layer.channel_capacity";
            if rule.get_ref().capacity == 0 {
                let problem = "a channel must hold at least 1 message";
                return Err(location.invalid(rule.span(), key, problem));
            }
        }
        Ok(LayerConfig {
            backend: match self.backend {
                RawBackend::Memory => Backend::Memory,
            },
            capacity: self.capacity.into_inner(),
            channel_capacity: self.channel_capacity.into_iter().map(Spanned::into_inner).collect(),
            expiry: self.expiry.into_inner(),
            group_expiry: self.group_expiry.into_inner(),
            mailbox_bytes: self.mailbox_bytes.into_inner(),
            max_message: self.max_message.into_inner(),
        })
    }
}
