//! Which requests are open. What is stored is one moment, of which it is known that no open request is older: an engine that dies leaves little
//! to look through, and a request costs no row for it.

use std::collections::BTreeSet;

use pooler_filter::RequestId;

use super::StoreError;
use super::codec::{OpenSince, Table, decode, key};
use super::draft::Rows;

/// How far the stored moment may stay behind, in milliseconds.
const STEP: u64 = 10_000;

/// What the engine that has the store open knows of it. Moments are those at which ids were made, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// The open requests of this boot.
    ids: BTreeSet<RequestId>,
    /// The newest one that this boot has seen.
    newest: Option<u64>,
    /// What is stored.
    since: Option<u64>,
    /// Those of earlier boots have ended.
    recovered: bool,
}

impl Open {
    /// What an earlier boot left. A moment that is lost or damaged costs a look at all rows.
    pub(super) fn load(rows: &dyn Rows) -> Result<Self, StoreError> {
        let place = key::open_since();
        let since = match rows.get(Table::OpenRequests, &place)?.map(|bytes| decode::<OpenSince>(&place, &bytes)) {
            Some(Ok(OpenSince(since))) => Some(since),
            Some(Err(error)) => {
                tracing::error!(%error, "every row of a request is looked at, as it is not known which may be open");
                None
            }
            None => None,
        };
        Ok(Self { since, ..Self::default() })
    }

    pub(super) fn begin(&mut self, id: RequestId) {
        self.newest = self.newest.max(Some(made_at(id)));
        self.ids.insert(id);
    }

    pub(super) fn end(&mut self, id: RequestId) {
        self.ids.remove(&id);
    }

    pub(super) fn contains(&self, id: RequestId) -> bool {
        self.ids.contains(&id)
    }

    /// No request of an earlier boot is open any more.
    pub(super) const fn recovered(&mut self) {
        self.recovered = true;
    }

    /// From when on there may be open requests; none: ever since.
    pub(super) const fn since(&self) -> Option<u64> {
        self.since
    }

    /// What has to be stored with the present group, if it has to be another moment.
    pub(super) fn moved(&mut self) -> Option<OpenSince> {
        let lowest = self.ids.first().map(|id| made_at(*id)).or(self.newest)?;
        let wanted = match self.since {
            Some(since) if lowest < since => true,
            Some(since) => self.recovered && lowest - since >= STEP,
            None => self.recovered,
        };
        wanted.then(|| {
            self.since = Some(lowest);
            OpenSince(lowest)
        })
    }
}

/// A UUIDv7 begins with 48 bits of milliseconds.
pub(super) fn made_at(id: RequestId) -> u64 {
    id.as_bytes()[..6].iter().fold(0, |millis, byte| millis << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64, last: u8) -> RequestId {
        let mut bytes = [last; 16];
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        RequestId::from_bytes(bytes)
    }

    fn moved(open: &mut Open) -> Option<u64> {
        open.moved().map(|OpenSince(since)| since)
    }

    #[test]
    fn the_moment_follows_the_oldest_and_is_stored_now_and_then() {
        let mut open = Open::default();
        assert_eq!(made_at(id(123_456_789, 7)), 123_456_789);
        open.recovered();
        assert_eq!(moved(&mut open), None, "nothing was seen");
        open.begin(id(50_000, 1));
        open.begin(id(50_001, 2));
        assert_eq!(moved(&mut open), Some(50_000));
        open.end(id(50_000, 1));
        open.begin(id(70_000, 3));
        assert_eq!(moved(&mut open), None);
        open.end(id(50_001, 2));
        assert_eq!(moved(&mut open), Some(70_000));
        open.end(id(70_000, 3));
        open.begin(id(90_000, 4));
        open.end(id(90_000, 4));
        assert_eq!(moved(&mut open), Some(90_000), "nothing is open: the newest one counts");
    }

    #[test]
    fn an_older_one_takes_it_back_at_once() {
        let mut open = Open { since: Some(50_000), recovered: true, ..Open::default() };
        open.begin(id(49_999, 1));
        assert_eq!(moved(&mut open), Some(49_999));
        assert!(open.contains(id(49_999, 1)) && !open.contains(id(49_999, 2)));
    }

    #[test]
    fn what_earlier_boots_left_keeps_it_where_it_is() {
        let mut open = Open { since: Some(50_000), ..Open::default() };
        open.begin(id(90_000, 1));
        assert_eq!(moved(&mut open), None);
        open.recovered();
        assert_eq!(moved(&mut open), Some(90_000));
        let mut unknown = Open::default();
        unknown.begin(id(90_000, 1));
        assert_eq!(moved(&mut unknown), None, "every row has to be looked at");
    }
}
