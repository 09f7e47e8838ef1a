//! The command line: one file per command. Exit codes are in `exit`.

/// Prints a line on standard output: see [`said`].
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::said(&format!("{}\n", format_args!($($text)*))) };
}
/// Prints text as it stands: see [`said`].
macro_rules! say_text {
    ($($text:tt)*) => { $crate::cli::said(&format!($($text)*)) };
}

/// Writes a line to standard error. Where nobody reads it any more the work goes on: `eprintln!` would panic.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub mod backtest;
pub mod check;
pub mod connect;
pub mod dashboards;
pub mod demo;
pub mod exit;
pub mod explain;
pub mod export;
pub mod needs;
pub mod page;
pub mod parts;
pub mod progress;
pub mod run;
pub mod scan;
pub mod setup;

use clap::{Parser, Subcommand};

use exit::Exit;

/// Anomaly detection beside Elasticsearch and OpenSearch, and on files.
#[derive(Debug, Parser)]
#[command(name = "elkhound", version, about, max_term_width = 110, after_help = exit::WORDS)]
pub struct Cli {
    /// Print JSON instead of text. What a command cannot do is then the last line of standard error,
    /// {"error":"...","exit_code":78}; what is worth a word beside a result is a line {"warning":"..."} there.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the configured indices: the worker. This is what happens when no command is given.
    Run(run::Args),
    /// Play a seeded day of web traffic with planted attacks through the worker and show what is found.
    Demo(demo::Args),
    /// Find anomalies in files: access logs, JSON lines, CSV.
    Scan(scan::Args),
    /// Hold what a configuration would have reported against labels or verdicts, or beside a second configuration.
    Backtest(backtest::Args),
    /// Print the evidence of one finding.
    Explain(explain::Args),
    /// Install templates, policies and indices in the cluster; running it again changes nothing.
    Setup(setup::Args),
    /// Check configuration, connection, privileges, and the fields of each job.
    Check(check::Args),
    /// Print the configuration reference, templates, policies or roles.
    Export(export::Args),
    /// List every feature, detector, format and preset with a description and an example.
    Parts(parts::Args),
    /// Print a completion script for a shell.
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the version of the program and of the documents it writes.
    Version,
}

/// Writes to standard output. A reader that has seen enough (`| head`) ends the program without a word, a disk that is full
/// with one: what was asked for would be lost.
pub fn said(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => {
            tell!("elkhound: standard output cannot be written: {e}");
            std::process::exit(i32::from(Exit::Failure.code()));
        }
    }
}

/// Says why a command did not do what it was asked for, on standard error: line by line, or as one JSON object. Gives the exit back.
pub fn failed(is_json: bool, exit: Exit, message: &str) -> Exit {
    tell_of(message, is_json.then(|| serde_json::json!({ "error": message, "exit_code": exit.code() })));
    exit
}

/// Says what is worth a word beside a result, on standard error.
pub fn warned(is_json: bool, message: &str) {
    tell_of(message, is_json.then(|| serde_json::json!({ "warning": message })));
}

fn tell_of(message: &str, json: Option<serde_json::Value>) {
    match json {
        Some(json) => tell!("{json}"),
        None => message.lines().for_each(|l| tell!("elkhound: {l}")),
    }
}

/// Reads the command line. What was asked for and is already done (`--help`) or cannot be understood ends the program.
pub fn parse(args: Vec<std::ffi::OsString>) -> Result<Cli, Exit> {
    let is_json = args.iter().take_while(|a| *a != "--").any(|a| a == "--json");
    Cli::try_parse_from(args).map_err(|e| {
        if is_json && e.use_stderr() {
            // Of a command whose second word is missing there is only the help.
            let is_half = e.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
            let text = if is_half { "the command is not complete: `--help` behind it lists what may follow".into() } else { e.to_string() };
            return failed(true, Exit::Usage, text.trim_start_matches("error: ").trim_end());
        }
        // Nobody is left to tell when this cannot be written.
        let _ = e.print();
        if e.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

/// Runs what the arguments ask for.
pub fn run(cli: Cli) -> Exit {
    match cli.command.unwrap_or_else(|| Command::Run(run::Args::default())) {
        Command::Run(args) => run::run(&args, cli.json),
        Command::Demo(args) => demo::run(&args, cli.json),
        Command::Scan(args) => scan::run(&args, cli.json),
        Command::Backtest(args) => backtest::run(&args, cli.json),
        Command::Explain(args) => explain::run(&args, cli.json),
        Command::Setup(args) => setup::run(&args, cli.json),
        Command::Check(args) => check::run(&args, cli.json),
        Command::Export(args) => export::run(&args, cli.json),
        Command::Parts(args) => parts::run(&args, cli.json),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "elkhound", &mut std::io::stdout());
            Exit::Ok
        }
        Command::Version => {
            version(cli.json);
            Exit::Ok
        }
    }
}

fn version(json: bool) {
    let (version, schema) = (env!("CARGO_PKG_VERSION"), crate::model::anomaly::SCHEMA_VERSION);
    if json {
        say!("{}", serde_json::json!({ "version": version, "schema_version": schema }));
    } else {
        say!("elkhound {version} (anomaly documents: schema {schema})");
    }
}
