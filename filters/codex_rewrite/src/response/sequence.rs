//! Sequence numbers of a public stream: strictly increasing, the backend's own wherever they fit (docs/v1.md, Sequence numbers).

/// The largest number that the wire allows: 2^53 - 1, the largest integer that every JSON reader keeps.
const LARGEST: u64 = (1 << 53) - 1;

/// Gives each event of one stream its number.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The smallest number that may come next.
    next: u64,
}

impl Sequence {
    /// The number of the next event: the backend's, if it has one that is larger than all before; else the one after the last.
    /// None when no number is left.
    pub(super) fn take(&mut self, upstream: Option<u64>) -> Option<u64> {
        let number = upstream.filter(|n| (self.next..=LARGEST).contains(n)).unwrap_or(self.next);
        if number > LARGEST {
            return None;
        }
        self.next = number + 1;
        Some(number)
    }

    /// Takes the backend's number, if it may stand.
    pub(super) fn continues(&mut self, upstream: Option<u64>) -> bool {
        upstream.is_some_and(|number| (self.next..=LARGEST).contains(&number)) && self.take(upstream).is_some()
    }

    /// The number of the event that ends a stream: it may lie one above the largest, so that it can still be told.
    pub(super) fn take_last(&mut self, upstream: Option<u64>) -> u64 {
        self.take(upstream).unwrap_or(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_numbers_that_increase_and_repairs_the_others() {
        let mut sequence = Sequence::default();
        let table = [
            (None, 0),
            (Some(0), 1),
            (Some(1), 2),
            (Some(7), 7),
            (Some(7), 8),
            (Some(3), 9),
            (None, 10),
            (Some(LARGEST + 1), 11),
            (Some(11), 12),
        ];
        for (upstream, expected) in table {
            assert_eq!(sequence.take(upstream), Some(expected), "{upstream:?}");
        }
    }

    #[test]
    fn a_number_that_may_not_stand_is_not_taken() {
        let mut sequence = Sequence::default();
        assert!(sequence.continues(Some(3)));
        for number in [None, Some(0), Some(3), Some(LARGEST + 1)] {
            assert!(!sequence.continues(number), "{number:?}");
        }
        assert!(sequence.continues(Some(4)));
        assert_eq!(sequence.take(None), Some(5));
    }

    #[test]
    fn ends_after_the_largest_number() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.take(Some(LARGEST)), Some(LARGEST));
        assert_eq!(sequence.take(None), None);
        assert_eq!(sequence.take(Some(5)), None);
        assert_eq!(sequence.take_last(Some(5)), LARGEST + 1);
    }
}
