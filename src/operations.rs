//! The listener for operators' tools: `/metrics`, `/healthz`, `/readyz`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use pooler_filter::{Reject, RejectKind};
use tokio::time::timeout;

use crate::disk::{self, DiskGuard};
use crate::server::Lifecycle;
use crate::telemetry::Metrics;

/// How long a probe may take to ask, and to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// Answers scrapes and probes. One request a connection.
#[derive(Debug)]
pub(crate) struct Operations {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) disk: Arc<DiskGuard>,
    /// The directory of the store.
    pub(crate) store: PathBuf,
}

type Answer = (StatusCode, &'static str, Vec<u8>);

impl Operations {
    /// All metrics; what nobody counts is measured now.
    fn scraped(&self) -> prometheus::Result<Vec<u8>> {
        self.metrics.disk(self.disk.free(), disk::size_of(&self.store).ok());
        self.metrics.render()
    }

    fn answer(&self, method: &Method, path: &str) -> Answer {
        let known = matches!(path, "/metrics" | "/healthz" | "/readyz");
        if known && !matches!(*method, Method::GET | Method::HEAD) {
            let reject = Reject::new(RejectKind::MethodNotAllowed, "method_not_allowed", "Method Not Allowed");
            return (reject.status(), JSON, reject.envelope());
        }
        match path {
            "/metrics" => match self.scraped() {
                Ok(text) => (StatusCode::OK, TEXT, text),
                Err(error) => {
                    let reject = Reject::internal(error);
                    (reject.status(), JSON, reject.envelope())
                }
            },
            "/healthz" => (StatusCode::OK, JSON, br#"{"status":"ok"}"#.to_vec()),
            "/readyz" if self.lifecycle.is_ready() && !self.disk.is_low() => {
                (StatusCode::OK, JSON, br#"{"status":"ok"}"#.to_vec())
            }
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
        if !matches!(timeout(PATIENCE, session.read_request()).await, Ok(Ok(true))) {
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
        let sending = async {
            session.write_response_header(Box::new(head?)).await?;
            if !is_head {
                session.write_response_body(Bytes::from(body), true).await?;
            }
            session.finish().await
        };
        match timeout(PATIENCE, sending).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a probe left before its answer"),
            Err(_) => tracing::debug!("a probe did not take its answer"),
        }
        None
    }
}
