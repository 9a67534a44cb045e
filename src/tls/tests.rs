//! What is refused of certificate files, and what replaces a certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// A directory with the files of a listener.
struct Site {
    dir: TempDir,
    files: Tls,
}

/// A certificate and its key, as PEM.
fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn put(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Tls { listen: Vec::new(), certificate: dir.path().join("c.pem"), key: dir.path().join("k.pem") };
        let site = Self { dir, files };
        let (certificate, key) = made();
        site.certificate(&certificate);
        site.key(&key, 0o600);
        site
    }

    fn certificate(&self, text: &str) {
        put(&self.files.certificate, text, 0o644);
    }

    fn key(&self, text: &str, mode: u32) {
        put(&self.files.key, text, mode);
    }

    /// Which file is refused, and why.
    fn refusal(&self) -> (Part, String) {
        let error = check(std::slice::from_ref(&self.files)).unwrap_err();
        let path = match error.part {
            Part::Certificate => &self.files.certificate,
            Part::Key => &self.files.key,
        };
        assert!(error.to_string().starts_with(&format!("{}: ", path.display())), "{error}");
        (error.part, error.message)
    }
}

#[test]
fn a_certificate_with_its_key_is_taken_also_with_a_key_that_its_group_reads() {
    let site = Site::new();
    check(std::slice::from_ref(&site.files)).unwrap();
    fs::set_permissions(&site.files.key, fs::Permissions::from_mode(0o640)).unwrap();
    check(std::slice::from_ref(&site.files)).unwrap();
}

#[test]
fn the_first_certificate_of_a_chain_is_the_one_of_the_key() {
    let site = Site::new();
    let own = fs::read_to_string(&site.files.certificate).unwrap();
    site.certificate(&format!("{own}{}", made().0));
    check(std::slice::from_ref(&site.files)).unwrap();
    site.certificate(&format!("{}{own}", made().0));
    let (part, message) = site.refusal();
    assert!(part == Part::Key && message.contains("does not belong to the first certificate of"), "{message}");
}

#[test]
fn what_cannot_be_used_is_refused_by_the_name_of_its_file() {
    let (certificate, key) = made();
    let broken = certificate.replace("-----END CERTIFICATE-----", "");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (text, part, reason) in [
        ("", Part::Certificate, "no certificate"),
        (&*key, Part::Certificate, "no certificate"),
        (&*broken, Part::Certificate, "not valid PEM"),
        (nonsense, Part::Certificate, "the first certificate cannot be used"),
        (&*"x".repeat((1 << 20) + 1), Part::Certificate, "larger than 1 MiB"),
        ("", Part::Key, "no private key"),
        (&*certificate, Part::Key, "no private key"),
        (&*encrypted, Part::Key, "encrypted"),
        (no_key, Part::Key, "cannot be used"),
        (&*key, Part::Key, "does not belong"),
    ] {
        let site = Site::new();
        match part {
            Part::Certificate => site.certificate(text),
            Part::Key => site.key(text, 0o600),
        }
        let (refused, message) = site.refusal();
        assert!(refused == part && message.contains(reason), "{reason}: {refused:?} {message}");
        assert!(!message.contains("BEGIN"), "nothing of a file is quoted: {message}");
    }
}

#[test]
fn a_file_that_is_not_there_is_refused_by_its_name() {
    let site = Site::new();
    fs::remove_file(&site.files.key).unwrap();
    assert!(site.refusal().1.contains("No such file"));
    assert_eq!(site.refusal().0, Part::Key);
    fs::remove_file(&site.files.certificate).unwrap();
    assert_eq!(site.refusal().0, Part::Certificate);
    assert!(site.dir.path().exists());
}

#[test]
fn a_key_that_others_may_read_or_change_is_refused() {
    for mode in [0o644, 0o604, 0o660, 0o602, 0o777] {
        let site = Site::new();
        fs::set_permissions(&site.files.key, fs::Permissions::from_mode(mode)).unwrap();
        let (part, message) = site.refusal();
        assert!(part == Part::Key && message.contains(&format!("mode {mode:04o}")), "{message}");
    }
}

#[test]
fn the_second_of_two_listeners_is_named() {
    let (good, bad) = (Site::new(), Site::new());
    bad.key("", 0o600);
    assert_eq!(check(&[good.files.clone(), bad.files.clone()]).unwrap_err().listener, 1);
}

#[test]
fn a_new_certificate_replaces_the_old_one_and_a_broken_one_does_not() {
    let site = Site::new();
    let certificates = Certificates::load(std::slice::from_ref(&site.files)).unwrap();
    let slot = &certificates.slots()[0];
    let first = slot.acceptor();
    certificates.reload_changed();
    assert!(Arc::ptr_eq(&first, &slot.acceptor()), "nothing has changed");

    // The certificate is there before its key: nothing happens until both fit.
    let (certificate, key) = made();
    site.certificate(&certificate);
    certificates.reload_changed();
    assert!(Arc::ptr_eq(&first, &slot.acceptor()));
    assert!(!slot.has_changed(), "it is not read again and again");
    site.key(&key, 0o600);
    certificates.reload_changed();
    let second = slot.acceptor();
    assert!(!Arc::ptr_eq(&first, &second));

    fs::remove_file(&site.files.key).unwrap();
    certificates.reload();
    assert!(Arc::ptr_eq(&second, &slot.acceptor()));
}
