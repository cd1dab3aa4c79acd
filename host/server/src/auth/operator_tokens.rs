//! The operator's tokens, which a reload may replace.

use std::sync::{Arc, PoisonError, RwLock};

use super::tokens::ApiTokens;

/// The operator's tokens that the admin API accepts now. A reload of the configuration may replace them.
#[derive(Debug, Default)]
pub(crate) struct OperatorTokens(RwLock<Option<Arc<ApiTokens>>>);

impl OperatorTokens {
    /// Accepts these tokens from now on, and no others.
    pub(crate) fn replace(&self, tokens: ApiTokens) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::new(tokens));
    }

    /// Whether the admin API runs.
    pub(crate) fn is_enabled(&self) -> bool {
        self.current().is_some()
    }

    /// The tokens of now; `None` if the admin API does not run.
    pub(crate) fn current(&self) -> Option<Arc<ApiTokens>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
