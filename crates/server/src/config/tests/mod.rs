//! The configuration as it is loaded, each test with an environment of its own.

mod auth;
mod cluster;
mod layers;
mod mistakes;
mod network;
mod secrets;
mod turn;

use std::{ffi::OsString, io::Write};

use super::*;

const ADMIN: &str = "admin-0123456789abcdef-0123456789";
const KEYS: &str = "a:0123456789abcdef0123456789abcdef";

fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn flags(file: &tempfile::NamedTempFile) -> Flags {
    Flags { config: Some(file.path().to_owned()), ..Flags::default() }
}

/// The mistakes, without the name of the file.
fn mistakes(flags: &Flags, variables: &[(&str, &str)], purpose: Purpose) -> Vec<String> {
    let error = Loaded::load(flags, env(variables), purpose).expect_err("mistakes");
    let path = flags.config.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    error.mistakes.iter().map(|mistake| mistake.to_string().replace(&path, "FILE")).collect()
}

fn source<'a>(loaded: &'a Loaded, key: &str) -> &'a Source {
    &loaded.rows.iter().find(|row| row.key == key).expect("a key").source
}

/// Checks that these are the mistakes, each by how it begins, and that none shows a secret.
fn assert_mistakes(found: &[String], expected: &[&str]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n  is not\n{expected}");
        assert!(!found.contains("canary"), "{found}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}
