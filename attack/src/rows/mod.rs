//! The rows of `docs/attacks.md` that need no load: one function an attack, which says what it expects and what it saw.

mod door;
mod frames;
mod messages;
mod operation;
mod rooms;
mod sessions;

use std::{net::Ipv4Addr, path::Path, sync::Mutex, thread};

use crate::{
    ground::{Ground, Servers},
    table::Report,
};

/// What a case should come to, and did.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) case: String,
    pub(crate) expected: String,
    pub(crate) seen: String,
    /// What was measured, where there is something to be told whether it holds or not.
    pub(crate) measured: Option<String>,
}

/// An attack.
pub(crate) struct Attack {
    /// The row of `docs/attacks.md`.
    pub(crate) row: u8,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Ground<'_>) -> anyhow::Result<Vec<Check>>,
}

impl Check {
    pub(crate) fn new(case: impl Into<String>, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { case: case.into(), expected: expected.into(), seen: seen.into(), measured: None }
    }

    /// One that holds unless it is `broken`, and what it is judged by.
    pub(crate) fn measured(case: &str, expected: &str, broken: bool, measured: &str) -> Self {
        let seen = if broken { format!("not {expected}") } else { expected.to_owned() };
        Self { measured: Some(measured.to_owned()), ..Self::new(case, expected, seen) }
    }

    pub(crate) fn holds(&self) -> bool {
        self.expected == self.seen
    }
}

const fn attack(row: u8, what: &'static str, run: fn(&Ground<'_>) -> anyhow::Result<Vec<Check>>) -> Attack {
    Attack { row, what, run }
}

/// All of them.
pub(crate) fn all() -> Vec<Attack> {
    [&door::ATTACKS[..], &frames::ATTACKS, &messages::ATTACKS, &rooms::ATTACKS, &sessions::ATTACKS, &operation::ATTACKS]
        .into_iter()
        .flatten()
        .map(|found| attack(found.row, found.what, found.run))
        .collect()
}

/// Runs them, all at the same time: most wait for a deadline of the server.
pub(crate) fn run(aldis: &Path, folder: &Path, only: &[u8]) -> anyhow::Result<Vec<Report>> {
    let mut servers = Servers::start(aldis, folder)?;
    let (canaries, bodies) = (Mutex::default(), Mutex::default());
    let attacks = all();
    let chosen = attacks.iter().filter(|attack| only.is_empty() || only.contains(&attack.row));
    let mut reports: Vec<Report> = thread::scope(|scope| {
        let running: Vec<_> = (10_u8..)
            .zip(chosen)
            .map(|(number, attack)| {
                let servers = &servers;
                let (canaries, bodies) = (&canaries, &bodies);
                scope.spawn(move || {
                    // Each comes from another address, whose failures are its own.
                    let from = Ipv4Addr::new(127, 20, 0, number);
                    let own = folder.join(format!("attack-{number}"));
                    let made = std::fs::create_dir_all(&own).map_err(anyhow::Error::from);
                    let ground = Ground { servers, from, aldis, folder: &own, canaries, bodies };
                    Report::new(attack.row, attack.what, made.and_then(|()| (attack.run)(&ground)))
                })
            })
            .collect();
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|ended| ended.unwrap_or_else(|_| Report::new(0, "an attack panicked", Ok(Vec::new())))).collect()
    });
    reports.push(Report::new(
        79,
        "secrets in logs, metrics and bodies of a whole run",
        operation::canaries(&mut servers, &canaries, &bodies),
    ));
    reports.sort_by_key(|report| report.row);
    Ok(reports)
}
