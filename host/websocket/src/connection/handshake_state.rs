//! Whether the handshake of a connection can still be decided.

use super::late_decision::LateDecision;

/// Whether the handshake of a connection can still be decided. Only the first decision counts.
///
/// ```text
///     new --> Undecided -- decide --> Decided -- take_decision --> Over
///                 |                      |                          ^ |
///                 +-------- end ---------+--------------------------+ | reopen
///                                                       decide      | v
///                                                                Restarted
/// ```
#[derive(Debug, Default)]
pub(super) enum HandshakeState {
    /// The client waits for its response.
    #[default]
    Undecided,
    /// A consumer has decided, and the host has not responded.
    Decided(Box<LateDecision>),
    /// The client has its response, or will get one that no consumer decides.
    Over,
    /// The connection is open, and its consumer was restarted and has not decided.
    Restarted,
}

/// The result of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecisionEffect {
    /// The decision came too late.
    None,
    /// The client gets the response.
    Responds,
    /// The connection is open, so that it has to close.
    Closes,
}

impl HandshakeState {
    /// Decides the handshake, unless it has been decided before.
    pub(super) fn decide(&mut self, decision: LateDecision) -> DecisionEffect {
        match self {
            Self::Undecided => {
                *self = Self::Decided(Box::new(decision));
                DecisionEffect::Responds
            }
            Self::Restarted => {
                *self = Self::Over;
                match decision {
                    LateDecision::Accept(_) => DecisionEffect::None,
                    LateDecision::Reject(_) => DecisionEffect::Closes,
                }
            }
            Self::Decided(_) | Self::Over => DecisionEffect::None,
        }
    }

    /// Whether a consumer still has to decide.
    pub(super) fn is_undecided(&self) -> bool {
        matches!(self, Self::Undecided | Self::Restarted)
    }

    /// Takes the decision, if there is one.
    pub(super) fn take_decision(&mut self) -> Option<LateDecision> {
        match std::mem::take(self) {
            Self::Decided(decision) => {
                *self = Self::Over;
                Some(*decision)
            }
            state => {
                *self = state;
                None
            }
        }
    }

    /// Ends the time for decisions.
    pub(super) fn end(&mut self) {
        *self = Self::Over;
    }

    /// Lets a restarted consumer decide about an open connection.
    pub(super) fn reopen(&mut self) {
        if matches!(self, Self::Over) {
            *self = Self::Restarted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_core::handshake_response::{Acceptance, HostRejection};

    fn accept() -> LateDecision {
        LateDecision::Accept(Acceptance::default())
    }

    fn reject() -> LateDecision {
        LateDecision::Reject(HostRejection::NoRoute.into())
    }

    #[test]
    fn only_the_first_decision_counts() {
        let mut state = HandshakeState::default();
        assert_eq!(state.take_decision(), None);
        assert_eq!(state.decide(accept()), DecisionEffect::Responds);
        assert_eq!(state.decide(reject()), DecisionEffect::None);
        assert_eq!(state.take_decision(), Some(accept()));
        assert_eq!(state.decide(reject()), DecisionEffect::None);
        assert_eq!(state.take_decision(), None);
    }

    #[test]
    fn a_handshake_that_connect_has_decided_cannot_be_decided_again() {
        let mut state = HandshakeState::default();
        state.decide(reject());
        state.end();
        assert_eq!(state.decide(reject()), DecisionEffect::None);
        assert_eq!(state.take_decision(), None);
    }

    #[test]
    fn a_rejection_by_a_restarted_consumer_closes_the_open_connection() {
        let mut state = HandshakeState::Over;
        state.reopen();
        assert_eq!(state.decide(reject()), DecisionEffect::Closes);
        assert_eq!(state.decide(reject()), DecisionEffect::None);
        state.reopen();
        assert_eq!(state.decide(accept()), DecisionEffect::None);
        assert_eq!(state.decide(reject()), DecisionEffect::None);
    }

    #[test]
    fn a_restart_does_not_change_a_handshake_that_is_undecided() {
        let mut state = HandshakeState::default();
        state.reopen();
        assert_eq!(state.decide(reject()), DecisionEffect::Responds);
    }
}
