//! Panics become events: one ERROR each, which says where and hardly ever what.
//!
//! The text of a panic is made of whatever the code had in its hands: `expect` adds the error, a slice adds the text that was cut. That may
//! be a token or what somebody said to somebody, so it is logged only where it is a constant of the program.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{self, PanicHookInfo},
};

/// Logs every panic of this process from now on, instead of writing its text to standard error. For the program alone: what a panic
/// means to another one is not for a library to say.
pub fn log_all() {
    panic::set_hook(Box::new(report));
}

fn report(panic: &PanicHookInfo<'_>) {
    // Whatever is made at run time is a `String`.
    let reason = panic.payload().downcast_ref::<&'static str>();
    // Names of functions, where RUST_BACKTRACE asks for them.
    let trace = Backtrace::capture();
    tracing::error!(
        at = panic.location().map(tracing::field::display),
        reason,
        backtrace = (trace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(&trace)),
        "a task panicked, which is a bug: please report where"
    );
}
