//! The arguments, as clap reads them. The doc comments are the help texts.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::Failure;
use super::values::{Expiry, on_off, pool_status};
use crate::config::{ConfigFile, Origin};
use crate::store::records::PoolStatus;

/// Serves a pool of Codex accounts under one URL.
#[derive(Debug, Parser)]
#[command(name = "codex-pooler", version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Runs the gateway
    Serve(Location),
    /// Reads the configuration as a start does, and names the first mistake
    Check(CheckArgs),
    /// Runs a gateway with a simulated upstream, a pool and a key
    Demo(DemoArgs),
    /// Runs the simulated upstream alone
    Simulate(SimulateArgs),
    /// Pools: groups of accounts that their keys share
    Pool(Group<PoolAction>),
    /// Keys: what clients send
    Key(Group<KeyAction>),
    /// Accounts: the Codex logins behind the pools
    Account(Group<AccountAction>),
    /// Models: what pools offer, and which accounts have it
    Models(ModelsArgs),
    /// Requests: what happened
    Requests(Group<RequestsAction>),
    /// Store: check it, back it up, restore it
    Store(Group<StoreAction>),
}

/// Which installation is meant; neither: all defaults.
#[derive(Debug, Args)]
pub(super) struct Location {
    /// The configuration file
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "data")]
    config: Option<PathBuf>,
    /// The data directory, with everything else at its default
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

impl Location {
    pub(super) fn file(&self) -> Result<ConfigFile, Failure> {
        match (&self.config, &self.data) {
            // The parser sees them together only when they stand at the same word.
            (Some(_), Some(_)) => Err(Failure::usage("give --config or --data, not both (see --help)")),
            (Some(path), None) => Ok(ConfigFile::read(path)?),
            (None, data) => Ok(ConfigFile::none(data.clone())),
        }
    }
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) at: Location,
    /// Leaves the files of certificates alone: they are on another machine
    #[arg(long)]
    pub(super) without_certificates: bool,
}

/// Where a command goes, and how it answers.
#[derive(Debug, Args)]
pub(super) struct Reach {
    #[command(flatten)]
    pub(super) location: Location,
    /// One JSON object a line
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Group<A: Subcommand> {
    #[command(flatten)]
    pub(super) at: Reach,
    #[command(subcommand)]
    pub(super) action: A,
}

/// Arguments of `demo`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DemoArgs {
    /// Port of the gateway; 0: any free one
    #[arg(long, value_name = "N", default_value_t = 4000)]
    pub port: u16,
    /// Where the demo keeps its state
    #[arg(long, value_name = "DIR", default_value = "./data/demo")]
    pub data: PathBuf,
    /// How many accounts it makes up
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub accounts: u16,
    /// Writes NAME=value lines with the addresses and the key to this file once the gateway answers
    #[arg(long, value_name = "FILE")]
    pub env: Option<PathBuf>,
    /// Uses this upstream (https or loopback) instead of the simulator
    #[arg(long, value_name = "URL", value_parser = super::values::upstream)]
    pub upstream: Option<Origin>,
}

