//! Settings of what clients meet: listeners, limits, streams.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::{KIB, MIB, loopback, secs};

/// `[gateway]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Addresses to accept on without TLS; none only where `tls` has some. Port 0: any free port.
    pub listen: Vec<SocketAddr>,
    /// Listeners with TLS.
    pub tls: Vec<Tls>,
    /// Whether listeners without TLS serve HTTP/2 to clients that begin with it.
    pub h2c: bool,
    /// How often the files of certificates are looked at for a change; none: never.
    pub certificate_watch: Option<Duration>,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// How long streams may go on after SIGTERM.
    pub shutdown_grace: Duration,
    /// How long an idle client connection stays open.
    pub keep_alive: Duration,
    /// How long a client may take nothing of an answer before it is given up.
    pub write_timeout: Duration,
    /// Bytes a second that a client has to take over a longer time; 0: any byte will do.
    pub write_min_rate: usize,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            listen: vec![loopback(4000)],
            tls: Vec::new(),
            h2c: true,
            certificate_watch: Some(secs(60)),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            shutdown_grace: secs(15 * 60),
            keep_alive: secs(60),
            write_timeout: secs(60),
            write_min_rate: KIB,
        }
    }
}

/// One of `[[gateway.tls]]`: addresses that share a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Addresses to accept on; at least one. Port 0: any free port.
    pub listen: Vec<SocketAddr>,
    /// The certificate and what leads to its root, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// `[operations]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operations {
    /// Whether the listener is there at all.
    pub enabled: bool,
    /// Its address. Port 0: any free port.
    pub listen: SocketAddr,
}

impl Default for Operations {
    fn default() -> Self {
        Self { enabled: true, listen: loopback(9464) }
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A request's head must be there in this time.
    pub head_timeout: Duration,
    /// Largest head of a request, in bytes.
    pub max_head: usize,
    /// Most header lines of a request.
    pub max_header_fields: usize,
    /// The longest pause between two pieces of a body.
    pub body_idle_timeout: Duration,
    /// Bytes a second that a client has to send of a body over a longer time; 0: any byte will do.
    pub body_min_rate: usize,
    /// Time to read and inflate a compressed body.
    pub body_time: Duration,
    /// Largest body, inflated, in bytes.
    pub max_body: usize,
    /// Largest compressed body, in bytes; never above `max_body`.
    pub max_compressed: usize,
    /// How many times its compressed size a body may have.
    pub max_ratio: u32,
    /// Largest zstd window, as the base-2 logarithm of its bytes.
    pub zstd_window_log: u32,
    /// Bytes of all bodies in memory together; at least `max_body`.
    pub body_memory: usize,
    /// How long a request waits for room in `body_memory`.
    pub body_memory_wait: Duration,
    /// How many requests run and wait.
    pub admission: AdmissionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: secs(10),
            max_head: 32 * KIB,
            max_header_fields: 100,
            body_idle_timeout: secs(30),
            body_min_rate: 8 * KIB,
            body_time: secs(10),
            max_body: 64 * MIB,
            max_compressed: 32 * MIB,
            max_ratio: 200,
            zstd_window_log: 23,
            body_memory: 512 * MIB,
            body_memory_wait: secs(5),
            admission: AdmissionLimits::default(),
        }
    }
}

/// `[limits.admission]`: one bulkhead for each class of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Requests that want one answer.
    pub http: Admission,
    /// Requests that want a stream.
    pub stream: Admission,
    /// Turns on websockets.
    pub websocket: Admission,
    /// Compactions.
    pub compact: Admission,
    /// Requests about files.
    pub files: Admission,
    /// Transcriptions.
    pub audio: Admission,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        let class = |running, queued, wait| Admission { running, queued, wait: secs(wait) };
        Self {
            http: class(2048, 512, 10),
            stream: class(2048, 512, 10),
            websocket: class(2048, 512, 10),
            compact: class(64, 16, 10),
            files: class(16, 8, 5),
            audio: class(16, 8, 5),
        }
    }
}

/// One bulkhead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Requests that run at the same time.
    pub running: usize,
    /// Requests that wait for their turn; 0: none waits.
    pub queued: usize,
    /// How long each of them waits.
    pub wait: Duration,
}

/// `[sse]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sse {
    /// A silent stream gets a comment this often; none: never.
    pub keep_alive: Option<Duration>,
}

impl Default for Sse {
    fn default() -> Self {
        Self { keep_alive: Some(secs(10)) }
    }
}

/// `[websocket]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Websocket {
    /// A socket without a turn and without a message of its client is closed after this time.
    pub idle_timeout: Duration,
    /// How old a socket may get: the next turn after that is refused, so that its client connects anew; none: any age.
    pub lifetime: Option<Duration>,
    /// Both peers of a socket are pinged this often; none: never.
    pub ping: Option<Duration>,
}

impl Default for Websocket {
    fn default() -> Self {
        Self { idle_timeout: secs(30 * 60), lifetime: Some(secs(60 * 60)), ping: Some(secs(25)) }
    }
}
