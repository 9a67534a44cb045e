//! Where a text has bytes that end or interrupt a string, found for 64 bytes at once: strings are most of a text, and the marks of a block
//! serve every short string in it.

use wide::u8x16;

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = 64;

/// Bytes of a vector.
const LANE: usize = 16;

/// What a block has; the lowest bit stands for its first byte.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// Quotes, backslashes and control characters.
    pub(super) special: u64,
    /// Whether there is a byte that is not ASCII.
    pub(super) wide: bool,
}

impl Marks {
    /// The marks of the block that begins here. Behind the end of the text nothing is marked.
    #[inline]
    pub(super) fn at(text: &[u8], start: usize) -> Self {
        let rest = text.get(start..).unwrap_or_default();
        match rest.first_chunk() {
            Some(block) => marks(block),
            None => Self::of_last(rest),
        }
    }

    #[cold]
    fn of_last(rest: &[u8]) -> Self {
        let mut block = [b' '; BLOCK];
        block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        marks(&block)
    }
}

fn marks(block: &[u8; BLOCK]) -> Marks {
    let (lanes, _) = block.as_chunks::<LANE>();
    let (mut special, mut all) = (0, u8x16::ZERO);
    for (at, lane) in lanes.iter().enumerate() {
        let lane = u8x16::new(*lane);
        special |= u64::from(specials(lane).to_bitmask()) << (at * LANE);
        all |= lane;
    }
    Marks { special, wide: all.to_bitmask() != 0 }
}

fn specials(lane: u8x16) -> u8x16 {
    // This turns a quote into 0x20, and what is below that into nothing above it.
    let turned = lane ^ u8x16::splat(b'"' ^ 0x20);
    turned.min(u8x16::splat(0x20)).simd_eq(turned) | lane.simd_eq(u8x16::splat(b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plainly(block: &[u8; BLOCK]) -> Marks {
        let special = block.iter().enumerate().filter(|(_, byte)| matches!(byte, b'"' | b'\\' | 0..0x20));
        Marks { special: special.map(|(at, _)| 1 << at).sum(), wide: !block.is_ascii() }
    }

    #[test]
    fn every_byte_is_marked_as_what_it_is_beside_every_other() {
        for byte in 0..=u8::MAX {
            for (at, other) in
                (0..BLOCK).zip([b'a', b'"', 0, 0x1f, 0x20, 0x7f, 0x80, 0xa2, 0xdc, 0xff].into_iter().cycle())
            {
                let mut block = [other; BLOCK];
                block[at] = byte;
                assert_eq!(marks(&block), plainly(&block), "{byte} at {at} among {other}");
            }
        }
    }

    #[test]
    fn nothing_is_marked_behind_the_end() {
        for len in 0..2 * BLOCK {
            let text = vec![b'"'; len];
            for start in [0, BLOCK] {
                let marked = len.saturating_sub(start).min(BLOCK);
                assert_eq!(Marks::at(&text, start).special.count_ones() as usize, marked, "{len} from {start}");
            }
        }
    }
}
