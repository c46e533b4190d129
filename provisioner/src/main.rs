//! The program `provision`; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = provision::cli::run(std::env::args_os());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
