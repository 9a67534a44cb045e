//! `[[chain]]`: the filters in the order of requests, each with its table, which stays unread until its filter reads it.

use std::borrow::Cow;

use pooler_filter::{ChainEntry, RawConfig};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;

/// The chain of a file that names none.
const DEFAULT: &[&str] = &["auth", "route_gate", "codex_rewrite", "pool_select", "accounting"];

/// The filter that puts our identity on translated requests, as its table names the keys of `[upstream]`.
const TAKES_IDENTITY: &str = "codex_rewrite";

/// An entry before its table is handed on.
pub(super) struct Written<'t> {
    filter: Spanned<String>,
    config: Spanned<DeTable<'t>>,
}

/// Takes the chain out of the file; none: the file has none.
pub(super) fn take<'t>(root: &mut Spanned<DeTable<'t>>) -> Result<Option<Vec<Written<'t>>>, Mistake> {
    let Some(written) = root.get_mut().remove("chain") else { return Ok(None) };
    let span = written.span();
    let DeValue::Array(entries) = written.into_inner() else { return Err(Mistake::new(span, LIST)) };
    entries.into_iter().map(entry).collect::<Result<_, _>>().map(Some)
}

const LIST: &str = "is a list of tables: write [[chain]]";

fn entry(written: Spanned<DeValue<'_>>) -> Result<Written<'_>, Mistake> {
    let span = written.span();
    let DeValue::Table(table) = written.into_inner() else { return Err(Mistake::new(span, LIST)) };
    let mut filter = None;
    let mut config = None;
    for (key, value) in table {
        let at = value.span();
        match (key.get_ref().as_ref(), value.into_inner()) {
            ("filter", DeValue::String(name)) => filter = Some(Spanned::new(at, name.into_owned())),
            ("filter", _) => return Err(Mistake::new(at, "is the name of a filter")),
            ("config", DeValue::Table(table)) => config = Some(Spanned::new(at, table)),
            ("config", _) => return Err(Mistake::new(at, "is a table: write [chain.config]")),
            (other, _) => {
                return Err(Mistake::new(
                    key.span(),
                    format!("unknown field `{other}`, expected `filter` or `config`"),
                ));
            }
        }
    }
    let filter = filter.ok_or_else(|| Mistake::new(span, "missing field `filter`, the name of a filter"))?;
    let config = config.unwrap_or_else(|| Spanned::new(filter.span(), DeTable::new()));
    Ok(Written { filter, config })
}

/// The chain as written, or the default one; the identity of `[upstream]` joins the table of the filter that sends it.
pub(super) fn entries<'t>(
    written: Option<Vec<Written<'t>>>,
    identity: Vec<(&'static str, Spanned<String>)>,
) -> Result<Vec<ChainEntry<'t>>, Mistake> {
    let mut chain = written.unwrap_or_else(default_chain);
    if let Some(entry) = chain.iter_mut().find(|entry| entry.filter.get_ref() == TAKES_IDENTITY) {
        lend(identity, entry.config.get_mut())?;
    }
    let entry = |Written { filter, config }| {
        let span = filter.span();
        ChainEntry { filter: filter.into_inner(), span, config: RawConfig::new(config) }
    };
    Ok(chain.into_iter().map(entry).collect())
}

fn default_chain<'t>() -> Vec<Written<'t>> {
    let entry = |name: &&str| Written {
        filter: Spanned::new(0..0, (*name).to_owned()),
        config: Spanned::new(0..0, DeTable::new()),
    };
    DEFAULT.iter().map(entry).collect()
}

/// Each value keeps its place, so that what the filter says of it names the line in `[upstream]`.
fn lend(identity: Vec<(&'static str, Spanned<String>)>, table: &mut DeTable<'_>) -> Result<(), Mistake> {
    for (key, value) in identity {
        if let Some(twice) = table.get(key) {
            return Err(Mistake::new(twice.span(), format!("is set in [upstream] already: `{key}` belongs there")));
        }
        let span = value.span();
        let value = DeValue::String(Cow::Owned(value.into_inner()));
        table.insert(Spanned::new(span.clone(), Cow::Borrowed(key)), Spanned::new(span, value));
    }
    Ok(())
}
