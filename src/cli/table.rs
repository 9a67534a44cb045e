//! Columns that line up.

/// Lines of cells under a head.
#[derive(Debug)]
pub(super) struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { lines: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// Without a head: names and values.
    pub(super) const fn plain() -> Self {
        Self { lines: Vec::new() }
    }

    pub(super) fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        self.lines.push(cells.into_iter().map(|cell| shown(&cell)).collect());
    }

    pub(super) fn render(&self) -> String {
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for line in &self.lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// Names come from people and from upstreams: what could steer a terminal is not shown as it is.
pub(super) fn shown(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.chars().map(|c| if c.is_control() { '?' } else { c }).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_steers_the_terminal() {
        let mut table = Table::new(&["A", "LONG"]);
        table.line(["ünï".to_owned(), String::new()]);
        table.line(["x\x1b[31m\n".to_owned(), "y".to_owned()]);
        assert_eq!(table.render(), "A        LONG\nünï      -\nx?[31m?  y\n");
    }
}
