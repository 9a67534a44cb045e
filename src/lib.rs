//! Codex Pooler: the edge gateway that serves a pool of Codex accounts under one URL.
//!
//! A custom binary needs two things from here, [`builtin_filters`] and [`run`], and is faster with a third, the [`Allocator`].
//!
//! ```no_run
//! #[global_allocator]
//! static ALLOCATOR: codex_pooler::Allocator = codex_pooler::Allocator;
//!
//! fn main() -> std::process::ExitCode {
//!     codex_pooler::run(codex_pooler::builtin_filters())
//! }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | arguments in, one action, an exit code out |
//! | `host` | what runs: `serve`, `demo`, `simulate` |
//! | [`config`] | the file as written, resolved into settings |
//! | [`server`] | listeners, services, background work, shutdown |
//! | [`tls`] | certificates of listeners |
//! | [`proxy`] | a request's way, in order |
//! | `endpoints` | routes answered here |
//! | `files` | uploaded files |
//! | `pool` | accounts as requests see them |
//! | [`accounts`] | the life of a login: import, refresh |
//! | [`client`] | reaches upstreams |
//! | `cork` | what leaves in one piece |
//! | [`store`], [`secrets`] | what outlives the process, and what protects it |
//! | [`disk`] | the room on the disk |
//! | [`admin`] | the socket that commands speak to |
//! | [`telemetry`], `operations` | metrics, log, health |
//! | [`simulator`] | the Codex backend for demos and tests |

pub mod accounts;
pub mod admin;
mod catalog;
pub mod cli;
pub mod client;
pub mod config;
mod cork;
pub mod disk;
mod endpoints;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod host;
mod operations;
mod pool;
pub mod proxy;
pub mod secrets;
pub mod server;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod tls;

use std::process::ExitCode;

use pooler_filter::Registry;

/// The allocator of the stock binary: jemalloc. A request makes some hundred small allocations, and frees many of them on another thread than the
/// one that made them; the allocator of the C library spends a tenth to a fifth of a request's time on that, and keeps memory of large bodies that
/// are gone.
pub use tikv_jemallocator::Jemalloc as Allocator;

/// The filters that come with the program.
#[must_use]
pub fn builtin_filters() -> Registry {
    Registry::new()
        .with::<pooler_filter_auth::Auth>()
        .with::<pooler_filter_route_gate::RouteGate>()
        .with::<pooler_filter_codex_rewrite::CodexRewrite>()
        .with::<pooler_filter_pool_select::PoolSelect>()
        .with::<pooler_filter_accounting::Accounting>()
}

/// The whole program, with these filters: reads the arguments of the process and does what they say.
#[must_use]
pub fn run(registry: Registry) -> ExitCode {
    let host = host::Program::new(registry);
    let (mut input, mut out, mut err) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut io = cli::Io { input: &mut input, out: &mut out, err: &mut err };
    ExitCode::from(cli::run(std::env::args_os(), &host, &mut io))
}
