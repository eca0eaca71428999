//! What the loads print: for a human, or as one line of JSON for a script.

use std::{
    fmt,
    io::{self, Write as _},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::tally::Faults;

/// What the relay load found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RelayReport {
    pairs: u32,
    window: u64,
    seconds: f64,
    messages: u64,
    messages_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages_per_cpu_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rss_kib: Option<u64>,
    p50_us: u64,
    p99_us: u64,
    #[serde(flatten)]
    pub(super) faults: Faults,
}

/// What the relaying cost the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) cpu: Duration,
    pub(super) rss_kib: u64,
}

impl RelayReport {
    /// A report of `messages` delivered in `elapsed`.
    pub(super) fn new(
        pairs: u32,
        window: u64,
        messages: u64,
        elapsed: Duration,
        latency: &Histogram<u64>,
        faults: Faults,
    ) -> Self {
        let seconds = elapsed.as_secs_f64();
        Self {
            pairs,
            window,
            seconds,
            messages,
            messages_per_second: messages as f64 / seconds,
            messages_per_cpu_second: None,
            cpu_seconds: None,
            rss_kib: None,
            p50_us: latency.value_at_quantile(0.5),
            p99_us: latency.value_at_quantile(0.99),
            faults,
        }
    }

    /// Adds what it cost the server, where that is known.
    pub(super) fn with_cost(mut self, cost: Option<Cost>) -> Self {
        if let Some(Cost { cpu, rss_kib }) = cost {
            self.messages_per_cpu_second = Some(self.messages as f64 / cpu.as_secs_f64());
            self.cpu_seconds = Some(cpu.as_secs_f64());
            self.rss_kib = Some(rss_kib);
        }
        self
    }

    /// Prints it to the standard output.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        print(self, json)
    }
}

impl fmt::Display for RelayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { lost, doubled, reordered } = self.faults;
        writeln!(f, "{} pairs, window {}, {:.2} s", self.pairs, self.window, self.seconds)?;
        writeln!(f, "  relayed     {:>10} messages, {:.0} a second", self.messages, self.messages_per_second)?;
        if let (Some(per_cpu), Some(cpu), Some(rss)) = (self.messages_per_cpu_second, self.cpu_seconds, self.rss_kib) {
            writeln!(f, "  server      {per_cpu:>10.0} messages a CPU second ({cpu:.2} s used), {rss} KiB resident")?;
        }
        writeln!(f, "  latency     {:>10} us median, {} us p99", self.p50_us, self.p99_us)?;
        write!(f, "  faults      {lost} lost, {doubled} doubled, {reordered} reordered")
    }
}

/// What the idle load found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdleReport {
    /// Peers held.
    pub(super) connections: u64,
    /// How long all joins took together.
    pub(super) joining_seconds: f64,
    /// The server's memory before the first of them.
    pub(super) rss_before_kib: u64,
    /// Per connection, joined and held.
    pub(super) joined_kib: f64,
    /// Per connection, after one handshake a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_handshake_kib: Option<f64>,
}

impl IdleReport {
    /// Prints it to the standard output.
    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        print(self, json)
    }
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} connections, joined in {:.2} s", self.connections, self.joining_seconds)?;
        writeln!(f, "  server      {:>8} KiB before the first", self.rss_before_kib)?;
        write!(f, "  joined      {:>8.2} KiB a connection", self.joined_kib)?;
        match self.after_handshake_kib {
            Some(kib) => write!(f, "\n  handshaken  {kib:>8.2} KiB a connection"),
            None => Ok(()),
        }
    }
}

/// Prints a report to the standard output.
pub(super) fn print(report: &(impl Serialize + fmt::Display), json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json { writeln!(out, "{}", serde_json::to_string(report)?) } else { writeln!(out, "{report}") }
}
