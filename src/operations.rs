//! The listener for operators' tools: `/metrics`, `/healthz`, `/readyz`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use pooler_filter::{Reject, RejectKind};

use crate::server::Lifecycle;
use crate::telemetry::Metrics;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// Answers scrapes and probes. One request a connection.
#[derive(Debug)]
pub(crate) struct Operations {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lifecycle: Arc<Lifecycle>,
}

type Answer = (StatusCode, &'static str, Vec<u8>);

impl Operations {
    fn answer(&self, method: &Method, path: &str) -> Answer {
        let known = matches!(path, "/metrics" | "/healthz" | "/readyz");
        if known && !matches!(*method, Method::GET | Method::HEAD) {
            let reject = Reject::new(RejectKind::MethodNotAllowed, "method_not_allowed", "Method Not Allowed");
            return (reject.status(), JSON, reject.envelope());
        }
        match path {
            "/metrics" => match self.metrics.render() {
                Ok(text) => (StatusCode::OK, TEXT, text),
                Err(error) => {
                    let reject = Reject::internal(error);
                    (reject.status(), JSON, reject.envelope())
                }
            },
            "/healthz" => (StatusCode::OK, JSON, br#"{"status":"ok"}"#.to_vec()),
            "/readyz" if self.lifecycle.is_ready() => (StatusCode::OK, JSON, br#"{"status":"ok"}"#.to_vec()),
            "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, JSON, br#"{"status":"unavailable"}"#.to_vec()),
            _ => {
                let reject = Reject::new(RejectKind::NotFound, "not_found", "Not Found");
                (reject.status(), JSON, reject.envelope())
            }
        }
    }
}

#[async_trait]
impl HttpServerApp for Operations {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let limit = std::time::Duration::from_secs(10);
        if !matches!(tokio::time::timeout(limit, session.read_request()).await, Ok(Ok(true))) {
            return None;
        }
        let head = session.req_header();
        let (status, kind, body) = self.answer(&head.method, head.uri.path());
        let is_head = head.method == Method::HEAD;
        session.set_keepalive(None);
        let head = ResponseHeader::build(status, Some(3)).and_then(|mut head| {
            head.insert_header(header::CONTENT_TYPE, kind)?;
            head.insert_header(header::CONTENT_LENGTH, body.len())?;
            Ok(head)
        });
        let sent = match head {
            Ok(head) => session.write_response_header(Box::new(head)).await,
            Err(error) => Err(error),
        };
        if sent.is_ok() && !is_head && session.write_response_body(Bytes::from(body), true).await.is_err() {
            tracing::debug!("a probe left before its answer");
        }
        if let Err(error) = session.finish().await {
            tracing::debug!(%error, "a probe's connection broke");
        }
        None
    }
}
