//! `revocations_file`: what outlives a restart of the whole cluster.
//!
//! A line is one revocation, as JSON. The whole file is written anew beside itself, brought to the disk and renamed, so that nobody ever
//! reads half of it; a line that makes no sense was written by somebody else, and the server does not start: what it would ignore
//! could be the one that matters.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use aldis_core::revocation::{Revocation, Standing, Terms};
use aldis_protocol::{Identity, NodeId, RoomId, TokenId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::written::Which;

/// It names people: only the server's own user reads it.
const MODE: u32 = 0o600;

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// It is there, and cannot be read.
    #[error("cannot read revocations_file {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It cannot be written.
    #[error("cannot write revocations_file {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// A line is no revocation.
    #[error("revocations_file {}, line {line}: {problem}; mend the line or take it out", .path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// The number of the line, from one.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// It holds more than fits, and none of it may be dropped.
    #[error("revocations_file {} holds {lasting} revocations; limits.revocations = {most} is too small for them", .path.display())]
    TooMany {
        /// Which file.
        path: PathBuf,
        /// How many of its lines are not over.
        lasting: usize,
        /// The limit.
        most: usize,
    },
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<TokenId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<RoomId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
    until: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default)]
    round: u32,
    /// It was taken back, and other nodes may still have to hear of that.
    #[serde(default)]
    lifted: bool,
}

impl Line {
    fn of(revocation: &Revocation) -> Self {
        let Revocation { target, terms } = revocation;
        let Which { jti, identity, room, not_before } = Which::of(target, terms.not_before);
        let lifted = terms.standing == Standing::Lifted;
        let Terms { round, until, reason, .. } = terms.clone();
        Self { jti, identity, room, not_before, until, reason, round, lifted }
    }

    fn revocation(self) -> Result<Revocation, &'static str> {
        let Self { jti, identity, room, not_before, until, reason, round, lifted } = self;
        let (target, not_before) = Which { jti, identity, room, not_before }.target()?;
        let standing = if lifted { Standing::Lifted } else { Standing::Held };
        Ok(Revocation { target, terms: Terms { round, standing, until, not_before, reason } })
    }
}

/// Reads what was held; nothing where there is no such file yet.
///
/// # Errors
/// It cannot be read, or a line of it makes no sense.
pub fn read(path: &Path) -> Result<Vec<Revocation>, FileError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::Read(path.to_owned(), error)),
    };
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let parse = |(line, text): (usize, &str)| {
        let parsed = serde_json::from_str::<Line>(text).map_err(|error| {
            // The library's sentence may quote a value, which a start error must not.
            format!("it is no revocation (column {})", error.column())
        });
        let revocation = parsed.and_then(|line| line.revocation().map_err(str::to_owned));
        revocation.map_err(|problem| FileError::Line { path: path.to_owned(), line, problem })
    };
    lines.map(parse).collect()
}

/// Writes what is held, in the place of what was there. Nodes that share a folder do not meet in it.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, node: &NodeId, held: &[Revocation]) -> Result<(), FileError> {
    replace(path, node, held).map_err(|error| FileError::Write(path.to_owned(), error))
}

fn replace(path: &Path, node: &NodeId, held: &[Revocation]) -> io::Result<()> {
    let mut beside: OsString = path.as_os_str().to_owned();
    beside.push(format!(".{node}.new"));
    let beside = PathBuf::from(beside);
    let written = fill(&beside, held).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is half done helps nobody; the error says more than the one of this.
        let _ = fs::remove_file(&beside);
        return written;
    }
    // The name is on the disk once its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn fill(path: &Path, held: &[Revocation]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)?;
    let mut out = BufWriter::new(file);
    for revocation in held {
        serde_json::to_writer(&mut out, &Line::of(revocation))?;
        out.write_all(b"\n")?;
    }
    out.into_inner()?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use aldis_core::revocation::Target;

    use super::*;

    fn node() -> NodeId {
        NodeId::parse("n1").expect("an id")
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("revoked");
        assert_eq!(read(&path).expect("nothing is there").len(), 0);
        let identity = Identity::parse("ann").expect("an identity");
        let room = RoomId::parse("lobby").expect("a room");
        let targets = [
            (Target::Token { id: TokenId::parse("a\"\nb").expect("a jti") }, 0),
            (Target::Identity { identity: identity.clone() }, 0),
            (Target::Issued { identity: identity.clone() }, 7),
            (Target::Room { room: room.clone() }, 0),
            (Target::Member { room, identity }, 0),
        ];
        let held: Vec<_> = targets
            .into_iter()
            .zip([Standing::Held, Standing::Lifted].into_iter().cycle())
            .map(|((target, not_before), standing)| Revocation {
                target,
                terms: Terms { round: 3, standing, until: 9, not_before, reason: Some("spam\n".to_owned()) },
            })
            .collect();
        write(&path, &node(), &held).expect("written");
        assert_eq!(read(&path).expect("whole"), held);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        // In the place of what was there, and nothing beside it.
        write(&path, &node(), &held[..1]).expect("written");
        assert_eq!(read(&path).expect("whole"), held[..1]);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("revoked");
        let good = r#"{"jti":"t","until":9}"#;
        let cases = [
            (format!("{good}\n\n{{\"identity\":\"canary\""), "line 3: it is no revocation"),
            (format!("{good}\ncanary\n{good}"), "line 2: it is no revocation"),
            (r#"{"sub":"canary","until":9}"#.to_owned(), "line 1: it is no revocation"),
            (r#"{"jti":"canary"}"#.to_owned(), "line 1: it is no revocation"),
            (r#"{"until":9}"#.to_owned(), "line 1: One of `jti`"),
            (r#"{"jti":"canary","room":"r","until":9}"#.to_owned(), "line 1: `jti` stands alone"),
        ];
        for (text, expected) in cases {
            fs::write(&path, &text).expect("written");
            let error = read(&path).expect_err(&text).to_string();
            assert!(error.contains(expected) && error.contains("mend the line"), "{text}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("revoked");
        fs::create_dir(&path).expect("a folder in its place");
        let error = write(&path, &node(), &[]).expect_err("it is a folder");
        assert!(error.to_string().starts_with("cannot write revocations_file"), "{error}");
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(matches!(read(&path), Err(FileError::Read(..))));
    }
}
