//! Inputs that fuzzing has found worth keeping, for tests on stable: run through the check of their target, and cut into pieces.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// Runs a check over every file of a folder and names the file at fault. A folder without files is a failure too: the check would mean nothing.
pub fn replay(folder: impl AsRef<Path>, check: impl Fn(&[u8])) {
    let folder = folder.as_ref();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seen = 0;
    for entry in entries {
        let input = Input(entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path());
        let bytes = fs::read(&input.0).unwrap_or_else(|error| panic!("{}: {error}", input.0.display()));
        check(&bytes);
        seen += 1;
    }
    assert!(seen > 0, "{} has no files", folder.display());
}

/// The file that is being checked: named when the check panics.
struct Input(PathBuf);

impl Drop for Input {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the input at fault: {}", self.0.display());
        }
    }
}

/// Bytes in pieces of sizes that the seed decides: 0 leaves them whole, 1 gives them one by one. No piece is empty.
pub fn pieces(seed: u8, mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed);
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = match seed {
            0 => bytes.len(),
            1 => 1,
            // Short pieces more often than long ones: what is cut within a token matters most.
            _ => 1 + usize::from(state.to_be_bytes()[0]) % (1 << (state.to_be_bytes()[1] % 7)),
        };
        let (piece, rest) = bytes.split_at_checked(size).unwrap_or((bytes, &[]));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
