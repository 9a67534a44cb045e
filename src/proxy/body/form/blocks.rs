//! The bytes of one part, gathered in blocks that lie close together in memory and go back to the system when they are dropped.
//!
//! A body comes in pieces of any size, so pieces are copied together: a million pieces of one byte would else cost a hundred million bytes. A
//! large part gets memory of its own from the system, past the allocator, which would keep much of it after an upload.

use std::io;
use std::mem;

use bytes::Bytes;
use memmap2::MmapMut;
use pooler_filter::form::Chunks;

/// So much stays in ordinary memory: most parts are short texts.
const SMALL: usize = 64 * 1024;
/// What is taken from the system at once; pages that are never written take no memory.
const BLOCK: usize = 1024 * 1024;

/// A part that is being read.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    done: Chunks,
    small: Vec<u8>,
    block: Option<Block>,
}

/// Memory from the system, and how much of it is written.
#[derive(Debug)]
struct Block {
    memory: MmapMut,
    used: usize,
}

impl Block {
    fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.memory).slice(..self.used)
    }
}

impl Blocks {
    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.done.len() + self.small.len() + self.block.as_ref().map_or(0, |block| block.used)
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// The system has no memory.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.done.is_empty() && self.block.is_none() && self.small.len() + bytes.len() <= SMALL {
            self.small.extend_from_slice(bytes);
            return Ok(());
        }
        self.done.push(Bytes::from(mem::take(&mut self.small)));
        while !bytes.is_empty() {
            let mut block = match self.block.take() {
                Some(block) => block,
                None => Block { memory: MmapMut::map_anon(BLOCK)?, used: 0 },
            };
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - block.used));
            block.memory[block.used..block.used + now.len()].copy_from_slice(now);
            block.used += now.len();
            bytes = later;
            if block.used == BLOCK {
                self.done.push(block.into_bytes());
            } else {
                self.block = Some(block);
            }
        }
        Ok(())
    }

    /// All of it.
    pub(super) fn finish(mut self) -> Chunks {
        self.done.push(Bytes::from(self.small));
        if let Some(block) = self.block {
            self.done.push(block.into_bytes());
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_and_in_few_pieces() {
        let data: Vec<u8> = (0..3 * BLOCK + 4711).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for size in [1 << 10, SMALL, SMALL + 1, BLOCK, BLOCK + 1, data.len()] {
            let mut blocks = Blocks::default();
            for piece in data.chunks(size) {
                blocks.write(piece).unwrap();
            }
            assert_eq!(blocks.len(), data.len());
            let chunks = blocks.finish();
            assert_eq!(chunks.len(), data.len());
            assert!(chunks.pieces().count() <= 5, "{size}: {}", chunks.pieces().count());
            assert!(chunks.to_bytes() == data, "{size}");
        }
    }

    #[test]
    fn a_short_part_is_one_piece() {
        let mut blocks = Blocks::default();
        blocks.write(b"user_").unwrap();
        blocks.write(b"data").unwrap();
        let chunks = blocks.finish();
        assert_eq!((chunks.pieces().count(), chunks.to_bytes().as_ref()), (1, &b"user_data"[..]));
    }
}
