use super::*;

const A: AccountId = AccountId::from_bytes([1; 16]);
const B: AccountId = AccountId::from_bytes([2; 16]);
const C: AccountId = AccountId::from_bytes([3; 16]);
const POOL: PoolId = PoolId::from_bytes([9; 16]);

fn told(slug: &str) -> CatalogModel {
    CatalogModel { slug: slug.to_owned(), listed: true, ..CatalogModel::default() }
}

fn written(id: &str) -> Model {
    Model { id: id.to_owned(), ..Model::default() }
}

fn texts(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(ToString::to_string).collect())
}

/// A pool with these accounts, each of which takes requests or not, and has told this or nothing.
fn pool(configured: &[Model], accounts: &[(AccountId, bool, Option<&[CatalogModel]>)]) -> PoolModels {
    seen_before(configured, accounts, &[])
}

fn seen_before(
    configured: &[Model],
    accounts: &[(AccountId, bool, Option<&[CatalogModel]>)],
    seen: &[(&str, u64)],
) -> PoolModels {
    let members: Vec<Member> =
        accounts.iter().map(|(account, routes, _)| Member { account: *account, routes: *routes, version: 1 }).collect();
    let sources = accounts.iter().filter_map(|(account, _, models)| {
        let (fetched_at, models) = (Timestamp::from_secs(5), models.as_ref()?.to_vec());
        Some((*account, CatalogSource { account: *account, fetched_at, etag: None, models }))
    });
    let seen = seen.iter().map(|(name, at)| ((POOL, (*name).to_owned()), Timestamp::from_secs(*at))).collect();
    PoolModels::new(&Parts {
        configured,
        members: &members,
        sources: &sources.collect(),
        seen: &seen,
        pool: Some(POOL),
        asks: true,
    })
}

fn ids(models: &PoolModels) -> Vec<&str> {
    models.listed().map(|offer| offer.facts.id.as_str()).collect()
}

#[test]
fn until_an_account_has_told_its_models_the_configured_ones_are_offered_on_every_account() {
    let configured = [Model { fallback: true, ..written("standby") }, written("mine")];
    for accounts in [&[][..], &[(A, true, None), (B, false, None)]] {
        let models = pool(&configured, accounts);
        assert_eq!(ids(&models), ["standby", "mine"]);
        let facts = &models.get("mine").unwrap().facts;
        assert_eq!((&facts.sources, facts.lite, facts.supports_images), (&None, false, true));
    }
}

#[test]
fn the_models_of_all_accounts_are_offered_by_priority_and_a_standby_is_not() {
    let standby = Model { fallback: true, ..written("standby") };
    let at = |slug, priority| CatalogModel { priority, ..told(slug) };
    let a = [at("c", Some(2)), at("a", None), at("b", Some(2))];
    let b = [at("d", Some(-1)), at("c", Some(1))];
    let models = pool(&[standby], &[(A, true, Some(&a)), (B, true, Some(&b))]);
    assert_eq!(ids(&models), ["d", "c", "b", "a"]);
    assert!(models.get("standby").is_none());
    let sources = |id: &str| models.get(id).unwrap().facts.sources.as_deref().unwrap().to_vec();
    assert_eq!((sources("c"), sources("b"), sources("d")), (vec![A, B], vec![A], vec![B]));
}

#[test]
fn an_account_that_has_not_told_may_have_any_model() {
    let models = pool(&[], &[(A, true, Some(&[told("x")])), (B, true, Some(&[told("y")])), (C, true, None)]);
    assert_eq!(models.get("x").unwrap().facts.sources.as_deref(), Some(&[A, C][..]));
}

#[test]
fn an_account_out_of_service_keeps_its_models_in_the_catalog() {
    let models = pool(&[], &[(A, false, Some(&[told("x")])), (B, true, Some(&[told("y")]))]);
    assert_eq!(ids(&models), ["x", "y"]);
    assert_eq!(models.get("x").unwrap().facts.sources.as_deref(), Some(&[A][..]));
}

#[test]
fn one_account_that_takes_requests_and_wants_the_lite_form_is_enough() {
    let lite = [CatalogModel { lite: true, ..told("x") }];
    let full = [told("x")];
    let is_lite = |accounts: &[(AccountId, bool, Option<&[CatalogModel]>)]| {
        let models = pool(&[], accounts);
        models.get("x").unwrap().facts.lite
    };
    assert!(!is_lite(&[(A, true, Some(&full)), (B, true, Some(&full))]));
    assert!(is_lite(&[(A, true, Some(&full)), (B, true, Some(&lite))]));
    assert!(!is_lite(&[(A, true, Some(&full)), (B, false, Some(&lite))]), "the one that wants it is out of service");
    assert!(is_lite(&[(A, false, Some(&full)), (B, false, Some(&lite))]), "nobody is in service");
}