/// Arguments of `simulate`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SimulateArgs {
    /// Address of the simulated upstream; port 0: any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4100")]
    pub listen: SocketAddr,
    /// Address of the storage that files are uploaded to; without it any port at the address of the upstream
    #[arg(long, value_name = "ADDRESS")]
    pub uploads: Option<SocketAddr>,
    /// Address of the control endpoint, on loopback; without it there is none
    #[arg(long, value_name = "ADDRESS", value_parser = super::values::loopback)]
    pub control: Option<SocketAddr>,
    /// How many accounts it has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub accounts: u16,
    /// Keeps the seed of its accounts and tokens in this file, so that the next start honours them
    #[arg(long, value_name = "FILE")]
    pub seed_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum PoolAction {
    /// Makes a pool
    Create {
        /// Its short name: lowercase letters, digits and single hyphens
        slug: String,
        /// Its name for people
        #[arg(long)]
        name: Option<String>,
    },
    /// Lists all pools
    List,
    /// Shows one pool
    Show {
        /// Slug or id
        pool: String,
    },
    /// Changes a pool, for new requests
    Set {
        /// Slug or id
        pool: String,
        #[command(flatten)]
        change: PoolSet,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct PoolSet {
    /// Its name for people
    #[arg(long)]
    pub(super) name: Option<String>,
    /// active, disabled or archived; only an active pool lets its keys in
    #[arg(long, value_parser = pool_status)]
    pub(super) status: Option<PoolStatus>,
    /// on or off: whether /v1 answers
    #[arg(long, value_name = "ON|OFF", value_parser = on_off)]
    pub(super) v1_compatibility: Option<bool>,
    /// on or off: whether images may be made
    #[arg(long, value_name = "ON|OFF", value_parser = on_off)]
    pub(super) images: Option<bool>,
    /// The most accounts that one request may try
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) ring_size: Option<u32>,
    /// on or off: whether requests with the same prompt cache key prefer the same account
    #[arg(long, value_name = "ON|OFF", value_parser = on_off)]
    pub(super) prompt_cache_affinity: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyAction {
    /// Makes a key and shows it, this once
    Create {
        /// The pool that it opens: slug or id
        #[arg(long)]
        pool: String,
        /// Its name for people
        #[arg(long)]
        name: String,
        /// When it ends: in 30d, 12h, ..., or at 2027-01-31 or 2027-01-31T12:00:00Z
        #[arg(long, value_name = "WHEN")]
        expires: Option<Expiry>,
        /// The models that it may use, separated by commas; default: every model
        #[arg(long, value_name = "MODEL,...", value_delimiter = ',')]
        models: Option<Vec<String>>,
    },
    /// Lists keys, without what would open anything
    List {
        /// Of this pool only: slug or id
        #[arg(long)]
        pool: Option<String>,
    },
    /// Refuses a key for ever
    Revoke {
        /// Its id (sk-cxp- and 12 digits) or its name
        key: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AccountAction {
    /// Imports a login; the same login again brings new tokens
    Import {
        /// The auth.json of `codex login`; -: standard input
        file: PathBuf,
        /// The pool that it serves: slug or id
        #[arg(long)]
        pool: String,
        /// Its name for people; default: its e-mail address
        #[arg(long)]
        label: Option<String>,
        /// The only place where its access token may be sent to; default: as configured
        #[arg(long, value_name = "URL")]
        origin: Option<Origin>,
        /// The only place where its refresh token may be sent to; default: as the file says, or else as configured
        #[arg(long, value_name = "URL")]
        issuer: Option<Origin>,
        /// It is made up for a simulator, and must never reach a real upstream
        #[arg(long)]
        simulated: bool,
    },
    /// Lists accounts
    List {
        /// Of this pool only: slug or id
        #[arg(long)]
        pool: Option<String>,
    },
    /// Takes an account out of service
    Pause {
        /// Label or id
        account: String,
    },
    /// Takes it back into service
    Resume {
        /// Label or id
        account: String,
    },
    /// Removes an account and its tokens
    Remove {
        /// Label or id
        account: String,
    },
}

/// Arguments of `models`.
#[derive(Debug, Args)]
pub(super) struct ModelsArgs {
    #[command(flatten)]
    pub(super) at: Reach,
    /// Of this pool only: slug or id
    #[arg(long)]
    pub(super) pool: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RequestsAction {
    /// Lists the last requests, newest first
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
    },
    /// Shows one request
    Show {
        /// The id that the client got as x-request-id, or its beginning
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreAction {
    /// Looks at every row of a store that no gateway has, or of a backup. Exit code 1: damaged; 3: whole, but something refers to what is not there
    Verify {
        /// This backup instead of the store
        file: Option<PathBuf>,
    },
    /// Makes a backup: of a running gateway's store while it goes on, or of one that nobody has
    Backup,
    /// Puts a backup in the place of a store that no gateway has
    Restore {
        /// This backup; default: the newest one that can be read to its end
        file: Option<PathBuf>,
        /// Moves the store that is there to store.bad-<time> beside it
        #[arg(long)]
        replace: bool,
    },
}
