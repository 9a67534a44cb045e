use super::*;

fn found(method: &str, path: &str) -> Found {
    find(&Method::from_bytes(method.as_bytes()).unwrap(), path).unwrap()
}

fn refused(method: &str, path: &str) -> Reject {
    find(&Method::from_bytes(method.as_bytes()).unwrap(), path).unwrap_err()
}

fn example(row: &Row) -> String {
    row.path.replace(":id", "abc_123")
}

#[test]
fn every_row_is_found_by_its_own_path_and_by_a_percent_encoded_one() {
    for row in ROUTES {
        let path = example(row);
        assert_eq!(found(row.method, &path).route.name, row.name);
        let last = path.pop_last();
        assert_eq!(found(row.method, &last).route.name, row.name, "{last}");
    }
}

trait PopLast {
    fn pop_last(&self) -> String;
}

impl PopLast for String {
    /// The same path with its last letter percent-encoded.
    fn pop_last(&self) -> String {
        let (head, last) = self.split_at(self.len() - 1);
        format!("{head}%{:02x}", last.as_bytes()[0])
    }
}

#[test]
fn websockets_are_opened_on_exactly_these_routes() {
    let sockets: Vec<&str> = ROUTES.iter().filter(|r| r.handler == Handler::Websocket).map(|r| r.name).collect();
    let expected = ["GET /v1/responses", "GET /backend-api/codex/responses", "GET /backend-api/codex/v1/responses"];
    assert_eq!(sockets, expected);
}

#[test]
fn under_v1_nothing_is_unknown_before_authentication() {
    for (method, path) in [
        ("GET", "/v1/realtime"),
        ("POST", "/v1/realtime/sessions"),
        ("PUT", "/v1/responses"),
        ("DELETE", "/v1/models"),
        ("POST", "/v1/no/such/thing"),
        ("GET", "/v1"),
        ("GET", "/%76%31/x"),
    ] {
        let found = found(method, path);
        assert_eq!((found.handler, found.route.surface), (Handler::Refuse, Surface::V1), "{method} {path}");
        assert_eq!(found.route.operation, Operation::Unsupported);
    }
}

#[test]
fn elsewhere_an_unknown_path_is_404_and_a_wrong_method_405_that_says_what_is_allowed() {
    for path in ["/", "/v2/responses", "/backend-api", "/metrics", "/backend-api/codex/alpha/search", "/v10/x"] {
        let reject = refused("GET", path);
        assert_eq!((reject.status().as_u16(), reject.code_str()), (404, "not_found"), "{path}");
    }
    let reject = refused("DELETE", "/backend-api/codex/responses");
    assert_eq!((reject.status().as_u16(), reject.code_str()), (405, "method_not_allowed"));
    assert_eq!(reject.headers["allow"], "POST, GET");
}
