//! Printing: data to standard output, talk to standard error.

use std::io::{self, ErrorKind, Write};

/// Prints a line of data. A reader that has gone away, as `head` does, is no failure.
pub(super) fn data(text: &str) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Says something to whoever watches. Where nobody can be told, nothing can be done about it.
pub(super) fn talk(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Lines of columns, each as wide as its widest cell but the last.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column).unwrap_or_default()))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [vec!["a".into(), "b".into()], vec!["long".into(), "é".into(), "c".into()]];
        assert_eq!(table(&rows), "a     b\nlong  é  c");
    }
}
