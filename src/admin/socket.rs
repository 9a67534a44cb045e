//! The data directory, which only its owner may enter, and the admin socket in it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::store::Stores;

/// The longest path that the kernel takes for a socket is 107 bytes.
const LONGEST_PATH: usize = 100;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// It is another user's.
    #[error("{} belongs to the user {owner}: run this as that user", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
    },
    /// Others may enter it.
    #[error("{} is open to others (mode {mode:04o}): chmod 700 it", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// Makes the data directory, or sees to it that nobody else can enter it.
///
/// # Errors
/// [`DirError`]. An empty directory of ours is closed; one with files in it is left as it is.
pub fn prepare_dir(dir: &Path) -> Result<(), DirError> {
    let failed = |source| DirError::Io { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let found = fs::metadata(dir).map_err(failed)?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(DirError::Foreign { path: dir.to_owned(), owner: found.uid() });
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    if fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(DirError::Open { path: dir.to_owned(), mode });
    }
    fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(failed)
}

/// The bound socket. Its file goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Listener {
    /// Binds the socket at this path, mode 0600. The stores that this process has open prove that no other gateway has them, so
    /// what a dead one left at the path is removed, unless somebody listens there all the same.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens.
    pub fn bind(path: &Path, _held: &Stores) -> io::Result<Self> {
        let near = Near::of(path)?;
        match UnixStream::connect(&near.path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let socket = UnixListener::bind(&near.path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_owned(), inode: fs::metadata(path)?.ino() })
    }

    pub(super) fn to_tokio(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.socket.try_clone()?)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Somebody else may have bound the path since.
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // Nobody is left to tell; the next start removes a file that nobody listens on.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A path to a socket that is short enough for the kernel: a long one goes through a descriptor of its directory.
#[derive(Debug)]
pub(super) struct Near {
    pub(super) path: PathBuf,
    _dir: Option<File>,
}

impl Near {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= LONGEST_PATH {
            return Ok(Self { path: path.to_owned(), _dir: None });
        }
        let dir = File::open(dir)?;
        Ok(Self { path: Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name), _dir: Some(dir) })
    }
}
