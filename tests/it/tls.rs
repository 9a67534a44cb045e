//! TLS: what a certificate must be, how it is replaced, who may connect, and real clients.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use codex_pooler::config::Tls;
use rustix::process::Signal;
use rustls::HandshakeKind;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::program::{Program, Site};
use crate::support::client::Live;
use crate::support::identity::{Identity, connect_with, listener};
use crate::support::{Client, Gateway, PATIENCE, eventually};

/// A gateway with a certificate whose files the test may change.
struct Secure {
    gateway: Gateway,
    identity: Identity,
    files: Tls,
    _dir: TempDir,
}

impl Secure {
    async fn start(change: impl FnOnce(&mut codex_pooler::config::Settings) + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (identity, files) = (Identity::new(), listener(dir.path()));
        identity.write(&files);
        let gateway = Gateway::builder().accounts(1).tls(files.clone()).settings(change).start().await;
        Self { gateway, identity, files, _dir: dir }
    }

    fn client(&self) -> Client {
        Client { address: self.gateway.running.tls_addresses()[0], key: self.gateway.client.key.clone() }
    }

    async fn accepts(&self, identity: &Identity) -> bool {
        identity.try_connect(self.client().address, &["http/1.1"]).await.is_ok()
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_running_ones_go_on() {
    let site = Secure::start(|settings| settings.gateway.certificate_watch = None).await;
    let client = site.client();
    let stream = site.identity.connect(client.address, &["http/1.1"]).await;
    let live = Live::over(Box::new(stream), &client.request("GET", "/v1/models", &[], b"")).await;
    let mut live = live;
    assert_eq!(live.rest().await.status, 200);

    let next = Identity::new();
    next.write(&site.files);
    assert!(site.accepts(&site.identity).await, "nobody was told yet");
    site.gateway.running.reload_certificates().await;
    assert!(site.accepts(&next).await);
    assert!(!site.accepts(&site.identity).await, "the old one is not used any more");
    let mut live = live.again(client.request("GET", "/v1/usage", &[], b"")).await;
    assert_eq!(live.rest().await.status, 200, "what was there before goes on");

    // One that cannot be used changes nothing.
    fs::write(&site.files.certificate, "nothing").unwrap();
    site.gateway.running.reload_certificates().await;
    assert!(site.accepts(&next).await);
}

#[tokio::test]
async fn a_session_is_resumed_until_there_is_another_certificate() {
    let site = Secure::start(|settings| settings.gateway.certificate_watch = None).await;
    let client = site.client();
    let connector = site.identity.connector(&["http/1.1"]);
    for wanted in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let stream = connect_with(&connector, client.address).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(wanted));
        // The ticket for the next session comes with the answer.
        let mut live = Live::over(Box::new(stream), &client.request("GET", "/v1/models", &[], b"")).await;
        assert_eq!(live.rest().await.status, 200);
    }
    Identity::new().write(&site.files);
    site.gateway.running.reload_certificates().await;
    assert!(connect_with(&connector, client.address).await.is_err(), "it sees the new certificate");
}

#[tokio::test]
async fn files_that_change_are_seen() {
    let site = Secure::start(|settings| settings.gateway.certificate_watch = Some(Duration::from_millis(20))).await;
    let next = Identity::new();
    next.write(&site.files);
    eventually("the new certificate is used", || site.accepts(&next)).await;
    fs::remove_file(&site.files.key).unwrap();
    assert!(site.accepts(&next).await);
    let last = Identity::new();
    last.write(&site.files);
    eventually("the last certificate is used", || site.accepts(&last)).await;
}

/// Sends these bytes, and waits until the connection ends.
async fn ends(client: &Client, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the end of the connection");
    rest
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_left_at_the_deadline_of_a_head() {
    const SOON: Duration = Duration::from_millis(200);
    let site = Secure::start(|settings| settings.limits.head_timeout = SOON).await;
    // Nothing, and the beginning of a first message that says it is longer.
    for begun in [&b""[..], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]] {
        let since = Instant::now();
        assert!(ends(&site.client(), begun).await.is_empty());
        assert!(since.elapsed() >= SOON);
    }
}

