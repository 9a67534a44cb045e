use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::*;

#[test]
fn an_endpoint_has_the_parts_of_its_origin() {
    let table = [
        ("https://chatgpt.com", true, "chatgpt.com", 443, "chatgpt.com"),
        ("http://127.0.0.1:9000", false, "127.0.0.1", 9000, "127.0.0.1:9000"),
        ("http://[::1]:9000", false, "::1", 9000, "[::1]:9000"),
        ("https://a.example:8443", true, "a.example", 8443, "a.example:8443"),
    ];
    for (text, tls, host, port, authority) in table {
        let endpoint = Endpoint::from(&text.parse::<Origin>().unwrap());
        assert_eq!(endpoint, Endpoint { tls, host: host.into(), port, authority: authority.into() });
    }
}

fn client(connect_timeout: Duration) -> Arc<Client> {
    let minute = Duration::from_secs(60);
    Client::new(ClientOptions {
        connect_timeout,
        idle_timeout: minute,
        pool_idle: minute,
        pool_size: 8,
        resolve_ttl: minute,
    })
}

#[tokio::test]
async fn only_an_address_that_is_allowed_is_dialled() {
    let (inside, outside) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.2:0").await.unwrap());
    let client = client(Duration::from_secs(10));
    let to = named(&client, &[inside.local_addr().unwrap(), outside.local_addr().unwrap()]);
    let allowed = outside.local_addr().unwrap().ip();
    let connection = client.connect_checked(&to, &|ip| ip == allowed).await.unwrap();
    assert!(!connection.reused());
    outside.accept().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), inside.accept()).await.is_err(), "nobody knocked inside");
    let refused = client.connect_checked(&to, &|ip| ip.is_unspecified()).await.unwrap_err();
    assert!(refused.to_string().ends_with("no address of the host may be dialled"), "{refused}");
}

/// An address whose queue of connections is full: those that knock get no answer.
struct Deaf {
    address: SocketAddr,
    _listener: socket2::Socket,
    _queue: Vec<socket2::Socket>,
}

impl Deaf {
    fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queue = Vec::new();
        loop {
            let caller = socket();
            match caller.connect_timeout(&address.into(), Duration::from_millis(200)) {
                Ok(()) => queue.push(caller),
                Err(_) => return Self { address, _listener: listener, _queue: queue },
            }
        }
    }
}

fn named(client: &Client, addresses: &[SocketAddr]) -> Endpoint {
    client.resolver.remember(("a.example".to_owned(), 80), &addresses.into(), Duration::from_secs(60));
    Endpoint { tls: false, host: "a.example".into(), port: 80, authority: "a.example".into() }
}

#[tokio::test]
async fn one_deadline_holds_for_all_addresses() {
    let (deaf, limit) = (Deaf::new(), Duration::from_millis(600));
    let client = client(limit);
    let endpoint = named(&client, &[deaf.address; 4]);
    let since = Instant::now();
    assert!(matches!(client.connect(&endpoint).await, Err(NetError::Connect(..))));
    assert!(since.elapsed() < limit * 2, "{:?}", since.elapsed());
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let (deaf, limit) = (Deaf::new(), Duration::from_secs(2));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(limit);
    let endpoint = named(&client, &[deaf.address, listener.local_addr().unwrap()]);
    let since = Instant::now();
    client.connect(&endpoint).await.unwrap();
    assert!(since.elapsed() < limit, "{:?}", since.elapsed());
}
