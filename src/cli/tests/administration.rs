//! Administration, with a gateway and without one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pooler_filter::Clock;
use serde_json::json;
use tokio::sync::oneshot;

use super::*;

/// An empty data directory and commands in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        crate::admin::prepare_dir(dir.path()).unwrap();
        Self(dir)
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, b"")
    }

    fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        let args = [args, &["--data", self.dir().to_str().unwrap()]].concat();
        super::run_with(&Recorder::default(), &args, input)
    }

    fn store(&self) -> Arc<SledStore> {
        Arc::new(SledStore::open(&SledOptions::new(self.dir().join("store"))).unwrap())
    }
}

fn auth_json() -> Vec<u8> {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = json!({ "exp": SystemClock.now().as_secs() + 3600, "email": "a@example.com" });
    let token = format!("{}.{}.{}", part("{}"), part(&claims.to_string()), part("canary"));
    let tokens = json!({ "id_token": token, "access_token": token, "refresh_token": "rt-canary", "account_id": "acc" });
    json!({ "auth_mode": "chatgpt", "tokens": tokens }).to_string().into_bytes()
}

#[test]
fn an_installation_is_set_up_without_a_gateway() {
    let place = Place::new();
    let first = place.run(&["pool", "create", "team", "--json"]);
    assert_eq!(first.one()["slug"], "team");
    assert!(first.err.contains("secrets.key") && first.err.contains("back it up"), "{first:?}");

    let made = place.run(&[
        "key",
        "create",
        "--pool",
        "team",
        "--name",
        "laptop",
        "--expires",
        "30d",
        "--models",
        "A,b",
        "--json",
    ]);
    assert_eq!(made.err, "", "the root key is made once");
    let made = made.one();
    assert!(crate::secrets::parse_pool_key(made["key"].as_str().unwrap()).is_some());
    assert_eq!(made["models"], json!(["a", "b"]));
    let keys = place.run(&["key", "list", "--json"]).one();
    assert_eq!((&keys["id"], keys.get("key")), (&made["id"], None));

    let file = place.dir().join("auth.json");
    std::fs::write(&file, auth_json()).unwrap();
    let imported = place.run(&["account", "import", file.to_str().unwrap(), "--pool", "team", "--json"]);
    assert!(
        imported.err.contains("warning") && imported.err.contains("must not be used anywhere else"),
        "{imported:?}"
    );
    assert_eq!(imported.one()["status"], "active");
    let again =
        place.run_with(&["account", "import", "-", "--pool", "team", "--label", "mine", "--json"], &auth_json());
    assert_eq!((&again.one()["label"], &again.one()["token_version"]), (&json!("mine"), &json!(2)));

    for (verb, status) in [("pause", "paused"), ("resume", "active"), ("remove", "deleted")] {
        assert_eq!(place.run(&["account", verb, "mine", "--json"]).one()["status"], status);
    }
    assert_eq!(place.run(&["key", "revoke", "laptop", "--json"]).one()["status"], "revoked");
    let set =
        ["pool", "set", "team", "--v1-compatibility", "off", "--ring-size", "2", "--status", "disabled", "--json"];
    let pool = place.run(&set).one();
    assert_eq!(
        (&pool["v1_compatibility"], &pool["ring_size"], &pool["status"]),
        (&json!(false), &json!(2), &json!("disabled"))
    );
    assert!(place.run(&["requests", "list", "--json"]).json().is_empty());
    assert!(!place.dir().join("admin.sock").exists());
}

#[test]
fn people_get_columns_and_the_key_once() {
    let place = Place::new();
    place.run(&["pool", "create", "team"]);
    let made = place.run(&["key", "create", "--pool", "team", "--name", "laptop"]);
    let key = made.out.lines().next().unwrap();
    let (id, secret) = crate::secrets::parse_pool_key(key).unwrap();
    assert_eq!(made.out.matches(secret).count(), 1);
    let listed = place.run(&["key", "list"]).out;
    assert!(listed.starts_with("KEY ") && listed.contains(id.as_str()) && !listed.contains(secret), "{listed}");
    let pools = place.run(&["pool", "list"]).out;
    assert_eq!(pools.lines().count(), 2);
    assert_eq!(pools.find("STATUS"), pools.lines().nth(1).unwrap().find("active"), "{pools}");
    assert_eq!(place.run(&["account", "list"]).out, "nothing found\n");
    let shown = place.run(&["pool", "show", "team"]).out;
    assert!(shown.contains("cache affinity  on\n"), "{shown}");
}

