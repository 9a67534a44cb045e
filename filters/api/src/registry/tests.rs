//! Chains that start, and chains that do not: each refusal names its place.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::*;
use crate::chain::Unobserved;
use crate::testing::FakePorts;
use crate::{Exchange, FilterContext, Port};

struct Idle;

impl Filter for Idle {}

/// Declares a filter that does nothing, with this contract.
macro_rules! filter {
    ($type:ident, $name:literal, $contract:expr) => {
        struct $type;

        impl FilterFactory for $type {
            const NAME: &'static str = $name;
            const CONTRACT: Contract = $contract;
            type Config = Table;

            fn build(config: Table, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
                config.build(cx)
            }
        }
    };
}

/// The table of every filter here.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Table {
    limit: u32,
    refuse: bool,
    clock: bool,
}

impl Table {
    fn build(&self, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        if self.refuse || self.limit > 100 {
            return Err(BuildError::Refused("limit is at most 100".into()));
        }
        if self.clock {
            cx.clock()?;
        }
        Ok(Arc::new(Idle))
    }
}

filter!(Who, "who", Contract::new().on_headers(&["route"], &["who"]));
filter!(What, "what", Contract::new().on_body(&["who"], &["what"]));
filter!(Where, "where", Contract::new().on_body(&["what"], &["where"]).ports(&[Port::Clock]));
filter!(Bill, "bill", Contract::new().on_response(&["what", "served"], &["bill"]));
filter!(Stamp, "stamp", Contract::new().on_response(&["bill"], &[]));
filter!(Thief, "thief", Contract::new().on_body(&[], &["what"]));
filter!(Impostor, "impostor", Contract::new().on_body(&[], &["served"]));

fn registry() -> Registry {
    Registry::new()
        .with::<Who>()
        .with::<What>()
        .with::<Where>()
        .with::<Bill>()
        .with::<Stamp>()
        .with::<Thief>()
        .with::<Impostor>()
}

/// Builds the chain of a configuration file whose `[[chain]]` entries stand as in the real one.
fn build(file: &str) -> Result<Chain, ChainError> {
    let table = DeTable::parse(file).unwrap().into_inner();
    let entries: Vec<ChainEntry<'_>> = match table.get("chain").map(Spanned::get_ref) {
        Some(DeValue::Array(chain)) => chain.iter().map(entry).collect(),
        _ => Vec::new(),
    };
    registry().build_chain(&entries, &FakePorts::new().ports(), Arc::new(Unobserved))
}

fn entry<'a>(written: &Spanned<DeValue<'a>>) -> ChainEntry<'a> {
    let table = written.get_ref().as_table().unwrap();
    let filter = table.get("filter").unwrap();
    let config = table.get("config").map_or_else(RawConfig::empty, |config| {
        RawConfig::new(Spanned::new(config.span(), config.get_ref().as_table().unwrap().clone()))
    });
    ChainEntry { filter: filter.get_ref().as_str().unwrap().to_owned(), span: filter.span(), config }
}

fn chain(filters: &[&str]) -> Result<Chain, ChainError> {
    build(&filters.iter().map(|f| format!("[[chain]]\nfilter = \"{f}\"\n")).collect::<String>())
}

fn refusal(filters: &[&str]) -> String {
    chain(filters).unwrap_err().to_string()
}

#[test]
fn the_chain_has_the_order_of_its_entries() {
    let chain = chain(&["who", "what", "where", "bill"]).unwrap();
    assert_eq!(chain.names().collect::<Vec<_>>(), ["who", "what", "where", "bill"]);
    assert!(chain.provides("where") && !chain.provides("bill") && !chain.provides("nothing"));
}

#[test]
fn an_empty_chain_is_a_chain() {
    assert_eq!(chain(&[]).unwrap().names().count(), 0);
}

#[test]
fn a_filter_that_nobody_registered_is_told_with_those_that_there_are() {
    let expected = "chain[1] `geo`: no such filter; there are bill, impostor, stamp, thief, what, where, who";
    assert_eq!(refusal(&["who", "geo"]), expected);
}

#[test]
fn a_filter_stands_in_the_chain_once() {
    assert_eq!(refusal(&["who", "what", "who"]), "chain[2] `who`: stands twice in the chain");
}

#[test]
fn a_slot_must_be_provided_by_an_earlier_filter() {
    let missing = "requires `what`, which no earlier filter provides";
    assert_eq!(refusal(&["who", "where"]), format!("chain[1] `where`: {missing}"));
    assert_eq!(refusal(&["who", "where", "what"]), format!("chain[1] `where`: {missing}"));
}

