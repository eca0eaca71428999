//! What a process costs, read from `/proc`.

use std::{fs, ops::Add, time::Duration};

use anyhow::{Context as _, bail};

/// `utime` and `stime` count in these: the kernel's USER_HZ, 100 on every architecture Rust's tier 1 names.
const TICK: Duration = Duration::from_millis(10);

/// Where they stand in `/proc/PID/stat`, counted from behind the command's closing parenthesis (proc_pid_stat(5)).
const UTIME: usize = 11;
const STIME: usize = 12;

/// Where the time that a hypervisor took stands in the first line of `/proc/stat` (proc_stat(5)).
const STEAL: usize = 8;

/// Descriptors that the load needs besides its connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// What a process has used at one moment.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    pub(super) wait: Duration,
    pub(super) rss_kib: u64,
}

impl Usage {
    /// Of a process, until now.
    pub(super) fn of(pid: u32) -> anyhow::Result<Self> {
        Ok(Self { cpu: cpu_time(pid)?, wait: wait_time(pid)?, rss_kib: rss_kib(pid)? })
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { cpu: self.cpu + other.cpu, wait: self.wait + other.wait, rss_kib: self.rss_kib + other.rss_kib }
    }
}

/// The CPU time that a process and its threads have used.
fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = stat_ticks(&stat).with_context(|| format!("{path} is not as proc_pid_stat(5) has it"))?;
    Ok(TICK * ticks)
}

fn stat_ticks(stat: &str) -> Option<u32> {
    // The command may hold spaces and parentheses of its own.
    let (_, behind) = stat.rsplit_once(')')?;
    let field = |at| behind.split_ascii_whitespace().nth(at)?.parse::<u32>().ok();
    Some(field(UTIME)? + field(STIME)?)
}

/// How long the threads of a process were ready to run while something else had their core.
fn wait_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?;
    let mut waited = Duration::ZERO;
    for thread in threads {
        // A thread may end while its file is being read.
        let Ok(schedstat) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        waited += schedstat_wait(&schedstat).with_context(|| format!("{path} has a schedstat of another shape"))?;
    }
    Ok(waited)
}

/// The second number: nanoseconds on the run queue (the kernel's sched-stats.rst).
fn schedstat_wait(schedstat: &str) -> Option<Duration> {
    schedstat.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// How long a hypervisor ran something else while this machine's cores had work, over all of them.
pub(super) fn stolen_time() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    stat_steal(&stat).context("/proc/stat is not as proc_stat(5) has it")
}

fn stat_steal(stat: &str) -> Option<Duration> {
    let ticks = stat.lines().next()?.split_ascii_whitespace().nth(STEAL)?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}

/// The resident memory of a process, in KiB.
fn rss_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    number_of(&status, "VmRSS:").with_context(|| format!("{path} has no VmRSS"))
}

/// Refuses a load that needs more descriptors than this process may open.
pub(super) fn check_descriptors(connections: u64) -> anyhow::Result<()> {
    let limits = fs::read_to_string("/proc/self/limits").context("cannot read /proc/self/limits")?;
    // "unlimited" is no number, and enough.
    match number_of(&limits, "Max open files") {
        Some(soft) if soft < connections + SPARE_DESCRIPTORS => {
            bail!(
                "{connections} connections need more than the {soft} open files allowed here; raise it with `ulimit -n`"
            )
        }
        _ => Ok(()),
    }
}

fn number_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_the_command() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 3106 0 0 0 150 25 0 0 20 0 2 0 8931 12 34";
        assert_eq!(stat_ticks(stat), Some(175));
        assert_eq!(stat_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn the_wait_is_the_second_number_of_schedstat() {
        assert_eq!(schedstat_wait("41000 1500000 7\n"), Some(Duration::from_micros(1500)));
        assert_eq!(schedstat_wait("41000"), None);
    }

    #[test]
    fn the_stolen_time_is_the_eighth_number_of_all_cores() {
        assert_eq!(
            stat_steal("cpu  1 2 3 4 5 6 7 80 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10"),
            Some(Duration::from_millis(800))
        );
        assert_eq!(stat_steal("cpu  1 2 3"), None);
    }

    #[test]
    fn numbers_of_proc_files() {
        let status = "Name:\taldis\nVmRSS:\t   15324 kB\n";
        assert_eq!(number_of(status, "VmRSS:"), Some(15_324));
        assert_eq!(number_of(status, "VmHWM:"), None);
        assert_eq!(number_of("Max open files            unlimited  unlimited  files", "Max open files"), None);
    }

    #[test]
    fn this_process_is_there() {
        let pid = std::process::id();
        assert!(rss_kib(pid).expect("resident") > 0);
        assert!(cpu_time(pid).is_ok());
        assert!(wait_time(pid).is_ok());
        assert!(stolen_time().is_ok());
        assert!(check_descriptors(1).is_ok());
        assert!(check_descriptors(u64::MAX - SPARE_DESCRIPTORS).is_err());
    }
}
