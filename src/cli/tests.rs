//! Whole commands, as the shell runs them.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pooler_filter::testing::FakePorts;
use pooler_filter::{Registry, SystemClock, Unobserved};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::admin::{Backend, BackendParts, Listener, Nobody, serve};
use crate::secrets::Keyring;
use crate::store::{SledOptions, SledStore, Stores};

mod administration;
mod parsing;

/// Remembers what it was asked to run. Its registry has no filter, so that every chain is refused.
#[derive(Default)]
struct Recorder {
    ran: RefCell<Vec<String>>,
    any_chain: bool,
}

impl Host for Recorder {
    fn serve(&self, file: &ConfigFile, _: &mut dyn Write) -> Result<(), Failure> {
        let dir = file.load()?.settings.data.dir;
        self.ran.borrow_mut().push(format!("serve {}", dir.display()));
        Ok(())
    }

    fn demo(&self, args: &DemoArgs, out: &mut dyn Write) -> Result<(), Failure> {
        self.ran.borrow_mut().push(format!("{args:?}"));
        Ok(writeln!(out, "demo")?)
    }

    fn simulate(&self, args: &SimulateArgs, _: &mut dyn Write) -> Result<(), Failure> {
        self.ran.borrow_mut().push(format!("{args:?}"));
        Err(Failure::new("two\nlines"))
    }

    fn build_chain(&self, config: &Config<'_>) -> Result<(), ChainError> {
        if self.any_chain {
            return Ok(());
        }
        Registry::new().build_chain(&config.chain, &FakePorts::new().ports(), Arc::new(Unobserved)).map(drop)
    }
}

/// What a command left behind.
#[derive(Debug)]
struct Ran {
    code: u8,
    out: String,
    err: String,
}

impl Ran {
    /// The lines of `--json`.
    fn json(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{self:?}");
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn one(&self) -> Value {
        let rows = self.json();
        assert_eq!(rows.len(), 1, "{self:?}");
        rows.into_iter().next().unwrap()
    }

    /// It failed with this code, and said so in one line.
    fn refused(&self, code: u8, contains: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("codex-pooler: ") && self.err.contains(contains), "{self:?}");
    }
}

fn run_with(host: &dyn Host, args: &[&str], input: &[u8]) -> Ran {
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), input);
    let mut io = Io { input: &mut input, out: &mut out, err: &mut err };
    let args = std::iter::once("codex-pooler").chain(args.iter().copied()).map(OsString::from);
    let code = run(args, host, &mut io);
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn ran(args: &[&str]) -> Ran {
    run_with(&Recorder::default(), args, b"")
}