#[test]
fn headers_of_all_filters_come_before_the_body_of_any() {
    assert!(chain(&["what", "who"]).is_ok(), "`who` is written while the headers pass");
}

#[test]
fn a_slot_of_the_way_up_comes_from_a_filter_further_down() {
    assert!(chain(&["stamp", "who", "what", "bill"]).is_ok());
    let refused = refusal(&["who", "what", "bill", "stamp"]);
    assert_eq!(refused, "chain[3] `stamp`: requires `bill`, which no earlier filter provides");
}

#[test]
fn a_slot_has_one_writer() {
    let refused = refusal(&["who", "what", "thief"]);
    assert_eq!(refused, "chain[2] `thief`: provides `what`, which is already provided before");
}

#[test]
fn the_slots_of_the_host_are_its_own() {
    let refused = refusal(&["who", "impostor", "what"]);
    assert_eq!(refused, "chain[1] `impostor`: provides `served`, which the host itself writes");
}

#[test]
fn the_place_of_a_wrong_order_is_its_entry() {
    let file = "[[chain]]\nfilter = \"who\"\n\n[[chain]]\nfilter = \"where\"\n";
    let refused = build(file).unwrap_err();
    assert_eq!(refused.index, 1);
    assert_eq!(&file[refused.span], "\"where\"");
}

/// What the refusal of a table points at, and what it says.
fn pointed(file: &str) -> (&str, String) {
    let refused = build(file).unwrap_err();
    (&file[refused.span.clone()], refused.to_string())
}

#[test]
fn an_unknown_key_is_pointed_at() {
    let (at, text) = pointed("[[chain]]\nfilter = \"who\"\n[chain.config]\nlimit = 1\nlimits = 2\n");
    assert_eq!(at, "limits");
    assert!(text.starts_with("chain[0] `who`: unknown field `limits`, expected"), "{text}");
}

#[test]
fn a_value_of_the_wrong_kind_is_pointed_at() {
    let (at, text) = pointed(
        "# first line\n[[chain]]\nfilter = \"who\"\n[[chain]]\nfilter = \"what\"\n[chain.config]\nlimit = \"many\"\n",
    );
    assert_eq!(at, "\"many\"");
    assert!(text.starts_with("chain[1] `what`: invalid type: string"), "{text}");
}

#[test]
fn a_table_that_the_filter_itself_refuses_is_told_at_its_entry() {
    let file = "[[chain]]\nfilter = \"who\"\n[chain.config]\nlimit = 101\n";
    let refused = build(file).unwrap_err();
    assert_eq!(refused.to_string(), "chain[0] `who`: limit is at most 100");
    assert_eq!(&file[refused.span], "\"who\"");
}

#[test]
fn a_port_is_lent_to_who_declares_it() {
    assert!(
        build(
            "[[chain]]\nfilter = \"who\"\n[[chain]]\nfilter = \"what\"\n[[chain]]\nfilter = \"where\"\n[chain.config]\nclock = true\n"
        )
        .is_ok()
    );
    let refused = build("[[chain]]\nfilter = \"who\"\n[chain.config]\nclock = true\n").unwrap_err();
    assert_eq!(refused.to_string(), "chain[0] `who`: uses port Clock, which its contract does not name");
}

#[test]
fn a_later_filter_takes_the_place_of_one_with_the_same_name() {
    struct Other;

    #[crate::async_trait]
    impl Filter for Other {
        async fn on_request_headers(&self, _: &mut Exchange) -> Result<crate::Flow, crate::Reject> {
            Err(crate::Reject::invalid("other"))
        }
    }

    impl FilterFactory for Other {
        const NAME: &'static str = "who";
        const CONTRACT: Contract = Contract::new().on_headers(&[], &["other"]);
        type Config = Table;

        fn build(_: Table, _: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
            Ok(Arc::new(Self))
        }
    }

    let entry = ChainEntry { filter: "who".into(), span: 0..0, config: RawConfig::empty() };
    let registry = registry().with::<Other>();
    assert_eq!(registry.names().filter(|n| *n == "who").count(), 1);
    let chain = registry.build_chain(&[entry], &FakePorts::new().ports(), Arc::new(Unobserved)).unwrap();
    assert!(chain.provides("other") && !chain.provides("who"));
}
