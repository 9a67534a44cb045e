//! Which refusal wins, for every pool and route (docs/v1.md, Order of checks and Unsupported endpoints).

use pooler_filter::testing::{ExchangeBuilder, FakePorts, chain_of, key_facts, write};
use pooler_filter::{KeyFacts, Reached};

use super::*;

const RESPONSES: Route =
    Route { name: "POST /v1/responses", operation: Operation::Responses, surface: Surface::V1, images: false };
const UNSUPPORTED: Route = Route { operation: Operation::Unsupported, ..RESPONSES };
const IMAGES: Route = Route { images: true, ..RESPONSES };

fn pool(change: impl FnOnce(&mut PoolFacts)) -> Arc<PoolFacts> {
    let mut pool = (*key_facts().pool).clone();
    change(&mut pool);
    Arc::new(pool)
}

async fn ask(route: Route, pool: Arc<PoolFacts>) -> (Result<Flow, Reject>, Exchange) {
    let gate = chain_of::<RouteGate>("", &FakePorts::new().ports()).unwrap();
    let mut cx = ExchangeBuilder::responses().route(route).build();
    write(&mut cx, Principal(Arc::new(KeyFacts { pool, ..key_facts() })));
    let flow = gate.request_headers(&mut cx, &mut Reached::default()).await;
    (flow, cx)
}

async fn refused(route: Route, pool: Arc<PoolFacts>) -> Reject {
    let (flow, cx) = ask(route, pool).await;
    assert!(cx.get::<Permit>().is_none(), "a refused request has no permit");
    flow.unwrap_err()
}

#[tokio::test]
async fn an_open_route_of_an_open_pool_gets_its_permit() {
    for route in [RESPONSES, IMAGES, Route { surface: Surface::Native, ..RESPONSES }] {
        let (flow, cx) = ask(route, pool(|_| {})).await;
        assert!(matches!(flow, Ok(Flow::Continue)));
        assert!(cx.get::<Permit>().is_some());
    }
}

#[tokio::test]
async fn a_pool_without_v1_refuses_v1_alone() {
    let closed = || pool(|p| p.v1_enabled = false);
    let reject = refused(RESPONSES, closed()).await;
    let told = (reject.status().as_u16(), reject.code_str(), &*reject.message);
    let expected = (403, "v1_compatibility_disabled", "OpenAI /v1 compatibility is disabled for this pool");
    assert_eq!(told, expected);
    assert!(ask(Route { surface: Surface::Native, ..RESPONSES }, closed()).await.0.is_ok());
}

#[tokio::test]
async fn an_unsupported_endpoint_has_exactly_this_body() {
    let reject = refused(UNSUPPORTED, pool(|_| {})).await;
    assert_eq!(reject.status().as_u16(), 404);
    assert_eq!(
        String::from_utf8(reject.envelope()).unwrap(),
        r#"{"error":{"message":"Unsupported OpenAI /v1 endpoint","type":"invalid_request_error","code":"unsupported_endpoint","param":null}}"#
    );
}

#[tokio::test]
async fn the_v1_gate_comes_before_the_unsupported_endpoint() {
    let reject = refused(UNSUPPORTED, pool(|p| p.v1_enabled = false)).await;
    assert_eq!(reject.code_str(), "v1_compatibility_disabled");
}

#[tokio::test]
async fn the_unsupported_endpoint_comes_before_image_permission() {
    let reject = refused(Route { images: true, ..UNSUPPORTED }, pool(|p| p.images_allowed = false)).await;
    assert_eq!(reject.code_str(), "unsupported_endpoint");
}

#[tokio::test]
async fn a_pool_without_images_refuses_image_routes_on_both_surfaces() {
    let closed = || pool(|p| p.images_allowed = false);
    for surface in [Surface::V1, Surface::Native] {
        let reject = refused(Route { surface, ..IMAGES }, closed()).await;
        let told = (reject.status().as_u16(), reject.code_str(), &*reject.message);
        assert_eq!(told, (403, "image_generation_disabled", "Image generation is disabled for this pool"));
    }
    assert!(ask(RESPONSES, closed()).await.0.is_ok());
}

#[test]
fn it_has_no_configuration() {
    assert!(chain_of::<RouteGate>("v1 = true", &FakePorts::new().ports()).is_err());
}
