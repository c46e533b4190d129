//! `glucose-study`: deploys the stack beside it and runs the study on it.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use glucose_study::study::{self, Size};
use glucose_study::talk::Talk;
use glucose_study::target::{self, Target};

/// 34,890 real glucose readings of 19 people through a Freehold stack, of which a group sees the 615 high ones.
///
/// Deploys the stack of this example, signs everybody in, loads what is not there yet, and checks what the group's
/// consumer sees. It can be run again, and after an interruption.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to: this machine, or your AWS account
    #[arg(long, value_enum, default_value_t = Target::Local)]
    target: Target,
    /// Destroy the stack first, with all that is in it
    #[arg(long)]
    fresh: bool,
    /// Destroy the stack when all is well
    #[arg(long)]
    destroy: bool,
    /// On AWS: agree to deploy, and to make accounts with passwords in the stack's user pool
    #[arg(long)]
    yes: bool,
    /// Only the first so many subjects
    #[arg(long, value_name = "N")]
    subjects: Option<usize>,
    /// Only the first so many readings of each subject
    #[arg(long, value_name = "N")]
    readings: Option<usize>,
    /// So many subjects load at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    at_once: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let talk = Talk::new();
    match run(Arguments::parse(), talk).await {
        Ok(report) => match std::io::stdout().write_all(report.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            talk.say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, talk: Talk) -> Result<String, study::StudyError> {
    let stack = target::Stack::open(arguments.target, arguments.yes, talk)?;
    if arguments.fresh {
        stack.destroy().await?;
    }
    let place = stack.apply().await?;
    let size =
        Size { subjects: arguments.subjects, readings: arguments.readings, at_once: arguments.at_once };
    let findings = study::run(&place, size, talk).await?;
    if arguments.destroy {
        stack.destroy().await?;
    }
    Ok(study::report(&findings))
}
