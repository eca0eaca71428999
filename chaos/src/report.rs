//! The table, and what is wrong.

use std::{fmt::Write as _, time::Duration};

use crate::{
    check::{Kind, Verdict},
    faults::Fault,
    goals,
    history::Course,
};

/// How many broken promises of a run are told; the rest is in the folder.
const TOLD: usize = 12;

/// The columns.
const COLUMNS: [&str; 17] = [
    "fault",
    "seconds",
    "messages",
    "delivered",
    "p99",
    "rejected",
    "lost",
    "doubled",
    "reordered",
    "unsettled",
    "left",
    "events",
    "moved",
    "broke",
    "resumed",
    "p50/p99 ms",
    "agreed",
];

/// Whether the goals are judged, or only what must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judges {
    /// Promises alone.
    Promises,
    /// How fast and how many, too.
    Goals,
}

/// What a run comes to, in words.
pub(crate) struct Report {
    pub(crate) fault: Fault,
    row: [String; 17],
    remarks: Vec<String>,
    pub(crate) passed: bool,
}

impl Report {
    /// Of a run that was judged.
    pub(crate) fn new(course: &Course, verdict: &Verdict, judges: Judges) -> Self {
        let mut remarks = remarks(verdict);
        let passed = if course.fault == Fault::Control {
            // It exists to be caught.
            let caught = verdict.count(Kind::Lost) > 0;
            remarks = vec![format!("clients without streams: {}", if caught { "caught" } else { "NOT CAUGHT" })];
            caught
        } else {
            let missed = if judges == Judges::Goals { goals::missed(course.fault, verdict) } else { Vec::new() };
            let passed = verdict.violations.is_empty() && missed.is_empty();
            remarks.extend(missed.into_iter().map(|missed| format!("goal missed: {missed}")));
            passed
        };
        Self { fault: course.fault, row: row(course, verdict), remarks, passed }
    }

    /// Of a run that did not come to its end.
    pub(crate) fn failed(fault: Fault, error: &anyhow::Error) -> Self {
        let mut row: [String; 17] = std::array::from_fn(|_| "-".to_owned());
        row[0] = fault.to_string();
        Self { fault, row, remarks: vec![format!("the run failed: {error:#}")], passed: false }
    }
}

/// All of them as text: a table, and the remarks below it.
pub(crate) fn table(reports: &[Report]) -> String {
    let heads = COLUMNS.map(str::to_owned);
    let rows: Vec<_> = [&heads].into_iter().chain(reports.iter().map(|report| &report.row)).collect();
    let widths: Vec<_> =
        (0..COLUMNS.len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let verdict = match index.checked_sub(1).map(|index| reports[index].passed) {
            None => "",
            Some(true) => "ok",
            Some(false) => "FAILED",
        };
        let line = [cells.collect::<Vec<_>>().join("  ").as_str(), verdict].join("  ");
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for Report { fault, remarks, .. } in reports {
        for remark in remarks {
            let _ = writeln!(text, "{fault}: {remark}");
        }
    }
    text
}

fn row(course: &Course, verdict: &Verdict) -> [String; 17] {
    let began = course.marks.first().map_or(course.ended, |(at, _)| *at);
    let (letters, returns) = (&verdict.letters, &verdict.returns);
    let count = |kind| verdict.count(kind).to_string();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let ms = |percentile| returns.gap(percentile).map(|gap| gap.as_millis().to_string());
    [
        course.fault.to_string(),
        course.ended.since(began).as_secs().to_string(),
        letters.sent.to_string(),
        letters.delivered.to_string(),
        or_dash(letters.p99.map(seconds)),
        letters.rejected.values().sum::<usize>().to_string(),
        count(Kind::Lost),
        count(Kind::Duplicated),
        count(Kind::Reordered),
        count(Kind::Unsettled),
        count(Kind::PeerLeft),
        verdict.rosters.events.to_string(),
        returns.moved.to_string(),
        (returns.resumed + returns.anew).to_string(),
        or_dash(returns.resumed_percent().map(|percent| format!("{percent:.2} %"))),
        or_dash(ms(50).zip(ms(99)).map(|(half, most)| format!("{half}/{most}"))),
        or_dash(verdict.rosters.agreed.map(seconds)),
    ]
}

fn remarks(verdict: &Verdict) -> Vec<String> {
    let mut remarks = Vec::new();
    if !verdict.letters.rejected.is_empty() {
        let named = verdict.letters.rejected.iter().map(|(why, count)| format!("{count} {why}"));
        remarks.push(format!("rejected by name: {}", named.collect::<Vec<_>>().join(", ")));
    }
    if let Some(percent) = verdict.returns.together_percent() {
        let all = verdict.returns.together_resumed + verdict.returns.together_anew;
        remarks.push(format!("of {all} whose whole room sat on the killed node {percent:.2} % resumed"));
    }
    let violations = &verdict.violations;
    remarks.extend(violations.iter().take(TOLD).map(ToString::to_string));
    if violations.len() > TOLD {
        remarks.push(format!("and {} more", violations.len() - TOLD));
    }
    remarks
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
