//! How much of a message has arrived that is not complete yet: follows the frames in a stream of bytes (RFC 6455, 5.2). It judges nothing; who
//! reads the frames does.

/// The most that a head of a frame may have.
const MOST_HEAD: usize = 14;

/// Where in the frames the stream stands.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    head: [u8; MOST_HEAD],
    head_len: usize,
    /// Bytes of the payload that are still to come; none while a head is read.
    left: Option<u64>,
    /// The frame belongs to a message, and does not end it.
    goes_on: bool,
    /// The frame is no part of a message.
    control: bool,
    /// Payload of the unfinished message that has come.
    message: u64,
}

impl Arrival {
    /// Payload of the message that has begun to arrive and is not complete, in bytes.
    pub(super) const fn unfinished(&self) -> u64 {
        self.message
    }

    /// More bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.left {
                None => self.head(&mut bytes),
                Some(left) => {
                    let taken = left.min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(taken).unwrap_or(bytes.len())..];
                    self.left = Some(left - taken);
                    if !self.control {
                        self.message += taken;
                    }
                }
            }
            if self.left == Some(0) {
                self.left = None;
                if !self.control && !self.goes_on {
                    self.message = 0;
                }
            }
        }
    }

    fn head(&mut self, bytes: &mut &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            self.head[self.head_len] = *first;
            self.head_len += 1;
            *bytes = rest;
            if self.head_len == self.needed() {
                self.begin();
                return;
            }
        }
    }

    /// How long the head is, as far as it tells by now.
    fn needed(&self) -> usize {
        if self.head_len < 2 {
            return 2;
        }
        let length = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.head[1] & 0x80 != 0 { 4 } else { 0 };
        2 + length + mask
    }

    fn begin(&mut self) {
        let wide = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        self.left = Some(match self.head[1] & 0x7f {
            126 => wide(&self.head[2..4]),
            127 => wide(&self.head[2..10]),
            short => u64::from(short),
        });
        self.control = self.head[0] & 0x08 != 0;
        self.goes_on = self.head[0] & 0x80 == 0;
        self.head_len = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, len: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut out = vec![first];
        match len {
            0..=125 => out.push(mask | u8::try_from(len).unwrap()),
            126..=0xffff => {
                out.push(mask | 126);
                out.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            _ => {
                out.push(mask | 127);
                out.extend((len as u64).to_be_bytes());
            }
        }
        if masked {
            out.extend([1, 2, 3, 4]);
        }
        out.resize(out.len() + len, 0x81);
        out
    }

    fn fed(arrival: &mut Arrival, bytes: &[u8]) -> u64 {
        arrival.feed(bytes);
        arrival.unfinished()
    }

    #[test]
    fn what_is_complete_is_not_counted_any_more() {
        let mut arrival = Arrival::default();
        let whole = frame(0x81, 70_000, true);
        assert_eq!(fed(&mut arrival, &whole[..60_014]), 60_000);
        assert_eq!(fed(&mut arrival, &whole[60_014..]), 0);
        assert_eq!(fed(&mut arrival, &frame(0x82, 5, true)), 0);
    }

    #[test]
    fn fragments_add_up_and_control_frames_in_between_do_not() {
        let mut arrival = Arrival::default();
        assert_eq!(fed(&mut arrival, &frame(0x01, 300, true)), 300);
        assert_eq!(fed(&mut arrival, &frame(0x89, 100, true)), 300);
        assert_eq!(fed(&mut arrival, &frame(0x00, 300, false)), 600);
        assert_eq!(fed(&mut arrival, &frame(0x80, 0, true)), 0);
    }

    #[test]
    fn a_length_beyond_everything_is_only_a_length() {
        let mut arrival = Arrival::default();
        let huge = [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5];
        assert_eq!(fed(&mut arrival, &huge), 1);
    }

    proptest! {
        #[test]
        fn however_the_bytes_come_the_sums_are_the_same(
            frames in proptest::collection::vec((any::<bool>(), 0_usize..400, any::<bool>()), 1..8),
            cuts in proptest::collection::vec(1_usize..50, 1..20),
        ) {
            let mut bytes = Vec::new();
            for (last, len, masked) in &frames {
                bytes.extend(frame(if *last { 0x81 } else { 0x01 }, *len, *masked));
            }
            let mut whole = Arrival::default();
            whole.feed(&bytes);
            let mut pieces = Arrival::default();
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, more) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                pieces.feed(piece);
                rest = more;
            }
            let since_last = frames.iter().rev().take_while(|(last, ..)| !last).map(|(_, len, _)| *len as u64).sum::<u64>();
            prop_assert_eq!((whole.unfinished(), pieces.unfinished(), pieces.left), (since_last, since_last, None));
        }
    }
}
