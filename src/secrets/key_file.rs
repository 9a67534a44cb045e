//! Where root keys come from: a private file, or the environment; and how the first one is made.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::SecretsError;

/// A root key as it is written down: 32 bytes.
pub(super) type RootBytes = Zeroizing<[u8; 32]>;

/// No key is longer, also not in base64 with line ends.
const MAX_FILE: u64 = 256;

/// Where a root key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// From a file that nobody else can read: 32 raw bytes, or base64.
    File {
        /// Id of the key.
        id: String,
        /// The file; a symbolic link is followed.
        path: PathBuf,
    },
    /// From an environment variable, in base64.
    Env {
        /// Id of the key.
        id: String,
        /// Name of the variable.
        variable: String,
    },
}

impl KeySource {
    /// Id of the key.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::File { id, .. } | Self::Env { id, .. } => id,
        }
    }

    pub(super) fn read(&self) -> Result<RootBytes, SecretsError> {
        match self {
            Self::File { path, .. } => {
                read_file(path)?.ok_or_else(|| io_error(path, io::Error::from(io::ErrorKind::NotFound)))
            }
            Self::Env { variable, .. } => from_variable(variable, std::env::var(variable).ok()),
        }
    }
}

/// The key in the value of a variable.
pub(super) fn from_variable(variable: &str, value: Option<String>) -> Result<RootBytes, SecretsError> {
    let text = Zeroizing::new(value.ok_or_else(|| SecretsError::NoVariable(variable.to_owned()))?);
    from_base64(text.as_bytes()).ok_or_else(|| SecretsError::Malformed(format!("${variable}")))
}

/// The key in a file; none if there is no file.
pub(super) fn read_file(path: &Path) -> Result<Option<RootBytes>, SecretsError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path, error)),
    };
    // Of the open file, not of the path: what is checked is what is read, and a link counts as what it leads to.
    let mode = file.metadata().map_err(|error| io_error(path, error))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretsError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|error| io_error(path, error))?;
    let root = match <[u8; 32]>::try_from(bytes.as_slice()) {
        Ok(raw) => Some(Zeroizing::new(raw)),
        Err(_) => from_base64(&bytes),
    };
    root.map(Some).ok_or_else(|| SecretsError::Malformed(path.display().to_string()))
}

/// Makes a key file that was not there: the file appears complete and on disk, or not at all.
pub(super) fn create(path: &Path) -> Result<RootBytes, SecretsError> {
    let mut root = Zeroizing::new([0; 32]);
    getrandom::fill(root.as_mut_slice()).map_err(|_| SecretsError::Random)?;
    write_new(path, root.as_slice()).map_err(|error| io_error(path, error))?;
    Ok(root)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link, not a rename: it fails where a file is there already.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked?;
    File::open(parent)?.sync_all()
}

fn from_base64(text: &[u8]) -> Option<RootBytes> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [&STANDARD, &URL_SAFE].into_iter().find_map(|alphabet| {
        let mut room = Zeroizing::new([0; 48]);
        let length = GeneralPurpose::new(alphabet, config).decode_slice(text.trim_ascii(), room.as_mut_slice()).ok()?;
        <[u8; 32]>::try_from(room.get(..length)?).ok().map(Zeroizing::new)
    })
}

fn io_error(path: &Path, source: io::Error) -> SecretsError {
    SecretsError::Io { path: path.to_owned(), source }
}
