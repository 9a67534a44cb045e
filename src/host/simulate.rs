//! The simulated upstream alone, with the logins of its accounts in files.

use std::io::Write;

use crate::cli::{Failure, SimulateArgs};
use crate::host::demo::seed_file;
use crate::simulator::{Simulator, SimulatorConfig};

/// Runs it until it is told to stop.
pub(super) fn run(args: &SimulateArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let seed = seed_file::load(args.seed_file.as_deref())?;
    let runtime = super::runtime()?;
    let mut signals = super::signals::Signals::listen(&runtime);
    let config = SimulatorConfig {
        listen: args.listen,
        uploads: args.uploads,
        control: args.control,
        accounts: usize::from(args.accounts),
        seed,
        ..SimulatorConfig::default()
    };
    let simulator = runtime.block_on(Simulator::start(config))?;
    writeln!(out, "simulated upstream on {}", simulator.origin())?;
    writeln!(out, "file uploads on {}", simulator.upload_origin())?;
    if let Some(control) = simulator.control_url() {
        writeln!(out, "control on {control}")?;
        writeln!(out, "log in: curl -X POST {control}/accounts/0/login > auth.json")?;
    }
    out.flush()?;
    runtime.block_on(async {
        signals.stop().await;
        simulator.stop().await;
    });
    Ok(())
}
