//! How a command ends, for scripts.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked: 0.
    Ok,
    /// It failed while running, or a token was refused: 1.
    Runtime,
    /// A flag or command that does not exist: 2.
    Usage,
    /// A bad value from a flag, the environment or the file: 78, `EX_CONFIG` of sysexits.h.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Runtime => 1,
            Exit::Usage => 2,
            Exit::Config => 78,
        })
    }
}
