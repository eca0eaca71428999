//! The table that a run prints: row, attack, expected, seen.

use std::fmt::Write as _;

use crate::rows::Check;

/// How much of a cell is shown.
const CELL: usize = 60;

/// What became of an attack.
pub(crate) struct Report {
    pub(crate) row: u8,
    what: String,
    expected: String,
    seen: String,
    remarks: Vec<String>,
    pub(crate) passed: bool,
}

impl Report {
    pub(crate) fn new(row: u8, what: &str, outcome: anyhow::Result<Vec<Check>>) -> Self {
        let checks = match outcome {
            Ok(checks) => checks,
            Err(error) => vec![Check::new("the attack itself", "made", format!("{error:#}"))],
        };
        let wrong = checks.iter().filter(|check| !check.holds());
        let wrong = wrong.map(|check| format!("{}: {} instead of {}", check.case, check.seen, check.expected));
        let measured = checks.iter().filter_map(|check| Some(format!("{}: {}", check.case, check.measured.as_ref()?)));
        let remarks = wrong.chain(measured).collect();
        Self {
            row,
            what: what.to_owned(),
            expected: distinct(checks.iter().map(|check| check.expected.as_str())),
            seen: distinct(checks.iter().map(|check| check.seen.as_str())),
            remarks,
            // An attack that looked at nothing proves nothing.
            passed: !checks.is_empty() && checks.iter().all(Check::holds),
        }
    }
}

fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut found: Vec<&str> = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found.join(", ")
}

/// All of them as text.
pub(crate) fn table(reports: &[Report]) -> String {
    let cut = |text: &str| {
        if text.chars().count() <= CELL {
            text.to_owned()
        } else {
            text.chars().take(CELL - 1).chain(['…']).collect()
        }
    };
    let heads = ["#", "attack", "expected", "seen"].map(str::to_owned);
    let cells = reports
        .iter()
        .map(|report| [report.row.to_string(), cut(&report.what), cut(&report.expected), cut(&report.seen)]);
    let rows: Vec<_> = std::iter::once(heads).chain(cells).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let verdict = match index.checked_sub(1).map(|index| reports[index].passed) {
            None => "",
            Some(true) => "ok",
            Some(false) => "FAILED",
        };
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", [cells.join("  ").as_str(), verdict].join("  ").trim_end());
    }
    for report in reports {
        for remark in &report.remarks {
            let _ = writeln!(text, "{} {}: {remark}", report.row, report.what);
        }
    }
    text
}
