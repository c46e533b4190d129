//! The benchmark's command line.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use bench::cases::{cold, create, join, large, page, provision, redeliver, rules, scale, speed};
use bench::error::{BenchError, Result};
use bench::function;
use bench::report::Report;
use bench::write;
use clap::{Parser, ValueEnum};

/// What Freehold costs, how it grows, how fast it is
#[derive(Debug, Parser)]
struct Args {
    /// What to measure
    #[arg(value_enum)]
    case: Case,
    /// Small sizes, for a first look
    #[arg(long)]
    quick: bool,
    /// The folder that has the functions' programs, as `provision package` leaves it; they are built if it is not named
    #[arg(long, value_name = "FOLDER")]
    functions: Option<PathBuf>,
    /// Writes the document here, and its plots into a folder beside it
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// JSON instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Creating, changing and deleting an item
    Create,
    /// A page of a group's copies
    Page,
    /// A page of large items
    Large,
    /// Joining with a past, and leaving again
    Join,
    /// The same as `join`
    Leave,
    /// Changes of a group's rules
    Rules,
    /// Records that arrive again
    Redeliver,
    /// Times of the replicator, of the guard and of decisions
    Speed,
    /// Cold starts of the functions
    Cold,
    /// A million items, ten thousand groups, a thousand providers in one
    Scale,
    /// Every count, and no times
    Counts,
    /// Calls of `provision`, and its duration beside its longest chain
    Provision,
    /// Everything
    All,
}

async fn measure(args: &Args) -> Result<Vec<Report>> {
    let quick = args.quick;
    let sizes = |all: &'static [usize], few: usize| if quick { all.get(..few).unwrap_or(all) } else { all };
    let counted = |case: Case| !matches!(case, Case::Speed | Case::Cold | Case::Scale);
    let wanted = |case: Case| {
        args.case == case || args.case == Case::All || args.case == Case::Counts && counted(case)
    };
    let mut reports = Vec::new();
    if wanted(Case::Create) {
        reports.push(create::run(sizes(&[0, 1, 5, 25, 100], 4)).await?);
    }
    if wanted(Case::Page) {
        let rows = sizes(&[1_000, 10_000, 100_000], 2);
        reports.push(page::run(sizes(&[1, 10, 100, 1_000], 3), rows, 1_000).await?);
    }
    if wanted(Case::Large) {
        reports.push(large::run(sizes(&[1_000, 16_000, 64_000, 99_000], 4)).await?);
    }
    if wanted(Case::Join) || args.case == Case::Leave {
        reports.push(join::run(sizes(&[100, 1_000, 10_000, 100_000], 2)).await?);
    }
    if wanted(Case::Rules) {
        reports.push(rules::run(if quick { 400 } else { 2_000 }).await?);
    }
    if wanted(Case::Redeliver) {
        reports.push(redeliver::run(100).await?);
    }
    if wanted(Case::Speed) {
        let (records, rounds) = if quick { (1_000, 3) } else { (10_000, 7) };
        reports.push(speed::run(records, rounds).await?);
    }
    if wanted(Case::Cold) {
        let folder = functions(args)?;
        reports.push(cold::run(&folder, if quick { 5 } else { 15 }).await?);
    }
    if wanted(Case::Provision) {
        reports.push(provision::run(!quick)?);
    }
    if wanted(Case::Scale) {
        let (few, many) = ((10_000, 100, 100, 8_000), (1_000_000, 10_000, 1_000, 100_000));
        let (items, groups, providers, past) = if quick { few } else { many };
        let sizes = scale::Sizes { items, groups, providers, past };
        reports.push(scale::run(sizes, &functions(args)?).await?);
    }
    Ok(reports)
}

/// Where the functions' programs are.
fn functions(args: &Args) -> Result<PathBuf> {
    match &args.functions {
        Some(folder) => Ok(folder.clone()),
        None => function::build(),
    }
}

/// The commit that is measured, and whether something was changed since.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).filter(|text| !text.is_empty());
    // The document itself is no change of what is measured.
    let changed = git(&["status", "--porcelain", "--", ":!docs"]).is_some_and(|text| !text.is_empty());
    let commit = commit.unwrap_or_else(|| "unknown".into());
    if changed { format!("{commit}, with changes") } else { commit }
}

fn print(args: &Args, reports: &[Report]) -> Result<()> {
    if let Some(path) = &args.write {
        write::document(reports, &commit(), path)?;
    }
    let text = match args.json {
        true => serde_json::to_string_pretty(&write::json(reports, &commit()))?,
        false => reports.iter().map(write::markdown).collect::<Vec<_>>().join("\n"),
    };
    writeln!(std::io::stdout().lock(), "{text}").map_err(BenchError::other)
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match measure(&args).await {
        Ok(reports) => print(&args, &reports),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
