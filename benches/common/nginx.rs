//! nginx as a reverse proxy without buffering, with connections to the upstream kept, where it is installed.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use super::child::{self, Child};

pub(crate) async fn start(upstream: SocketAddr) -> io::Result<Option<(Child, SocketAddr)>> {
    let known = Command::new("nginx").arg("-v").stderr(Stdio::null()).status();
    if !known.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let (dir, address) = (child::directory()?, child::free_address()?);
    let threads = available_parallelism().map_or(1, usize::from);
    let file = dir.path().join("nginx.conf");
    std::fs::write(&file, config(upstream, address, threads))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(dir.path()).arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let child = Child::spawn(&mut command, Some(dir))?;
    child::wait_for(address).await?;
    Ok(Some((child, address)))
}

fn config(upstream: SocketAddr, address: SocketAddr, threads: usize) -> String {
    format!(
        "daemon off; pid nginx.pid; error_log stderr crit; worker_processes {threads};
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  keepalive_requests 100000000; client_max_body_size 0;
  upstream codex {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://codex; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_buffering off; proxy_request_buffering off;
    }}
  }}
}}
"
    )
}
