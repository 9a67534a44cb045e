//! What the demo tells: where to connect, with which key, and lines to paste.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use pooler_filter::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::file::write_private;
use crate::cli::Failure;
use crate::server::Running;

/// How long the gateway may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The list of models is far smaller, in bytes.
const MOST: u64 = 1 << 20;

/// How to reach the demo.
#[derive(Debug)]
pub(super) struct Access {
    address: SocketAddr,
    also: Vec<SocketAddr>,
    metrics: Option<SocketAddr>,
    control: Option<String>,
    key: Secret,
}

impl Access {
    pub(super) fn new(running: &Running, key: Secret, control: Option<String>) -> Self {
        let mut addresses = running.addresses().iter().copied();
        let address = addresses.next().unwrap_or(super::ANY);
        Self { address, also: addresses.collect(), metrics: running.operations(), control, key }
    }

    fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    fn backend(&self) -> String {
        format!("http://{}/backend-api/codex", self.address)
    }

    fn metrics(&self) -> Option<String> {
        self.metrics.map(|address| format!("http://{address}/metrics"))
    }

    /// The screen: addresses, key, a curl line and a Python program.
    pub(super) fn print(&self, out: &mut dyn Write, simulated: bool) -> io::Result<()> {
        let (base, key) = (self.base(), self.key.expose());
        writeln!(out, "Codex Pooler demo{}", if simulated { ", with a simulated Codex upstream" } else { "" })?;
        writeln!(out)?;
        writeln!(out, "  base URL   {base}")?;
        for address in &self.also {
            writeln!(out, "             http://{address}/v1")?;
        }
        writeln!(out, "  Codex CLI  {}", self.backend())?;
        if let Some(metrics) = self.metrics() {
            writeln!(out, "  metrics    {metrics}")?;
        }
        if let Some(control) = &self.control {
            writeln!(out, "  faults     {control}/faults")?;
        }
        writeln!(out, "  key        {key}")?;
        writeln!(out)?;
        writeln!(out, "Try it with curl:")?;
        writeln!(out)?;
        writeln!(
            out,
            "  curl {base}/responses -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\"
        )?;
        writeln!(out, "    -d '{{\"model\":\"gpt-5.5\",\"input\":\"Say hello\"}}'")?;
        writeln!(out)?;
        writeln!(out, "or with Python (pip install openai):")?;
        writeln!(out)?;
        writeln!(out, "  from openai import OpenAI")?;
        writeln!(out, "  client = OpenAI(base_url=\"{base}\", api_key=\"{key}\")")?;
        writeln!(out, "  print(client.responses.create(model=\"gpt-5.5\", input=\"Say hello\").output_text)")?;
        writeln!(out, "  for event in client.responses.create(model=\"gpt-5.5\", input=\"Say hello\", stream=True):")?;
        writeln!(out, "      print(event.type)")?;
        writeln!(out)?;
        writeln!(out, "Ctrl-C ends it.")?;
        out.flush()
    }

    /// `NAME=value` lines for scripts, in a file that nobody else can read.
    pub(super) fn write_env(&self, path: &Path) -> Result<(), Failure> {
        let mut lines = vec![
            format!("BASE_URL={}", self.base()),
            format!("KEY={}", self.key.expose()),
            format!("BACKEND_URL={}", self.backend()),
        ];
        lines.extend(self.metrics().map(|url| format!("METRICS_URL={url}")));
        lines.extend(self.control.as_ref().map(|url| format!("SIMULATOR_CONTROL_URL={url}")));
        let text = lines.join("\n") + "\n";
        write_private(path, &text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    }
}

/// Asks until the gateway answers. Without the key, so that the ledger has no row of it.
pub(super) async fn wait_until_it_answers(access: &Access) -> Result<(), Failure> {
    let ask = async {
        loop {
            match answer(access).await {
                Ok(head) if head.starts_with("HTTP/1.1 401") => return,
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ask).await.map_err(|_| Failure::new("the gateway does not answer"))
}

async fn answer(access: &Access) -> io::Result<String> {
    let mut stream = TcpStream::connect(access.address).await?;
    let request = format!("GET /v1/models HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", access.address);
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
