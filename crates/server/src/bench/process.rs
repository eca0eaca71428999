//! What a process costs, read from `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context as _, bail};

/// `utime` and `stime` count in these: the kernel's USER_HZ, 100 on every architecture Rust's tier 1 names.
const TICK: Duration = Duration::from_millis(10);

/// Where they stand in `/proc/PID/stat`, counted from behind the command's closing parenthesis (proc_pid_stat(5)).
const UTIME: usize = 11;
const STIME: usize = 12;

/// Descriptors that the load needs besides its connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// The CPU time that a process and its threads have used.
pub(super) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
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

/// The resident memory of a process, in KiB.
pub(super) fn rss_kib(pid: u32) -> anyhow::Result<u64> {
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
        assert!(check_descriptors(1).is_ok());
        assert!(check_descriptors(u64::MAX - SPARE_DESCRIPTORS).is_err());
    }
}
