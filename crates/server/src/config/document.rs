//! The configuration file: TOML, cleaned of what nobody knows before anybody reads it.

use std::{collections::BTreeSet, path::Path};

use super::{Mistake, Source, suggest::closest};

/// Reads a file and takes out unknown keys, each of them a mistake.
pub(super) fn read(
    path: &Path,
    asked_by: Source,
    known: &BTreeSet<String>,
    mistakes: &mut Vec<Mistake>,
) -> toml::Table {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.push(Mistake {
                key: "config".to_owned(),
                source: asked_by,
                problem: format!("cannot read {name}: {error}"),
            });
            return toml::Table::new();
        }
    };
    match text.parse::<toml::Table>() {
        Ok(mut table) => {
            clean(&mut table, "", &Source::File(name), known, mistakes);
            table
        }
        Err(error) => {
            // The library's own text quotes the line, which may hold a secret.
            let line =
                error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
            let problem = format!("line {line} is not TOML: {}", error.message().lines().next().unwrap_or_default());
            mistakes.push(Mistake { key: "config".to_owned(), source: Source::File(name), problem });
            toml::Table::new()
        }
    }
}

fn clean(
    table: &mut toml::Table,
    prefix: &str,
    source: &Source,
    known: &BTreeSet<String>,
    mistakes: &mut Vec<Mistake>,
) {
    table.retain(|name, value| {
        let key = format!("{prefix}{name}");
        if known.contains(&key) {
            return true;
        }
        let section = format!("{key}.");
        let is_section = known.iter().any(|known| known.starts_with(&section));
        let problem = match value {
            toml::Value::Table(inner) if is_section => {
                clean(inner, &section, source, known, mistakes);
                return true;
            }
            _ if is_section => format!("must be a section: [{key}]"),
            _ => match closest(&key, known.iter().map(String::as_str)) {
                Some(meant) => format!("is no key; did you mean {meant}?"),
                None => "is no key (`aldis config show` lists them all)".to_owned(),
            },
        };
        mistakes.push(Mistake { key, source: source.clone(), problem });
        false
    });
}
