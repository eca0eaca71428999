//! `aldis explain`: the tables of error and close codes.

use aldis_protocol::{CloseCode, ErrorCode, close::Reconnect, error::Effect};
use clap::Args;

use super::{Exit, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aldis explain token-expired
  aldis explain 4401
  aldis explain                 all of them")]
pub(super) struct ExplainArgs {
    /// An error code (`token-expired`) or a close code (4401).
    #[arg(value_parser = code)]
    code: Option<Code>,
}

/// A row of one of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Error(ErrorCode),
    Close(CloseCode),
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    output::data(&match args.code {
        Some(Code::Error(code)) => explain_error(code),
        Some(Code::Close(code)) => explain_close(code),
        None => list(),
    })?;
    Ok(Exit::Ok)
}

fn code(text: &str) -> Result<Code, String> {
    let close = text.parse().ok().and_then(CloseCode::from_code).map(Code::Close);
    close
        .or_else(|| ErrorCode::from_name(text).map(Code::Error))
        .ok_or_else(|| "no such code; `aldis explain` lists them all".to_owned())
}

fn explain_error(code: ErrorCode) -> String {
    let effect = match code.effect() {
        Effect::Lives => "The connection lives.".to_owned(),
        Effect::Strike => "The connection lives, but it counts as a strike: too many close with 4400.".to_owned(),
        Effect::Closes(close) => format!("The connection closes with {}.", close.code()),
        Effect::Http => "Only ever the answer to an HTTP request.".to_owned(),
    };
    let retry = if code.retryable() { "The same may work later." } else { "The same will not work later." };
    let stream = if code.ends_stream() { "\n  It ends the stream of messages to the peer it names." } else { "" };
    let (meaning, next, status) = (code.meaning(), code.hint(), code.http());
    format!("{code}: {meaning}\n  What to do: {next}\n  {effect}\n  {retry}{stream}\n  HTTP status {status}.")
}

fn explain_close(code: CloseCode) -> String {
    let errors: Vec<_> = ErrorCode::ALL
        .iter()
        .filter(|error| error.effect() == Effect::Closes(code))
        .map(|error| error.as_str())
        .collect();
    let before = if errors.is_empty() { String::new() } else { format!("\n  Comes after: {}.", errors.join(", ")) };
    format!("{}: {}.\n  What to do: {}{before}", code.code(), code.meaning(), reconnect(code))
}

fn reconnect(code: CloseCode) -> &'static str {
    match code.reconnect() {
        Reconnect::No => "Do not reconnect by yourself: the reason will not go away.",
        Reconnect::Yes => "Reconnect with backoff, and resume.",
        Reconnect::Later => "Reconnect later: obey `retryAfterMs`, or back off for long.",
        Reconnect::WithNewToken => "Reconnect with a new token.",
        Reconnect::IfAlone => "Nothing, unless it was the session's only connection: then reconnect and resume.",
    }
}

fn list() -> String {
    let errors = ErrorCode::ALL.iter().map(|code| vec![code.to_string(), code.meaning().to_owned()]);
    let closes = CloseCode::ALL.iter().map(|code| vec![code.code().to_string(), code.meaning().to_owned()]);
    let rows: Vec<_> = errors.chain(closes).collect();
    output::table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_both_tables_is_explained() {
        for &error in ErrorCode::ALL {
            assert_eq!(code(error.as_str()), Ok(Code::Error(error)));
            assert!(explain_error(error).contains(error.hint()), "{error}");
            assert!(list().contains(error.meaning()), "{error}");
        }
        for &close in CloseCode::ALL {
            assert_eq!(code(&close.code().to_string()), Ok(Code::Close(close)));
            assert!(explain_close(close).contains(close.meaning()), "{close:?}");
        }
        assert!(code("nonsense").is_err() && code("9999").is_err());
        assert!(explain_close(CloseCode::Unauthorized).contains("token-missing, token-invalid, token-expired"));
    }
}
