//! Reports as text, as JSON and as a document.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::error::{BenchError, Result};
use crate::plot;
use crate::report::{Bound, Check, Report, Table};

/// The head of the document.
const HEAD: &str = include_str!("head.md");

/// A report for the terminal, or a part of the document.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    for table in &report.tables {
        let _ = write!(text, "### {}\n\n{}\n", table.title, grid(table));
    }
    if !report.checks.is_empty() {
        let _ = write!(text, "### What `{}` had to show\n\n", report.case);
        let mut table = Table::new("", &["", "found", "bound", ""]);
        for check in &report.checks {
            table.push([
                check.what.as_str().into(),
                check.found.into(),
                bound(check).into(),
                if check.is_met() { "met" } else { "**missed**" }.into(),
            ]);
        }
        let _ = writeln!(text, "{}", grid(&table));
    }
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn bound(check: &Check) -> String {
    match check.bound {
        Bound::AtMost(most) => format!("≤ {most}"),
        Bound::AtLeast(least) => format!("≥ {least}"),
    }
}

/// A table in Markdown, with its columns aligned.
fn grid(table: &Table) -> String {
    let all = || std::iter::once(&table.columns).chain(&table.rows);
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|at| all().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width.max(3))).collect();
    let mut text = line(&table.columns);
    let _ = writeln!(text, "| {} |", rule.join(" | "));
    for row in &table.rows {
        text.push_str(&line(row));
    }
    text
}

/// Reports as JSON.
pub fn json(reports: &[Report], commit: &str) -> Json {
    let missed = reports.iter().flat_map(Report::missed).count();
    json!({ "commit": commit, "missed": missed, "reports": reports })
}

/// The document, with its plots beside it in a folder of its name.
///
/// # Errors
/// If a file cannot be written.
pub fn document(reports: &[Report], commit: &str, path: &Path) -> Result<()> {
    let save = |path: &Path, text: &str| {
        let failed = |error| BenchError::File { path: path.display().to_string(), error };
        std::fs::write(path, text).map_err(failed)
    };
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("performance");
    let folder = path.with_extension("");
    std::fs::create_dir_all(&folder)
        .map_err(|error| BenchError::File { path: folder.display().to_string(), error })?;
    let mut text = HEAD.replace("{commit}", commit);
    let missed: Vec<&Check> = reports.iter().flat_map(Report::missed).collect();
    let count: usize = reports.iter().map(|report| report.checks.len()).sum();
    let _ = write!(text, "\n## In short\n\n{} of {count} bounds are kept.\n", count - missed.len());
    for check in missed {
        let _ = writeln!(text, "- Missed: {}: {:.3}, {}.", check.what, check.found, bound(check));
    }
    for report in reports {
        let _ = write!(text, "\n## {}\n\n{}", report.case, markdown(report));
        for plot in &report.plots {
            let file = format!("{}.svg", plot.name);
            save(&folder.join(&file), &plot::svg(plot))?;
            let _ = writeln!(text, "\n![{}]({name}/{file})", plot.title);
        }
    }
    save(path, &text)
}
