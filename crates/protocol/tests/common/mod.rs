//! The blocks of `docs/protocol.md`, and how a generated file is compared with what is checked in.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A fenced JSON block.
pub(crate) struct Fixture {
    tag: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The fixtures of one tag. Panics at a JSON block of no known tag: it would be one that nothing checks.
pub(crate) fn fixtures(tag: &str) -> Vec<Fixture> {
    let page = read(&root().join("docs/protocol.md"));
    let mut found = Vec::new();
    let mut open: Option<Fixture> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(fixture), None) => {
                if !fixture.text.is_empty() {
                    fixture.text.push('\n');
                }
                fixture.text.push_str(line);
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(info)) => {
                open = Some(Fixture { tag: info.to_owned(), line: index + 1, text: String::new() });
            }
            (None, None) => {}
        }
    }
    for fixture in &found {
        let known =
            ["client", "post", "server", "relayed", "closed", "claims", "problem"].map(|tag| format!("json {tag}"));
        let is_json = fixture.tag.starts_with("json");
        assert!(!is_json || known.contains(&fixture.tag), "line {}: `{}`", fixture.line, fixture.tag);
    }
    found.retain(|fixture| fixture.tag == format!("json {tag}"));
    found
}

/// Compares a file of the tree with what is generated, or writes it where `ALDIS_BLESS` is set.
pub(crate) fn bless_or_compare(file: &str, generated: &str) {
    let path = root().join(file);
    if std::env::var_os("ALDIS_BLESS").is_some() {
        // A file that did not change keeps its time, so that nothing is built anew for it.
        if fs::read_to_string(&path).ok().as_deref() != Some(generated) {
            fs::write(&path, generated).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    } else if let Some((line, expected, found)) = first_difference(generated, &read(&path)) {
        panic!("{file}:{line} differs from the code; run with ALDIS_BLESS=1\n expected {expected}\n found    {found}");
    }
}

fn first_difference<'a>(expected: &'a str, found: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let (mut expected, mut found) = (expected.lines(), found.lines());
    (1..).find_map(|line| match (expected.next(), found.next()) {
        (None, None) => Some(None),
        (left, right) if left == right => None,
        (left, right) => Some(Some((line, left.unwrap_or("nothing"), right.unwrap_or("nothing")))),
    })?
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
