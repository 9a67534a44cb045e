//! The configuration file on the disk, or none: then everything is at its default.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, load};

/// No configuration is larger, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The text of a configuration, and where it is from.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    text: String,
    name: String,
    base: PathBuf,
    data: Option<PathBuf>,
}

/// The file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ReadError {
    /// The file.
    path: PathBuf,
    /// Why.
    source: io::Error,
}

impl ConfigFile {
    /// Reads this file.
    ///
    /// # Errors
    /// [`ReadError`]; also when it is no UTF-8 or larger than 1 MiB.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
        let read = read.and_then(|_| {
            let fits = text.len() as u64 <= MAX_FILE;
            if fits { Ok(()) } else { Err(io::Error::other("the file is larger than 1 MiB")) }
        });
        read.map_err(|source| ReadError { path: path.to_owned(), source })?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { text, name: path.display().to_string(), base, data: None })
    }

    /// No file; with state in this directory instead of the default one.
    #[must_use]
    pub fn none(data: Option<PathBuf>) -> Self {
        Self { text: String::new(), name: "(no file)".to_owned(), base: PathBuf::new(), data }
    }

    /// Its name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn load(&self) -> Result<Config<'_>, ConfigError> {
        let mut config = load(&self.text, &self.name, &self.base)?;
        if let Some(dir) = &self.data {
            config.settings.data.dir.clone_from(dir);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_and_its_mistakes_bear_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        std::fs::write(&path, "[data]\ndir = \"state\"\n").unwrap();
        let file = ConfigFile::read(&path).unwrap();
        assert_eq!(file.load().unwrap().settings.data.dir, dir.path().join("state"));

        std::fs::write(&path, "[data]\ndirr = \"state\"\n").unwrap();
        let file = ConfigFile::read(&path).unwrap();
        let error = file.load().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:2:1: data.dirr: ", path.display())), "{error}");
    }

    #[test]
    fn no_file_is_the_defaults_with_the_directory_that_was_asked_for() {
        let settings = |data| ConfigFile::none(data).load().unwrap().settings;
        assert_eq!(settings(None), crate::config::Settings::default());
        assert_eq!(settings(Some(PathBuf::from("x"))).data.dir, PathBuf::from("x"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        assert!(ConfigFile::read(&path).unwrap_err().to_string().contains("a.toml"));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(ConfigFile::read(&path).is_err());
        std::fs::write(&path, " ".repeat((1 << 20) + 1)).unwrap();
        assert!(ConfigFile::read(&path).unwrap_err().to_string().contains("1 MiB"));
    }
}
