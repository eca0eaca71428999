//! The tables of the documentation, rendered from the tables of the code, so that the two cannot drift.
//!
//! `docs/protocol.md` and `docs/limits.md` hold each table between `<!-- generated: NAME -->` and `<!-- end -->`;
//! `tests/docs.rs` compares them with what is rendered here, and rewrites them when `ALDIS_BLESS=1` is set.

use serde_json::Value;

use crate::{
    CloseCode, ErrorCode, Limits,
    close::Reconnect,
    error::Effect,
    limits::{Limit, PAIRS_OPENING, TABLE, WireLimits},
};

/// Renders one table.
pub type Render = fn() -> String;

/// Every generated table: the name in its marker and what renders it.
pub const TABLES: &[(&str, Render)] =
    &[("errors", errors), ("close-codes", close_codes), ("wire-limits", wire_limits), ("limits", limits)];

/// The error codes, in the order of [`ErrorCode::ALL`].
#[must_use]
pub fn errors() -> String {
    let mut table = Table::new(&[
        "code",
        "HTTP",
        "effect",
        "connection lives?",
        "strike?",
        "retryable?",
        "ends the stream?",
        "meaning",
        "what to do",
    ]);
    for &code in ErrorCode::ALL {
        let (effect, lives, strike) = match code.effect() {
            Effect::Lives => ("the message is refused".to_owned(), "yes", "no"),
            Effect::Strike => ("the message is refused".to_owned(), "yes", "yes"),
            Effect::Closes(close) => (format!("closes with {}", close.code()), "no", "no"),
            Effect::Http => ("HTTP only".to_owned(), "–", "–"),
        };
        table.row(&[
            &monospace(code.as_str()),
            &code.http().to_string(),
            &effect,
            lives,
            strike,
            yes_no(code.retryable()),
            yes_no(code.ends_stream()),
            code.meaning(),
            code.hint(),
        ]);
    }
    table.text
}

/// The close codes, in the order of [`CloseCode::ALL`].
#[must_use]
pub fn close_codes() -> String {
    let mut table = Table::new(&["code", "meaning", "reconnect?"]);
    for &close in CloseCode::ALL {
        let reconnect = match close.reconnect() {
            Reconnect::No => "no",
            Reconnect::Yes => "yes, with backoff; resume",
            Reconnect::Later => "later: after `retryAfterMs` or a long backoff",
            Reconnect::WithNewToken => "with a new token",
            Reconnect::IfAlone => "ignore it; if this was the only connection, resume",
        };
        table.row(&[&close.code().to_string(), close.meaning(), reconnect]);
    }
    table.text
}

/// What `welcome.limits` holds, in the order of the limits' own table.
#[must_use]
pub fn wire_limits() -> String {
    // Strings and integers have no way to fail; an empty table would be a drift that the tests show.
    let wire = serde_json::to_value(WireLimits::from(&Limits::default())).unwrap_or_default();
    let mut table = Table::new(&["field of `welcome.limits`", "default", "what it bounds"]);
    for row in TABLE {
        let field = camel_case(row.limit.as_str());
        if let Some(default) = wire.get(&field).and_then(Value::as_u64) {
            table.row(&[&monospace(&field), &amount(row.limit, default), row.doc]);
        }
    }
    let pairs = "Pairs that a client should open at once: advice, the server does not count them.";
    table.row(&["`pairsOpening`", &PAIRS_OPENING.to_string(), pairs]);
    table.text
}

/// Every limit of a node, with its key, its metric and the test that hits it.
#[must_use]
pub fn limits() -> String {
    let mut table = Table::new(&[
        "limit",
        "key",
        "environment variable",
        "default",
        "metric",
        "test that hits it",
        "what it bounds",
    ]);
    for row in TABLE {
        let name = row.limit.as_str();
        table.row(&[
            &monospace(name),
            &monospace(&format!("limits.{name}")),
            &monospace(&format!("ALDIS_LIMITS_{}", name.to_ascii_uppercase())),
            &amount(row.limit, row.default),
            &monospace(&format!("aldis_limit_hits_total{{limit=\"{name}\"}}")),
            &monospace(row.test),
            row.doc,
        ]);
    }
    table.text
}

/// A markdown table under construction.
struct Table {
    text: String,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        let mut table = Self { text: String::new() };
        table.row(head);
        table.text.push_str(&"|---".repeat(head.len()));
        table.text.push_str("|\n");
        table
    }

    fn row(&mut self, cells: &[&str]) {
        for cell in cells {
            self.text.push_str("| ");
            self.text.push_str(&cell.replace('|', "\\|"));
            self.text.push(' ');
        }
        self.text.push_str("|\n");
    }
}

fn monospace(text: &str) -> String {
    format!("`{text}`")
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// The number as one writes it into a configuration, and how one says it.
fn amount(limit: Limit, number: u64) -> String {
    let name = limit.as_str();
    let said = if name.ends_with("_ms") {
        in_units(number, &[(60_000, "min"), (1_000, "s")])
    } else if name.contains("byte") {
        in_units(number, &[(1 << 20, "MiB"), (1 << 10, "KiB")])
    } else {
        None
    };
    said.map_or_else(|| number.to_string(), |said| format!("{number} ({said})"))
}

/// In the largest unit that divides it.
fn in_units(number: u64, units: &[(u64, &str)]) -> Option<String> {
    let (size, unit) = units.iter().find(|(size, _)| number > 0 && number.is_multiple_of(*size))?;
    Some(format!("{} {unit}", number / size))
}

/// `message_bytes` is `messageBytes` on the wire.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut chars = word.chars();
        camel.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(chars.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_rendered_row_by_row() {
        let mut table = Table::new(&["a", "b"]);
        table.row(&["1", "x|y"]);
        assert_eq!(table.text, "| a | b |\n|---|---|\n| 1 | x\\|y |\n");
    }

    #[test]
    fn amounts_are_said_in_the_unit_that_divides_them() {
        let cases = [
            (Limit::message_bytes, 65_536, "65536 (64 KiB)"),
            (Limit::outbound_bytes, 1_048_576, "1048576 (1 MiB)"),
            (Limit::message_bytes, 1_000, "1000"),
            (Limit::tombstone_ms, 600_000, "600000 (10 min)"),
            (Limit::resume_window_ms, 30_000, "30000 (30 s)"),
            (Limit::probe_ms, 1_500, "1500"),
            (Limit::room_peers, 2_048, "2048"),
        ];
        for (limit, number, expected) in cases {
            assert_eq!(amount(limit, number), expected);
        }
    }

    #[test]
    fn every_field_of_the_wire_limits_is_a_row() {
        let wire = serde_json::to_value(WireLimits::from(&Limits::default())).expect("serialises");
        let table = wire_limits();
        for field in wire.as_object().expect("an object").keys() {
            assert!(table.contains(&format!("| `{field}` |")), "{field}");
        }
    }
}