#[test]
fn a_hidden_model_can_be_used_and_is_in_no_list() {
    let hidden = CatalogModel { listed: false, ..told("x") };
    let models = pool(&[], &[(A, true, Some(&[hidden.clone(), told("y")]))]);
    assert_eq!((ids(&models), models.get("x").is_some()), (vec!["y"], true));
    // One account that shows it is enough, and so is the configuration.
    let models = pool(&[], &[(A, true, Some(std::slice::from_ref(&hidden))), (B, true, Some(&[told("x")]))]);
    assert_eq!(ids(&models), ["x"]);
    assert_eq!(ids(&pool(&[written("x")], &[(A, true, Some(&[hidden]))])), ["x"]);
}

#[test]
fn facts_that_differ_are_those_that_hold_for_the_model_as_a_whole() {
    let a = CatalogModel {
        context_window: Some(400_000),
        effective_percent: Some(90),
        input_modalities: texts(&["text"]),
        reasoning: Some(false),
        reasoning_summary: Some(false),
        service_tiers: texts(&["priority"]),
        ..told("x")
    };
    let b = CatalogModel {
        display_name: Some("X".to_owned()),
        context_window: Some(1001),
        input_modalities: texts(&["text", "image"]),
        reasoning: Some(true),
        reasoning_summary: Some(true),
        service_tiers: texts(&["flex", "priority"]),
        ..told("x")
    };
    let models = pool(&[], &[(A, true, Some(std::slice::from_ref(&a))), (B, true, Some(&[b]))]);
    let offer = models.get("x").unwrap();
    assert_eq!((offer.facts.context_window, offer.context_length), (Some(1001), Some(900)));
    assert_eq!(
        (offer.display_name.as_str(), offer.reasoning, offer.facts.supports_reasoning_summary),
        ("X", true, true)
    );
    assert_eq!((Some(offer.input_modalities.clone()), offer.facts.supports_images), (texts(&["text", "image"]), true));
    assert_eq!(offer.facts.service_tiers, texts(&["priority", "flex"]));
    // What one of them does not tell is not known of the model.
    let models = pool(&[], &[(A, true, Some(std::slice::from_ref(&a))), (B, true, Some(&[told("x")]))]);
    let offer = models.get("x").unwrap();
    assert_eq!((&offer.facts.service_tiers, offer.facts.supports_images, offer.reasoning), (&None, false, false));
    assert_eq!(pool(&[], &[(A, true, Some(&[told("x")]))]).get("x").unwrap().context_length, None);
}

#[test]
fn what_is_written_goes_over_what_accounts_told() {
    let up = CatalogModel {
        display_name: Some("Up".to_owned()),
        context_window: Some(1000),
        reasoning: Some(true),
        service_tiers: texts(&["flex"]),
        lite: true,
        priority: Some(7),
        ..told("x")
    };
    let model = Model {
        display_name: Some("Mine".to_owned()),
        effective_context_percent: Some(50),
        supports_reasoning: Some(false),
        ..written("x")
    };
    let models = pool(&[model], &[(A, true, Some(&[up, CatalogModel { priority: Some(1), ..told("first") }]))]);
    assert_eq!(ids(&models), ["first", "x"]);
    let offer = models.get("x").unwrap();
    assert_eq!((offer.display_name.as_str(), offer.context_length, offer.reasoning), ("Mine", Some(500), false));
    assert_eq!((&offer.facts.service_tiers, offer.facts.lite), (&texts(&["flex"]), true));
    assert_eq!(offer.facts.sources.as_deref(), Some(&[A][..]));
}

#[test]
fn a_written_model_is_offered_under_its_name_with_the_facts_of_its_upstream_model() {
    let alias = Model { upstream_id: Some("x".to_owned()), ..written("alias") };
    let up = CatalogModel { lite: true, context_window: Some(1000), ..told("x") };
    let models = pool(&[alias, written("unheard-of")], &[(A, true, Some(&[up])), (B, true, Some(&[told("y")]))]);
    assert_eq!(ids(&models), ["alias", "unheard-of", "x", "y"]);
    let facts = &models.get("alias").unwrap().facts;
    assert_eq!((facts.upstream_id.as_str(), facts.lite, facts.context_window), ("x", true, Some(1000)));
    assert_eq!(facts.sources.as_deref(), Some(&[A][..]));
    assert_eq!(models.get("unheard-of").unwrap().facts.sources, None, "the operator says so: any account");
}

