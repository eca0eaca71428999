//! Floods: what must hold for others while somebody sends as much as a core can.
//!
//! ```text
//!   core 0: the server (and the control group, where there are but two cores)      last core: the attackers
//! ```
//! For each flood a fresh server, 200 peers that talk (`control`), a quiet time, the flood (`attackers`), and ten seconds of rest.
//!
//! The control group measures. Where it shares a core with a server that is never idle, the scheduler would let it wait for up to a time
//! slice, several milliseconds, before it sees that a message has come. So it runs at a real-time priority where the system allows that.

mod attackers;
mod control;
mod field;
mod link;

use std::{path::Path, process::Stdio, thread, time::Duration};

use anyhow::Context as _;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::{
    rows::Check,
    server::{Recipe, Server},
    table::Report,
};
use field::Field;

/// How long it is quiet before a flood, and how long that lasts.
const QUIET: Duration = Duration::from_secs(8);
const FLOOD: Duration = Duration::from_secs(8);

/// What memory may need until it is given back, and how much of it need not be.
const REST: Duration = Duration::from_secs(10);
const SLACK_BYTES: u64 = 8 << 20;

/// How long sessions that are away are kept with what waits for them, and the names of stays that are over, in floods that leave many of
/// either: that is memory in use until then.
const WINDOW: Duration = Duration::from_secs(5);

/// Longer than a flood takes, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A quiet 99th percentile below this is the scheduler's and not the server's, so what it may double to is counted from here.
const FLOOR_US: u64 = 1_000;

/// A flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Flood {
    Handshakes,
    FailedTokens,
    Candidates,
    Acks,
    Broadcasts,
    Churn,
    Updates,
    Pings,
    TinyFragments,
    SlowReaders,
    Parked,
    IdleSockets,
    Storm,
    Probes,
}

impl Flood {
    const ALL: [Self; 14] = [
        Self::Handshakes,
        Self::FailedTokens,
        Self::Candidates,
        Self::Acks,
        Self::Broadcasts,
        Self::Churn,
        Self::Updates,
        Self::Pings,
        Self::TinyFragments,
        Self::SlowReaders,
        Self::Parked,
        Self::IdleSockets,
        Self::Storm,
        Self::Probes,
    ];

    /// Its row in `docs/attacks.md`, what it is, and what has to be seen of the server.
    const fn about(self) -> (u8, &'static str, &'static str) {
        match self {
            Self::Handshakes => (16, "handshakes", "welcome"),
            Self::FailedTokens => (15, "failed tokens, from one address and from everywhere", "401"),
            Self::Candidates => (60, "candidates", "rate-limited"),
            Self::Acks => (66, "acks", "ack"),
            Self::Broadcasts => (61, "broadcasts in rooms of 100", "rate-limited"),
            Self::Churn => (62, "joining and leaving a room of 100", "peer-joined"),
            Self::Updates => (63, "updates in rooms of 50", "rate-limited"),
            Self::Pings => (29, "pings of clients that do not read", "welcome"),
            Self::TinyFragments => (27, "fragments of one byte", "close 1009"),
            Self::SlowReaders => (33, "peers that do not read", "peer-left"),
            Self::Parked => (64, "messages for peers that are away", "queue-full"),
            Self::IdleSockets => (1, "2,000 sockets that say nothing or little", "hung up"),
            Self::Storm => (36, "2,000 clients at once", "welcome"),
            Self::Probes => (16, "probes", "200"),
        }
    }

    fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// The control group, as its own process.
pub(crate) fn control(port: u16, secret: &str) -> anyhow::Result<()> {
    runtime()?.block_on(control::run(port, secret))
}

/// The attackers of a flood, as their own process.
pub(crate) fn attack(flood: Flood, port: u16, secret: &str) -> anyhow::Result<String> {
    runtime()?.block_on(async {
        let field = Field::new(port, secret, FLOOD);
        let own = field.clone();
        match flood {
            Flood::Handshakes => attackers::handshakes(own).await,
            Flood::FailedTokens => attackers::failed_tokens(own).await,
            Flood::Candidates => attackers::candidates(own).await,
            Flood::Acks => attackers::acks(own).await,
            Flood::Broadcasts => attackers::broadcasts(own).await,
            Flood::Churn => attackers::churn(own).await,
            Flood::Updates => attackers::updates(own).await,
            Flood::Pings => attackers::pings(own).await,
            Flood::TinyFragments => attackers::tiny_fragments(own).await,
            Flood::SlowReaders => attackers::slow_readers(own).await,
            Flood::Parked => attackers::parked(own).await,
            Flood::IdleSockets => attackers::idle_sockets(own).await,
            Flood::Storm => attackers::storm(own).await,
            Flood::Probes => attackers::probes(own).await,
        }
        Ok(field.tally().to_string())
    })
}

/// One thread: each group has one core.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Runs floods one after the other, and says which one it is at.
pub(crate) fn run(aldis: &Path, folder: &Path, only: &[Flood], say: fn(&str)) -> anyhow::Result<Vec<Report>> {
    let floods = if only.is_empty() { &Flood::ALL[..] } else { only };
    runtime()?.block_on(async {
        let mut reports = Vec::new();
        for flood in floods {
            let (row, what, _) = flood.about();
            say(&format!("{} ...", flood.name()));
            reports.push(Report::new(row, what, once(*flood, aldis, folder).await));
        }
        Ok(reports)
    })
}

async fn once(flood: Flood, aldis: &Path, folder: &Path) -> anyhow::Result<Vec<Check>> {
    let cores = thread::available_parallelism()?.get();
    let last = (cores - 1).to_string();
    let beside = if cores > 2 { "1" } else { "0" };
    let name = flood.name();
    let (environment, kept) = match flood {
        Flood::Handshakes | Flood::Parked => {
            (vec![("ALDIS_LIMITS_RESUME_WINDOW_MS", WINDOW.as_millis().to_string())], WINDOW)
        }
        _ => (Vec::new(), Duration::ZERO),
    };
    let mut server = Server::start(Recipe {
        aldis,
        folder,
        name: &name,
        before: &["taskset", "--cpu-list", "0"],
        environment,
        log: "info",
    })?;
    let target = ["--port".to_owned(), server.port.to_string(), "--secret".to_owned(), server.secrets.key.clone()];
    let mut control = Control::start(beside, &target).await?;
    control.ask().await?;
    sleep(QUIET).await;
    let quiet = control.ask().await?;
    let before = server.resident()?;
    let attackers =
        pinned(&last)?.arg("attackers").arg(&name).args(&target).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let output = timeout(PATIENCE, attackers.wait_with_output()).await.context("the attackers do not end")??;
    anyhow::ensure!(output.status.success(), "the attackers ended with {}", output.status);
    let flooded = control.ask().await?;
    let tally: Value = serde_json::from_slice(&output.stdout)?;
    let peak = server.resident()?;
    sleep(kept + REST).await;
    let after = server.resident()?;
    let ended = control.end().await?;
    Ok(judge(flood, &quiet, &flooded, &ended, &tally, [before, peak, after])
        .into_iter()
        .chain([Check::new("the server", "lives", if server.lives()? { "lives" } else { "died" })])
        .collect())
}

fn judge(flood: Flood, quiet: &Value, flooded: &Value, ended: &Value, tally: &Value, memory: [u64; 3]) -> Vec<Check> {
    let (_, _, sign) = flood.about();
    let number = |value: &Value, name: &str| value[name].as_u64().unwrap_or(u64::MAX);
    let lost = number(ended, "sent").saturating_sub(number(ended, "arrived"))
        + number(ended, "disordered")
        + number(ended, "broken");
    let (calm, busy) = (number(quiet, "p99"), number(flooded, "p99"));
    let slow = busy >= 2 * calm.max(FLOOR_US);
    let [before, peak, after] = memory;
    let kept = after > before + (before / 20).max(SLACK_BYTES);
    let ms = |us: u64| format!("{}.{} ms", us / 1_000, us % 1_000 / 100);
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let memory = format!("{} → {} → {}", mib(before), mib(peak), mib(after));
    let p99 = format!("p99 {} → {}", ms(calm), ms(busy));
    let seen = tally[sign].as_u64().unwrap_or(0);
    vec![
        Check::new(
            "messages of others",
            "none lost",
            if lost == 0 { "none lost".to_owned() } else { format!("{lost} lost") },
        ),
        Check::measured("how long they take", "under twice", slow, &p99),
        Check::measured("memory, 10 s later", "given back", kept, &memory),
        Check::measured("what the attackers see", sign, seen == 0, &tally.to_string()),
    ]
}

/// This program, on one core.
fn pinned(core: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(std::env::current_exe()?);
    Ok(command)
}

/// The same at a real-time priority, where the system allows it.
async fn urgent(core: &str) -> anyhow::Result<Command> {
    const CHRT: [&str; 2] = ["--fifo", "1"];
    let tried = Command::new("chrt").args(CHRT).arg("true").stderr(Stdio::null()).status().await;
    let pinned = pinned(core)?;
    if !tried.is_ok_and(|status| status.success()) {
        return Ok(pinned);
    }
    let mut command = Command::new("chrt");
    command.args(CHRT).arg(pinned.as_std().get_program()).args(pinned.as_std().get_args());
    Ok(command)
}

/// The control group, from outside.
struct Control {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Control {
    async fn start(core: &str, target: &[String]) -> anyhow::Result<Self> {
        let mut child = urgent(core)
            .await?
            .arg("control")
            .args(target)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = (child.stdin.take().context("no pipe")?, child.stdout.take().context("no pipe")?);
        let mut control = Self { child, input, output: BufReader::new(output).lines() };
        control.hear().await?;
        Ok(control)
    }

    async fn hear(&mut self) -> anyhow::Result<Value> {
        let line = timeout(PATIENCE, self.output.next_line()).await.context("the control group says nothing")??;
        Ok(serde_json::from_str(&line.context("the control group ended")?)?)
    }

    /// How it was since the last time.
    async fn ask(&mut self) -> anyhow::Result<Value> {
        self.input.write_all(b"\n").await?;
        self.hear().await
    }

    /// Lets the last messages arrive: what was lost in all.
    async fn end(mut self) -> anyhow::Result<Value> {
        drop(self.input);
        let line = timeout(PATIENCE, self.output.next_line()).await.context("the control group does not end")??;
        let _ = self.child.wait().await;
        Ok(serde_json::from_str(&line.context("the control group ended")?)?)
    }
}
