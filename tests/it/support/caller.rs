//! A client that asks the same over every protocol of the gateway.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Answer, Client, Live};
use super::identity::{Identity, listener};
use super::{Gateway, PATIENCE};

/// How requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http1Tls,
    Http2Tls,
    /// HTTP/2 without TLS.
    H2c,
}

impl Protocol {
    pub const fn is_http2(self) -> bool {
        matches!(self, Self::Http2Tls | Self::H2c)
    }
}

/// Headers that HTTP/2 forbids, because they are about a connection.
const CONNECTION_HEADERS: [&str; 5] = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// A client of one gateway over one protocol. Over HTTP/2 all its requests share a connection.
pub struct Caller {
    pub protocol: Protocol,
    client: Client,
    identity: Identity,
    shared: Option<SendRequest<Bytes>>,
}

/// A gateway with a listener for TLS, and the certificate of that one.
pub async fn secure(builder: super::gateway::Builder) -> (Gateway, Identity) {
    let identity = Identity::new();
    let dir = tempfile::tempdir().expect("a directory");
    let files = listener(dir.path());
    identity.write(&files);
    let gateway = builder.tls(files).start().await;
    (gateway, identity)
}

impl Caller {
    pub async fn new(protocol: Protocol, gateway: &Gateway, identity: &Identity) -> Self {
        let address = match protocol {
            Protocol::Http1 | Protocol::H2c => gateway.client.address,
            Protocol::Http1Tls | Protocol::Http2Tls => gateway.running.tls_addresses()[0],
        };
        let client = Client { address, key: gateway.client.key.clone() };
        let shared = match protocol {
            Protocol::Http1 | Protocol::Http1Tls => None,
            Protocol::H2c => Some(h2c(address).await),
            Protocol::Http2Tls => {
                let stream = identity.connect(address, &["h2", "http/1.1"]).await;
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                Some(multiplexed(stream).await)
            }
        };
        Self { protocol, client, identity: identity.clone(), shared }
    }

    /// The same over HTTP/2 without TLS, for a gateway that has none.
    pub async fn h2c(gateway: &Gateway) -> Self {
        Self {
            protocol: Protocol::H2c,
            client: gateway.client.clone(),
            identity: Identity { certificate: String::new(), key: String::new() },
            shared: Some(h2c(gateway.client.address).await),
        }
    }

    pub fn with_key(&self, key: &str) -> Self {
        let client = Client { address: self.client.address, key: key.to_owned() };
        Self { protocol: self.protocol, client, identity: self.identity.clone(), shared: self.shared.clone() }
    }

    /// A connection for HTTP/1.1.
    pub async fn connect(&self) -> Box<dyn super::client::Duplex> {
        match self.protocol {
            Protocol::Http1 => Box::new(TcpStream::connect(self.client.address).await.expect("the gateway listens")),
            Protocol::Http1Tls => {
                let stream = self.identity.connect(self.client.address, &["http/1.1"]).await;
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                Box::new(stream)
            }
            Protocol::Http2Tls | Protocol::H2c => panic!("{:?} has its connection", self.protocol),
        }
    }

    pub const fn client(&self) -> &Client {
        &self.client
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let Some(shared) = &self.shared else {
            let request = self.client.request(method, path, headers, body);
            return Live::over(self.connect().await, &request).await.rest().await;
        };
        let (response, sending) = self.begin(shared, method, path, headers, body.is_empty() && method != "POST").await;
        if let Some(sending) = sending {
            // A refusal may come before everything was sent.
            tokio::spawn(upload(sending, Bytes::copy_from_slice(body)));
        }
        Stream::of(response).await.rest().await
    }

    /// `POST /v1/responses`.
    pub async fn ask(&self, stream: bool) -> Answer {
        let body = serde_json::json!({"model": "gpt-5.5", "input": "Say hello", "stream": stream}).to_string();
        self.send("POST", "/v1/responses", &[("content-type", "application/json")], body.as_bytes()).await
    }

