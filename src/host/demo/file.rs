//! `demo.toml`: what a second start on the same directory must find again. The only place where a key stands in clear.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use pooler_filter::Secret;
use serde::{Deserialize, Serialize};

use crate::admin::prepare_dir;
use crate::cli::Failure;

const NAME: &str = "demo.toml";

/// The file as written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    seed: String,
    simulator_port: u16,
    key: Option<String>,
}

/// What the demo remembers.
#[derive(Debug)]
pub(super) struct DemoFile {
    path: PathBuf,
    pub(super) seed: [u8; 32],
    pub(super) simulator_port: u16,
    pub(super) key: Option<Secret>,
}

impl DemoFile {
    /// Reads the file of this directory, or makes both. A directory with other things in it was not made by the demo, and is refused.
    pub(super) fn open(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(NAME);
        let refuse = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let used = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
        if used && !path.exists() {
            return Err(Failure::new(format!("{} was not made by the demo; choose another --data", dir.display())));
        }
        prepare_dir(dir).map_err(|error| Failure::new(error.to_string()))?;
        if !path.exists() {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| refuse(error.to_string()))?;
            let file = Self { path, seed, simulator_port: 0, key: None };
            file.save()?;
            return Ok(file);
        }
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(64 * 1024).read_to_string(&mut text))
            .map_err(|e| refuse(e.to_string()))?;
        let written: Written = toml::from_str(&text).map_err(|_| refuse("is not a demo file".to_owned()))?;
        let mut seed = [0; 32];
        hex::decode_to_slice(&written.seed, &mut seed).map_err(|_| refuse("has no valid seed".to_owned()))?;
        Ok(Self { path, seed, simulator_port: written.simulator_port, key: written.key.map(Secret::new) })
    }

    /// Writes the file so that a crash leaves the old one or the new one.
    pub(super) fn save(&self) -> Result<(), Failure> {
        let key = self.key.as_ref().map_or_else(String::new, |key| format!("key = \"{}\"\n", key.expose()));
        let text = format!("seed = \"{}\"\nsimulator_port = {}\n{key}", hex::encode(self.seed), self.simulator_port);
        write_private(&self.path, &text).map_err(|error| Failure::new(format!("{}: {error}", self.path.display())))
    }
}

/// Writes a file that nobody else can read, in one step.
pub(super) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_second_start_finds_what_the_first_one_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("demo");
        let mut first = DemoFile::open(&dir).unwrap();
        first.key = Some(Secret::new("sk-cxp-x"));
        first.simulator_port = 7;
        first.save().unwrap();
        let second = DemoFile::open(&dir).unwrap();
        assert_eq!((second.seed, second.simulator_port), (first.seed, 7));
        assert_eq!(second.key.unwrap().expose(), "sk-cxp-x");
        assert_eq!(fs::metadata(dir.join(NAME)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_directory_that_the_demo_did_not_make_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine.txt"), "x").unwrap();
        assert!(DemoFile::open(dir.path()).unwrap_err().to_string().contains("was not made by the demo"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
