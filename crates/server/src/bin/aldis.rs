//! The program `aldis`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    aldis_server::cli::run(std::env::args_os())
}
