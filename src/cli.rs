//! The command line: arguments in, one action, an exit code out. What runs a gateway is lent by a [`Host`].
//!
//! | file | holds |
//! |---|---|
//! | `args`, `values` | the arguments and what stands in them |
//! | `command` | arguments as an admin command |
//! | `store` | checks and restores a store that nobody has |
//! | `reach` | a command goes to the gateway, or to the store itself where no gateway runs |
//! | `output`, `table` | answers for people and as JSON |

mod args;
mod command;
mod output;
mod reach;
mod store;
mod table;
mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};

use clap::Parser;
use clap::error::ErrorKind;
use pooler_filter::ChainError;

use self::args::{Action, Cli, StoreAction};
pub use self::args::{DemoArgs, SimulateArgs};
use crate::config::{Config, ConfigError, ConfigFile, ReadError};

/// What the program does besides administration. The writers are for what a person or a script reads, not for the log.
pub trait Host {
    /// Runs the gateway until it is told to stop.
    fn serve(&self, file: &ConfigFile, out: &mut dyn Write) -> Result<(), Failure>;
    /// Runs the demo until it is told to stop.
    fn demo(&self, args: &DemoArgs, out: &mut dyn Write) -> Result<(), Failure>;
    /// Runs the simulator until it is told to stop.
    fn simulate(&self, args: &SimulateArgs, out: &mut dyn Write) -> Result<(), Failure>;
    /// Builds the chain as a start does, and drops it.
    fn build_chain(&self, config: &Config<'_>) -> Result<(), ChainError>;
}

/// Where a command reads and writes. Do not lock stdout or stderr for it: a gateway logs from other threads meanwhile.
#[allow(missing_debug_implementations, reason = "readers and writers have nothing to show")]
pub struct Io<'a> {
    /// Standard input.
    pub input: &'a mut dyn Read,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

/// Why a command failed: one line for people, and the exit code.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// Done.
    pub const OK: u8 = 0;
    /// Refused, or failed.
    pub const REFUSED: u8 = 1;
    /// The arguments make no sense.
    pub const USAGE: u8 = 2;
    /// Every row of the store is whole, but something refers to what is not there.
    pub const INCONSISTENT: u8 = 3;
    /// Another process has the store (`EX_TEMPFAIL` of sysexits.h): try again later.
    pub const LOCKED: u8 = 75;

    /// A refusal or an error.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Self::REFUSED }
    }

    /// Another process has the store.
    #[must_use]
    pub fn locked(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Self::LOCKED }
    }

    fn inconsistent(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Self::INCONSISTENT }
    }

    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Self::USAGE }
    }

    /// The reader has seen enough, such as `head`.
    const fn nobody_reads() -> Self {
        Self { message: String::new(), code: Self::OK }
    }

    /// The exit code of the process.
    #[must_use]
    pub const fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::nobody_reads() } else { Self::new(error.to_string()) }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new(error.to_string())
    }
}

/// Parses the arguments, does what they say and tells what came of it; the answer is the exit code of the process.
pub fn run(args: impl IntoIterator<Item = OsString>, host: &dyn Host, io: &mut Io<'_>) -> u8 {
    let done = match Cli::try_parse_from(args) {
        Ok(cli) => act(cli.action, host, io),
        Err(error) => told(&error, io),
    };
    match done {
        Ok(()) => Failure::OK,
        Err(failure) => {
            if !failure.message.is_empty() {
                // Where stderr is closed nobody can be told; the code still tells.
                let _ = writeln!(io.err, "codex-pooler: {}", failure.message.replace('\n', " "));
            }
            failure.code
        }
    }
}

fn act(action: Action, host: &dyn Host, io: &mut Io<'_>) -> Result<(), Failure> {
    match action {
        Action::Serve(at) => host.serve(&at.file()?, io.out),
        Action::Check(args) => check(&args.at.file()?, args.without_certificates, host, io),
        Action::Demo(args) => host.demo(&args, io.out),
        Action::Simulate(args) => host.simulate(&args, io.out),
        Action::Pool(group) => administer(&group.at, command::pool(group.action), io),
        Action::Key(group) => administer(&group.at, command::key(group.action), io),
        Action::Account(group) => administer(&group.at, command::account(group.action, io.input)?, io),
        Action::Models(args) => administer(&args.at, crate::admin::Command::ModelList { pool: args.pool }, io),
        Action::Requests(group) => administer(&group.at, command::requests(group.action), io),
        Action::Store(group) => match group.action {
            StoreAction::Backup => administer(&group.at, crate::admin::Command::StoreBackup {}, io),
            StoreAction::Verify { file } => store::act(&group.at, store::StoreCare::Verify(file), io),
            StoreAction::Restore { file, replace } => {
                store::act(&group.at, store::StoreCare::Restore { file, replace }, io)
            }
        },
    }
}

/// Reads the file and builds the chain as a start does.
fn check(file: &ConfigFile, without_certificates: bool, host: &dyn Host, io: &mut Io<'_>) -> Result<(), Failure> {
    let config = file.load()?;
    if !without_certificates {
        crate::tls::check(&config.settings.gateway.tls).map_err(|error| config.refuse_certificate(&error))?;
    }
    host.build_chain(&config).map_err(|error| config.refuse(&error))?;
    Ok(writeln!(io.out, "{}: ok", file.name())?)
}

fn administer(at: &args::Reach, command: crate::admin::Command, io: &mut Io<'_>) -> Result<(), Failure> {
    let file = at.location.file()?;
    let settings = file.load()?.settings;
    let detailed = matches!(command.name(), "pool show" | "requests show" | "key create" | "store backup");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let replies = runtime.block_on(reach::execute(&settings, command))?;
    let shape = if at.json {
        output::Shape::Json
    } else if detailed {
        output::Shape::Details
    } else {
        output::Shape::Table
    };
    Ok(output::print(&replies, shape, io)?)
}

/// What the parser of the arguments has to say: help goes to stdout, a mistake becomes one line.
fn told(error: &clap::Error, io: &mut Io<'_>) -> Result<(), Failure> {
    let text = error.render().to_string();
    let kind = error.kind();
    if matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Ok(io.out.write_all(text.as_bytes())?);
    }
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Help that nobody asked for is no output.
        let _ = io.err.write_all(text.as_bytes());
        return Err(Failure::usage(""));
    }
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    Err(Failure::usage(format!("{} (see --help)", line.trim_start_matches("error: "))))
}
