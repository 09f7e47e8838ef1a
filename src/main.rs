//! The thin binary: arguments -> run -> exit code.

use clap::Parser;

fn main() -> std::process::ExitCode {
    let cli = elkhound::cli::Cli::parse();
    std::process::ExitCode::from(elkhound::cli::run(cli).code())
}
