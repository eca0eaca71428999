//! What is said of frames that count for nothing here, though another node may have sent them.
//!
//! A node with another secret, or of another version, is up and ready and hears nobody: only this says why its rooms are apart.

use std::time::Duration;

use tokio::time::Instant;

use super::frame::FrameError;

/// The least time between two warnings for the same reason: a split cluster drops frames all the time.
const PAUSE: Duration = Duration::from_secs(60);

/// When each warning was given last.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    other_key: Option<Instant>,
    other_version: Option<Instant>,
}

impl Strangers {
    /// What to tell the operator of a frame that was dropped now, if it is time to.
    pub(super) fn dropped(&mut self, error: FrameError, now: Instant) -> Option<&'static str> {
        let (last, advice) = match error {
            FrameError::NotAuthentic => (
                &mut self.other_key,
                "a frame at the broker is not signed with this cluster's secret: a node has another ALDIS_CLUSTER_SECRET, and its rooms are \
                 apart from those here; give every node the same one, and each deployment at a shared broker its own ALDIS_BACKPLANE_PREFIX",
            ),
            FrameError::Version => (
                &mut self.other_version,
                "a frame at the broker has another version: nodes of two versions that do not understand each other run side by side, and \
                 their rooms are apart; finish the update of all nodes",
            ),
            // No node makes these; whoever writes junk at the broker is counted.
            FrameError::Oversize | FrameError::Malformed => return None,
        };
        if last.is_some_and(|last| now.duration_since(last) < PAUSE) {
            return None;
        }
        *last = Some(now);
        Some(advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_a_minute() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
        let mut told = |error, seconds| strangers.dropped(error, start + Duration::from_secs(seconds)).is_some();
        let cases = [
            (FrameError::NotAuthentic, 0, true),
            (FrameError::NotAuthentic, 0, false),
            (FrameError::Version, 1, true),
            (FrameError::Malformed, 2, false),
            (FrameError::Oversize, 2, false),
            (FrameError::NotAuthentic, 59, false),
            (FrameError::NotAuthentic, 60, true),
            (FrameError::Version, 60, false),
            (FrameError::Version, 61, true),
            (FrameError::NotAuthentic, 119, false),
        ];
        for (error, seconds, expected) in cases {
            assert_eq!(told(error, seconds), expected, "{error} after {seconds} s");
        }
    }
}
