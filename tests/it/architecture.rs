//! The rules of ARCHITECTURE.md that a compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn filters_know_the_api_and_neither_each_other_nor_pingora() {
    for entry in fs::read_dir(Path::new(ROOT).join("filters")).unwrap() {
        let dir = entry.unwrap().path();
        let manifest: toml::Table = fs::read_to_string(dir.join("Cargo.toml")).unwrap().parse().unwrap();
        let own = manifest["package"]["name"].as_str().unwrap().to_owned();
        for dependency in manifest["dependencies"].as_table().unwrap().keys() {
            let foreign = dependency.starts_with("pooler-filter-") || dependency.starts_with("pingora");
            assert!(!foreign, "{own} depends on {dependency}");
        }
    }
}

#[test]
fn only_the_store_names_its_engine() {
    let (mut files, src) = (Vec::new(), Path::new(ROOT).join("src"));
    rust_files(&src, &mut files);
    let names_it = |path: &PathBuf| fs::read_to_string(path).unwrap().contains("sled::");
    for path in files.iter().filter(|path| names_it(path)) {
        let inside = path.strip_prefix(&src).unwrap();
        assert!(
            inside.starts_with("store/sled") || inside == Path::new("store/sled.rs") || inside == Path::new("store.rs"),
            "{inside:?}"
        );
    }
}

#[test]
fn no_module_is_called_mod_or_utils() {
    let mut files = Vec::new();
    rust_files(&Path::new(ROOT).join("src"), &mut files);
    rust_files(&Path::new(ROOT).join("filters"), &mut files);
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let bad = ["mod", "utils", "util", "common", "helpers", "manager", "types", "misc"].contains(&name.as_str());
        assert!(!bad, "{}", path.display());
    }
}
