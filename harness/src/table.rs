//! Columns that line up.

use crate::style::Style;

/// Rows of text under a faint heading. The first column is aligned to the left, the others to the
/// right.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        Table { rows: vec![columns.iter().map(|&name| name.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, each indented by two spaces and ended.
    pub fn render(&self, style: Style) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (i, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => line += &format!("{cell:<width$}"),
                    _ => line += &format!("  {cell:>width$}"),
                }
            }
            let line = line.trim_end();
            text += "  ";
            text += &if i == 0 { style.faint(line) } else { line.to_owned() };
            text.push('\n');
        }
        text
    }
}

/// A count with its thousands set apart: `1,234,567`.
pub fn thousands(x: f64) -> String {
    let digits = format!("{x:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 thread`, `2 threads`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A number with three or four digits that count.
pub fn short(x: f64) -> String {
    match x.abs() {
        x if x >= 1e4 => thousands(x),
        x if x >= 100.0 => format!("{x:.0}"),
        x if x >= 10.0 => format!("{x:.1}"),
        x => format!("{x:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["name", "count"]);
        table.row(["a".to_owned(), thousands(1_234_567.0)]);
        table.row(["long name".to_owned(), "7".to_owned()]);
        let lines =
            ["  name           count", "  a          1,234,567", "  long name          7", ""];
        assert_eq!(table.render(Style::PLAIN), lines.join("\n"));
    }
}