#[tokio::test]
async fn who_speaks_no_tls_or_no_protocol_of_ours_is_not_served() {
    let site = Secure::start(|_| {}).await;
    let client = site.client();
    let rest = ends(&client, &client.request("GET", "/v1/models", &[], b"")).await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    let preface = ends(&client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(!preface.starts_with(&[0, 0]), "{preface:?}");
    assert!(site.identity.try_connect(client.address, &["spdy/3"]).await.is_err());
    // A client that names no protocol speaks HTTP/1.1.
    let stream = site.identity.connect(client.address, &[]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    let mut live = Live::over(Box::new(stream), &client.request("GET", "/v1/models", &[], b"")).await;
    assert_eq!(live.rest().await.status, 200);
}

/// A site with a certificate beside its configuration.
async fn site(more: &str) -> (Site, Identity, Tls) {
    let table =
        format!("[[gateway.tls]]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n{more}");
    let site = Site::with("", &table).await;
    let (identity, files) = (Identity::new(), listener(site.dir.path()));
    identity.write(&files);
    (site, identity, files)
}

#[tokio::test]
async fn check_and_serve_name_file_line_and_key_of_a_certificate_that_cannot_be_used() {
    let (site, _, files) = site("").await;
    assert!(site.run(&["check"]).await.ok().out.ends_with("gateway.toml: ok\n"));
    let place = |line: usize, key: &str| format!("{}:{line}:", site.config().display()) + "#" + key;
    let line = |key: &str| {
        let text = fs::read_to_string(site.config()).unwrap();
        text.lines().position(|line| line.starts_with(key)).unwrap() + 1
    };
    let refused = async |key: &str, reason: &str| {
        let wanted = place(line(key), key);
        let (start, _) = wanted.split_once('#').unwrap();
        for command in ["check", "serve"] {
            let ended = site.run(&[command]).await;
            assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{command} {ended:?}");
            let told = ended.err.lines().find(|line| line.starts_with("codex-pooler: ")).unwrap_or_default();
            assert!(told.contains(start) && told.contains(reason), "{told}\n{start} {reason}");
            assert!(told.contains(&format!("gateway.tls[0].{key}: ")), "{told}");
        }
    };
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).unwrap();
    refused("key", "mode 0644").await;
    Identity::new().write(&files);
    fs::write(&files.certificate, Identity::new().certificate).unwrap();
    refused("key", "does not belong to the first certificate").await;
    fs::write(&files.certificate, "").unwrap();
    refused("certificate", "no certificate").await;
    fs::remove_file(&files.certificate).unwrap();
    refused("certificate", "No such file").await;
    // Commands that need no certificate go on.
    site.run(&["pool", "list"]).await.ok();
    site.run(&["check", "--without-certificates"]).await.ok();
}

#[tokio::test]
async fn sighup_reads_certificates_again_and_ends_nothing() {
    let (site, first, files) = site("").await;
    let mut program = site.start(&["serve"]);
    let address = program.line("listening on https://").await.parse().unwrap();
    let client = Client { address, key: String::new() };
    let stream = first.connect(address, &["http/1.1"]).await;
    let mut live = Live::over(Box::new(stream), &client.request("GET", "/nowhere", &[], b"")).await;
    assert_eq!(live.rest().await.status, 404);

    let next = Identity::new();
    next.write(&files);
    program.signal(Signal::HUP);
    eventually("the new certificate is used", || async { next.try_connect(address, &["h2"]).await.is_ok() }).await;
    let mut live = live.again(client.request("GET", "/nowhere", &[], b"")).await;
    assert_eq!(live.rest().await.status, 404);

    fs::write(&files.key, "nothing").unwrap();
    program.signal(Signal::HUP);
    eventually("the failure is told", || async { program.stderr().contains("cannot be replaced") }).await;
    assert!(program.stderr().contains("key.pem: there is no private key in it"), "{}", program.stderr());
    next.connect(address, &["h2"]).await;
    assert_eq!(program.stop(Signal::TERM).await.0.code, Some(0));
}

#[tokio::test]
async fn sighup_without_any_certificate_ends_nothing_either() {
    let site = Site::new().await;
    let server = site.serve().await;
    server.program.signal(Signal::HUP);
    eventually("it was taken", || async { server.program.stderr().contains("read again") }).await;
    assert_eq!(server.ready().await, 200);
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
}

#[tokio::test]
async fn the_example_with_tls_is_a_configuration_once_its_files_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/tls.toml");
    let file = dir.path().join("tls.toml");
    fs::copy(example, &file).unwrap();
    let check = |more: &'static [&'static str]| {
        let args =
            ["check", "--config", file.to_str().unwrap()].into_iter().chain(more.iter().copied()).map(str::to_owned);
        Program::start(args.collect::<Vec<_>>()).end()
    };
    let refused = check(&[]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("gateway.tls[0].certificate: "), "{refused:?}");
    check(&["--without-certificates"]).await.ok();
    fs::create_dir(dir.path().join("tls")).unwrap();
    let files = Tls {
        listen: Vec::new(),
        certificate: dir.path().join("tls/fullchain.pem"),
        key: dir.path().join("tls/privkey.pem"),
    };
    Identity::new().write(&files);
    check(&[]).await.ok();
}

