//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// The longest first wait.
const BASE: Duration = Duration::from_millis(500);

/// The longest wait.
const CAP: Duration = Duration::from_secs(15);

/// Full jitter: anything up to a bound that doubles with each failure, so that clients which lost the same server do not come back
/// together. Never sooner than the server asked.
///
/// `failures` counts the attempts since the last one that did not fail, at least 1; `random` is in [0, 1).
pub(crate) fn backoff(failures: u32, random: f64, retry_after: Duration) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    let bound = BASE.saturating_mul(factor).min(CAP);
    retry_after.saturating_add(bound.mul_f64(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_a_quarter_of_a_minute() {
        let bounds = [(1, 500), (2, 1_000), (3, 2_000), (5, 8_000), (6, 15_000), (4_000_000_000, 15_000)];
        for (failures, bound) in bounds {
            assert_eq!(backoff(failures, 1.0, Duration::ZERO), Duration::from_millis(bound), "{failures}");
            assert_eq!(backoff(failures, 0.0, Duration::ZERO), Duration::ZERO, "{failures}");
        }
        assert_eq!(backoff(1, 0.5, Duration::from_secs(3)), Duration::from_millis(3_250));
        assert_eq!(backoff(1, 0.5, Duration::MAX), Duration::MAX);
    }
}
