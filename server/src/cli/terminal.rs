//! Text for a terminal: names as they are, except for what would move the cursor; tables by width.

use std::io::{self, IsTerminal, Write};

/// True when a person watches standard error.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// A name as shown: control characters, which could forge lines or colours, as escapes (S13).
pub fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control() {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    })
}

/// Prints to standard output; a reader that went away (`| head`) is no fault.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// How a column stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lines of equal columns, two blanks apart; the first row is the heading.
pub fn table(columns: &[Align], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(columns).zip(&widths).map(|((cell, align), width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let rows = [
            vec!["RUN".to_owned(), "FILES".to_owned()],
            vec!["Run_ä".to_owned(), "1,234".to_owned()],
            vec!["R".into(), "7".into()],
        ];
        assert_eq!(table(&[Align::Left, Align::Right], &rows), "RUN    FILES\nRun_ä  1,234\nR          7");
    }

    #[test]
    fn s13_a_name_cannot_forge_a_line_or_a_colour() {
        assert_eq!(shown("a\nb\u{1b}[31m ä"), "a\\nb\\u{1b}[31m ä");
    }
}
