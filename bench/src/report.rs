//! What a case found: tables, what it had to show, and what there is to say about it.

use serde::Serialize;

/// A table of figures.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// The heads of its columns.
    pub columns: Vec<String>,
    /// Its rows, already as text.
    pub rows: Vec<Vec<String>>,
}

/// Something that had to be shown.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What.
    pub what: String,
    /// What was found.
    pub found: f64,
    /// The bound.
    pub bound: Bound,
}

/// A bound.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase", tag = "is", content = "value")]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// One line of a plot.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// A plot, with both axes in powers of ten.
#[derive(Debug, Clone, Serialize)]
pub struct Plot {
    /// The name of its file.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// What goes to the right, and upwards.
    pub axes: (String, String),
    /// Its lines.
    pub lines: Vec<Line>,
}

/// What a case found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The case: the subcommand that gives it.
    pub case: String,
    /// Its tables.
    pub tables: Vec<Table>,
    /// What it had to show.
    pub checks: Vec<Check>,
    /// What to know about it.
    pub notes: Vec<String>,
    /// Its plots.
    pub plots: Vec<Plot>,
}

impl Check {
    /// Whether the bound is kept.
    pub fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.found <= most + 1e-9,
            Bound::AtLeast(least) => self.found >= least - 1e-9,
        }
    }
}

impl Table {
    /// An empty table.
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.into(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().map(|cell| cell.0).collect());
    }
}

/// A cell: a number without needless places, or a text.
#[derive(Debug, Clone)]
pub struct Cell(String);

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        let text = if number.abs() >= 1000.0 || number.fract() == 0.0 {
            format!("{number:.0}")
        } else if number.abs() >= 10.0 {
            format!("{number:.1}")
        } else {
            format!("{number:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        Self(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self(number.to_string())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Report {
    /// An empty report.
    pub fn of(case: &str) -> Self {
        Self { case: case.into(), ..Self::default() }
    }

    /// Notes what had to be no more than something.
    pub fn at_most(&mut self, what: impl Into<String>, found: f64, most: f64) {
        self.checks.push(Check { what: what.into(), found, bound: Bound::AtMost(most) });
    }

    /// Notes what had to be no less than something.
    pub fn at_least(&mut self, what: impl Into<String>, found: f64, least: f64) {
        self.checks.push(Check { what: what.into(), found, bound: Bound::AtLeast(least) });
    }

    /// Adds a remark.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// What was not shown.
    pub fn missed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.is_met())
    }
}

/// The exponent of the power law that fits best: the slope of a straight line through the logarithms.
pub fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (middle_x, middle_y) = (mean(|p| p.0), mean(|p| p.1));
    let up: f64 = logs.iter().map(|(x, y)| (x - middle_x) * (y - middle_y)).sum();
    let along: f64 = logs.iter().map(|(x, _)| (x - middle_x).powi(2)).sum();
    up / along
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_a_power_law_is_found() {
        let points = |power: f64| [1.0_f64, 10.0, 100.0].map(|x| (x, 3.0 * x.powf(power)));
        for power in [0.0, 0.5, 1.0, 2.0] {
            assert!((exponent(&points(power)) - power).abs() < 1e-9);
        }
    }

    #[test]
    fn a_bound_that_is_not_kept_is_told() {
        let mut report = Report::of("x");
        report.at_most("a", 1.0, 1.0);
        report.at_least("b", 0.9, 1.0);
        assert_eq!(report.missed().map(|check| check.what.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
