//! Listeners: sockets are opened here, so that port 0 works, and handed to Pingora's services by their descriptors.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;

use pingora_core::apps::ServerApp;
use pingora_core::listeners::ListenerConfig;
use pingora_core::protocols::l4::stream::L4BufferSettings;
use pingora_core::server::Fds;
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Runtime;

use super::{StartError, Stop};
use crate::config::Tls;
use crate::tls::{Certificates, Slot};

const BACKLOG: i32 = 65535;
/// Bytes of read and write buffer for each client connection: memory of idle connections is mostly this.
const READ_BUFFER: usize = 4096;
const WRITE_BUFFER: usize = 1460;

/// An open listener.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, StartError> {
        let open = || -> std::io::Result<Self> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            let socket = TcpListener::from(socket);
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        open().map_err(|error| StartError::Listen(address, error))
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Opens all addresses. Where the first has port 0, later ones with port 0 get the same port.
pub(super) fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<Listener>, StartError> {
    let mut listeners: Vec<Listener> = Vec::with_capacity(addresses.len());
    for address in addresses {
        let mut address = *address;
        if let (0, Some(first)) = (address.port(), listeners.first()) {
            address.set_port(first.address().port());
        }
        listeners.push(Listener::bind(address)?);
    }
    Ok(listeners)
}

/// The listeners that share a certificate.
pub(super) struct Secure {
    pub(super) certificate: Arc<Slot>,
    pub(super) listeners: Vec<Listener>,
}

/// Opens the addresses of each certificate.
pub(super) fn bind_secure(certificates: &Certificates, listeners: &[Tls]) -> Result<Vec<Secure>, StartError> {
    let slots = certificates.slots().iter().map(Arc::clone);
    slots
        .zip(listeners)
        .map(|(certificate, tls)| Ok(Secure { certificate, listeners: bind_all(&tls.listen)? }))
        .collect()
}

/// Serves an application on these listeners until told to stop.
pub(super) fn serve<A>(runtime: &Runtime, name: &str, app: A, listeners: Vec<Listener>, stop: Stop)
where
    A: ServerApp + Send + Sync + 'static,
{
    let mut service = Service::new(name.to_owned(), app);
    let mut fds = Fds::new();
    for listener in listeners {
        let address = listener.address.to_string();
        let buffers = L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER);
        service.add_listener(ListenerConfig::tcp(address.clone()).l4_buffer(buffers));
        fds.add(address, listener.socket.into_raw_fd());
    }
    // Pingora shares descriptors behind its own kind of lock.
    let fds = Arc::new(pingora_lock(fds));
    runtime.spawn(async move { service.start_service(Some(fds), stop, 1).await });
}

fn pingora_lock(fds: Fds) -> parking_lot::Mutex<Fds> {
    parking_lot::Mutex::new(fds)
}
