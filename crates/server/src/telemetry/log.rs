//! Logs: pretty on a terminal, JSON otherwise. `docs/logging.md` says what may be in them.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging to standard error. A second call in one process changes nothing.
pub fn start(config: &LogConfig) {
    let filter = EnvFilter::builder().parse_lossy(&config.filter);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    let pretty = match config.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let _already_started = if pretty {
        builder.with_ansi(stderr().is_terminal()).compact().try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
