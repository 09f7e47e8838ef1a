//! The thin binary: arguments -> run -> exit code.

fn main() -> std::process::ExitCode {
    let exit = elkhound::cli::parse(std::env::args_os().collect()).map_or_else(|exit| exit, elkhound::cli::run);
    std::process::ExitCode::from(exit.code())
}
