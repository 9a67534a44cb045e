//! Keys, envelopes and digests: what must open opens, and nothing else does.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use pooler_filter::{AccountId, Secret, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::store::records::{KeyDigest, Version};
use crate::store::{Actor, ControlOp, MemoryStore};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A key whose bytes are all this one.
    fn source(&self, id: &str, byte: u8) -> KeySource {
        KeySource::File { id: id.to_owned(), path: self.write(&format!("{id}-{byte}"), [byte; 32], 0o600) }
    }

    fn ring(&self, keys: &[(&str, u8)]) -> Keyring {
        let sources: Vec<KeySource> = keys.iter().map(|(id, byte)| self.source(id, *byte)).collect();
        Keyring::load(&sources).unwrap()
    }
}

fn place(account: u8, kind: SecretKind, version: u64) -> Place {
    Place { account: AccountId::from_bytes([account; 16]), kind, version: Version(version) }
}

const REFRESH: SecretKind = SecretKind::RefreshToken;

// --- sealing

#[test]
fn opens_only_in_its_place() {
    let sealer = Home::new().ring(&[("a", 1)]).sealer();
    let sealed = sealer.seal(&place(1, REFRESH, 7), &Secret::new("rt-secret")).unwrap();
    assert_eq!(sealer.open(&place(1, REFRESH, 7), &sealed).unwrap().expose(), "rt-secret");
    for elsewhere in [place(2, REFRESH, 7), place(1, SecretKind::AccessToken, 7), place(1, REFRESH, 8)] {
        assert_eq!(sealer.open(&elsewhere, &sealed).unwrap_err(), SealError::Refused);
    }
}

#[test]
fn seals_the_same_text_differently_each_time_and_never_in_clear() {
    let sealer = Home::new().ring(&[("a", 1)]).sealer();
    let seal = || sealer.seal(&place(1, REFRESH, 7), &Secret::new("canary-text")).unwrap();
    let (one, two) = (seal(), seal());
    assert_ne!(one, two);
    assert!(!one.windows(6).any(|part| part == b"canary"));
}

#[test]
fn encrypts_with_the_first_key_and_decrypts_with_any() {
    let home = Home::new();
    let old = home.ring(&[("old", 1)]).sealer();
    let both = home.ring(&[("new", 2), ("old", 1)]).sealer();
    let place = place(1, REFRESH, 1);
    let by_old = old.seal(&place, &Secret::new("text")).unwrap();
    assert_eq!(both.open(&place, &by_old).unwrap().expose(), "text");
    assert!(!both.is_current(&by_old) && old.is_current(&by_old));
    let by_new = both.seal(&place, &Secret::new("text")).unwrap();
    assert!(both.is_current(&by_new));
    assert_eq!(old.open(&place, &by_new).unwrap_err(), SealError::MissingKey("new".to_owned()));
    let impostor = home.ring(&[("new", 9)]).sealer();
    assert_eq!(impostor.open(&place, &by_new).unwrap_err(), SealError::Refused);
}

#[test]
fn a_pair_of_tokens_is_sealed_each_for_its_kind() {
    let sealer = Home::new().ring(&[("a", 1)]).sealer();
    let account = AccountId::from_bytes([3; 16]);
    let (refresh, access) = (Secret::new("rt"), Secret::new("at"));
    let expiry = Some(Timestamp::from_secs(9));
    let sealed = sealer.seal_tokens(account, Version(4), &refresh, &access, expiry).unwrap();
    assert_eq!(sealer.open(&place(3, REFRESH, 4), &sealed.refresh).unwrap().expose(), "rt");
    assert_eq!(sealer.open(&place(3, SecretKind::AccessToken, 4), &sealed.access).unwrap().expose(), "at");
    assert_eq!(sealer.open(&place(3, REFRESH, 4), &sealed.access).unwrap_err(), SealError::Refused);
    assert_eq!(sealed.access_expires_at, expiry);
}

