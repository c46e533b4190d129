//! `provision` itself, built with the tests so that a journey can start it and end it in the middle.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = provision::cli::run(std::env::args_os());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
