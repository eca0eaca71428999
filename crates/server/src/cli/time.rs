//! Durations as people write them.

use std::time::Duration;

/// Reads `90`, `90s`, `10m`, `2h` or `1d`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "is not a duration: 90s, 10m, 2h or 1d";
    let (digits, unit) = match text.find(|char: char| !char.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(EXPECTED.to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| EXPECTED)?;
    count.checked_mul(factor).map(Duration::from_secs).ok_or_else(|| EXPECTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let cases = [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("2h", Some(7_200)),
            ("1d", Some(86_400)),
            ("0", Some(0)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text).ok().map(|duration| duration.as_secs()), expected, "{text}");
        }
        for bad in ["", "m", "-1", "1.5h", "1w", "1 m", "99999999999999999999", "999999999999999999d", "1ä"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
