//! Where the bytes of a file may go: the upstream names the address, and a wrong one must not lead into networks that only this machine
//! sees (docs/v1.md, Upload addresses).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Position, Url};

use crate::client::Endpoint;
use crate::config::Origin;

/// Longest address, in bytes.
const LONGEST: usize = 8 * 1024;
/// Names that stand for this machine or for a private network (RFC 6761, RFC 6762, RFC 8375, RFC 9476, and what is in use).
const LOCAL_NAMES: [&str; 11] =
    ["localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "alt"];

/// An address that a file may be uploaded to, as long as the host turns out to stand at public addresses, unless it is trusted.
#[derive(PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) endpoint: Endpoint,
    /// Path and query, which may hold a signature: not for the log.
    pub(super) path: String,
    trusted: bool,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Target {
    /// Reads an address; `trusted` origins are taken whatever they are.
    ///
    /// # Errors
    /// Why it is refused, without any of its text.
    pub(crate) fn read(text: &str, trusted: &[Origin]) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("it is too long");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err("it has white space, control characters or a backslash");
        }
        let url = Url::parse(text).map_err(|_| "it is no URL")?;
        let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = &authority[..authority.find(['/', '?', '#']).unwrap_or(authority.len())];
        if authority.contains('@') {
            return Err("it has a user");
        }
        let origin = url.origin().ascii_serialization();
        let trusted = trusted.iter().any(|known| known.as_str() == origin);
        if !trusted {
            check(&url)?;
        }
        let endpoint = Endpoint::of(&url).ok_or("it has no host")?;
        Ok(Self { endpoint, path: url[Position::BeforePath..Position::AfterQuery].to_owned(), trusted })
    }

    /// Whether this address of the host may be dialled.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.trusted || is_public(address)
    }
}

fn check(url: &Url) -> Result<(), &'static str> {
    if url.scheme() != "https" {
        return Err("it is not https");
    }
    match url.host() {
        None => Err("it has no host"),
        Some(Host::Ipv4(ip)) => is_public(ip.into()).then_some(()).ok_or("its host is not public"),
        Some(Host::Ipv6(ip)) => is_public(ip.into()).then_some(()).ok_or("its host is not public"),
        Some(Host::Domain(name)) => {
            let local = |suffix: &str| name.strip_suffix(suffix).is_some_and(|n| n.is_empty() || n.ends_with('.'));
            let whole = name.contains('.') && !name.ends_with('.');
            (whole && !LOCAL_NAMES.into_iter().any(local)).then_some(()).ok_or("its host is not public")
        }
    }
}

/// Whether an address belongs to one host of the public internet (the registries of special addresses, RFC 6890).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        // This network, private, this machine, multicast, reserved, broadcast.
        [0 | 10 | 127 | 224..=255, ..] => true,
        // Shared by carriers, link-local, private.
        [100, 64..=127, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] => true,
        // Protocol assignments, documentation, relays of 6to4.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => true,
        // Benchmarks.
        [198, 18 | 19, ..] => true,
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // NAT64 stands for the IPv4 address at its end: all of IPv4 in a network without it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        // Protocol assignments with Teredo and ORCHID, documentation, 6to4, documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only this block is global unicast: no mapped address, no local, no link-local, no multicast one.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> &'static str {
        Target::read(text, &[]).unwrap_err()
    }

    #[test]
    fn https_to_a_public_host_is_taken_as_it_is() {
        let target = Target::read("https://files.example.com/a%20b/c?sig=x%2By&z#part", &[]).unwrap();
        assert_eq!(target.path, "/a%20b/c?sig=x%2By&z");
        assert_eq!(target.endpoint, Endpoint::of(&Url::parse("https://files.example.com").unwrap()).unwrap());
        for text in
            ["https://a.b.example:8443/x", "https://8.8.8.8/x", "https://[2606:4700::1111]/", "HTTPS://A.example"]
        {
            assert!(Target::read(text, &[]).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_https_address_is_refused() {
        for (text, why) in [
            ("http://files.example.com/x", "it is not https"),
            ("ftp://files.example.com/x", "it is not https"),
            ("file:///etc/passwd", "it is not https"),
            ("https://user@files.example.com/x", "it has a user"),
            ("https://user:pw@files.example.com/x", "it has a user"),
            ("https://@files.example.com/x", "it has a user"),
            ("https://files.example.com/a b", "it has white space, control characters or a backslash"),
            (" https://files.example.com/", "it has white space, control characters or a backslash"),
            ("https://files.example.com/\n", "it has white space, control characters or a backslash"),
            ("https://files.example.com/\u{7f}", "it has white space, control characters or a backslash"),
            ("https://files.example.com/\u{a0}", "it has white space, control characters or a backslash"),
            ("https:\\\\files.example.com\\", "it has white space, control characters or a backslash"),
            ("files.example.com/x", "it is no URL"),
            ("https://", "it is no URL"),
            ("", "it is no URL"),
        ] {
            assert_eq!(refused(text), why, "{text}");
        }
        assert_eq!(refused(&format!("https://files.example.com/{}", "a".repeat(LONGEST))), "it is too long");
    }

    #[test]
    fn a_name_or_a_literal_of_a_private_network_is_refused() {
        for host in [
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "nas.home.arpa",
            "intranet",
            "files",
            "files.example.com.",
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:8.8.8.8]",
            "[fe80::1]",
            "[fd00::1]",
        ] {
            assert_eq!(refused(&format!("https://{host}/x")), "its host is not public", "{host}");
        }
        assert!(Target::read("https://notlocal/x", &[]).is_err());
        assert!(Target::read("https://my-internal.example.com/x", &[]).is_ok());
    }

    const SPECIAL: &str = "0.0.0.0 0.1.2.3 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 \
        192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 \
        :: ::1 ::ffff:8.8.8.8 ::8.8.8.8 64:ff9b::a00:1 64:ff9b:1::808:808 100::1 2001::1 2001:1ff::1 2001:db8::1 2002:808:808::1 \
        3fff::1 4000::1 fc00::1 fd12::1 fe80::1 fec0::1 ff02::1";
    const PUBLIC: &str = "1.1.1.1 8.8.8.8 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 198.17.0.1 198.20.0.1 223.255.255.255 2001:200::1 \
        2001:4860:4860::8888 2606:4700::1111 64:ff9b::808:808";

    #[test]
    fn only_addresses_of_the_public_internet_are_dialled() {
        for text in SPECIAL.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in PUBLIC.split_whitespace() {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_trusted_origin_is_taken_exactly() {
        let trusted: Vec<Origin> = vec!["http://127.0.0.1:9000".parse().unwrap(), "https://10.0.0.1".parse().unwrap()];
        let loopback = Target::read("http://127.0.0.1:9000/upload?x", &trusted).unwrap();
        assert!(loopback.allows("127.0.0.1".parse().unwrap()));
        assert!(Target::read("https://10.0.0.1:443/x", &trusted).is_ok());
        for text in
            ["http://127.0.0.1:9001/x", "https://127.0.0.1:9000/x", "http://10.0.0.1/x", "http://u@127.0.0.1:9000/x"]
        {
            assert!(Target::read(text, &trusted).is_err(), "{text}");
        }
        assert!(!Target::read("https://a.example/", &trusted).unwrap().allows("127.0.0.1".parse().unwrap()));
    }
}
