//! The seed of a simulator that runs alone: kept in a file, or made for this run.

use std::path::Path;

use super::file::write_private;
use crate::cli::Failure;

/// The seed in this file, which is made if it is not there; without a file a new one.
pub(in crate::host) fn load(path: Option<&Path>) -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    let Some(path) = path else {
        getrandom::fill(&mut seed).map_err(|error| Failure::new(error.to_string()))?;
        return Ok(seed);
    };
    let failed = |why: String| Failure::new(format!("{}: {why}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => {
            hex::decode_to_slice(text.trim(), &mut seed).map_err(|_| failed("is not a seed".to_owned()))?;
            Ok(seed)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            getrandom::fill(&mut seed).map_err(|error| failed(error.to_string()))?;
            write_private(path, &format!("{}\n", hex::encode(seed))).map_err(|error| failed(error.to_string()))?;
            Ok(seed)
        }
        Err(error) => Err(failed(error.to_string())),
    }
}