/// Asks with curl, where it is installed: the version of HTTP that it says it spoke, the status, and the body.
fn curl(dir: &Path, args: &[&str]) -> Option<(String, String, String)> {
    let written = ["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_version} %{http_code}"];
    let done = Process::new("curl").current_dir(dir).args(written).args(args).output().ok()?;
    assert!(done.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    let (body, last) = text.rsplit_once('\n').unwrap();
    let (version, status) = last.split_once(' ').unwrap();
    Some((version.to_owned(), status.to_owned(), body.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_speaks_every_protocol() {
    let site = Secure::start(|_| {}).await;
    let dir = site.files.certificate.parent().unwrap().to_owned();
    let bearer = format!("authorization: Bearer {}", site.gateway.client.key);
    let stream = json!({"model": "gpt-5.5", "input": "Say hello", "stream": true}).to_string();
    let large = json!({"model": "gpt-5.5", "input": "x".repeat(3_000_000)}).to_string();
    fs::write(dir.join("large.json"), large).unwrap();
    let (plain, secure) = (site.gateway.client.address.port(), site.client().address.port());
    let ways = [
        ("http", plain, "--http1.1", "1.1"),
        ("http", plain, "--http2-prior-knowledge", "2"),
        ("https", secure, "--http1.1", "1.1"),
        ("https", secure, "--http2", "2"),
    ];
    for (scheme, port, flag, version) in ways {
        let url = |path: &str| format!("{scheme}://localhost:{port}{path}");
        let common = ["--ipv4", "--cacert", "cert.pem", flag, "-H", bearer.as_str()];
        let ask = |more: &[&str]| {
            let args = [&common[..], more].concat();
            tokio::task::block_in_place(|| curl(&dir, &args))
        };
        let Some(models) = ask(&[&url("/v1/models")]) else {
            tracing::warn!("curl is not installed");
            return;
        };
        assert_eq!((models.0.as_str(), models.1.as_str()), (version, "200"), "{flag}");
        let json = ["-H", "content-type: application/json"];
        let (_, status, body) = ask(&[&json[..], &["-d", &stream, &url("/v1/responses")]].concat()).unwrap();
        assert!(status == "200" && body.contains("event: response.completed"), "{flag} {body}");
        let (_, status, body) = ask(&[&json[..], &["-d", "@large.json", &url("/v1/responses")]].concat()).unwrap();
        assert!(status == "200" && body.contains("\"completed\""), "{flag} {status}");
        let file = ["-F", "purpose=batch", "-F", "file=@large.json;type=application/json"];
        let (_, status, body) = ask(&[&file[..], &[&url("/v1/files")]].concat()).unwrap();
        assert!(status == "200" && body.contains("\"processed\""), "{flag} {status} {body}");
        let (_, status, _) = ask(&["-X", "DELETE", &url("/v1/files/nothing")]).unwrap();
        assert_eq!(status, "404", "{flag}");
    }
}