    /// Asks over HTTP/2, and gives the answer as it comes.
    pub async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> ResponseFuture {
        let shared = self.shared.as_ref().expect("HTTP/2");
        let (response, sending) = self.begin(shared, method, path, headers, false).await;
        tokio::spawn(upload(sending.expect("a body"), Bytes::copy_from_slice(body)));
        response
    }

    /// `POST /v1/responses` for a stream, over HTTP/2.
    pub async fn open_stream(&self) -> ResponseFuture {
        let body = serde_json::json!({"model": "gpt-5.5", "input": "Say hello", "stream": true}).to_string();
        self.open("POST", "/v1/responses", &[("content-type", "application/json")], body.as_bytes()).await
    }

    /// Begins a request over HTTP/2 whose body is sent by the test.
    pub async fn begin_upload(&self, path: &str, headers: &[(&str, &str)]) -> (ResponseFuture, SendStream<Bytes>) {
        let shared = self.shared.as_ref().expect("HTTP/2");
        let (response, sending) = self.begin(shared, "POST", path, headers, false).await;
        (response, sending.expect("a body"))
    }

    async fn begin(
        &self,
        shared: &SendRequest<Bytes>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        end: bool,
    ) -> (ResponseFuture, Option<SendStream<Bytes>>) {
        let scheme = if self.protocol == Protocol::Http2Tls { "https" } else { "http" };
        let mut request = Request::builder().method(method).uri(format!("{scheme}://{}{path}", self.client.address));
        if !self.client.key.is_empty() && !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.client.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let ready = timeout(PATIENCE, shared.clone().ready()).await.expect("room for a request");
        let mut shared = ready.expect("the connection is open");
        let (response, sending) = shared.send_request(request.body(()).expect("a request"), end).expect("sent");
        (response, (!end).then_some(sending))
    }
}

async fn h2c(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("the gateway listens");
    stream.set_nodelay(true).expect("a socket");
    multiplexed(stream).await
}

async fn multiplexed(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let shaking = h2::client::handshake(stream);
    let (shared, connection) = timeout(PATIENCE, shaking).await.expect("in time").expect("HTTP/2");
    tokio::spawn(async move {
        // How it ends is told to the streams.
        let _ = connection.await;
    });
    shared
}

async fn upload(mut sending: SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        sending.reserve_capacity(body.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await else { return };
        let piece = body.split_to(room.min(body.len()));
        if sending.send_data(piece, body.is_empty()).is_err() {
            return;
        }
        if body.is_empty() {
            return;
        }
    }
    let _ = sending.send_data(Bytes::new(), true);
}

/// An answer over HTTP/2 that is still coming. Dropping it resets its stream.
pub struct Stream {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    body: RecvStream,
}

impl Stream {
    pub async fn of(response: ResponseFuture) -> Self {
        let response = timeout(PATIENCE, response).await.expect("a head within the patience of the test");
        let (head, body) = response.expect("an answer").into_parts();
        let text = |value: &http::HeaderValue| value.to_str().expect("ASCII").to_owned();
        let headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        for name in CONNECTION_HEADERS {
            assert!(!head.headers.contains_key(name), "HTTP/2 forbids `{name}`");
        }
        Self { status: head.status.as_u16(), headers, body }
    }

    /// The next piece of the body; none at its end. An answer that is cut off is an error.
    pub async fn piece(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let piece = timeout(PATIENCE, self.body.data()).await.expect("a piece within the patience of the test")?;
        if let Ok(piece) = &piece {
            self.body.flow_control().release_capacity(piece.len()).expect("it was received");
        }
        Some(piece)
    }

    pub async fn rest(mut self) -> Answer {
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await {
            body.extend_from_slice(&piece.expect("the whole answer"));
        }
        assert!(self.body.trailers().await.expect("an end").is_none(), "there are no trailers");
        Answer { status: self.status, headers: self.headers, body }
    }
}
