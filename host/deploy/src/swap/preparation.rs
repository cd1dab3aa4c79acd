//! What a version goes through before it may become live. Nothing that serves changes meanwhile, so that all of it can be
//! dropped at any time.

use std::sync::Arc;

use tracing::Instrument;

use super::Swap;
use super::offers::{Offer, Origin};
use super::refusal::Refusal;
use crate::versions::ShelfError;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::log_target::TRACE;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{Candidate, MoveError, Plugin, Version, aside};

/// A version that fits.
pub(super) enum Prepared {
    /// It has been tried, and may become live.
    Ready(Arc<Version>),
    /// It asks for this and the live one has not: somebody has to approve.
    AsksMore(Capabilities),
}

/// Why a version does not become live.
pub(super) enum Failed {
    /// It is not good enough.
    Unfit(Refusal),
    /// It would be lost with the process.
    Unkept(ShelfError),
}

impl Swap {
    /// Compiles, checks and tries a version. Nothing has happened if it fails, and nothing of it has run if it asks for
    /// more than the live one. Cancel safe.
    pub(super) async fn check(&self, offer: &Offer) -> Result<Prepared, Refusal> {
        let span = tracing::info_span!(target: TRACE, "prepare");
        self.check_by_live(offer).instrument(span).await
    }

    async fn check_by_live(&self, offer: &Offer) -> Result<Prepared, Refusal> {
        let plugin = self.plugin();
        let work = {
            let (loader, config) = (Arc::clone(&self.loader), self.config.clone());
            let (plugin, build) = (Arc::clone(plugin), Arc::clone(&offer.build));
            let origin = offer.origin.clone();
            move || loader.version(&plugin.name, &config, origin.place(), &build)
        };
        let compiled = aside(work).await.ok_or(Refusal::NoThread)?;
        let Candidate { version, isolation } = compiled.map_err(Box::new)?;
        if isolation != plugin.isolation {
            return Err(Refusal::Isolation { running: plugin.isolation, wanted: isolation });
        }
        warn_of_another_name(plugin, &version);
        let more = plugin.live().asks().lacking(version.asks());
        if !more.is_empty() && !self.is_cleared(offer) {
            return Ok(Prepared::AsksMore(more));
        }
        self.try_out(Arc::clone(&version)).await?;
        Ok(Prepared::Ready(version))
    }

    /// Whether a version may have what it asks for, whatever the live one has.
    fn is_cleared(&self, offer: &Offer) -> bool {
        let shelf = self.shelf.as_ref();
        matches!(offer.origin, Origin::Approval { .. })
            || shelf.is_some_and(|shelf| shelf.is_cleared(offer.build.digest()))
    }

    /// Tries a version on a store that is thrown away, with the state of now if there is any.
    async fn try_out(&self, version: Arc<Version>) -> Result<(), Refusal> {
        let sample = match self.roster.sample().await {
            None => None,
            Some(Ok(sample)) => Some(sample),
            Some(Err(error)) if self.plugin().isolation == Isolation::Shared => {
                return Err(Refusal::Trial(error));
            }
            Some(Err(error)) => {
                let plugin = &*self.plugin().label;
                tracing::warn!(plugin, "tried without the state of a connection: {error}");
                None
            }
        };
        let trial = aside(move || match sample {
            Some(sample) => sample.try_on(version),
            None => version.try_start().map_err(MoveError::Start),
        });
        trial.await.ok_or(Refusal::NoThread)?.map_err(Refusal::Trial)
    }

    /// Keeps a version that is about to be published. What cannot be kept is not taken, unless the
    /// plugin's file has it anyway. Dropped, it may be kept all the same, and later than whatever is noted next.
    pub(super) async fn keep(&self, offer: &Offer) -> Result<(), ShelfError> {
        let (build, by) = (Arc::clone(&offer.build), offer.origin.by().to_owned());
        let is_approval = matches!(offer.origin, Origin::Approval { .. });
        let kept = self.shelve(move |shelf| match is_approval {
            true => shelf.approve(&build, &by),
            false => shelf.keep(&build, &by),
        });
        match (kept.await, &offer.origin) {
            (Some(Err(error)), origin) if origin.is_file() => {
                let plugin = &*self.plugin().label;
                tracing::warn!(plugin, "version {}: {error}", offer.build.digest().short());
                Ok(())
            }
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(())) | None, _) => Ok(()),
        }
    }
}

/// Another component may have been given to this plugin by mistake.
fn warn_of_another_name(plugin: &Plugin, version: &Version) {
    let live = plugin.live();
    let (old, new) = (live.own_name(), version.own_name());
    if old != new {
        let (label, digest) = (&*plugin.label, version.digest().short());
        tracing::warn!(
            plugin = label,
            "version {digest} is of a manifest with the name {new:?}, and the live version's has {old:?}; is it the \
             right component?"
        );
    }
}
