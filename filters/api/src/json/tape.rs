//! The index of a JSON text: one 64-bit word per value and per key in document order, two for an array or object.
//!
//! The low half of a word is where the text starts. The high half has three bits of kind, one bit "has escapes", and 28
//! bits that hold a leaf's length, or for a container the index after its subtree. A container's second word holds the
//! end of its text and how many members it has. Every word stands for a byte of text at least, so indexes fit where
//! lengths do.

use std::sync::Arc;

use super::Kind;

const KIND_SHIFT: u32 = 61;
const ESCAPED: u64 = 1 << 60;
const EXTENT_SHIFT: u32 = 32;
const EXTENT_MASK: u64 = (1 << 28) - 1;
const LOW: u64 = 0xffff_ffff;

/// How many words stand before a container's first member.
const CONTAINER_WORDS: u32 = 2;

/// How many unused words a finished tape may keep.
const SPARE_WORDS: usize = 4096;

/// The word of a leaf: a scalar or a key.
pub(super) const fn leaf(kind: Kind, escaped: bool, start: usize, end: usize) -> u64 {
    let mark = if escaped { ESCAPED } else { 0 };
    ((kind as u64) << KIND_SHIFT) | mark | (((end - start) as u64) << EXTENT_SHIFT) | start as u64
}

/// The two words of a container whose subtree ends before the index `next`.
pub(super) const fn container(kind: Kind, start: usize, end: usize, next: usize, count: usize) -> [u64; 2] {
    let head = ((kind as u64) << KIND_SHIFT) | ((next as u64) << EXTENT_SHIFT) | start as u64;
    [head, ((count as u64) << 32) | end as u64]
}

/// A container whose end is still to come.
#[derive(Clone, Copy, Default)]
pub(super) struct Open {
    /// Where its two words stand.
    pub(super) word: usize,
    /// Members seen, the one that is due included.
    pub(super) count: usize,
    pub(super) object: bool,
}

/// The two words of a container that begins. Until [`close`] they remember the container around it.
pub(super) const fn opened(kind: Kind, start: usize, outer: Open) -> [u64; 2] {
    container(kind, start, outer.object as usize, outer.word, outer.count)
}

/// Completes the words of a container: where its text ends, the index after its subtree, its number of members. Returns
/// the container around it.
pub(super) const fn close(words: &mut [u64; 2], end: usize, next: usize, count: usize) -> Open {
    let [head, tail] = *words;
    let outer = Open { word: extent(head) as usize, count: (tail >> 32) as usize, object: tail & LOW != 0 };
    *words = container(kind(head), (head & LOW) as usize, end, next, count);
    outer
}

/// A finished index, shared by the documents that look at it.
#[derive(Clone)]
pub(super) struct Tape(Arc<Vec<u64>>);

impl Tape {
    /// Takes the words over without copying them: there may be more bytes of them than of the text.
    pub(super) fn new(mut words: Vec<u64>) -> Self {
        if words.capacity() - words.len() > SPARE_WORDS {
            words.shrink_to_fit();
        }
        Self(Arc::new(words))
    }

    /// What it occupies, in bytes.
    pub(super) fn size(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }

    /// Every index handed in was read from the tape itself; a word that is not there reads as an empty leaf.
    #[inline]
    fn word(&self, node: u32) -> u64 {
        self.0.get(node as usize).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn kind(&self, node: u32) -> Kind {
        kind(self.word(node))
    }

    /// Whether a string or key has escapes.
    #[inline]
    pub(super) fn escaped(&self, node: u32) -> bool {
        self.word(node) & ESCAPED != 0
    }

    /// Where the node's text starts and ends.
    #[inline]
    pub(super) fn span(&self, node: u32) -> (usize, usize) {
        let word = self.word(node);
        let start = (word & LOW) as usize;
        let end = if is_container(word) { (self.word(node + 1) & LOW) as usize } else { start + extent(word) as usize };
        (start, end)
    }

    /// The index after the node and everything in it.
    #[inline]
    pub(super) fn next(&self, node: u32) -> u32 {
        let word = self.word(node);
        if is_container(word) { extent(word) } else { node + 1 }
    }

    /// The items of an array or the entries of an object; 0 for everything else.
    #[inline]
    pub(super) fn count(&self, node: u32) -> usize {
        if is_container(self.word(node)) { (self.word(node + 1) >> 32) as usize } else { 0 }
    }

    /// Where a container's members begin and end on the tape; empty for everything else.
    pub(super) fn members(&self, node: u32) -> (u32, u32) {
        let word = self.word(node);
        if is_container(word) { (node + CONTAINER_WORDS, extent(word)) } else { (node, node) }
    }
}

const fn kind(word: u64) -> Kind {
    match word >> KIND_SHIFT {
        0 => Kind::Null,
        1 => Kind::Bool,
        2 => Kind::Number,
        3 => Kind::String,
        4 => Kind::Array,
        _ => Kind::Object,
    }
}

const fn is_container(word: u64) -> bool {
    word >> KIND_SHIFT >= Kind::Array as u64
}

const fn extent(word: u64) -> u32 {
    ((word >> EXTENT_SHIFT) & EXTENT_MASK) as u32
}