proptest! {
    #[test]
    fn any_text_comes_back(text: String) {
        let sealer = Home::new().ring(&[("a", 1)]).sealer();
        let sealed = sealer.seal(&place(1, REFRESH, 1), &Secret::new(text.clone())).unwrap();
        let opened = sealer.open(&place(1, REFRESH, 1), &sealed).unwrap();
        prop_assert_eq!(opened.expose(), text);
    }

    #[test]
    fn a_changed_byte_or_length_does_not_open(at: prop::sample::Index, xor in 1..=255_u8, cut: prop::sample::Index) {
        let sealer = Home::new().ring(&[("a", 1)]).sealer();
        let sealed = sealer.seal(&place(1, REFRESH, 1), &Secret::new("some token")).unwrap();
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= xor;
        prop_assert!(sealer.open(&place(1, REFRESH, 1), &changed).is_err());
        prop_assert!(sealer.open(&place(1, REFRESH, 1), &sealed[..cut.index(sealed.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let sealer = Home::new().ring(&[("a", 1)]).sealer();
        let enveloped = [b"CXS1\x01".as_slice(), &bytes].concat();
        prop_assert!(sealer.open(&place(1, REFRESH, 1), &bytes).is_err());
        prop_assert!(sealer.open(&place(1, REFRESH, 1), &enveloped).is_err());
    }
}

// --- key files

#[test]
fn reads_raw_bytes_and_base64_of_either_alphabet() {
    let home = Home::new();
    let raw = [0xfb; 32];
    let sealed = {
        let source = KeySource::File { id: "k".to_owned(), path: home.write("raw", raw, 0o600) };
        Keyring::load(&[source]).unwrap().sealer().seal(&place(1, REFRESH, 1), &Secret::new("x")).unwrap()
    };
    let forms = [
        "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=\n",
        "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s",
        " -_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=\r\n",
    ];
    for (n, form) in forms.iter().enumerate() {
        let source = KeySource::File { id: "k".to_owned(), path: home.write(&format!("f{n}"), form, 0o400) };
        let sealer = Keyring::load(&[source]).unwrap().sealer();
        assert_eq!(sealer.open(&place(1, REFRESH, 1), &sealed).unwrap().expose(), "x", "{form}");
    }
    let from_variable = key_file::from_variable("KEY", Some(forms[1].to_owned())).unwrap();
    assert_eq!(*from_variable, raw);
}

#[test]
fn refuses_what_is_not_a_key() {
    let home = Home::new();
    for (n, bytes) in
        [&[][..], &[7; 31], &[7; 33], b"not base64 at all, but quite a long text", &[b'A'; 9999]].iter().enumerate()
    {
        let path = home.write(&format!("f{n}"), bytes, 0o600);
        let loaded = Keyring::load(&[KeySource::File { id: "k".to_owned(), path }]);
        assert!(matches!(loaded, Err(SecretsError::Malformed(_))), "{n}: {loaded:?}");
    }
    assert!(matches!(key_file::from_variable("KEY", None), Err(SecretsError::NoVariable(_))));
    let short = key_file::from_variable("KEY", Some("AAAA".to_owned())).unwrap_err();
    assert_eq!(short.to_string(), "the key from $KEY is not 32 bytes, raw or in base64");
    let missing = KeySource::File { id: "k".to_owned(), path: home.path("nowhere") };
    assert!(matches!(Keyring::load(&[missing]), Err(SecretsError::Io { .. })));
    assert!(matches!(Keyring::load(&[]), Err(SecretsError::NoKey)));
}

#[test]
fn refuses_a_file_that_others_can_use_also_behind_a_link() {
    let home = Home::new();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        let path = home.write(&format!("k{mode:o}"), [1; 32], mode);
        let link = home.path(&format!("l{mode:o}"));
        symlink(&path, &link).unwrap();
        for path in [path, link] {
            let loaded = Keyring::load(&[KeySource::File { id: "k".to_owned(), path }]);
            assert!(matches!(loaded, Err(SecretsError::Exposed { mode: found, .. }) if found == mode), "{loaded:?}");
        }
    }
    let link = home.path("good");
    symlink(home.write("private", [1; 32], 0o400), &link).unwrap();
    Keyring::load(&[KeySource::File { id: "k".to_owned(), path: link }]).unwrap();
}

#[test]
fn refuses_bad_and_repeated_ids() {
    let home = Home::new();
    for id in ["", "A", "a b", "ä", &"a".repeat(33)] {
        let path = home.write("key", [1; 32], 0o600);
        let loaded = Keyring::load(&[KeySource::File { id: id.to_owned(), path }]);
        assert!(matches!(loaded, Err(SecretsError::BadId(_))), "{id}");
    }
    let twice = Keyring::load(&[home.source("a", 1), home.source("a", 2)]);
    assert!(matches!(twice, Err(SecretsError::BadId(_))));
}

#[test]
fn the_first_key_is_made_private_complete_and_once() {
    let home = Home::new();
    let path = home.path("secrets.key");
    home.write("secrets.key.new", "left over from a crash", 0o644);
    let (made, created) = Keyring::load_or_create(&path, true).unwrap();
    assert!(created);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (32, 0o600));
    assert!(!home.path("secrets.key.new").exists());
    let (again, created) = Keyring::load_or_create(&path, true).unwrap();
    assert!(!created);
    let sealed = made.sealer().seal(&place(1, REFRESH, 1), &Secret::new("x")).unwrap();
    assert_eq!(again.sealer().open(&place(1, REFRESH, 1), &sealed).unwrap().expose(), "x");
    let (other, _) = Keyring::load_or_create(&home.path("other.key"), true).unwrap();
    assert!(other.sealer().open(&place(1, REFRESH, 1), &sealed).is_err());
}

#[test]
fn no_key_is_made_for_a_used_store_nor_over_anything() {
    let home = Home::new();
    let path = home.path("secrets.key");
    let missing = Keyring::load_or_create(&path, false);
    assert!(matches!(missing, Err(SecretsError::MissingFile(_))));
    assert!(!path.exists());
    symlink(home.path("unmounted"), &path).unwrap();
    assert!(matches!(Keyring::load_or_create(&path, true), Err(SecretsError::Io { .. })));
    assert!(!home.path("unmounted").exists());
}

// --- keys of a store

#[tokio::test]
async fn a_first_start_makes_a_key_and_the_next_one_uses_it() {
    let (home, store) = (Home::new(), MemoryStore::new());
    let path = home.path("secrets.key");
    let first = unlock(&[], &path, &store).await.unwrap();
    assert_eq!(first.created, Some(path.clone()));
    let second = unlock(&[], &path, &store.rebooted()).await.unwrap();
    assert_eq!(second.created, None);
    let sealed = first.keyring.sealer().seal(&place(1, REFRESH, 1), &Secret::new("x")).unwrap();
    assert_eq!(second.keyring.sealer().open(&place(1, REFRESH, 1), &sealed).unwrap().expose(), "x");
    assert_eq!(store.key_marks().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_used_store_without_its_key_is_refused_and_gets_no_new_one() {
    let (home, store) = (Home::new(), MemoryStore::new());
    let path = home.path("secrets.key");
    unlock(&[], &path, &store).await.unwrap();
    fs::remove_file(&path).unwrap();
    assert!(matches!(unlock(&[], &path, &store).await, Err(SecretsError::MissingFile(_))));
    assert!(!path.exists());
    // Another configured key does not help either.
    let other = unlock(&[home.source("b", 1)], &path, &store).await;
    assert!(matches!(other, Err(SecretsError::MissingKey(id)) if id == "local"));
}

#[tokio::test]
async fn a_store_with_data_but_without_marks_gets_no_new_key() {
    let (home, store) = (Home::new(), MemoryStore::new());
    let pool = crate::store::conformance::fixtures::pool("p");
    store.apply(ControlOp::PutPool(pool).into(), &Actor::new("test", Timestamp::from_secs(1))).await.unwrap();
    let path = home.path("secrets.key");
    assert!(matches!(unlock(&[], &path, &store).await, Err(SecretsError::MissingFile(_))));
    assert!(!path.exists());
}

#[tokio::test]
async fn another_key_under_a_known_id_is_refused() {
    let (home, store) = (Home::new(), MemoryStore::new());
    let path = home.path("secrets.key");
    unlock(&[], &path, &store).await.unwrap();
    home.write("secrets.key", [5; 32], 0o600);
    let error = unlock(&[], &path, &store).await.unwrap_err();
    assert_eq!(error.to_string(), "the key `local` does not open this store");
}

#[tokio::test]
async fn keys_are_added_in_front_and_old_ones_stay_needed() {
    let (home, store) = (Home::new(), MemoryStore::new());
    let unused = home.path("secrets.key");
    let (old, new) = (home.source("old", 1), home.source("new", 2));
    unlock(std::slice::from_ref(&old), &unused, &store).await.unwrap();
    let both = unlock(&[new.clone(), old], &unused, &store).await.unwrap();
    assert_eq!(both.keyring.ids().collect::<Vec<_>>(), ["new", "old"]);
    assert!(matches!(unlock(&[new], &unused, &store).await, Err(SecretsError::MissingKey(id)) if id == "old"));
    let changed = [home.source("new", 3), home.source("old", 1)];
    assert!(matches!(unlock(&changed, &unused, &store).await, Err(SecretsError::WrongKey(id)) if id == "new"));
    assert!(!unused.exists(), "configured keys need no file of their own");
}

// --- pool keys

#[test]
fn a_new_pool_key_has_the_form_and_verifies() {
    let peppers = Home::new().ring(&[("a", 1)]).peppers();
    let key = peppers.generate().unwrap();
    assert_eq!(key.text.expose().len(), "sk-cxp-".len() + 12 + 1 + 43);
    let (id, secret) = parse_pool_key(key.text.expose()).unwrap();
    assert_eq!((id, key.pepper_id.as_str()), (key.id, "a"));
    assert!(peppers.verify(secret, Some((&key.digest, "a"))));
    let other = peppers.generate().unwrap();
    let (_, wrong) = parse_pool_key(other.text.expose()).unwrap();
    assert!(!peppers.verify(wrong, Some((&key.digest, "a"))));
    assert!(!peppers.verify(secret, Some((&key.digest, "gone"))));
    assert!(!peppers.verify(secret, None));
    assert!(!peppers.verify("", Some((&KeyDigest([0; 32]), "a"))));
}

#[test]
fn digests_of_older_peppers_still_verify() {
    let home = Home::new();
    let key = home.ring(&[("old", 1)]).peppers().generate().unwrap();
    let (_, secret) = parse_pool_key(key.text.expose()).unwrap();
    let both = home.ring(&[("new", 2), ("old", 1)]).peppers();
    assert!(both.verify(secret, Some((&key.digest, &key.pepper_id))));
    let (digest, pepper) = both.digest(secret);
    assert_eq!(pepper, "new");
    assert_ne!(digest, key.digest);
}

#[test]
fn only_the_exact_form_is_a_pool_key() {
    let secret = "A".repeat(43);
    let good = format!("sk-cxp-0123456789ab-{secret}");
    assert_eq!(parse_pool_key(&good).unwrap().1, secret);
    assert_eq!(parse_pool_key(&format!("  {good}\r\n")).unwrap().0.as_str(), "sk-cxp-0123456789ab");
    for bad in [
        String::new(),
        "sk-cxp-".to_owned(),
        good.replace("sk-", "SK-"),
        good.replace("9ab", "9AB"),
        good.replace("9ab", "9ag"),
        good.replace("9ab-", "9ab_"),
        good.replace("9ab-", "9ab"),
        format!("{good}A"),
        good[..good.len() - 1].to_owned(),
        format!("{}+", &good[..good.len() - 1]),
        format!("{}=", &good[..good.len() - 1]),
        // 43 characters hold two bits more than 32 bytes: they must be zero, so that a key has one text only.
        format!("{}B", &good[..good.len() - 1]),
        format!("{}é", &good[..good.len() - 2]),
        good.replace("0123", "é23"),
        format!("Bearer {good}"),
    ] {
        assert_eq!(parse_pool_key(&bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_key_parser_panic(text: String, tail: String) {
        prop_assert_eq!(parse_pool_key(&text), None);
        let close = format!("sk-cxp-{text}-{tail}");
        prop_assert_eq!(parse_pool_key(&close), None);
    }
}

// --- nothing is printed

#[test]
fn nothing_secret_is_printed() {
    let home = Home::new();
    let ring = home.ring(&[("a", b'Q')]);
    let key = ring.peppers().generate().unwrap();
    let (_, secret) = parse_pool_key(key.text.expose()).unwrap();
    let sealed = ring.sealer().seal_tokens(
        AccountId::from_bytes([1; 16]),
        Version(1),
        &Secret::new("rt"),
        &Secret::new("at"),
        None,
    );
    let printed = format!("{ring:?} {:?} {:?} {key:?} {sealed:?}", ring.sealer(), ring.peppers());
    assert!(!printed.contains(secret), "{printed}");
    for leak in ["81, 81", "QQQQ", "[67, 88", &format!("{:?}", &key.digest.0[..3])[1..]] {
        assert!(!printed.contains(leak), "{leak} in {printed}");
    }
}
