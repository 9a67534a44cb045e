//! Files, as far as they are answered here: what is known of them (docs/v1.md, Files).

use std::borrow::Cow;
use std::sync::Arc;

use pooler_filter::{Exchange, KeyFacts, LocalReply, Principal, Reject};
use serde::Serialize;
use url::form_urlencoded;

use crate::files::{FileObject, FileTable};
use crate::proxy::path::Segments;
use crate::proxy::route;
use crate::store::records::FileRecord;

/// Most files of one page, and how many it has unless the client says so.
const MOST: usize = 10_000;

/// The routes about files that need no upstream.
#[derive(Debug)]
pub(super) struct FileRoutes(Arc<FileTable>);

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<FileObject<'a>>,
    first_id: &'a str,
    last_id: &'a str,
    has_more: bool,
}

/// What a client wants to see.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    after: Option<String>,
    limit: usize,
    oldest_first: bool,
    purpose: Option<String>,
}

impl FileRoutes {
    pub(super) const fn new(table: Arc<FileTable>) -> Self {
        Self(table)
    }

    /// `GET /v1/files`.
    pub(super) async fn list(&self, cx: &Exchange) -> Result<LocalReply, Reject> {
        let query = Query::read(&cx.head().query)?;
        let files = self.0.list(key(cx)?).await?;
        let (page, has_more) = query.page(&files)?;
        let data: Vec<FileObject<'_>> = page.into_iter().map(FileObject::from).collect();
        let (first_id, last_id) = (data.first().map_or("", |f| f.id), data.last().map_or("", |f| f.id));
        // Writing plain strings and numbers into memory cannot fail.
        let list = serde_json::to_vec(&List { object: "list", first_id, last_id, has_more, data }).unwrap_or_default();
        Ok(LocalReply::json(list))
    }

    /// `GET /v1/files/:id`.
    pub(super) async fn get(&self, cx: &Exchange) -> Result<LocalReply, Reject> {
        Ok(LocalReply::json(FileObject::from(&self.find(cx).await?).to_json()))
    }

    /// What the provider does not offer: its content, its deletion. Whose file it is comes first, so that nobody learns of others' files.
    pub(super) async fn refuse(&self, cx: &Exchange) -> Result<LocalReply, Reject> {
        self.find(cx).await?;
        Err(route::unsupported())
    }

    async fn find(&self, cx: &Exchange) -> Result<FileRecord, Reject> {
        let segments = Segments::decode(&cx.head().path)?;
        let id = segments.as_slice().get(2).map_or("", Cow::as_ref);
        self.0.get(key(cx)?, id).await
    }
}

fn key(cx: &Exchange) -> Result<&KeyFacts, Reject> {
    Ok(&cx.require::<Principal>()?.0)
}

impl Query {
    fn read(text: &str) -> Result<Self, Reject> {
        let mut query = Self { after: None, limit: MOST, oldest_first: false, purpose: None };
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "after" => query.after = Some(value.into_owned()).filter(|id| !id.is_empty()),
                "purpose" => query.purpose = Some(value.into_owned()).filter(|purpose| !purpose.is_empty()),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    let message = "limit must be a whole number from 1 to 10000";
                    query.limit = limit.ok_or_else(|| Reject::invalid(message).at("limit"))?;
                }
                "order" => match value.as_ref() {
                    "asc" => query.oldest_first = true,
                    "desc" => query.oldest_first = false,
                    _ => return Err(Reject::invalid("order must be asc or desc").at("order")),
                },
                unknown => return Err(Reject::unsupported_parameter(unknown.to_owned())),
            }
            if seen.contains(&name) {
                return Err(Reject::invalid(format!("{name} must be given once")).at(name.into_owned()));
            }
            seen.push(name);
        }
        Ok(query)
    }

    /// The page out of all files, newest first, and whether there are more behind it.
    fn page<'a>(&self, files: &'a [FileRecord]) -> Result<(Vec<&'a FileRecord>, bool), Reject> {
        let ordered = || -> Box<dyn Iterator<Item = &'a FileRecord>> {
            if self.oldest_first { Box::new(files.iter().rev()) } else { Box::new(files.iter()) }
        };
        let skipped = match &self.after {
            None => 0,
            Some(after) => {
                let at = ordered().position(|file| file.id == *after);
                at.ok_or_else(|| Reject::invalid("no file has this id").at("after"))? + 1
            }
        };
        let wanted = |file: &&FileRecord| self.purpose.as_ref().is_none_or(|purpose| file.purpose == *purpose);
        let mut rest = ordered().skip(skipped).filter(wanted);
        let page = rest.by_ref().take(self.limit).collect();
        Ok((page, rest.next().is_some()))
    }
}

#[cfg(test)]
mod tests {
    use pooler_filter::{AccountId, KeyId, PoolId, Timestamp};

    use super::*;
    use crate::store::records::FileStatus;

    fn file(id: &str, purpose: &str) -> FileRecord {
        FileRecord {
            id: id.to_owned(),
            pool: PoolId::from_bytes([1; 16]),
            key: KeyId::new("k"),
            account: AccountId::from_bytes([1; 16]),
            bytes: 1,
            filename: "f".to_owned(),
            purpose: purpose.to_owned(),
            status: FileStatus::Processed,
            created_at: Timestamp::from_secs(1),
            expires_at: Timestamp::from_secs(2),
        }
    }

    fn page(query: &str) -> (Vec<String>, bool) {
        let files = [file("d", "batch"), file("c", "vision"), file("b", "batch"), file("a", "batch")];
        let (page, more) = Query::read(query).unwrap().page(&files).unwrap();
        (page.into_iter().map(|file| file.id.clone()).collect(), more)
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        assert_eq!(page(""), (ids(&["d", "c", "b", "a"]), false));
        assert_eq!(page("limit=2"), (ids(&["d", "c"]), true));
        assert_eq!(page("limit=2&after=c"), (ids(&["b", "a"]), false));
        assert_eq!(page("order=asc&limit=3"), (ids(&["a", "b", "c"]), true));
        assert_eq!(page("order=asc&after=c"), (ids(&["d"]), false));
        assert_eq!(page("order=desc&after="), (ids(&["d", "c", "b", "a"]), false));
        assert_eq!(page("purpose=batch&limit=2"), (ids(&["d", "b"]), true));
        // The file of the last page need not have the purpose.
        assert_eq!(page("purpose=batch&after=c"), (ids(&["b", "a"]), false));
        assert_eq!(page("purpose=evals"), (Vec::new(), false));
        assert_eq!(page("after=a"), (Vec::new(), false));
    }

    #[test]
    fn a_parameter_that_makes_no_sense_is_refused() {
        let param = |query: &str| {
            let reject = Query::read(query).and_then(|query| query.page(&[file("a", "batch")]).map(drop)).unwrap_err();
            (reject.status().as_u16(), reject.code_str().to_owned(), reject.param.unwrap_or_default().into_owned())
        };
        for query in ["limit=0", "limit=10001", "limit=ten", "limit=", "limit=-1", "limit=1&limit=1"] {
            assert_eq!(param(query), (400, "invalid_request".into(), "limit".into()), "{query}");
        }
        assert_eq!(param("order=up").2, "order");
        assert_eq!(param("after=z").2, "after");
        assert_eq!(param("before=a"), (400, "unsupported_parameter".into(), "before".into()));
    }
}
