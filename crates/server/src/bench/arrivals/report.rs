//! What the arrivals load prints.

use std::fmt;

use serde::Serialize;

use super::figures::{Figures, Spread};
use crate::bench::{process::Usage, tally::Faults};

/// A load that is later than this with one act in a hundred measures itself. A timer alone is up to 2 ms late.
const BEHIND_US: u64 = 10_000;

/// What the arrivals load found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArrivalsReport {
    pub(super) pairs: u32,
    pub(super) over_seconds: f64,
    pub(super) seed: u64,
    /// Connections that lived to the end.
    pub(super) connections: u64,
    /// Connections that did not, or never came to be.
    pub(super) failed: u64,
    #[serde(flatten)]
    pub(super) figures: Figures<Spread>,
    #[serde(flatten)]
    pub(super) faults: Faults,
    /// From before the first arrival to after the last message.
    pub(super) seconds: f64,
    /// What a hypervisor took from all cores meanwhile: as little the server's fault as what others ran on its core.
    pub(super) stolen_seconds: f64,
    /// What it cost the load itself, to tell one that had no more to give.
    pub(super) load: Cost,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<Cost>,
}

/// What it all cost a process.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    cpu_seconds: f64,
    /// While it was ready to run and did not: what else the machine did then is in all the times.
    wait_seconds: f64,
    rss_kib: u64,
    connection_kib: f64,
}

impl Cost {
    /// What was used between two moments, and how much of the memory that is for each of so many connections.
    pub(super) fn between(before: &Usage, after: &Usage, connections: u64) -> Self {
        let grown = after.rss_kib.saturating_sub(before.rss_kib);
        Self {
            cpu_seconds: after.cpu.saturating_sub(before.cpu).as_secs_f64(),
            wait_seconds: after.wait.saturating_sub(before.wait).as_secs_f64(),
            rss_kib: after.rss_kib,
            connection_kib: grown as f64 / connections.max(1) as f64,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu_seconds, wait_seconds, rss_kib, connection_kib } = self;
        write!(f, "{cpu_seconds:>8.2} CPU seconds, {wait_seconds:.2} s kept waiting, ")?;
        write!(f, "{rss_kib} KiB resident, {connection_kib:.2} a connection")
    }
}

impl ArrivalsReport {
    fn is_behind(&self) -> bool {
        self.figures.lateness.p99_us > BEHIND_US
    }
}

impl fmt::Display for ArrivalsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { relay, join, handshake, lateness } = &self.figures;
        let Faults { lost, doubled, reordered } = self.faults;
        writeln!(
            f,
            "{} pairs over {} s, seed {}, {:.2} s in all",
            self.pairs, self.over_seconds, self.seed, self.seconds
        )?;
        writeln!(f, "  connections {:>8} stayed, {} failed", self.connections, self.failed)?;
        writeln!(f, "  us          {:>8} {:>8} {:>8} {:>8} {:>8}", "p50", "p90", "p99", "p99.9", "max")?;
        writeln!(f, "  relay       {relay} messages")?;
        writeln!(f, "  join        {join} connections")?;
        writeln!(f, "  handshake   {handshake} pairs")?;
        writeln!(f, "  load late   {lateness} arrivals and candidates")?;
        writeln!(f, "  load        {}", self.load)?;
        if let Some(server) = self.server {
            writeln!(f, "  server      {server}")?;
        }
        writeln!(f, "  stolen      {:>8.2} s of all cores", self.stolen_seconds)?;
        write!(f, "  faults      {lost} lost, {doubled} doubled, {reordered} reordered")?;
        if self.is_behind() {
            write!(f, "\nThe load fell behind its schedule: these times are its own, not the server's.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::arrivals::figures::Times;

    fn report(lateness: Duration) -> String {
        let mut figures = Figures::<Times>::new().expect("bounds");
        figures.lateness.note(lateness);
        let cost = Cost::between(&Usage::default(), &Usage { rss_kib: 10, ..Usage::default() }, 2);
        let report = ArrivalsReport {
            pairs: 1,
            over_seconds: 1.0,
            seed: 1,
            connections: 2,
            failed: 0,
            figures: figures.spreads(),
            faults: Faults::default(),
            seconds: 6.0,
            stolen_seconds: 0.5,
            load: cost,
            server: Some(cost),
        };
        report.to_string()
    }

    #[test]
    fn a_load_that_fell_behind_says_so() {
        let behind = "fell behind";
        assert!(report(Duration::from_millis(11)).contains(behind));
        let in_time = report(Duration::from_millis(2));
        assert!(!in_time.contains(behind), "{in_time}");
        assert!(in_time.contains("5.00 a connection"), "{in_time}");
    }
}
