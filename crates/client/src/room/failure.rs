//! What the end of a connection, or of an attempt to have one, says about the next.

use std::time::Duration;

use aldis_protocol::{CloseCode, ErrorCode, WireError, close::Reconnect, error::Effect};

use crate::Error;

/// Whoever asks to be left alone for longer is asked again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Why there is no connection, and whether to try again.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) policy: Reconnect,
    /// What the server asked to wait.
    pub(crate) retry_after: Duration,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let policy = policy_of(&error);
        let retry_after =
            said(&error).and_then(|said| said.retry_after_ms).map_or(Duration::ZERO, Duration::from_millis);
        let retry_after = retry_after.min(RETRY_AFTER_MAX);
        Self { error, policy, retry_after }
    }
}

fn policy_of(error: &Error) -> Reconnect {
    match error {
        // No attempt can mend these.
        Error::Options(_) => Reconnect::No,
        Error::Refused { status, problem } => match problem {
            Some(problem) => after_refusal(problem.code),
            // A proxy, or another server altogether.
            None if *status >= 500 => Reconnect::Yes,
            None if matches!(status, 408 | 425 | 429) => Reconnect::Later,
            None => Reconnect::No,
        },
        Error::Closed { code, .. } => match CloseCode::from_code(*code) {
            // Nobody but us ends a stay in good order: a proxy on the way that closes with these two is no reason to stay away.
            None | Some(CloseCode::Bye | CloseCode::GoingAway) => Reconnect::Yes,
            Some(code) => code.reconnect(),
        },
        Error::Connect { .. }
        | Error::Tls { .. }
        | Error::Handshake(_)
        | Error::Timeout(_)
        | Error::Token(_)
        | Error::Unreadable(_)
        | Error::Socket(_) => Reconnect::Yes,
    }
}

/// A refusal before the upgrade has no close code.
fn after_refusal(code: ErrorCode) -> Reconnect {
    match code {
        ErrorCode::TokenInvalid | ErrorCode::TokenExpired => Reconnect::WithNewToken,
        code if code.retryable() => Reconnect::Yes,
        _ => Reconnect::No,
    }
}

/// What the server gave as its reason.
fn said(error: &Error) -> Option<&WireError> {
    match error {
        Error::Refused { problem, .. } => problem.as_deref(),
        // An earlier error on the same connection explains nothing.
        Error::Closed { code, error, .. } => error
            .as_deref()
            .filter(|error| matches!(error.code.effect(), Effect::Closes(closes) if closes.code() == *code)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: u16, error: Option<WireError>) -> Error {
        Error::Closed { code, reason: String::new(), error: error.map(Box::new) }
    }

    fn refused(status: u16, problem: Option<WireError>) -> Error {
        Error::Refused { status, problem: problem.map(Box::new) }
    }

    #[test]
    fn what_a_failure_says_about_the_next_attempt() {
        let wire = WireError::new;
        let cases = [
            (Error::Options("no".to_owned()), Reconnect::No, 0),
            (Error::Timeout("connecting"), Reconnect::Yes, 0),
            (Error::Token("the backend is down".into()), Reconnect::Yes, 0),
            (refused(401, Some(wire(ErrorCode::TokenInvalid))), Reconnect::WithNewToken, 0),
            (refused(401, Some(wire(ErrorCode::TokenMissing))), Reconnect::No, 0),
            (refused(403, Some(wire(ErrorCode::OriginForbidden))), Reconnect::No, 0),
            (refused(503, Some(wire(ErrorCode::Draining).retry_after(3_000))), Reconnect::Yes, 3_000),
            (refused(502, None), Reconnect::Yes, 0),
            (refused(404, None), Reconnect::No, 0),
            (refused(429, None), Reconnect::Later, 0),
            (refused(503, Some(wire(ErrorCode::Draining).retry_after(u64::MAX))), Reconnect::Yes, 3_600_000),
            (closed(1000, None), Reconnect::Yes, 0),
            (closed(1001, None), Reconnect::Yes, 0),
            (closed(1006, None), Reconnect::Yes, 0),
            (closed(4999, None), Reconnect::Yes, 0),
            (closed(1012, Some(wire(ErrorCode::RateLimited).retry_after(9_000))), Reconnect::Yes, 0),
            (closed(1013, Some(wire(ErrorCode::Overloaded).retry_after(9_000))), Reconnect::Later, 9_000),
            (closed(4401, Some(wire(ErrorCode::TokenExpired))), Reconnect::WithNewToken, 0),
            (closed(4409, None), Reconnect::No, 0),
            (closed(4410, None), Reconnect::No, 0),
            (closed(4419, None), Reconnect::IfAlone, 0),
            (closed(4429, None), Reconnect::Later, 0),
        ];
        for (error, policy, retry_after_ms) in cases {
            let failure = Failure::from(error);
            assert_eq!(failure.policy, policy, "{}", failure.error);
            assert_eq!(failure.retry_after, Duration::from_millis(retry_after_ms), "{}", failure.error);
        }
    }
}
