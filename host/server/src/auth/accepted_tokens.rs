//! The tokens that the admin API accepts now.

use std::sync::{Arc, PoisonError, RwLock};

use super::tokens::ApiTokens;

/// The tokens of the operator or of one tenant that the admin API accepts now. A reload of the configuration, or a changed
/// file of a token, replaces them.
#[derive(Debug, Default)]
pub(crate) struct AcceptedTokens(RwLock<Option<Arc<ApiTokens>>>);

impl AcceptedTokens {
    /// Accepts these tokens.
    pub(crate) fn new(tokens: ApiTokens) -> Self {
        Self(RwLock::new(Some(Arc::new(tokens))))
    }

    /// Accepts these tokens from now on, and no others. Returns whether they differ from those before.
    pub(crate) fn replace(&self, tokens: ApiTokens) -> bool {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let has_changed = current.as_deref() != Some(&tokens);
        *current = Some(Arc::new(tokens));
        has_changed
    }

    /// Whether there are tokens. The operator has none if the admin API does not run.
    pub(crate) fn is_enabled(&self) -> bool {
        self.current().is_some()
    }

    /// The current tokens; `None` if the admin API does not run.
    pub(crate) fn current(&self) -> Option<Arc<ApiTokens>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
