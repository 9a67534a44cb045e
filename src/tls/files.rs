//! The two files of a certificate: what is in them, who may read them, whether they are still the same.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::config::Tls;

/// No chain and no key is larger, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Who may not have which rights on a key: its group may read it, and nobody else anything.
const FORBIDDEN: u32 = 0o037;

/// What tells whether the files are still the same; a file that is not there is a state too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<Look>; 2]);

/// Device, inode, size, and the time of the last change of content or rights.
type Look = (u64, u64, u64, i64, i64);

impl Stamp {
    pub(super) fn of(files: &Tls) -> Self {
        let look = |file: Metadata| (file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec());
        Self([&files.certificate, &files.key].map(|path| std::fs::metadata(path).ok().map(look)))
    }
}

/// The certificates in a file, the one of this host first.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let text = read(file).map_err(|error| error.to_string())?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("there is no certificate in it (PEM is expected)".to_owned()),
        Ok(chain) => Ok(chain),
        Err(_) => Err("it is not valid PEM".to_owned()),
    }
}

/// The private key in a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    // Of the open file, not of the path: what is checked is what is read, and a link counts as what it leads to.
    let mode = file.metadata().map_err(|error| error.to_string())?.permissions().mode() & 0o777;
    if mode & FORBIDDEN != 0 {
        return Err(format!("others may read or change this key (mode {mode:04o}): chmod 0600 or 0640"));
    }
    let text = read(file).map_err(|error| error.to_string())?;
    // What is wrong inside is not quoted.
    match PrivateKeyDer::pem_slice_iter(&text).next() {
        Some(Ok(key)) => Ok(key),
        Some(Err(_)) => Err("it is not valid PEM".to_owned()),
        None if memchr::memmem::find(&text, b"ENCRYPTED PRIVATE KEY").is_some() => {
            Err("the key in it is encrypted: a key without a passphrase is needed".to_owned())
        }
        None => Err("there is no private key in it (PEM is expected)".to_owned()),
    }
}

fn read(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(16 * 1024));
    file.take(MAX_FILE + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE { Err(io::Error::other("the file is larger than 1 MiB")) } else { Ok(text) }
}