#[test]
fn a_model_is_as_old_as_its_first_sight_unless_it_was_configured_from_the_start() {
    let configured = [Model { fallback: true, ..written("standby") }, Model { created: Some(3), ..written("mine") }];
    let all = [told("standby"), told("mine"), told("new")];
    let seen = [("standby", 100), ("mine", 100), ("new", 100), ("gone", 50), ("also-gone", 60)];
    let models = seen_before(&configured, &[(A, true, Some(&all))], &seen);
    let created = |id: &str| models.get(id).unwrap().created;
    assert_eq!((created("standby"), created("mine"), created("new")), (None, Some(3), Some(100)));
    assert_eq!(models.stale, ["also-gone", "gone"]);
    assert!(models.get("gone").is_none());
}

/// A model whose entry is written so.
fn entered(text: &str, behaviour: u8) -> CatalogModel {
    CatalogModel { entry: Some(CatalogEntry { text: text.into(), behaviour: [behaviour; 32] }), ..told("x") }
}

fn entry(models: &PoolModels) -> Option<String> {
    models.get("x").unwrap().entry.as_ref().map(|entry| String::from_utf8(entry.to_vec()).unwrap())
}

#[test]
fn a_native_client_is_shown_one_entry_and_served_by_those_that_told_it() {
    let one = |text, behaviour| [entered(text, behaviour)];
    let (first, second, third) =
        (one(r#"{"slug":"x","n":1}"#, 1), one(r#"{"slug":"x","n":2}"#, 2), one(r#"{"slug":"x","n":3}"#, 2));
    let sources = |models: &PoolModels| models.get("x").unwrap().facts.native_sources.as_ref().unwrap().to_vec();
    // More accounts take requests with the second behaviour, however it is worded.
    let models = pool(&[], &[(A, true, Some(&first)), (B, true, Some(&second)), (C, true, Some(&third))]);
    assert_eq!((entry(&models).as_deref(), sources(&models)), (Some(r#"{"slug":"x","n":2}"#), vec![B, C]));
    assert_eq!(models.get("x").unwrap().facts.sources.as_ref().unwrap().len(), 3, "all of them serve other clients");
    let models = pool(&[], &[(A, true, Some(&first)), (B, false, Some(&second)), (C, false, Some(&third))]);
    assert_eq!((entry(&models).as_deref(), sources(&models)), (Some(r#"{"slug":"x","n":1}"#), vec![A]));
    let models = pool(&[], &[(A, true, Some(&first)), (B, true, Some(&second))]);
    assert_eq!(sources(&models), [A], "the first among equals");
    // What was stored has no entry, and who was not heard of may have it as well.
    let models = pool(&[], &[(A, true, Some(&first)), (B, true, Some(&[told("x")])), (C, true, None)]);
    assert_eq!(sources(&models), [A, B, C]);
}

#[test]
fn a_model_without_an_entry_is_left_out_unless_somebody_wrote_it() {
    assert_eq!(entry(&pool(&[], &[(A, true, Some(&[told("x")]))])), None);
    assert!(entry(&pool(&[written("x")], &[(A, true, Some(&[told("x")]))])).unwrap().contains("\"slug\":\"x\""));
    let fallback = Model { fallback: true, ..written("x") };
    assert_eq!(entry(&pool(&[fallback], &[])), None, "an account will tell it");
    assert!(entry(&pool(&[written("x")], &[])).is_some());
}

#[test]
fn a_key_with_a_list_of_models_has_a_page_of_its_own() {
    let two = [entered(r#"{"slug":"x"}"#, 1), CatalogModel { slug: "y".into(), ..entered(r#"{"slug":"y"}"#, 1) }];
    let models = pool(&[], &[(A, true, Some(&two))]);
    let page = |allowed: Option<&[&str]>| {
        let allowed = allowed.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
        let page = models.page(allowed.as_ref()).unwrap();
        (String::from_utf8(page.body.to_vec()).unwrap(), page.etag.clone())
    };
    let all = page(None);
    assert_eq!((all.0.as_str(), page(None) == all), (r#"{"models":[{"slug":"x"},{"slug":"y"}]}"#, true));
    let own = page(Some(&["y"]));
    assert_eq!((own.0.as_str(), own.1 == all.1), (r#"{"models":[{"slug":"y"}]}"#, false));
    assert_eq!(page(Some(&["z"])).0, r#"{"models":[]}"#, "there is nothing that it could be told of");
    assert!(pool(&[], &[(A, true, Some(&[told("x")]))]).page(None).is_none());
}