#[test]
fn refusals_are_one_line_with_their_code() {
    let place = Place::new();
    place.run(&["pool", "create", "team"]);
    place.run(&["pool", "create", "team"]).refused(1, "conflict: ");
    place.run(&["pool", "show", "other"]).refused(1, "not_found: there is no pool `other`");
    place.run(&["requests", "show", "0123456789"]).refused(1, "not_found: ");
    place.run(&["account", "import", "-", "--pool", "team"]).refused(1, "invalid_auth_json: ");
    place.run_with(&["account", "import", "-", "--pool", "team"], &[0xff]).refused(1, "invalid_auth_json: ");
    let long = vec![b' '; 64 * 1024 + 1];
    place.run_with(&["account", "import", "-", "--pool", "team"], &long).refused(1, "larger than 65536 bytes");
    place.run(&["account", "import", "/nonexistent", "--pool", "team"]).refused(1, "/nonexistent: ");
    let simulated = ["account", "import", "-", "--pool", "team", "--simulated"];
    place.run_with(&simulated, &auth_json()).refused(1, "simulated_account: ");
}

#[test]
fn reading_makes_no_store() {
    let place = Place::new();
    let dir = place.dir().join("none");
    let ran = super::ran(&["pool", "list", "--data", dir.to_str().unwrap()]);
    ran.refused(1, "there is no store in");
    assert!(!dir.exists());
}

#[test]
fn a_data_directory_that_is_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.run(&["pool", "create", "team"]);
    std::fs::set_permissions(place.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    place.run(&["pool", "list"]).refused(1, "chmod 700");
}

#[test]
fn a_store_that_somebody_has_and_nobody_answers_for_is_code_75() {
    let place = Place::new();
    place.run(&["pool", "create", "team"]);
    let held = place.store();
    place.run(&["pool", "list"]).refused(75, "in use by another process");
    place.run(&["pool", "create", "other"]).refused(75, "admin.sock");
    held.close();
    drop(held);
    assert_eq!(place.run(&["pool", "list", "--json"]).json().len(), 1);
}

#[test]
fn a_store_whose_root_key_is_gone_is_refused_and_gets_no_new_one() {
    let place = Place::new();
    place.run(&["pool", "create", "team"]);
    let key = place.dir().join("secrets.key");
    std::fs::remove_file(&key).unwrap();
    place.run(&["pool", "list"]).refused(1, "secrets.key is missing");
    assert!(!key.exists());
}

#[test]
fn a_gateway_that_runs_carries_the_command_out() {
    let place = Place::new();
    let store = place.store();
    let stores = Stores::of(&store);
    let (keyring, _) = Keyring::load_or_create(&place.dir().join("secrets.key"), true).unwrap();
    let backend = Backend::new(BackendParts {
        stores: stores.clone(),
        sealer: keyring.sealer(),
        peppers: keyring.peppers(),
        origin: "https://chatgpt.com".parse().unwrap(),
        issuer: "https://auth.openai.com".parse().unwrap(),
        clock: Arc::new(SystemClock),
        catalog: Arc::new(crate::catalog::ModelCatalog::new(&crate::config::Settings::default())),
        on_change: Arc::new(Nobody),
        backups: None,
    });
    let listener = Listener::bind(&place.dir().join("admin.sock"), &stores).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(listener, Arc::new(backend), async move { drop(stopped.await) })).unwrap();
    });
    assert_eq!(place.run(&["pool", "create", "team", "--json"]).one()["slug"], "team");
    place.run(&["pool", "create", "team"]).refused(1, "conflict: ");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let actor = runtime.block_on(stores.control.changes(1)).unwrap().remove(0).actor;
    assert_eq!(actor, format!("cli uid {}", rustix::process::geteuid().as_raw()));
    stop.send(()).unwrap();
    gateway.join().unwrap();
    place.run(&["pool", "list"]).refused(75, "in use");
}

#[test]
fn the_file_says_where_the_store_is() {
    let place = Place::new();
    let config: PathBuf = place.dir().join("pooler.toml");
    std::fs::write(&config, "[data]\ndir = \"state\"\n").unwrap();
    let args = ["pool", "--config", config.to_str().unwrap(), "create", "team", "--json"];
    assert_eq!(super::ran(&args).one()["slug"], "team");
    assert!(place.dir().join("state/store").is_dir() && place.dir().join("state/secrets.key").is_file());
}
